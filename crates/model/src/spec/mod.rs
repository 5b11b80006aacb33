//! What follows from the config for each part. A spec is complete: whoever carries it out decides nothing.

mod certificate;
mod containers;
mod dns;
mod exits;
mod firewall;
mod mdns;
mod network;
mod proxy;
mod record;
mod services;
mod web;
mod wireguard;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::ServiceId;

pub use certificate::LeafSpec;
pub use containers::{
    ContainerSpec, ContainersSpec, HealthSpec, MailSpec, MountSpec, NextSpec, OriginSpec,
    PersonCommandSpec, ProbeSpec, RelaySpec, ServiceSpec, VolumeSpec,
};
pub use dns::{DnsSpec, ForwardSpec, NamesWay, OwnAddresses, ZoneSpec};
pub use exits::{ExitRelaySpec, ExitsSpec, InterfaceWaySpec, LoginSpec, ProxyWaySpec, WaySpec};
pub use firewall::{
    FirewallContainers, FirewallExit, FirewallLink, FirewallSpec, FirewallSync, FirewallVpn,
    LeavesBy, PeerAccess, Phase, ServiceAddress, WayOut,
};
pub use mdns::MdnsSpec;
pub use network::{DhcpSpec, InterfaceSpec, NetworkSpec};
pub use proxy::{AdminRouteSpec, ProxyHostSpec, ProxySpec};
pub use record::{ZoneData, ZoneRecord};
pub use services::{
    AnswersSpec, DocumentSpec, FlowSpec, HTTP_PORT, HTTPS_PORT, PortSpec, RouteSpec,
};
pub use web::{PairingSpec, WebSpec};
pub use wireguard::{TunnelsSpec, WireGuardPeerSpec, WireGuardSpec};

/// The whole box, as it shall be. The large parts are shared, not copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxSpec {
    /// Packet filter and NAT.
    pub firewall: Arc<FirewallSpec>,
    /// Addresses, routes, forwarding.
    pub network: NetworkSpec,
    /// The VPN; `None` before setup.
    pub wireguard: Option<Arc<WireGuardSpec>>,
    /// The name server.
    pub dns: Arc<DnsSpec>,
    /// Ways out beside the uplink.
    pub exits: Arc<ExitsSpec>,
    /// The leaf certificate.
    pub leaf: LeafSpec,
    /// The admin listener.
    pub web: WebSpec,
    /// What makes the box be found by name; `None` while there is nobody to find it.
    pub mdns: Option<MdnsSpec>,
    /// What runs in containers.
    pub containers: Arc<ContainersSpec>,
    /// What the reverse proxy answers; `None` while nothing is behind it.
    pub proxy: Option<ProxySpec>,
    /// Services that cannot be run as they are, and why, in words.
    pub unfit_services: BTreeMap<ServiceId, String>,
}
