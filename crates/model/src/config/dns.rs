//! DNS, as asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{DnsLabel, Domain};

/// What the box answers beside its own names, and whom it asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsConfig {
    /// Servers asked for everything else, in this order; the next when one does not answer.
    /// Empty: the servers the uplink was given.
    #[serde(default)]
    pub upstreams: Vec<UpstreamConfig>,
    /// The owner's own records in the cell's domain.
    #[serde(default)]
    pub records: Vec<DnsRecordConfig>,
}

impl DnsConfig {
    /// The most upstream servers that may be named.
    pub const MAX_UPSTREAMS: usize = 8;
    /// The most own records.
    pub const MAX_RECORDS: usize = 1_000;
}

/// A server asked over UDP and TCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its address.
    #[schemars(with = "String")]
    pub address: IpAddr,
    /// Its port.
    #[serde(default = "dns_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
}

impl UpstreamConfig {
    /// Address and port together.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

fn dns_port() -> u16 {
    53
}

/// One record of the owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsRecordConfig {
    /// Its label below the cell's domain.
    pub name: DnsLabel,
    /// Type and value.
    #[serde(flatten)]
    pub data: RecordData,
}

/// Type and value of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "value")]
pub enum RecordData {
    /// An IPv4 address.
    A(#[schemars(with = "String")] Ipv4Addr),
    /// An IPv6 address.
    #[serde(rename = "AAAA")]
    Aaaa(#[schemars(with = "String")] Ipv6Addr),
    /// Another name for a name.
    #[serde(rename = "CNAME")]
    Cname(Domain),
    /// Text, at most 255 bytes.
    #[serde(rename = "TXT")]
    Txt(String),
}

impl RecordData {
    /// The type as DNS writes it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::A(_) => "A",
            Self::Aaaa(_) => "AAAA",
            Self::Cname(_) => "CNAME",
            Self::Txt(_) => "TXT",
        }
    }

    /// The value as DNS writes it.
    pub fn value(&self) -> String {
        match self {
            Self::A(address) => address.to_string(),
            Self::Aaaa(address) => address.to_string(),
            Self::Cname(name) => name.to_string(),
            Self::Txt(text) => text.clone(),
        }
    }

    /// Reads type and value as a person types them. The error is fit to be shown beside the value.
    pub fn parse(type_name: &str, value: &str) -> Result<Self, &'static str> {
        match type_name {
            "A" => value
                .parse()
                .map(Self::A)
                .map_err(|_| "must be an IPv4 address"),
            "AAAA" => value
                .parse()
                .map(Self::Aaaa)
                .map_err(|_| "must be an IPv6 address"),
            "CNAME" => value
                .parse()
                .map(Self::Cname)
                .map_err(|_| "must be a domain name"),
            "TXT" if value.len() > 255 => Err("must have at most 255 bytes"),
            "TXT" => Ok(Self::Txt(value.to_owned())),
            _ => Err("must have one of the types A, AAAA, CNAME and TXT"),
        }
    }
}
