//! One way out: how it is, what passes by it, who has it, and what it is like.

use cell_control::connection::{Carries, ConnectionView, ProxyView, WayView, WireguardExtView};
use cell_model::name::PeerName;
use cell_model::status::State;
use maud::{Markup, html};

use super::exit_new::not_encrypted;
use super::exits::{latency, leads_to, open_now, since, state};
use crate::forms::Draft;
use crate::forms::exit::kind_name;
use crate::frame::Frame;
use crate::navigation::{exit_path, peer_path};
use crate::parts::action::{Look, button, link};
use crate::parts::form::form;
use crate::parts::icon::Icon;
use crate::parts::shell::form_page;
use crate::parts::state::labelled;
use crate::parts::text::{Weight, facts, notice, time};

/// The most devices that the page names.
pub(super) const NAMED: usize = 100;

/// The page. `open`: the devices that have it and leave by the uplink now.
pub(crate) fn render(
    frame: &Frame,
    connection: &ConnectionView,
    open: &[PeerName],
    draft: &Draft,
) -> Markup {
    let path = exit_path(connection.id);
    let content = html! {
        (what_is_to_be_known(connection, open))
        (facts(&about(frame, connection)))
        section {
            h2 { "What passes" }
            (facts(&passes(connection.carries)))
            @match &connection.way {
                WayView::Proxy(_) => (notice(Weight::Note, &not_encrypted())),
                WayView::WireguardExt(_) => {},
            }
        }
        section {
            h2 { "Devices that have it" }
            (devices(connection, open))
        }
        (inside(connection))
        @if frame.may_post("/exits/{connection}") {
            section {
                h2 { "Change" }
                (form(frame, draft, &path, "Save"))
            }
            section {
                @if connection.enabled {
                    h2 { "On and off" }
                    p { "Nothing of the devices that have it leaves the box then, but of those that may use the box's own connection meanwhile." }
                    (button(frame, &format!("{path}/off"), "Switch it off", Look::Plain, &[]))
                } @else {
                    h2 { "On and off" }
                    p { "The devices that have it leave by it again, as soon as it leads out." }
                    (button(frame, &format!("{path}/on"), "Switch it on", Look::Plain, &[]))
                }
            }
            section {
                h2 { "Remove" }
                div.buttons { (link(&format!("{path}/remove"), "Remove this way out", Look::Danger)) }
            }
        }
    };
    form_page(frame, draft, &content)
}

fn what_is_to_be_known(connection: &ConnectionView, open: &[PeerName]) -> Markup {
    html! {
        @if !open.is_empty() {
            (notice(Weight::Warning, &html! {
                p {
                    @match open {
                        [one] => { strong { (one) } " leaves" },
                        all => { strong { (all.len()) " devices" } " leave" },
                    }
                    " by the box's own connection now, since this way leads nowhere or is off. That was allowed on the page of the device."
                }
            }))
        }
        @match &connection.way {
            WayView::Proxy(ProxyView { username: Some(username), password_set: false, .. }) => {
                (notice(Weight::Warning, &html! {
                    p { "The box has no password of " strong { (username) } " at this proxy. Enter it below." }
                }))
            },
            WayView::WireguardExt(WireguardExtView { keys_set: false, .. }) => {
                (notice(Weight::Warning, &html! {
                    p { "The box has no keys for this tunnel any more, so it leads nowhere. Ask the provider for a file, and paste it below." }
                }))
            },
            WayView::Proxy(_) | WayView::WireguardExt(_) => {},
        }
    }
}

fn about(frame: &Frame, connection: &ConnectionView) -> Vec<(&'static str, Markup)> {
    let status = &connection.status;
    let mut about = vec![
        (
            "State",
            html! { (state(connection)) " " span.quiet { (since(frame, connection)) } },
        ),
        (
            "Seen last",
            match (status.health, status.latency_ms) {
                (State::Ok, Some(ms)) => html! {
                    "A name server out there answers by it within " (latency(ms)) "."
                },
                _ => html! { (sentence(&status.detail)) },
            },
        ),
        ("Kind", html! { (kind_name(&connection.way)) }),
        ("Leads to", leads_to(&connection.way)),
    ];
    let mut resolvers = &connection.resolvers;
    match &connection.way {
        WayView::Proxy(proxy) => about.push(("Signs in there", login(proxy))),
        WayView::WireguardExt(tunnel) => {
            about.extend(ends(tunnel));
            if resolvers.is_empty() {
                resolvers = &tunnel.dns;
            }
        }
    }
    let resolvers: Vec<String> = resolvers.iter().map(ToString::to_string).collect();
    about.extend([
        (
            "Name servers asked by it",
            html! { @if resolvers.is_empty() { "As usual" } @else { (resolvers.join(", ")) } },
        ),
        ("Added", time(&frame.clock, connection.created_at)),
    ]);
    about
}

fn login(proxy: &ProxyView) -> Markup {
    html! {
        @match &proxy.username {
            None => { "No" },
            Some(username) => {
                "As " (username) ", "
                @if proxy.password_set { "with a password that is kept sealed" } @else { "but the password is missing" }
            },
        }
    }
}

/// Who is at both ends of a tunnel.
fn ends(tunnel: &WireguardExtView) -> [(&'static str, Markup); 3] {
    [
        (
            "Address of the box in it",
            html! {
                span.value { (tunnel.address) }
                @if let Some(address6) = tunnel.address6 { br; span.value { (address6) } }
            },
        ),
        (
            "Public key of the box in it",
            html! { span.value { (tunnel.public_key) } },
        ),
        (
            "Public key of the provider",
            html! { span.value { (tunnel.server_public_key) } },
        ),
    ]
}

/// What somebody meets who leaves by it.
fn passes(carries: Carries) -> [(&'static str, Markup); 4] {
    let so = |passes: bool, otherwise: &str| {
        html! {
            @if passes {
                (labelled("ok", Icon::Tick, "Passes"))
            } @else {
                (labelled("unknown", Icon::Cross, "Turned away at once"))
                @if !otherwise.is_empty() { br; span.quiet { (otherwise) } }
            }
        }
    };
    [
        ("TCP: most programs", so(carries.tcp, "")),
        (
            "UDP: calls, games, QUIC",
            so(carries.udp, "Browsers go on over TCP."),
        ),
        ("IPv6", so(carries.ipv6, "Programs go on over IPv4.")),
        (
            "Names",
            html! { "Are asked by the same way. The name servers of the box's own connection are asked nothing." },
        ),
    ]
}

/// Those first that leave by the uplink now.
fn devices(connection: &ConnectionView, open: &[PeerName]) -> Markup {
    let others = connection.peers.iter().filter(|peer| !open.contains(peer));
    let all = open.iter().chain(others);
    let more = connection.peers.len().saturating_sub(NAMED);
    html! {
        @if connection.peers.is_empty() {
            p { "None. Choose it on the page of a " a href="/peers" { "device" } "." }
        } @else {
            ul {
                @for (at, peer) in all.take(NAMED).enumerate() {
                    li {
                        a href=(peer_path(peer.as_str())) { (peer) }
                        @if at < open.len() { " " (open_now()) " " span.quiet { "by the box's own connection" } }
                    }
                }
                @if more > 0 { li { "and " (more) " more" } }
            }
        }
    }
}

/// Numbers for whoever looks into the box.
fn inside(connection: &ConnectionView) -> Markup {
    let mut numbers = vec![
        (
            "Mark of its packets",
            html! { span.value { (format!("{:#x}", connection.mark)) } },
        ),
        ("Routing table", html! { span.value { (connection.table) } }),
    ];
    if let Some(interface) = &connection.iface {
        numbers.push(("Interface", html! { span.value { (interface) } }));
    }
    if let Some(port) = connection.redirect_port {
        numbers.push((
            "Port that flows are led to",
            html! { span.value { (port) } },
        ));
    }
    numbers.push(("Id", html! { span.value { (connection.id) } }));
    html! {
        details {
            summary { "Details" }
            (facts(&numbers))
        }
    }
}

/// What a program says in passing, as a sentence.
fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let end = if detail.ends_with('.') { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}
