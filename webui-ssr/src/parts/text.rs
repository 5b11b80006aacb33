//! Words, times, amounts and names with their values.

use cell_model::Timestamp;
use maud::{Markup, PreEscaped, html};

use super::icon::{Icon, icon};
use crate::clock::Clock;

/// A time as people say it; the exact one on pointing at it, and for programs.
pub(crate) fn time(clock: &Clock, at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(clock.exact(at)) { (clock.distance(at)) } }
}

/// A time that may not have come.
pub(crate) fn time_or(clock: &Clock, at: Option<Timestamp>, otherwise: &str) -> Markup {
    match at {
        Some(at) => time(clock, at),
        None => html! { (otherwise) },
    }
}

/// An amount of data in units of 1,024.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // One digit after the point is as much as anybody reads.
    let mut tenths = count.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Names with their values.
pub(crate) fn facts(pairs: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in pairs {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Good to know.
    Note,
    /// To look after.
    Warning,
}

/// Something to know.
pub(crate) fn notice(weight: Weight, content: &Markup) -> Markup {
    let (class, picture) = match weight {
        Weight::Note => ("notice", Icon::Info),
        Weight::Warning => ("notice warning", Icon::Warning),
    };
    html! { div class=(class) { (icon(picture)) div { (content) } } }
}

/// Where a list will be once there is something in it, with what to do next.
pub(crate) fn empty(words: &str, next: &Markup) -> Markup {
    html! { div.empty { p { (words) } (next) } }
}

/// A text as a QR code, or why there is none.
pub(crate) fn qr_figure(text: &str, label: &str) -> Markup {
    html! {
        figure.qr {
            @match cell_gate::qr::svg(text, label) {
                // Made by us out of a validated text; it holds no text but the escaped label.
                Ok(svg) => (PreEscaped(svg)),
                Err(_) => p { "The file is too long for a QR code. Use the download." },
            }
            figcaption { (label) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_readable() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (u64::MAX, "1638.3 PiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn values_are_escaped() {
        let markup = facts(&[("Name", html! { ("<b>") })]).into_string();
        assert!(markup.contains("&lt;b&gt;") && !markup.contains("<b>"));
    }
}
