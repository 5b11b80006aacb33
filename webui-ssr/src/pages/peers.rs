//! The devices.

use cell_control::connection::ConnectionView;
use cell_control::view::{Page, PeerView};
use cell_model::Timestamp;
use maud::{Markup, html};

use super::exits::{open_now, way_of};
use crate::frame::Frame;
use crate::navigation::peer_path;
use crate::parts::action::{Look, link};
use crate::parts::icon::Icon;
use crate::parts::list::{pagination, table};
use crate::parts::shell::page;
use crate::parts::state::labelled;
use crate::parts::text::{bytes, empty, time_or};

/// What shook hands within this many seconds is connected: WireGuard does so every two minutes of traffic.
const CONNECTED_S: i64 = 180;
/// The column of the ways out, where there are any.
const WAY_OUT: usize = 2;

/// The page. Where there are ways out, it says which one each device has.
pub(crate) fn render(
    frame: &Frame,
    peers: &Page<PeerView>,
    first: bool,
    connections: &[ConnectionView],
) -> Markup {
    let add = || {
        html! {
            @if frame.may_post("/peers/new") { (link("/peers/new", "Add a device", Look::Main)) }
        }
    };
    let mut columns = vec!["Name", "Connection", "Address", "Traffic"];
    if !connections.is_empty() {
        columns.insert(WAY_OUT, "Way out");
    }
    let rows = peers.items.iter();
    let rows = rows.map(|peer| row(frame, peer, connections));
    let rows: Vec<Vec<Markup>> = rows.collect();
    let content = html! {
        p.lead { "Phones, laptops and whatever else reaches the cell over the VPN." }
        @if rows.is_empty() && first {
            (empty("There is no device yet. Add one, then scan its code with the WireGuard app.", &add()))
        } @else {
            div.buttons { (add()) }
            (table("Devices", &columns, &rows))
            (pagination("/peers", peers.next.as_deref(), first))
        }
    };
    page(frame, &content)
}

fn row(frame: &Frame, peer: &PeerView, connections: &[ConnectionView]) -> Vec<Markup> {
    let mut row = vec![
        html! {
            a href=(peer_path(peer.name.as_str())) { (peer.name) }
            @if let Some(username) = &peer.username { br; span.quiet { "of " (username) } }
            @if peer.open_now { br; (open_now()) }
        },
        html! {
            (connection(frame, peer)) br;
            span.quiet { (time_or(&frame.clock, peer.latest_handshake, "never seen")) }
        },
        html! { (peer.address) br; span.quiet { (peer.label) } },
        traffic(peer.received_bytes, peer.sent_bytes),
    ];
    if !connections.is_empty() {
        let way = html! {
            (way_of(peer, connections))
            @if peer.open_now { br; span.quiet { "for now by the box's own connection" } }
        };
        row.insert(WAY_OUT, way);
    }
    row
}

/// Bytes both ways.
pub(super) fn traffic(received: u64, sent: u64) -> Markup {
    html! {
        span.quiet { "in " } (bytes(received)) br;
        span.quiet { "out " } (bytes(sent))
    }
}

/// Whether what last shook hands then is there.
pub(super) fn is_connected(frame: &Frame, handshake: Option<Timestamp>) -> bool {
    let age = handshake.map(|at| frame.clock.now.as_second() - at.as_second());
    age.is_some_and(|age| age < CONNECTED_S)
}

/// Whether the device is there.
pub(crate) fn connection(frame: &Frame, peer: &PeerView) -> Markup {
    if peer.expired {
        labelled("failed", Icon::Cross, "Expired")
    } else if is_connected(frame, peer.latest_handshake) {
        labelled("ok", Icon::Tick, "Connected")
    } else {
        labelled("unknown", Icon::Clock, "Away")
    }
}
