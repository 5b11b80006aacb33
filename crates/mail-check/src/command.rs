//! What is to be looked at, and what was seen.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use cell_model::mail::{DkimSeen, MailFinding, MailRecord};
use cell_model::name::{DnsLabel, Domain};
use serde::{Deserialize, Serialize};

/// How mail should be, and who is asked whether it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// How much is looked at.
    pub scope: Scope,
    /// What is behind the `@`.
    pub domain: Domain,
    /// The server's name.
    pub host: Domain,
    /// The address others reach it at, where that is known.
    pub public_address: Option<Ipv4Addr>,
    /// What public DNS should say.
    pub records: Vec<MailRecord>,
    /// Name servers that know public DNS, in order. Never the box's own, which knows more.
    pub name_servers: Vec<SocketAddr>,
    /// How mail leaves the box.
    pub leaves: Leaves,
    /// Ports of the mail server.
    pub served: Vec<ServedPort>,
    /// The box's own authority (PEM), which its devices trust.
    pub authority: Option<String>,
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Only the records of keys: what the box asks by itself.
    Keys,
    /// Everything.
    Everything,
}

/// How mail leaves the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaves {
    /// Straight to the servers of those it is for.
    Direct {
        /// Domains whose mail servers are greeted, to see whether one can be reached.
        greeted: Vec<Domain>,
        /// Their port: 25.
        port: u16,
        /// Block lists that are asked for the address, by the domain they answer below.
        block_lists: Vec<Domain>,
    },
    /// Through a provider.
    Relay(ProviderSpec),
    /// Not at all.
    ReceiveOnly,
}

/// The provider that brings mail on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSpec {
    /// Its host.
    pub host: Domain,
    /// Its port.
    pub port: u16,
    /// TLS from the first byte on; otherwise STARTTLS.
    pub implicit_tls: bool,
    /// Whether the box signs in there.
    pub signs_in: bool,
    /// Certificates (PEM) that may vouch for it beside the public ones.
    pub authorities: Option<String>,
}

/// A port of the mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedPort {
    /// As others use it.
    pub port: u16,
    /// Where the box itself reaches it.
    pub address: SocketAddr,
    /// Whether the packet filter lets the internet in.
    pub public: bool,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// For a person, in the order in which things are best mended.
    pub findings: Vec<MailFinding>,
    /// What public DNS says about each key. A key whose record nobody could be asked for is not in here.
    pub keys: BTreeMap<DnsLabel, DkimSeen>,
}
