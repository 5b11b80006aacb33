//! What the owner asked for. The only thing revisions hold.
//!
//! Secrets, accounts and sessions are not here. Every part rejects unknown keys, so a misspelt
//! setting is an error and not a silent default.

mod connection;
mod dns;
mod group;
mod link;
mod mail;
mod network;
mod peer;
mod services;
mod sources;
mod updates;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use connection::{
    ConnectionConfig, ConnectionSecret, ExitSlot, ProxyConfig, ProxyScheme, RelayPort,
    RelayPortError, WayConfig, WireguardExtConfig,
};
pub use dns::{DnsConfig, DnsRecordConfig, RecordData, UpstreamConfig};
pub use group::GroupConfig;
pub use link::{Claims, ClaimsError, LinkConfig};
pub use mail::{
    DeliveryConfig, LoginName, MailAddress, MailConfig, MailTarget, RelayConfig, is_login_password,
};
pub use network::{AddressingConfig, AddressingError, InterfaceConfig, NetworkConfig};
pub use peer::{PeerConfig, ServiceToggle};
pub use services::{
    DataConfig, FailedUpdateConfig, FormerConfig, NextConfig, ServiceConfig, ServicesConfig,
    ServicesSettings, SettingValue,
};
pub use sources::{OriginConfig, PublisherKeys, Purpose, SourceConfig};
pub use updates::{
    Authorities, AuthoritiesError, MaintenanceWindow, ReleaseChannel, TimeOfDay, TimeOfDayError,
    UpdateMode, UpdatesConfig,
};

use crate::endpoint::Endpoint;
use crate::name::{
    CellName, DnsLabel, Domain, GroupName, PeerName, ServiceId, TimeZoneName, Username,
};
use crate::subnet;

/// The whole config of a box that is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who the box is.
    pub cell: CellConfig,
    /// Its domain.
    pub domain: DomainConfig,
    /// Addresses of its interfaces.
    pub network: NetworkConfig,
    /// The VPN's own addresses.
    pub vpn: VpnConfig,
    /// What it answers and whom it asks.
    pub dns: DnsConfig,
    /// New versions of the system.
    #[serde(default)]
    pub updates: UpdatesConfig,
    /// Services that were installed.
    #[serde(default)]
    pub services: ServicesConfig,
    /// Groups of people by name.
    #[serde(default)]
    pub groups: BTreeMap<GroupName, GroupConfig>,
    /// Mail.
    #[serde(default)]
    pub mail: MailConfig,
    /// Devices by name. Shared so that a copy of a config with 10,000 peers costs next to nothing.
    #[serde(default)]
    pub peers: BTreeMap<PeerName, Arc<PeerConfig>>,
    /// Ways out to the internet beside the uplink.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<Uuid, Arc<ConnectionConfig>>,
    /// Other cells, each once. They outlast revisions: somebody else has agreed to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Arc<LinkConfig>>,
}

/// Sections of the config for a box that was never set up; setup takes them over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialConfig {
    /// Addresses of its interfaces.
    #[serde(default)]
    pub network: NetworkConfig,
}

/// Who the box is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellConfig {
    /// Its name.
    pub name: CellName,
    /// The time zone pages show times in.
    pub timezone: TimeZoneName,
    /// Where devices outside find it; `null` when nothing was said.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
}

/// How names and certificates are obtained. A closed set: the other modes of B10 are added here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainMode {
    /// Only the box's own DNS and its own CA; no internet needed.
    Lan,
}

/// The cell's domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainConfig {
    /// How names and certificates are obtained.
    pub mode: DomainMode,
    /// The domain itself.
    pub name: Domain,
}

/// The VPN's own addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VpnConfig {
    /// IPv4 network; the box is its first host.
    #[schemars(with = "String")]
    pub subnet: Ipv4Net,
    /// IPv6 ULA /64; the box is `::1`.
    #[schemars(with = "String")]
    pub subnet6: Ipv6Net,
}

impl VpnConfig {
    /// Its networks, IPv4 first.
    pub fn networks(&self) -> [IpNet; 2] {
        [self.subnet.into(), self.subnet6.into()]
    }

    /// The box's IPv4 address on the VPN.
    pub fn address(&self) -> Ipv4Addr {
        subnet::cell_address(self.subnet)
    }

    /// The box's IPv6 address on the VPN.
    pub fn address6(&self) -> std::net::Ipv6Addr {
        subnet::matching_v6(self.subnet6, self.subnet, self.address())
    }
}

impl Config {
    /// Whether somebody may use a service that is installed: everybody, unless it is for groups.
    pub fn may_use(&self, username: &Username, service: &ServiceId) -> bool {
        let service = self.services.installed.get(service);
        let groups = service.and_then(|service| service.groups.as_ref());
        groups.is_none_or(|groups| {
            let mut groups = groups.iter().filter_map(|name| self.groups.get(name));
            groups.any(|group| group.members.contains(username))
        })
    }

    /// The peer that has this DNS label, if any.
    pub fn peer_with_label(&self, label: &DnsLabel) -> Option<&PeerName> {
        self.peers.keys().find(|name| name.label() == *label)
    }

    /// The link to a cell of this name, if any.
    pub fn link(&self, name: &CellName) -> Option<&Arc<LinkConfig>> {
        self.links.iter().find(|link| link.claims.name == *name)
    }

    /// The links that are in use.
    pub fn open_links(&self) -> impl Iterator<Item = &LinkConfig> {
        let links = self.links.iter().map(Arc::as_ref);
        links.filter(|link| !link.paused)
    }

    /// The lowest free address for a device, or `None` when the subnet is full.
    pub fn next_peer_address(&self) -> Option<Ipv4Addr> {
        let taken: std::collections::HashSet<Ipv4Addr> =
            self.peers.values().map(|peer| peer.address).collect();
        subnet::peer_addresses(self.vpn.subnet).find(|address| !taken.contains(address))
    }
}
