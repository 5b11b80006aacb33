//! Other cells, linked or on the way there, and invites for them.

use cell_control::link::{LinkInviteView, LinkState, LinkView};
use maud::{Markup, html};

use super::peers::{is_connected, traffic};
use crate::frame::Frame;
use crate::navigation::cell_path;
use crate::parts::action::{Look, button, link};
use crate::parts::icon::Icon;
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::state::labelled;
use crate::parts::text::{empty, time, time_or};

/// The page.
pub(crate) fn render(frame: &Frame, links: &[LinkView], invites: &[LinkInviteView]) -> Markup {
    let add = || {
        html! {
            @if frame.may_post("/cells/invite") {
                (link("/cells/invite", "Invite a cell", Look::Main))
                (link("/cells/new", "Import an invite", Look::Plain))
            }
        }
    };
    let rows: Vec<Vec<Markup>> = links.iter().map(|link| row(frame, link)).collect();
    let content = html! {
        p.lead { "Boxes of friends and family. Each finds the other's names, and uses what the other shares with it; nobody is in between." }
        @if rows.is_empty() {
            (empty("No other cell is linked. Invite one, or import the invite that its owner gave you.", &html! { div.buttons { (add()) } }))
        } @else {
            div.buttons { (add()) }
            (table("Other cells", &["Name", "Link", "Domain", "Traffic"], &rows))
        }
        @if !invites.is_empty() {
            section {
                h2 { "Invites that are out" }
                p { "While one is, this cell listens to others on TCP, with the number of the VPN's port." }
                (table("Invites", &["Made by", "Counts until", "Used by", "Change"], &out(frame, invites)))
            }
        }
    };
    page(frame, &content)
}

fn row(frame: &Frame, link: &LinkView) -> Vec<Markup> {
    vec![
        html! { a href=(cell_path(&link.name)) { (link.name) } },
        html! {
            (state(frame, link)) br;
            span.quiet { (time_or(&frame.clock, link.last_handshake, "never seen")) }
        },
        html! { (link.domain) br; span.quiet { (link.vpn_subnet) } },
        traffic(link.received_bytes, link.sent_bytes),
    ]
}

fn out(frame: &Frame, invites: &[LinkInviteView]) -> Vec<Vec<Markup>> {
    let row = |invite: &LinkInviteView| {
        let id = [("id", invite.id.as_str())];
        vec![
            html! { (invite.created_by) },
            time(&frame.clock, invite.expires_at),
            html! { @match &invite.used_by { Some(name) => (name), None => "Nobody yet" } },
            html! {
                @if frame.may_post("/cells/take-back") {
                    (button(frame, "/cells/take-back", "Take it back", Look::Plain, &id))
                }
            },
        ]
    };
    invites.iter().map(row).collect()
}

/// How far the two are.
pub(super) fn state(frame: &Frame, link: &LinkView) -> Markup {
    let theirs = link.theirs.as_ref();
    match link.state {
        LinkState::AwaitingConfirmation => {
            labelled("pending", Icon::Clock, "A code is to be compared")
        }
        LinkState::Failed => labelled("failed", Icon::Cross, "Not reached yet"),
        LinkState::Linked if link.held.is_some() => {
            labelled("degraded", Icon::Warning, "Linked; a change is held")
        }
        LinkState::Linked if link.paused => labelled("unknown", Icon::Clock, "Paused here"),
        LinkState::Linked if theirs.is_some_and(|theirs| theirs.paused) => {
            labelled("unknown", Icon::Clock, "Paused there")
        }
        LinkState::Linked if is_connected(frame, link.last_handshake) => {
            labelled("ok", Icon::Tick, "Connected")
        }
        LinkState::Linked => labelled("unknown", Icon::Clock, "Away"),
    }
}
