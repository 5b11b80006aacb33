//! Ways out to the internet beside the uplink: what is asked for, and what is shown.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cell_model::Timestamp;
use cell_model::config::{LoginName, ProxyScheme};
use cell_model::endpoint::{Endpoint, Host};
use cell_model::key::PublicKey;
use cell_model::name::{ConnectionName, InterfaceName, PeerName};
use cell_model::secret::{Secret, exposed_option};
use cell_model::status::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// A way out, as it shall be. Serialises with its secrets: between processes of the box only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectionForm {
    /// What it is called; no other is.
    pub name: ConnectionName,
    /// Whoever has it gets out; otherwise they are kept in.
    pub enabled: bool,
    /// How it leads out.
    pub way: WayForm,
    /// Name servers that are asked by this way, in order, at most 4; none: as usual.
    pub resolvers: Vec<IpAddr>,
}

/// How a way leads out, as it shall be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayForm {
    /// By way of a proxy.
    Proxy(ProxyForm),
    /// By a provider's WireGuard tunnel.
    WireguardExt(WireguardExtForm),
}

/// A way out, as somebody writes it: what `config` holds depends on `type`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionBody {
    /// How it leads out. It stays what it is.
    #[serde(rename = "type")]
    pub kind: ConnectionType,
    /// What it is called; no other is.
    pub name: ConnectionName,
    /// Whoever has it gets out; otherwise they are kept in.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What that takes.
    #[schemars(with = "ConfigOfType")]
    pub config: Value,
    /// Name servers that are asked by this way, in order, at most 4; none: the box's own that are of the internet's, else those
    /// of Quad9.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(max = 4))]
    pub resolvers: Vec<IpAddr>,
}

/// How a way leads out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionType {
    /// By way of a proxy: TCP over IPv4 and names; all else is turned away.
    Proxy,
    /// By a provider's WireGuard tunnel: all of IPv4, and IPv6 where the provider carries it.
    WireguardExt,
}

/// What `config` holds, by type.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says what is in the document")]
enum ConfigOfType {
    /// Of `proxy`.
    Proxy(ProxyForm),
    /// Of `wireguard_ext`.
    WireguardExt(WireguardExtForm),
}

/// `config` is not what the type takes. Says nothing of what it holds, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`config` is not what the type {0} takes: see /api/openapi.json")]
pub struct ConfigError(&'static str);

impl fmt::Debug for ConnectionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        let kind = self.kind;
        f.debug_struct("ConnectionBody")
            .field("kind", &kind)
            .field("name", name)
            .finish_non_exhaustive()
    }
}

impl ConnectionBody {
    /// The whole of it, with what was in `config`.
    pub fn with(self, way: WayForm) -> ConnectionForm {
        ConnectionForm {
            name: self.name,
            enabled: self.enabled,
            way,
            resolvers: self.resolvers,
        }
    }

    /// The whole of it.
    ///
    /// # Errors
    /// When `config` is not what the type takes.
    pub fn form(mut self) -> Result<ConnectionForm, ConfigError> {
        let config = self.config.take();
        let way = match self.kind {
            ConnectionType::Proxy => serde_json::from_value(config)
                .map(WayForm::Proxy)
                .map_err(|_| ConfigError("proxy")),
            ConnectionType::WireguardExt => serde_json::from_value(config)
                .map(WayForm::WireguardExt)
                .map_err(|_| ConfigError("wireguard_ext")),
        };
        Ok(self.with(way?))
    }
}

/// A provider's WireGuard tunnel.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireguardExtForm {
    /// The file that the provider gives for it, as wg-quick takes it, at most 16384 bytes. Lines that would run programs are
    /// refused. When not said, the tunnel stays as it is.
    #[serde(
        default,
        serialize_with = "exposed_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>", length(min = 1, max = 16384), extend("writeOnly" = true))]
    pub file: Option<Secret<String>>,
}

/// A proxy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyForm {
    /// What it speaks.
    pub scheme: ProxyScheme,
    /// Its host.
    pub host: Host,
    /// Its port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Who the box is there; `null`: it does not sign in.
    #[serde(default)]
    pub username: Option<LoginName>,
    /// Its password there, 1 to 255 bytes. When not said, the one that the box has stays, for the same user at the same host.
    #[serde(
        default,
        serialize_with = "exposed_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>", length(min = 1, max = 255), extend("writeOnly" = true))]
    pub password: Option<Secret<String>>,
}

/// A way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionView {
    /// By which it is meant.
    #[schemars(with = "String")]
    pub id: Uuid,
    /// How it leads out.
    #[serde(flatten)]
    pub way: WayView,
    /// What it is called.
    pub name: ConnectionName,
    /// Whoever has it gets out.
    pub enabled: bool,
    /// What packets of those who have it are marked with, out of the bits 0x1ff0.
    pub mark: u32,
    /// Its routing table.
    pub table: u32,
    /// The interface that they leave by; `null` where a program of the box carries their flows.
    #[schemars(with = "Option<String>")]
    pub iface: Option<InterfaceName>,
    /// The port where their flows are led to, at the box's address on the VPN; `null` where the kernel carries the packets.
    pub redirect_port: Option<u16>,
    /// Name servers that are asked by this way; none: as usual.
    #[schemars(with = "Vec<String>")]
    pub resolvers: Vec<IpAddr>,
    /// What passes by it. All else is turned away.
    pub carries: Carries,
    /// How it is.
    pub status: ConnectionStatus,
    /// Devices that have it.
    pub peers: Vec<PeerName>,
    /// Since when it exists.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
}

/// How a way leads out, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "config", rename_all = "snake_case")]
pub enum WayView {
    /// By way of a proxy.
    Proxy(ProxyView),
    /// By a provider's WireGuard tunnel, without its keys.
    WireguardExt(WireguardExtView),
}

/// A tunnel of a provider's, without its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WireguardExtView {
    /// The box's IPv4 address in it.
    #[schemars(with = "String")]
    pub address: Ipv4Addr,
    /// Its IPv6 address in it; `null`: IPv6 does not leave by it.
    #[schemars(with = "Option<String>")]
    pub address6: Option<Ipv6Addr>,
    /// The box's public key in it.
    #[schemars(with = "String")]
    pub public_key: PublicKey,
    /// The provider's.
    #[schemars(with = "String")]
    pub server_public_key: PublicKey,
    /// Where the provider's end is.
    #[schemars(with = "String")]
    pub endpoint: Endpoint,
    /// Largest packet inside it, in bytes; `null`: the usual one.
    pub mtu: Option<u16>,
    /// Seconds between packets that keep the path open; `null`: none are sent for that.
    pub keepalive: Option<u16>,
    /// Name servers that the provider offers in it.
    #[schemars(with = "Vec<String>")]
    pub dns: Vec<IpAddr>,
    /// Whether the box has all keys for it.
    pub keys_set: bool,
}

/// A proxy, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyView {
    /// What it speaks.
    pub scheme: ProxyScheme,
    /// Its host.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Who the box is there.
    pub username: Option<LoginName>,
    /// Whether the box has a password for that.
    pub password_set: bool,
}

/// What passes by a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Carries {
    /// TCP over IPv4.
    pub tcp: bool,
    /// UDP over IPv4, QUIC among it; names are asked all the same.
    pub udp: bool,
    /// IPv6.
    pub ipv6: bool,
}

/// How a way is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionStatus {
    /// `ok`: it leads out. `unknown`: it is switched off.
    pub health: State,
    /// Since when.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// What, in a sentence.
    pub detail: String,
    /// Milliseconds until a name server out there answers by this way, the connection included.
    pub latency_ms: Option<f64>,
}

fn yes() -> bool {
    true
}
