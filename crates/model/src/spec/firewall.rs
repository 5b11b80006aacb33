//! Packet filter and NAT, complete.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::config::{ExitSlot, RelayPort, ServiceToggle};
use crate::name::InterfaceName;
use crate::spec::{FlowSpec, PortSpec};

/// How far the box is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Forwarding and WAN input are dropped; admin page, DNS, DHCP and SSH from LAN and VPN and established flows stay.
    Closed,
    /// What the config allows is allowed.
    Open,
}

/// One generation of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallSpec {
    /// How far the box is open.
    pub phase: Phase,
    /// The uplink.
    pub wan: InterfaceName,
    /// The home side; `None` on a one-armed box.
    pub lan: Option<InterfaceName>,
    /// The VPN's interface and networks; `None` before setup.
    pub vpn: Option<FirewallVpn>,
    /// Private on-link networks of the home side: of `lan`, or of `wan` on a one-armed box.
    /// Sources that may use admin page and DNS.
    pub local_sources: BTreeSet<IpNet>,
    /// TCP ports of the admin page.
    pub admin_ports: BTreeSet<u16>,
    /// Where HTTPS on its usual port leads, of those that are above; `None` when something else answers there.
    pub https: Option<u16>,
    /// UDP and TCP port of DNS.
    pub dns_port: u16,
    /// What each device may do, by its IPv4 address.
    pub peers: BTreeMap<Ipv4Addr, PeerAccess>,
    /// Where each kind of service listens; empty while none is installed.
    pub services: BTreeSet<ServiceAddress>,
    /// Services in containers.
    pub containers: FirewallContainers,
    /// Other cells that packets are exchanged with.
    #[serde(default)]
    pub links: Vec<FirewallLink>,
    /// Ways out beside the uplink that devices may have been given.
    #[serde(default)]
    pub exits: Vec<FirewallExit>,
}

/// A way out, as the packet filter sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallExit {
    /// What packets of those are marked with that go this way.
    pub slot: ExitSlot,
    /// How they leave. `None`: not at all.
    pub by: Option<LeavesBy>,
}

/// How packets leave that go another way than by the uplink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeavesBy {
    /// TCP over IPv4 is led to this port, at the box's address on the VPN; nothing else leaves.
    Port(RelayPort),
    /// By an interface, bearing the box's address there.
    Interface {
        /// Its name.
        interface: InterfaceName,
        /// Whether IPv6 leaves by it.
        ipv6: bool,
    },
}

impl FirewallExit {
    /// The port that flows are led to.
    pub fn port(&self) -> Option<RelayPort> {
        match &self.by {
            Some(LeavesBy::Port(port)) => Some(*port),
            _ => None,
        }
    }

    /// The interface that packets leave by.
    pub fn interface(&self) -> Option<&InterfaceName> {
        match &self.by {
            Some(LeavesBy::Interface { interface, .. }) => Some(interface),
            _ => None,
        }
    }
}

/// Another cell, as the packet filter sees it. Its people ask the box for names; all that is not here is closed to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallLink {
    /// IPv4 network of its VPN: where its people are, its box among them.
    pub subnet: Ipv4Net,
    /// IPv6 network of its VPN.
    pub subnet6: Ipv6Net,
    /// Ports of the box that lead to a container, for its people.
    pub ports: BTreeSet<PortSpec>,
}

/// Services in containers, as the packet filter sees them. Everything that is not here is closed to them, the box too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallContainers {
    /// The networks of services, by the box's side of them.
    pub networks: BTreeMap<InterfaceName, Ipv4Net>,
    /// Connections between them.
    pub flows: BTreeSet<FlowSpec>,
    /// Who may reach the internet.
    pub internet: BTreeSet<Ipv4Addr>,
    /// The box's address that those ask for names.
    pub resolver: Option<Ipv4Addr>,
    /// Ports of the box that lead to a container, for home and devices.
    pub ports: BTreeSet<PortSpec>,
    /// Those of them that are for the internet too.
    pub public: BTreeSet<PortSpec>,
}

/// The VPN as the packet filter sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallVpn {
    /// Its interface.
    pub interface: InterfaceName,
    /// IPv4 network.
    pub subnet: Ipv4Net,
    /// IPv6 network.
    pub subnet6: Ipv6Net,
    /// UDP port that answers on every side.
    pub listen_port: u16,
    /// Whether TCP of the same number is open beside the VPN: another cell may come with an invite.
    #[serde(default)]
    pub pairing: bool,
    /// Where linked cells speak with this one inside the VPN, on TCP of the same number; `None` without any.
    #[serde(default)]
    pub sync: Option<FirewallSync>,
}

/// How cells tell each other what has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallSync {
    /// This cell's address for that.
    pub own: Ipv6Addr,
    /// Those of the others.
    pub cells: BTreeSet<Ipv6Addr>,
}

/// What one device may do beyond DNS and the admin page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAccess {
    /// Its IPv6 address.
    pub address6: Ipv6Addr,
    /// How it leaves.
    pub internet: WayOut,
    /// It may talk to other devices that may.
    pub peer_to_peer: bool,
    /// Kinds of service it may use.
    pub services: BTreeSet<ServiceToggle>,
}

/// How a device gets to the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    /// Not at all.
    None,
    /// By the uplink.
    Uplink,
    /// By a way of its own, or not at all while that is not there.
    Exit(ExitSlot),
}

/// Where a kind of service listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceAddress {
    /// Which toggle opens it.
    pub toggle: ServiceToggle,
    /// Where.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
}
