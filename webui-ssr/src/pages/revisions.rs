//! Earlier settings.

use cell_control::view::{Page, RevisionView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::list::{pagination, table};
use crate::parts::shell::page;
use crate::parts::text::{empty, time};

/// The page.
pub(crate) fn render(frame: &Frame, revisions: &Page<RevisionView>, first: bool) -> Markup {
    let rows: Vec<Vec<Markup>> = revisions
        .items
        .iter()
        .map(|revision| {
            vec![
                html! { a href={ "/revisions/" (revision.number) } { (revision.number) } },
                html! { (revision.summary) },
                html! { (revision.actor) },
                time(&frame.clock, revision.time),
            ]
        })
        .collect();
    let content = html! {
        p.lead { "Every change of the settings. Any of them can be brought back." }
        @if rows.is_empty() {
            (empty("There is nothing here.", &html! { a href="/revisions" { "Back to the newest" } }))
        } @else {
            (table("Revisions", &["Number", "What", "Who", "When"], &rows))
            (pagination("/revisions", revisions.next.as_deref(), first))
        }
    };
    page(frame, &content)
}
