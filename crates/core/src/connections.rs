//! Ways out beside the uplink, as shown.

use std::sync::Arc;

use cell_control::connection::{
    Carries, ConnectionStatus, ConnectionView, ProxyView, WayView, WireguardExtView,
};
use cell_model::config::{Config, ConnectionConfig, PeerConfig, WayConfig};
use cell_model::problem::Problem;
use cell_model::spec::WayOut;
use cell_model::status::{ExitStatus, State};
use uuid::Uuid;

use crate::Core;
use crate::edit::connection::unknown;

impl Core {
    /// All of them, by name.
    pub(crate) fn connections(&self) -> Result<Vec<ConnectionView>, Problem> {
        let config = self.config()?;
        let all = config.connections.iter();
        let mut views: Vec<ConnectionView> = all
            .map(|(id, connection)| self.connection_view(&config, *id, connection))
            .collect();
        views.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(views)
    }

    /// One of them.
    pub(crate) fn connection(&self, id: Uuid) -> Result<ConnectionView, Problem> {
        let config = self.config()?;
        let connection = config.connections.get(&id).ok_or_else(|| unknown(id))?;
        Ok(self.connection_view(&config, id, connection))
    }

    fn connection_view(
        &self,
        config: &Config,
        id: Uuid,
        connection: &ConnectionConfig,
    ) -> ConnectionView {
        let system = self.system.get();
        let status = system.map(|system| Arc::clone(&system.exits.borrow()));
        let status = status.as_ref().and_then(|status| status.get(&id));
        let peers = config.peers.iter();
        ConnectionView {
            id,
            way: match &connection.way {
                WayConfig::Proxy(proxy) => WayView::Proxy(ProxyView {
                    scheme: proxy.scheme,
                    host: proxy.host.clone(),
                    port: proxy.port,
                    username: proxy.username.clone(),
                    password_set: proxy.username.is_some() && self.has_secrets(id, &connection.way),
                }),
                WayConfig::WireguardExt(tunnel) => WayView::WireguardExt(WireguardExtView {
                    address: tunnel.address,
                    address6: tunnel.address6,
                    public_key: tunnel.public_key,
                    server_public_key: tunnel.server_public_key,
                    endpoint: tunnel.endpoint.clone(),
                    mtu: tunnel.mtu,
                    keepalive: tunnel.keepalive,
                    dns: tunnel.dns.clone(),
                    keys_set: self.has_secrets(id, &connection.way),
                }),
            },
            name: connection.name.clone(),
            enabled: connection.enabled,
            mark: connection.slot.mark(),
            table: connection.slot.table(),
            iface: match connection.way {
                WayConfig::Proxy(_) => None,
                WayConfig::WireguardExt(_) => Some(connection.slot.interface()),
            },
            redirect_port: connection.port.map(|port| port.get()),
            resolvers: connection.resolvers.clone(),
            carries: match &connection.way {
                WayConfig::Proxy(_) => Carries {
                    tcp: true,
                    udp: false,
                    ipv6: false,
                },
                WayConfig::WireguardExt(tunnel) => Carries {
                    tcp: true,
                    udp: true,
                    ipv6: tunnel.address6.is_some(),
                },
            },
            status: health(connection, status),
            peers: peers
                .filter(|(_, peer)| peer.exit_connection_id == Some(id))
                .map(|(name, _)| name.clone())
                .collect(),
            created_at: connection.created_at,
        }
    }

    /// Whether the box has all secrets of a way.
    fn has_secrets(&self, id: Uuid, way: &WayConfig) -> bool {
        let desired = self.desired.borrow();
        let mut secrets = way.secrets().into_iter();
        secrets.all(|secret| desired.keys.connections.contains_key(&(id, secret)))
    }

    /// Whether a device leaves by the uplink because its way leads nowhere.
    pub(crate) fn is_open(&self, peer: &PeerConfig) -> bool {
        if peer.exit_connection_id.is_none() {
            return false;
        }
        let Some(system) = self.system.get() else {
            return false;
        };
        let published = system.published.borrow();
        let firewall = published.spec.iter().map(|spec| &spec.firewall);
        let mut access = firewall.filter_map(|firewall| firewall.peers.get(&peer.address));
        access.any(|access| access.internet == WayOut::Uplink)
    }
}

fn health(connection: &ConnectionConfig, status: Option<&ExitStatus>) -> ConnectionStatus {
    match (connection.enabled, status) {
        (false, _) => ConnectionStatus {
            health: State::Unknown,
            since: None,
            detail: "It is switched off.".to_owned(),
            latency_ms: None,
        },
        (true, None) => ConnectionStatus {
            health: State::Pending,
            since: None,
            detail: "It was not looked at yet.".to_owned(),
            latency_ms: None,
        },
        (true, Some(status)) => ConnectionStatus {
            health: status.state,
            since: Some(status.since),
            detail: status.detail.clone(),
            latency_ms: status.latency.map(|latency| latency.as_secs_f64() * 1000.0),
        },
    }
}
