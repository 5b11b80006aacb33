//! Devices as text.

use cell_control::view::PeerView;
use cell_model::config::ServiceToggle;

use crate::table::{Table, facts};
use crate::text::{bytes, joined, optional, time, yes_no};

/// One line a device.
pub(super) fn table(peers: &[PeerView]) -> String {
    let rows = peers.iter().map(|peer| {
        [
            peer.name.to_string(),
            peer.address.to_string(),
            tunnel(peer).to_owned(),
            optional(peer.latest_handshake.map(time)),
            bytes(peer.received_bytes),
            bytes(peer.sent_bytes),
            joined(remarks(peer)),
        ]
    });
    Table::new([
        "NAME",
        "ADDRESS",
        "TUNNEL",
        "LAST HANDSHAKE",
        "RECEIVED",
        "SENT",
        "REMARKS",
    ])
    .numbers(&["RECEIVED", "SENT"])
    .with_rows(rows)
    .to_string()
}

/// Everything about one device.
pub(super) fn details(peer: &PeerView) -> String {
    facts([
        ("name", peer.name.to_string()),
        ("DNS label", peer.label.to_string()),
        ("person", optional(peer.username.as_ref())),
        ("address", format!("{}, {}", peer.address, peer.address6)),
        ("public key", peer.public_key.to_string()),
        ("pre-shared key", yes_no(peer.preshared_key)),
        ("tunnel", tunnel(peer).to_owned()),
        ("peer to peer", yes_no(peer.peer_to_peer)),
        (
            "services",
            joined(
                peer.services
                    .iter()
                    .map(|service| ServiceToggle::as_str(*service)),
            ),
        ),
        (
            "exit",
            peer.exit_connection_id
                .map_or_else(|| "uplink".to_owned(), |id| id.to_string()),
        ),
        ("fails open", yes_no(peer.failopen == Some(true))),
        ("created", time(peer.created_at)),
        (
            "expires",
            peer.expires_at.map_or_else(|| "never".to_owned(), time),
        ),
        ("last handshake", optional(peer.latest_handshake.map(time))),
        ("seen at", optional(peer.endpoint)),
        ("received", bytes(peer.received_bytes)),
        ("sent", bytes(peer.sent_bytes)),
        ("remarks", joined(remarks(peer))),
    ])
}

fn tunnel(peer: &PeerView) -> &'static str {
    if peer.full_tunnel { "full" } else { "split" }
}

fn remarks(peer: &PeerView) -> Vec<&'static str> {
    let expired = peer.expired.then_some("expired");
    let reinstall = peer.reinstall_needed.then_some("reinstall needed");
    let open = peer.open_now.then_some("leaves by the uplink");
    expired.into_iter().chain(reinstall).chain(open).collect()
}
