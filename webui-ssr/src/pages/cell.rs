//! One other cell: how the link is on both sides, and what is to be done.

use std::collections::BTreeSet;

use cell_control::link::{LinkState, LinkView};
use cell_control::view::AuditPage;
use cell_model::config::ServiceToggle;
use maud::{Markup, html};

use super::audit::records_table;
use super::cells::state;
use crate::forms::Draft;
use crate::forms::peer::service_name;
use crate::frame::Frame;
use crate::navigation::cell_path;
use crate::parts::action::{Look, button, link as leads};
use crate::parts::document::handed_over;
use crate::parts::form::form;
use crate::parts::shell::form_page;
use crate::parts::text::{Weight, bytes, facts, notice, time, time_or};

/// The page.
pub(crate) fn render(frame: &Frame, link: &LinkView, draft: &Draft, history: &AuditPage) -> Markup {
    let path = cell_path(&link.name);
    let may = frame.may_post("/cells/{cell}");
    let content = html! {
        (what_is_to_be_done(frame, link, &path))
        (facts(&details(frame, link)))
        @if link.state == LinkState::Linked {
            @if let Some(theirs) = &link.theirs {
                section {
                    h2 { "What it shares with this cell" }
                    (facts(&[
                        ("Services", words(&theirs.services)),
                        ("A way out to the internet", html! { @if theirs.offers_exit { "Offered" } @else { "Not offered" } }),
                    ]))
                }
            }
            @if may {
                section {
                    h2 { "What this cell shares with it" }
                    (form(frame, draft, &path, "Save"))
                }
                section {
                    h2 { "Pause" }
                    @if link.paused {
                        p { "Nothing passes between the two." }
                        (button(frame, &format!("{path}/resume"), "Let it pass again", Look::Plain, &[]))
                    } @else {
                        p { "Nothing passes between the two for as long as it is paused, in either direction. The link stays." }
                        (button(frame, &format!("{path}/pause"), "Pause the link", Look::Plain, &[]))
                    }
                }
            }
        }
        @if let Some(acceptance) = &link.acceptance {
            section {
                h2 { "If this box cannot reach the other one" }
                p { "Then the other one may reach this. Hand this to its owner, who imports it there; both go on by themselves." }
                (handed_over(&serde_json::to_string(acceptance).unwrap_or_default(), "The acceptance: its text is what the other owner imports", "acceptance.json", &html! {}))
            }
        }
        @if !history.items.is_empty() {
            section {
                h2 { "History" }
                (records_table(frame, history))
                p { a href=(format!("/audit?action=cell&object={}", link.name)) { "All of it, in the audit" } }
            }
        }
        @if may {
            section {
                h2 { "End" }
                div.buttons { (leads(&format!("{path}/remove"), "End the link", Look::Danger)) }
            }
        }
    };
    form_page(frame, draft, &content)
}

fn what_is_to_be_done(frame: &Frame, link: &LinkView, path: &str) -> Markup {
    let may = frame.may_post("/cells/{cell}");
    html! {
        @if let Some(held) = &link.held {
            (notice(Weight::Warning, &html! {
                p { "It wants to be " strong { (held.name) } " with the domain " (held.domain) " and the network " (held.vpn_subnet) " from now on. " (held.detail) }
                @if may && held.acceptable { p { a href={ (path) "/accept" } { "Take that over, though the domain is one of the internet's" } } }
            }))
        }
        @if let Some(code) = &link.code {
            (notice(Weight::Note, &html! {
                p { "Both cells show this code: " strong { (code) } ". Compare it with the other owner, by telephone or in person. If the codes differ, somebody is between you: give the link up." }
                @if may { p { "Who has made the invite then confirms it: " a href={ (path) "/confirm" } { "enter the code" } "." } }
            }))
        }
        @if let Some(detail) = &link.detail { (notice(Weight::Warning, &html! { p { (detail) } })) }
    }
}

fn details(frame: &Frame, link: &LinkView) -> Vec<(&'static str, Markup)> {
    let clock = &frame.clock;
    let endpoints: Vec<String> = link.endpoints.iter().map(ToString::to_string).collect();
    let mut details = vec![
        ("Link", state(frame, link)),
        ("Domain", html! { (link.domain) }),
        (
            "Network",
            html! { (link.vpn_subnet) br; (link.vpn_subnet6) },
        ),
        (
            "Reached at",
            html! { @if endpoints.is_empty() { "Nowhere: it calls" } @else { (endpoints.join(", ")) } },
        ),
    ];
    if link.state == LinkState::Linked {
        details.extend([
            ("Last handshake", time_or(clock, link.last_handshake, "never since the VPN came up")),
            ("Last contact of the boxes", time_or(clock, link.last_contact, "never since the start")),
            (
                "Latency",
                html! { @match link.latency_ms { Some(ms) => { (ms) " ms" }, None => "Not known" } },
            ),
            ("Traffic", html! { (bytes(link.received_bytes)) " in, " (bytes(link.sent_bytes)) " out" }),
            ("Knows what changed here", html! { @if link.told { "Yes" } @else { "Not yet" } }),
        ]);
    }
    details.extend([
        ("Identity", html! { span.value { (link.identity) } }),
        ("Since", time(clock, link.created_at)),
    ]);
    details
}

fn words(services: &BTreeSet<ServiceToggle>) -> Markup {
    html! {
        @for service in services { (service_name(*service)) br; }
        @if services.is_empty() { "None" }
    }
}
