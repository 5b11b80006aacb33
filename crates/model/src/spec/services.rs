//! Who reaches a service, and whom it reaches. All else is closed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use crate::container::Protocol;
use crate::name::{PartName, ServiceId};

/// Of HTTP, where no port is in a URL (RFC 9110, section 4.2.1).
pub const HTTP_PORT: u16 = 80;
/// Of HTTPS, where no port is in a URL (RFC 9110, section 4.2.2).
pub const HTTPS_PORT: u16 = 443;

/// A container may open connections to another one of another service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowSpec {
    /// From whom.
    pub from: Ipv4Addr,
    /// To whom.
    pub to: SocketAddrV4,
}

/// A host of the cell's domain, and who answers behind Caddy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSpec {
    /// Whose it is.
    pub service: ServiceId,
    /// The label.
    pub host: PartName,
    /// What is there.
    pub answers: AnswersSpec,
    /// The largest body of a request, in MiB.
    pub max_body_mib: u32,
    /// What is below `/.well-known/`, and where that leads.
    pub well_known: BTreeMap<String, String>,
    /// The header that says who asks; `None` for everyone alike.
    pub account_header: Option<String>,
}

/// What is behind a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswersSpec {
    /// A container answers.
    Backend(SocketAddrV4),
    /// Nobody may ask yet: it is not known whether an update stays. Clients are told to come again later.
    Later,
    /// These texts, by their paths, whose upper and lower case are the same; and nothing else.
    Documents(BTreeMap<String, DocumentSpec>),
}

impl AnswersSpec {
    /// The container, if one answers.
    pub fn backend(&self) -> Option<SocketAddrV4> {
        match self {
            Self::Backend(backend) => Some(*backend),
            Self::Later | Self::Documents(_) => None,
        }
    }
}

/// A text that Caddy answers to all who may reach its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSpec {
    /// Its media type.
    pub media_type: String,
    /// What is in it.
    pub text: String,
}

/// A port of the box that leads to a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortSpec {
    /// The protocol.
    pub protocol: Protocol,
    /// The port of the box.
    pub port: u16,
    /// Who answers.
    pub backend: SocketAddrV4,
}
