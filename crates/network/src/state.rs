//! What the plan compares with the spec: the parts of the network that a spec can speak of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use cell_model::name::InterfaceName;
use cell_model::spec::DhcpSpec;
use ipnet::Ipv4Net;

/// The network as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkState {
    /// Interfaces that exist.
    pub interfaces: BTreeMap<InterfaceName, InterfaceState>,
    /// IPv4 default routes of the main table, the preferred one first.
    pub default_routes: BTreeSet<DefaultRoute>,
    /// Whether packets pass between interfaces.
    pub forwarding: ForwardingState,
    /// DHCP clients at work, by the interface they ask on.
    pub clients: BTreeMap<InterfaceName, DhcpSpec>,
}

/// One interface as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceState {
    /// Administratively up.
    pub up: bool,
    /// Its IPv4 addresses.
    pub addresses: BTreeSet<Ipv4Net>,
}

/// An IPv4 default route. Ordered by preference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DefaultRoute {
    /// Lower is preferred.
    pub metric: u32,
    /// The interface packets leave by.
    pub interface: InterfaceName,
    /// Next hop; none when everything is taken for on the wire.
    pub gateway: Option<Ipv4Addr>,
}

/// Whether packets pass between interfaces, and what hangs on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardingState {
    /// `net.ipv4.ip_forward`.
    pub ipv4: bool,
    /// `net.ipv6.conf.all.forwarding`; none when the kernel is without IPv6.
    pub ipv6: Option<bool>,
    /// The uplink, if it listens to router advertisements only as long as nothing is forwarded
    /// (`net.ipv6.conf.<uplink>.accept_ra` is 1; Documentation/networking/ip-sysctl.rst).
    pub host_only_uplink: Option<InterfaceName>,
}
