//! Ways out to the internet beside the uplink, complete.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::{LoginName, ProxyScheme};
use crate::endpoint::Host;
use crate::name::{Domain, InterfaceName};
use crate::secret::{Secret, exposed};
use crate::spec::TunnelsSpec;

/// All of them. Serialises with passwords: between processes of the box only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitsSpec {
    /// Tunnels that lead out. Whoever asks for names by them has no use for their keys.
    #[serde(skip)]
    pub tunnels: TunnelsSpec,
    /// Those that a program of the box carries flows by, or asks for names by, by id.
    pub relays: BTreeMap<Uuid, Arc<ExitRelaySpec>>,
    /// Whom names of proxies and of other ends of tunnels are asked of.
    pub name_servers: Vec<SocketAddr>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRelaySpec {
    /// Where the packet filter leads the flows to. Whoever calls there by himself is refused. `None`: the kernel carries the
    /// packets, and only the box itself has something to carry.
    pub listen: Option<SocketAddr>,
    /// Where the box's own name server asks, which is led to one of `resolvers`.
    pub names: SocketAddr,
    /// Name servers out there, in order.
    pub resolvers: Vec<SocketAddr>,
    /// How it leads out.
    pub way: WaySpec,
}

/// How it leads out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaySpec {
    /// By way of a proxy.
    Proxy(ProxyWaySpec),
    /// By an interface.
    Interface(InterfaceWaySpec),
}

/// An interface that leads out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceWaySpec {
    /// Its name.
    pub interface: InterfaceName,
    /// What its other end is called, where that has a name.
    pub endpoint: Option<Domain>,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyWaySpec {
    /// What it speaks.
    pub scheme: ProxyScheme,
    /// Its host.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Who the box is there.
    pub login: Option<LoginSpec>,
}

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginSpec {
    /// The name.
    pub username: LoginName,
    /// The password.
    #[serde(serialize_with = "exposed")]
    pub password: Secret<String>,
}
