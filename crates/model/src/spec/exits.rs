//! Ways out to the internet that a program of the box carries flows by, complete.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::{LoginName, ProxyScheme};
use crate::endpoint::Host;
use crate::secret::{Secret, exposed};

/// All of them, by id. Serialises with passwords: between processes of the box only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitsSpec {
    /// Those ways.
    pub relays: BTreeMap<Uuid, Arc<ExitRelaySpec>>,
    /// Whom names of proxies are asked of.
    pub name_servers: Vec<SocketAddr>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRelaySpec {
    /// Where the packet filter leads the flows to. Whoever calls there by himself is refused.
    pub listen: SocketAddr,
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
