//! Addresses, routes and forwarding, complete.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::name::InterfaceName;

/// Addresses, routes and forwarding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Interfaces whose addresses the config names. The others are left as they are.
    pub interfaces: BTreeMap<InterfaceName, InterfaceSpec>,
    /// Whether packets pass between interfaces (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding).
    pub forwarding: bool,
}

/// One interface, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSpec {
    /// Its one IPv4 address.
    pub address: Ipv4Net,
    /// Default route by way of this neighbour.
    pub gateway: Option<Ipv4Addr>,
}
