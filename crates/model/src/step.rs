//! What is to be done, in order. A step leaves whoever carries it out no choice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::key::PublicKey;
use crate::name::DnsLabel;
use crate::spec::{
    ContainersSpec, DnsSpec, ExitsSpec, FirewallSpec, LeafSpec, MdnsSpec, NetworkSpec, PeerAccess,
    ProxySpec, WebSpec, WireGuardPeerSpec, WireGuardSpec,
};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Packet filter and NAT.
    Firewall(FirewallStep),
    /// Addresses, routes, forwarding.
    Network(NetworkStep),
    /// The VPN interface.
    WireGuard(WireGuardStep),
    /// The leaf certificate.
    Leaf(LeafSpec),
    /// The name server.
    Dns(DnsStep),
    /// Ways out beside the uplink.
    Exits(Arc<ExitsSpec>),
    /// The admin listener.
    Web(WebSpec),
    /// Being found by name; `None`: not any more.
    Mdns(Option<MdnsSpec>),
    /// Services in containers.
    Containers(Arc<ContainersSpec>),
    /// The reverse proxy; `None`: there is none.
    Proxy(Option<ProxySpec>),
}

/// A change of the packet filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirewallStep {
    /// A whole new generation, in one transaction.
    Replace(Arc<FirewallSpec>),
    /// Devices come, change and go; everything else stays.
    PatchPeers {
        /// As they were: what to take out. Keyed by IPv4 address.
        remove: BTreeMap<Ipv4Addr, PeerAccess>,
        /// As they shall be.
        add: BTreeMap<Ipv4Addr, PeerAccess>,
    },
}

/// A change of addresses, routes or forwarding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkStep {
    /// All of it as it shall be; what is so already is left alone.
    pub spec: NetworkSpec,
}

/// A change of the VPN interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireGuardStep {
    /// Make the interface, or bring an existing one to exactly this.
    Ensure(Arc<WireGuardSpec>),
    /// Devices come, change and go; sessions of the others stay.
    PatchPeers {
        /// Keys to forget.
        remove: BTreeSet<PublicKey>,
        /// Peers as they shall be, new or changed.
        set: BTreeMap<PublicKey, Arc<WireGuardPeerSpec>>,
    },
    /// Take the interface away.
    Remove,
}

/// A change of the name server. Also what is sent to its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsStep {
    /// All of it, in one swap.
    Replace(Arc<DnsSpec>),
    /// Names come, change and go; everything else stays.
    PatchNames {
        /// The zone's new serial.
        serial: u32,
        /// Labels to forget.
        remove: BTreeSet<DnsLabel>,
        /// Labels as they shall be, new or changed.
        set: BTreeMap<DnsLabel, Arc<BTreeSet<IpAddr>>>,
    },
}
