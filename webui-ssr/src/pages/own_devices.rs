//! One's own devices.

use cell_control::view::PeerView;
use maud::{Markup, html};

use super::peers::connection;
use crate::frame::Frame;
use crate::navigation::own_peer_path;
use crate::parts::action::{Look, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::{empty, time_or};

/// The page.
pub(crate) fn render(frame: &Frame, peers: &[PeerView]) -> Markup {
    let add = html! {
        div.buttons { (link("/account/devices/new", "Add a device", Look::Main)) }
    };
    let rows: Vec<Vec<Markup>> = peers.iter().map(|peer| row(frame, peer)).collect();
    let content = html! {
        p.lead { "Phones and computers of yours that reach the box from anywhere, over the VPN." }
        @if rows.is_empty() {
            (empty("You have no device yet. Add one, then scan its code with the WireGuard app.", &add))
        } @else {
            (add)
            (table("My devices", &["Name", "Connection", "Way out"], &rows))
        }
    };
    page(frame, &content)
}

fn row(frame: &Frame, peer: &PeerView) -> Vec<Markup> {
    vec![
        html! { a href=(own_peer_path(peer.name.as_str())) { (peer.name) } },
        html! {
            (connection(frame, peer)) br;
            span.quiet { (time_or(&frame.clock, peer.latest_handshake, "never seen")) }
        },
        html! { (way_out(peer)) },
    ]
}

/// How what the device sends leaves for the internet.
pub(super) fn way_out(peer: &PeerView) -> &'static str {
    match (peer.full_tunnel, peer.exit_connection_id) {
        (false, _) => "Its own: only traffic for the cell goes through the tunnel",
        (true, None) => "The box's own connection",
        (true, Some(_)) if peer.open_now => {
            "The box's own connection, for now: its way out leads nowhere"
        }
        (true, Some(_)) => "A way out of its own",
    }
}
