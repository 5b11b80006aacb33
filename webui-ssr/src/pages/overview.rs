//! How everything is: what was asked for beside what is so.

use cell_control::change::Pending;
use cell_control::view::StatusView;
use cell_model::status::{Part, State};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::icon::Icon;
use crate::parts::list::table;
use crate::parts::shell::live_page;
use crate::parts::state::{badge, labelled, part_name};
use crate::parts::text::{Weight, facts, notice, time};

use super::services::installed;

/// Where the script gets the live part.
const FRAGMENT: &str = "/fragments/status";

/// The page.
pub(crate) fn render(frame: &Frame, status: &StatusView) -> Markup {
    live_page(
        frame,
        &html! {
            div #live data-live=(FRAGMENT) { (live(frame, status)) }
            p.refresh { a href="/" { "Refresh" } }
        },
    )
}

/// The part of the page that changes by itself.
pub(crate) fn live(frame: &Frame, status: &StatusView) -> Markup {
    html! {
        @if let Some(pending) = &status.pending { (waiting(frame, pending)) }
        div.pair {
            section.card {
                h2 { "Asked for" }
                p.figure { (revision(status.revision)) }
                (facts(&[
                    ("Devices", html! { a href="/peers" { (status.peers) } }),
                    ("History", html! { a href="/revisions" { "Revisions" } }),
                ]))
            }
            section.card {
                h2 { "In force" }
                p.figure {
                    (revision(status.applied_revision)) " " (verdict(status))
                }
                (facts(&[
                    ("Version", html! { (status.version) }),
                    ("Parts", html! { (working(status)) }),
                ]))
            }
        }
        @for text in &status.notices { (notice(Weight::Note, &html! { p { (text) } })) }
        @if !frame.services.is_empty() {
            section {
                h2 { "Services" }
                (installed(frame))
            }
        }
        section {
            h2 { "Parts" }
            (parts_table(frame, status))
        }
    }
}

/// Every part with its state; shared with the page of the parts.
pub(crate) fn parts_table(frame: &Frame, status: &StatusView) -> Markup {
    let rows: Vec<Vec<Markup>> = status
        .items
        .iter()
        .map(|item| {
            let name = match Part::from_word(&item.id) {
                Some(part) => html! { a href={ "/parts/" (part.as_str()) } { (part_name(part)) } },
                None => html! { (item.id) },
            };
            vec![
                name,
                badge(item.state),
                time(&frame.clock, item.since),
                html! { (item.detail) },
            ]
        })
        .collect();
    if rows.is_empty() {
        return html! { p { "The box is starting. Refresh in a moment." } };
    }
    table("Parts", &["Part", "State", "Since", "Detail"], &rows)
}

/// Whether what is in force is what was asked for.
fn verdict(status: &StatusView) -> Markup {
    if status.items.iter().any(|item| item.state == State::Failed) {
        labelled("failed", Icon::Cross, "Not as asked")
    } else if status.revision == status.applied_revision {
        labelled("ok", Icon::Tick, "As asked")
    } else {
        labelled("pending", Icon::Clock, "On its way")
    }
}

fn revision(number: Option<u64>) -> Markup {
    match number {
        Some(number) => html! { "Revision " (number) },
        None => html! { "Nothing yet" },
    }
}

fn working(status: &StatusView) -> String {
    let working = status
        .items
        .iter()
        .filter(|item| item.state == State::Ok)
        .count();
    format!("{working} of {} work", status.items.len())
}

/// A change that returns by itself.
fn waiting(frame: &Frame, pending: &Pending) -> Markup {
    let own = frame
        .identity
        .as_ref()
        .is_some_and(|identity| identity.username == pending.username);
    let text = html! {
        h2 { "A change waits for your word" }
        p {
            "Revision " (pending.revision) " by " (pending.username) " returns by itself in "
            strong { (pending.seconds_left) " seconds" } " unless it is confirmed."
        }
        @if own {
            p { "If you can read this after the change, the box can still be reached. " a href="/" { "Open this page anew" } ", then confirm." }
        } @else {
            p { "Only " (pending.username) " can confirm it." }
        }
        div.buttons {
            @if own && frame.may_post("/confirm") {
                (button(frame, "/confirm", "Keep the change", Look::Main, &[]))
            }
            @if frame.may_post("/revert") {
                (button(frame, "/revert", "Take it back now", Look::Plain, &[]))
            }
            @if !own { (link("/", "Refresh", Look::Plain)) }
        }
    };
    notice(Weight::Warning, &text)
}
