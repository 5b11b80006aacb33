//! Ways out to the internet beside the uplink.

use cell_control::connection::{Carries, ConnectionView, WayView};
use cell_control::view::PeerView;
use cell_model::endpoint::Endpoint;
use cell_model::status::State;
use maud::{Markup, html};

use crate::forms::exit::kind_name;
use crate::frame::Frame;
use crate::navigation::{exit_path, peer_path};
use crate::parts::action::{Look, link};
use crate::parts::icon::Icon;
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::state::labelled;
use crate::parts::text::{empty, time};

/// Where each kind is added.
const NEW: &[(&str, &str)] = &[
    ("/exits/new/wireguard", "Add a WireGuard tunnel"),
    ("/exits/new/proxy", "Add a proxy"),
];
/// The most devices that a line of the list names.
const NAMED: usize = 5;

/// The page.
pub(crate) fn render(frame: &Frame, connections: &[ConnectionView]) -> Markup {
    let add = || {
        html! {
            @for (at, (path, label)) in NEW.iter().enumerate() {
                @if frame.may_post(path) { (link(path, label, if at == 0 { Look::Main } else { Look::Plain })) }
            }
        }
    };
    let rows = connections.iter().map(|connection| row(frame, connection));
    let rows: Vec<Vec<Markup>> = rows.collect();
    let content = html! {
        p.lead { "Ways to the internet beside the box's own connection. A device that is given one leaves by it or not at all." }
        @if rows.is_empty() {
            (empty(
                "There is no way out yet, so everything leaves by the box's own connection. Add a WireGuard tunnel of a provider, or a proxy of your work, then choose it on the page of a device.",
                &html! { div.buttons { (add()) } },
            ))
        } @else {
            div.buttons { (add()) }
            (table("Ways out", &["Name", "State", "Leads by", "Carries", "Devices"], &rows))
            p { "Which way a device leaves by is chosen on the page of the " a href="/peers" { "device" } "." }
        }
    };
    page(frame, &content)
}

fn row(frame: &Frame, connection: &ConnectionView) -> Vec<Markup> {
    vec![
        html! { a href=(exit_path(connection.id)) { (connection.name) } },
        html! {
            (state(connection)) br;
            span.quiet { (since(frame, connection)) }
        },
        html! {
            (kind_name(&connection.way)) br;
            span.value.quiet { (leads_to(&connection.way)) }
        },
        html! { (carries(connection.carries)) },
        devices(connection),
    ]
}

/// Links to some of the devices that have it, and how many more there are.
fn devices(connection: &ConnectionView) -> Markup {
    let more = connection.peers.len().saturating_sub(NAMED);
    html! {
        @for peer in connection.peers.iter().take(NAMED) {
            a href=(peer_path(peer.as_str())) { (peer) } br;
        }
        @if more > 0 { span.quiet { "and " (more) " more" } }
        @if connection.peers.is_empty() { span.quiet { "None" } }
    }
}

/// Whether it leads out.
pub(super) fn state(connection: &ConnectionView) -> Markup {
    match connection.status.health {
        _ if !connection.enabled => labelled("unknown", Icon::Cross, "Switched off"),
        State::Ok => labelled("ok", Icon::Tick, "Leads out"),
        State::Pending => labelled("pending", Icon::Clock, "Being looked at"),
        State::Failed => labelled("failed", Icon::Cross, "Leads nowhere"),
        State::Unknown => labelled("unknown", Icon::Question, "Not known"),
    }
}

/// Since when that is so, and how long an answer takes.
pub(super) fn since(frame: &Frame, connection: &ConnectionView) -> Markup {
    let status = &connection.status;
    html! {
        @if let Some(since) = status.since { "since " (time(&frame.clock, since)) }
        @if let Some(ms) = status.latency_ms { ", " (latency(ms)) }
    }
}

/// Milliseconds as people read them.
pub(super) fn latency(ms: f64) -> String {
    // Kept together on one line.
    format!("{ms:.0}\u{a0}ms")
}

/// Where it leads to first.
pub(super) fn leads_to(way: &WayView) -> Markup {
    match way {
        WayView::Proxy(proxy) => html! { (proxy.host) ", port " (proxy.port) },
        WayView::WireguardExt(tunnel) => {
            let Endpoint { host, port } = &tunnel.endpoint;
            html! { (host) ", port " (port.unwrap_or(Endpoint::PORT)) }
        }
    }
}

/// What passes by it, in a few words.
fn carries(carries: Carries) -> String {
    let all = [
        (carries.tcp, "TCP"),
        (carries.udp, "UDP"),
        (carries.ipv6, "IPv6"),
    ];
    let passes = all.iter().filter(|(passes, _)| *passes);
    let words: Vec<&str> = passes.map(|(_, word)| *word).collect();
    match words[..] {
        [one] => format!("{one} only"),
        _ => words.join(", "),
    }
}

/// The way out of a device, as it shall be.
pub(super) fn way_of(peer: &PeerView, connections: &[ConnectionView]) -> Markup {
    let way = |id| connections.iter().find(|connection| connection.id == id);
    html! {
        @match peer.exit_connection_id {
            _ if !peer.full_tunnel => { "Its own" },
            None => { "The box's own connection" },
            Some(id) => {
                @match way(id) {
                    Some(way) => { a href=(exit_path(id)) { (way.name) } },
                    None => { "A way that is gone" },
                }
            }
        }
    }
}

/// A device leaves by the uplink though it has a way of its own.
pub(super) fn open_now() -> Markup {
    labelled("pending", Icon::Warning, "Open now")
}
