//! What the reverse proxy answers. Its certificate comes from the vault and is handed over apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::services::AnswersSpec;
use crate::container::ContainerPath;
use crate::name::{CellName, Domain, ServiceId};

/// All that is answered over HTTP and HTTPS. Other names are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxySpec {
    /// What people are told whose password is asked for.
    pub cell: CellName,
    /// Where it listens for HTTP, which only leads to HTTPS.
    pub http_port: u16,
    /// Where it listens for HTTPS, over TCP and UDP.
    pub https_port: u16,
    /// The port that clients use for HTTPS; another one where packets are redirected on their way.
    pub outside_https_port: u16,
    /// The socket it is controlled by, as it sees it: the one it was started with.
    pub control: ContainerPath,
    /// The socket where it asks whose a request is, as it sees it.
    pub ask: ContainerPath,
    /// Where people at home and devices are. Whoever is elsewhere is answered by public hosts alone.
    pub sources: BTreeSet<IpNet>,
    /// Hosts of services; no name is in two of them.
    pub hosts: Vec<ProxyHostSpec>,
    /// The admin page; `None` to leave it out.
    pub admin: Option<AdminRouteSpec>,
}

/// A host of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyHostSpec {
    /// Whose it is.
    pub service: ServiceId,
    /// Its names in DNS.
    pub names: BTreeSet<Domain>,
    /// What is there.
    pub answers: AnswersSpec,
    /// The largest body of a request, in MiB.
    pub max_body_mib: u32,
    /// What is below `/.well-known/`, and where that leads.
    pub well_known: BTreeMap<String, String>,
    /// The header that says who asks; `None` for everyone alike.
    pub account_header: Option<String>,
    /// Whether the internet reaches it.
    pub public: bool,
    /// Devices that may not use it, by the addresses that their keys prove.
    pub refused: BTreeSet<Ipv4Addr>,
    /// Networks of other cells whose people may use it, as those at home do.
    #[serde(default)]
    pub guests: BTreeSet<IpNet>,
}

/// The admin page under its names, for people at home and devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminRouteSpec {
    /// Its names in DNS, all of them in the certificate that it shows.
    pub names: BTreeSet<Domain>,
    /// The socket where it answers, as the proxy sees it. Nobody else can open it: what the proxy says there of a client
    /// is believed.
    pub socket: ContainerPath,
    /// A time since boot before this was put together: a connection that is served by it is younger. With another one,
    /// connections of before end.
    pub opened_after: Duration,
}
