//! A way out.

use cell_model::config::ProxyScheme;
use cell_model::status::State;
use uuid::Uuid;

use super::{NOW, known};
use crate::connection::{Carries, ConnectionStatus, ConnectionView, ProxyView, WayView};

/// A proxy that leads out.
pub(in crate::fake) fn connection() -> ConnectionView {
    ConnectionView {
        id: Uuid::from_u128(0x6f1c_7c9e),
        way: WayView::Proxy(ProxyView {
            scheme: ProxyScheme::Socks5,
            host: known("proxy.example.org"),
            port: 1080,
            username: Some(known("anna")),
            password_set: true,
        }),
        name: known("Work"),
        enabled: true,
        mark: 0x1000,
        table: 1000,
        iface: None,
        redirect_port: Some(9100),
        resolvers: Vec::new(),
        carries: Carries {
            tcp: true,
            udp: false,
            ipv6: false,
        },
        status: ConnectionStatus {
            health: State::Ok,
            since: Some(NOW),
            detail: "leads out, 41 ms".to_owned(),
            latency_ms: Some(41.0),
        },
        peers: vec![known("anna-phone")],
        created_at: NOW,
    }
}
