//! Ways out in every state, and devices that leave by them, by the box's own connection, or by nothing.

use cell_control::connection::ConnectionView;
use cell_control::query::Answer;
use cell_control::view::{Page, PeerView};
use serde_json::{Value, json};

/// The id of the way that leads out.
pub(crate) const WORK: &str = "00000000-0000-0000-0000-00006f1c7c9e";
/// That of one that leads nowhere.
pub(crate) const PROVIDER: &str = "6f1c7c9e-7a0b-4b52-9b0a-0d4a2f6f2f11";
/// That of one that is switched off.
pub(crate) const OFF: &str = "b8a9c2d4-1f52-4f0e-8a55-0c6a1f9e3d77";
/// That of one that was not looked at yet.
pub(crate) const NEW: &str = "d1f0a7b2-90c3-4f4e-b0c2-7a1e5d3c2b10";

/// That of a tunnel.
pub(crate) const TUNNEL: &str = "2b7f1c36-7d60-4f0b-93b3-6c1f0b3c9a11";

/// The devices there are: name, way out, what was chosen for when it leads nowhere, whether that is so now.
const PEERS: [(&str, Option<&str>, Option<bool>, bool); 4] = [
    ("anna-phone", Some(WORK), None, false),
    ("anna-tablet", Some(PROVIDER), Some(true), true),
    ("ben-laptop", Some(PROVIDER), Some(false), false),
    ("printer", None, None, false),
];

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a view")
}

/// A way as the core tells of it.
pub(crate) fn connection(id: &str) -> ConnectionView {
    let config = |scheme: &str, host: &str, port: u16, username: Option<&str>| {
        let password_set = username.is_some();
        json!({ "scheme": scheme, "host": host, "port": port, "username": username,
            "password_set": password_set })
    };
    let status = |health: &str, since: Option<&str>, detail: &str, latency: Option<f64>| json!({ "health": health, "since": since, "detail": detail, "latency_ms": latency });
    let since = Some("2026-11-27T18:00:00Z");
    let socks = |host: &str| config("socks5", host, 1080, None);
    if id == TUNNEL {
        return tunnel();
    }
    let (name, enabled, config, status) = match id {
        WORK => (
            "Work",
            true,
            config("socks5", "proxy.example.org", 1080, Some("anna")),
            status("ok", since, "leads out, 41 ms", Some(41.3)),
        ),
        PROVIDER => (
            "Provider in Iceland",
            true,
            config("http", "198.51.100.77", 3128, Some("hut-7")),
            status(
                "failed",
                since,
                "the proxy does not answer at 198.51.100.77:3128",
                None,
            ),
        ),
        OFF => (
            "Old one",
            false,
            socks("2001:db8::7"),
            status("unknown", None, "It is switched off.", None),
        ),
        _ => (
            "University",
            true,
            socks("socks.example.edu"),
            status("pending", None, "It was not looked at yet.", None),
        ),
    };
    let has_it = |peer: &&(&str, Option<&str>, Option<bool>, bool)| peer.1 == Some(id);
    let peers: Vec<&str> = PEERS.iter().filter(has_it).map(|peer| peer.0).collect();
    read(json!({
        "id": id, "type": "proxy", "config": config, "name": name, "enabled": enabled,
        "mark": 0x1000, "table": 1000, "iface": null, "redirect_port": 9100, "resolvers": ["9.9.9.9"],
        "carries": { "tcp": true, "udp": false, "ipv6": false }, "status": status, "peers": peers,
        "created_at": "2026-11-20T08:00:00Z",
    }))
}

fn tunnel() -> ConnectionView {
    read(json!({
        "id": TUNNEL, "type": "wireguard_ext", "name": "Sweden", "enabled": true,
        "config": {
            "address": "10.2.0.2", "address6": "fd02::2",
            "public_key": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
            "server_public_key": "zo060cy2M+x7cMF4FKXHbs0CloUFDTRHRboFhw5YfVk=",
            "endpoint": "vpn.example.net:51821", "mtu": 1380, "keepalive": 25,
            "dns": ["10.2.0.1"], "keys_set": true,
        },
        "mark": 0x1040, "table": 1004, "iface": "wgext_4", "redirect_port": null, "resolvers": [],
        "carries": { "tcp": true, "udp": true, "ipv6": true },
        "status": { "health": "ok", "since": "2026-11-27T18:00:00Z", "detail": "leads out, 30 ms",
            "latency_ms": 30.2 },
        "peers": [], "created_at": "2026-11-20T08:00:00Z",
    }))
}

/// All ways.
pub(crate) fn connections() -> Answer {
    let items = [OFF, PROVIDER, TUNNEL, NEW, WORK].map(connection);
    Answer::Connections(Page {
        items: items.into(),
        next: None,
    })
}

/// A device as the core tells of it.
pub(crate) fn peer(name: &str) -> PeerView {
    let mut peers = PEERS.iter();
    let at = peers.position(|peer| peer.0 == name).expect("a device");
    let (name, exit, failopen, open_now) = PEERS[at];
    read(json!({
        "name": name, "label": name, "username": null, "address": format!("10.31.7.{}", at + 2),
        "address6": format!("fd31:7::{}", at + 2),
        "public_key": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "preshared_key": false,
        "full_tunnel": true, "peer_to_peer": false, "services": ["mail"],
        "exit_connection_id": exit, "failopen": failopen, "open_now": open_now,
        "created_at": "2026-11-20T08:00:00Z", "expires_at": null, "expired": false,
        "reinstall_needed": false, "latest_handshake": null, "endpoint": null,
        "received_bytes": 1_048_576, "sent_bytes": 2_097_152,
    }))
}

/// All devices.
pub(crate) fn peers() -> Answer {
    let items = PEERS.map(|(name, ..)| peer(name));
    Answer::Peers(Page {
        items: items.into(),
        next: None,
    })
}
