//! Addresses, routes and forwarding, complete.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::name::InterfaceName;

/// Addresses, routes and forwarding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Interfaces whose addresses are known. The others are left as they are.
    pub interfaces: BTreeMap<InterfaceName, InterfaceSpec>,
    /// Interfaces that ask for their address by DHCP. One of them is among `interfaces` once it is known what it has.
    pub dhcp: BTreeMap<InterfaceName, DhcpSpec>,
    /// Whether packets pass between interfaces (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding).
    pub forwarding: bool,
}

/// One interface, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSpec {
    /// Its IPv4 addresses; it has no others.
    pub addresses: BTreeSet<Ipv4Net>,
    /// Default route by way of this neighbour.
    pub gateway: Option<Ipv4Addr>,
}

/// A DHCP client of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpSpec {
    /// Networks the box stands on elsewhere: an offer that overlaps one of them is refused.
    pub avoid: BTreeSet<Ipv4Net>,
}
