//! What the last version on trial said: why it was left, should it have been.

use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::shell::page;
use crate::parts::text::empty;

/// Where all of it is.
const WHOLE: &str = "/api/firmware/trial-log";
/// Bytes shown from its beginning, where init says what was not well.
const HEAD: usize = 8 * 1024;
/// Bytes shown from its end: what the daemon said last. The page shall be light.
const TAIL: usize = 24 * 1024;

/// The page.
pub(crate) fn render(frame: &Frame, log: Option<&str>) -> Markup {
    let content = match log {
        Some(log) => html! {
            p.lead { "What init, kernel and daemon of the version on trial said, the newest at the end of each." }
            div.scroll role="region" aria-label="The log" tabindex="0" { pre.log { (shortened(log)) } }
            div.buttons {
                (link(WHOLE, "All of it as text", Look::Plain))
                (link("/system", "Back", Look::Plain))
            }
        },
        None => empty(
            "No version was on trial yet, or it could not keep its log.",
            &link("/system", "Back", Look::Plain),
        ),
    };
    page(frame, &content)
}

/// The beginning and the end of a long one, in whole lines.
fn shortened(log: &str) -> String {
    if log.len() <= HEAD + TAIL {
        return log.to_owned();
    }
    let whole = |lines: &mut dyn Iterator<Item = &str>, limit: usize| {
        let mut bytes = 0;
        for line in lines {
            if bytes + line.len() > limit {
                break;
            }
            bytes += line.len();
        }
        bytes
    };
    let head = whole(&mut log.split_inclusive('\n'), HEAD);
    let tail = whole(&mut log.split_inclusive('\n').rev(), TAIL);
    format!("{}…\n{}", &log[..head], &log[log.len() - tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_of_a_long_log_are_shown_in_whole_lines() {
        let log: String = (0..20_000)
            .map(|number| format!("line {number} ö\n"))
            .collect();
        let shown = shortened(&log);
        assert!(shown.len() <= HEAD + TAIL + 4);
        assert!(shown.starts_with("line 0 ö\n") && shown.ends_with("line 19999 ö\n"));
        let (head, tail) = shown.split_once("…\n").unwrap();
        assert!(head.ends_with(" ö\n") && tail.starts_with("line "));
        assert_eq!(shortened("short\n"), "short\n");
        assert_eq!(
            shortened(&"x".repeat(50_000)),
            "…\n",
            "one line, and no end of it"
        );
    }
}
