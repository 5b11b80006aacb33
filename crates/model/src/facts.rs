//! What is so without anybody having asked for it: interfaces, addresses, how the daemon was started.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::name::InterfaceName;

/// How the daemon was started. Does not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOptions {
    /// The uplink.
    pub wan: InterfaceName,
    /// The home side; `None`: one-armed.
    pub lan: Option<InterfaceName>,
    /// Admin listener: an address of its own, or only a port when the address is unspecified.
    pub admin: Option<SocketAddr>,
    /// Port of the name server.
    pub dns_port: u16,
    /// Port of the VPN.
    pub wireguard_port: u16,
    /// Whether containers may be run.
    pub containers: bool,
}

impl StartOptions {
    /// Port of the admin page where nothing else is said.
    pub const ADMIN_PORT: u16 = 8443;

    /// The port of the admin page.
    pub fn admin_port(&self) -> u16 {
        self.admin
            .map_or(Self::ADMIN_PORT, |address| address.port())
    }

    /// The interface people at home are behind: `lan`, or the uplink of a one-armed box.
    pub fn home(&self) -> &InterfaceName {
        self.lan.as_ref().unwrap_or(&self.wan)
    }
}

/// What the network looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFacts {
    /// Interfaces that exist, by name.
    pub interfaces: BTreeMap<InterfaceName, InterfaceFacts>,
    /// Next hop of the IPv4 default route.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers the uplink was given.
    pub resolvers: Vec<SocketAddr>,
}

/// What one interface looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceFacts {
    /// Administratively up.
    pub up: bool,
    /// A carrier is there.
    pub carrier: bool,
    /// Its addresses with prefix lengths; link-local IPv6 left out.
    pub addresses: BTreeSet<IpNet>,
}

impl NetworkFacts {
    /// Addresses of an interface; none when it does not exist.
    pub fn addresses(&self, interface: &InterfaceName) -> impl Iterator<Item = IpNet> {
        self.interfaces
            .get(interface)
            .into_iter()
            .flat_map(|facts| facts.addresses.iter().copied())
    }
}

/// Whether an address is of a private network: RFC 1918, RFC 3927 or RFC 4193.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}
