//! Sources of services: what is known of each.

use cell_control::view::{ConfigView, RefreshState, SourceView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::source_path;
use crate::parts::action::{Look, button, link};
use crate::parts::icon::Icon;
use crate::parts::shell::page;
use crate::parts::state::labelled;
use crate::parts::text::{empty, facts, time};

/// The page.
pub(crate) fn render(frame: &Frame, config: &ConfigView, sources: &[SourceView]) -> Markup {
    let add = html! {
        @if frame.may_post("/sources/new") { (link("/sources/new", "Add a source", Look::Plain)) }
    };
    let content = html! {
        p.lead { "Where services come from beside the box's own image: folders on servers of others or on USB sticks, signed by their publishers. The box asks none of them by itself." }
        @if sources.is_empty() {
            (empty("No source is named.", &html! {
                p.quiet { "The services that came with the box need none." }
                (add)
            }))
        } @else {
            @for source in sources { (card(frame, config, source)) }
            div.buttons {
                (look(frame))
                (add)
            }
        }
    };
    page(frame, &content)
}

fn card(frame: &Frame, config: &ConfigView, source: &SourceView) -> Markup {
    let mut pairs = vec![
        ("State", state(frame, source)),
        ("Catalogue", catalogue(frame, source)),
    ];
    let configured = config.services.sources.get(&source.source);
    pairs.extend(configured.map(|configured| {
        let url = html! { span.value { (configured.url) } };
        ("Address", url)
    }));
    html! {
        section {
            h2 { a href=(source_path(&source.source)) { (source.source) } }
            (facts(&pairs))
        }
    }
}

/// A button that has all sources asked.
pub(super) fn look(frame: &Frame) -> Markup {
    html! {
        @if frame.may_post("/sources/refresh") {
            (button(frame, "/sources/refresh", "Look for news now", Look::Main, &[]))
        }
    }
}

/// What came of asking it, and when that was.
pub(super) fn state(frame: &Frame, source: &SourceView) -> Markup {
    let (class, picture, word) = match source.state {
        RefreshState::Ok => ("ok", Icon::Tick, "OK"),
        RefreshState::Failed => ("failed", Icon::Cross, "Failed"),
        RefreshState::Unasked => ("unknown", Icon::Question, "Not asked"),
    };
    html! {
        (labelled(class, picture, word))
        @if let Some(asked) = source.asked { " " span.quiet { "asked " (time(&frame.clock, asked)) } }
        br;
        (source.detail)
    }
}

/// What counts of it.
pub(super) fn catalogue(frame: &Frame, source: &SourceView) -> Markup {
    html! {
        @match (source.version, source.expires) {
            (Some(version), Some(expires)) => {
                "Version " (version) ", with " (services(source.services.unwrap_or_default()))
                br;
                span.quiet { "It ends " (time(&frame.clock, expires)) }
            }
            _ => { "None" }
        }
    }
}

fn services(count: usize) -> String {
    match count {
        1 => "1 service".to_owned(),
        count => format!("{count} services"),
    }
}
