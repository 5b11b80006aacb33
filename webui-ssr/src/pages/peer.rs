//! One device: what it is, and its access.

use cell_control::connection::ConnectionView;
use cell_control::view::PeerView;
use maud::{Markup, html};

use super::exits::{open_now, way_of};
use super::peers::connection;
use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::peer_path;
use crate::parts::action::{Look, button, link};
use crate::parts::form::form;
use crate::parts::shell::form_page;
use crate::parts::text::{Weight, bytes, facts, notice, time, time_or};

/// The page. `connections`: the ways out there are.
pub(crate) fn render(
    frame: &Frame,
    peer: &PeerView,
    connections: &[ConnectionView],
    draft: &Draft,
) -> Markup {
    let path = peer_path(peer.name.as_str());
    let mut about = details(frame, peer);
    let way = html! {
        (way_of(peer, connections))
        @if peer.open_now { br; (open_now()) " " span.quiet { "by the box's own connection" } }
    };
    about.insert(1, ("Way out", way));
    let content = html! {
        @if peer.open_now {
            (notice(Weight::Warning, &html! {
                p { "It leaves by the box's own connection now, since its way out leads nowhere or is off. That is allowed to it under Access." }
            }))
        }
        @if peer.reinstall_needed {
            (notice(Weight::Warning, &html! {
                p { "The device needs its file anew: what is in it has changed since it was last fetched." }
            }))
        }
        (facts(&about))
        @if frame.may_post("/peers/{name}") {
            section {
                h2 { "Its file" }
                p { "The file for its WireGuard app is shown without the private key: the box does not keep that. A new key makes a whole file again." }
                div.buttons {
                    (button(frame, &format!("{path}/file"), "Show the file without its key", Look::Plain, &[]))
                    (link(&format!("{path}/key"), "Make a new key", Look::Plain))
                }
            }
            section {
                h2 { "Access" }
                (form(frame, draft, &path, "Save"))
            }
            section {
                h2 { "Remove" }
                div.buttons { (link(&format!("{path}/remove"), "Remove this device", Look::Danger)) }
            }
        }
    };
    form_page(frame, draft, &content)
}

/// All there is to know about it.
pub(super) fn details(frame: &Frame, peer: &PeerView) -> Vec<(&'static str, Markup)> {
    let clock = &frame.clock;
    let services: Vec<&str> = peer
        .services
        .iter()
        .map(|service| service.as_str())
        .collect();
    vec![
        (
            "Connection",
            html! {
                (connection(frame, peer)) " "
                span.quiet { "last heard from: " (time_or(clock, peer.latest_handshake, "never since the VPN came up")) }
            },
        ),
        (
            "Whose it is",
            html! {
                @match &peer.username { Some(username) => (username), None => "The household's" }
            },
        ),
        ("Addresses", html! { (peer.address) br; (peer.address6) }),
        ("Name in the cell", html! { (peer.label) }),
        (
            "Tunnel",
            html! {
                @if peer.full_tunnel { "All of its traffic" } @else { "Only traffic for the cell" }
            },
        ),
        (
            "Services",
            html! {
                @if services.is_empty() { "None" } @else { (services.join(", ")) }
            },
        ),
        (
            "Heard from at",
            match peer.endpoint {
                Some(endpoint) => html! { (endpoint) },
                None => html! { "Nowhere yet" },
            },
        ),
        (
            "Traffic",
            html! { (bytes(peer.received_bytes)) " in, " (bytes(peer.sent_bytes)) " out" },
        ),
        (
            "Public key",
            html! {
                span.value { (peer.public_key) } @if peer.preshared_key { br; "with a pre-shared key" }
            },
        ),
        ("Added", time(clock, peer.created_at)),
        ("Access ends", time_or(clock, peer.expires_at, "Never")),
    ]
}
