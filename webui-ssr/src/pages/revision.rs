//! One revision and what it changed.

use cell_control::view::{DiffEntry, RevisionView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::{facts, time};

/// The page. `changes` is `None` when there is nothing left to compare with.
pub(crate) fn render(
    frame: &Frame,
    revision: &RevisionView,
    changes: Option<&[DiffEntry]>,
) -> Markup {
    let content = html! {
        (facts(&[
            ("What", html! { (revision.summary) }),
            ("Who", html! { (revision.actor) }),
            ("When", time(&frame.clock, revision.time)),
        ]))
        section {
            h2 { "What it changed" }
            @match changes {
                None => p { "The revision before is not kept any more, so there is nothing to compare with." },
                Some([]) => p { "Nothing." },
                Some(changes) => (diff(changes)),
            }
        }
        @if frame.may_post("/revisions/{number}/restore") {
            div.buttons {
                (link(&format!("/revisions/{}/restore", revision.number), "Bring these settings back", Look::Plain))
            }
        }
    };
    page(frame, &content)
}

fn diff(changes: &[DiffEntry]) -> Markup {
    let rows: Vec<Vec<Markup>> = changes
        .iter()
        .map(|entry| {
            vec![
                html! { span.value { (entry.path) } },
                value(entry.before.as_ref()),
                value(entry.after.as_ref()),
            ]
        })
        .collect();
    table("What it changed", &["Setting", "Before", "After"], &rows)
}

fn value<T: ToString>(value: Option<&T>) -> Markup {
    match value {
        Some(value) => html! { code { (value.to_string()) } },
        None => html! { span.quiet { "not there" } },
    }
}
