//! The name server, complete.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::DnsRecordConfig;
use crate::name::{DnsLabel, Domain};
use crate::spec::ZoneRecord;

/// The name server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSpec {
    /// Where it listens, UDP and TCP. Never a wildcard.
    pub listen: BTreeSet<SocketAddr>,
    /// Sources it answers; everybody else is refused.
    pub allow: BTreeSet<IpNet>,
    /// The cell's zone; `None` before setup.
    pub zone: Option<ZoneSpec>,
    /// Servers for everything else, in order.
    pub upstreams: Vec<SocketAddr>,
    /// Who answers for domains of other cells. Nobody else is asked for names there.
    #[serde(default)]
    pub forwards: BTreeMap<Domain, ForwardSpec>,
    /// Domains of other cells that nobody is asked for now.
    #[serde(default)]
    pub withheld: BTreeSet<Domain>,
    /// Sources in other cells. They are told of the zone's apex and of hosts of services, and of nothing else.
    #[serde(default)]
    pub guests: BTreeSet<IpNet>,
    /// Who leaves by a way of their own. Nobody else is asked for them.
    #[serde(default)]
    pub ways: BTreeMap<IpAddr, NamesWay>,
}

/// The way that somebody's questions take who leaves by one of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamesWay {
    /// Which.
    pub id: Uuid,
    /// Where it takes questions, over TCP; `None`: nowhere now.
    pub server: Option<SocketAddr>,
    /// Who is asked out there: others may know another internet.
    pub resolvers: Vec<SocketAddr>,
}

/// Who answers for the domain of another cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardSpec {
    /// Its name server's addresses, in order.
    pub servers: Vec<SocketAddr>,
    /// Its networks: it may name no address elsewhere.
    pub networks: BTreeSet<IpNet>,
}

/// The cell's zone, answered from memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneSpec {
    /// Its apex.
    pub domain: Domain,
    /// Rises with every change (RFC 1982).
    pub serial: u32,
    /// The box's own addresses: apex, `admin` and services.
    pub own: OwnAddresses,
    /// Hosts of services: the box passes on what comes to them, over IPv4.
    #[serde(default)]
    pub services: BTreeSet<DnsLabel>,
    /// Devices by label, with A, AAAA and PTR records.
    pub names: BTreeMap<DnsLabel, Arc<BTreeSet<IpAddr>>>,
    /// The owner's own records.
    pub records: Vec<DnsRecordConfig>,
    /// Records that follow from what runs here, such as those of mail. Those outside the zone are not answered.
    #[serde(default)]
    pub made: Vec<ZoneRecord>,
}

/// The box's own addresses, by where the question comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAddresses {
    /// Told to everybody who does not ask through the VPN.
    pub lan: BTreeSet<IpAddr>,
    /// Told to those who ask through the VPN.
    pub vpn: BTreeSet<IpAddr>,
    /// Sources that ask through the VPN.
    pub vpn_sources: BTreeSet<IpNet>,
}
