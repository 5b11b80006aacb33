//! Where a box can be reached from outside: a host name or address, and perhaps a port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::Domain;

/// The text is not an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a host name or address, perhaps with a port: home.example.org, 203.0.113.7:51820 or [2001:db8::7]:51820"
)]
pub struct EndpointError;

/// The text is not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a host name or address: proxy.example.org, 203.0.113.7 or 2001:db8::7")]
pub struct HostError;

/// The host part of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name to be looked up.
    Name(Domain),
    /// An address.
    Address(IpAddr),
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        match text.parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => text.parse().map(Self::Name).map_err(|_| HostError),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Host {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Host".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": Domain::MAX,
            "description": "A host name or address."
        })
    }
}

/// A host and perhaps a port; without one the box's WireGuard port is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where.
    pub host: Host,
    /// Which UDP port, when another than the box's own.
    pub port: Option<u16>,
}

impl Endpoint {
    /// The port that boxes have their VPN at where nothing else is said.
    pub const PORT: u16 = 51820;

    /// The endpoint as a client's file has it, with the given port when none is set.
    pub fn with_port(&self, default: u16) -> String {
        let port = self.port.unwrap_or(default);
        match &self.host {
            Host::Name(name) => format!("{name}:{port}"),
            Host::Address(IpAddr::V4(address)) => format!("{address}:{port}"),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        // "::1" is an address, not the host ":" with a port.
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self {
                host: Host::Address(address),
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let valid = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let port = port.parse::<u16>().ok().filter(|&port| valid && port != 0);
                (host, Some(port.ok_or(EndpointError)?))
            }
            None => (text, None),
        };
        let host = match host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(inner) => Host::Address(IpAddr::V6(inner.parse().map_err(|_| EndpointError)?)),
            None => match host.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => Host::Address(IpAddr::V4(address)),
                Ok(IpAddr::V6(_)) => return Err(EndpointError),
                Err(_) => Host::Name(host.parse().map_err(|_| EndpointError)?),
            },
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (_, Some(port)) => f.write_str(&self.with_port(port)),
            (Host::Name(name), None) => name.fmt(f),
            (Host::Address(address), None) => address.fmt(f),
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": 260,
            "description": "A host name or address, perhaps with a port."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_reads_names_addresses_and_ports() {
        for (text, file) in [
            ("home.example.org", "home.example.org:51820"),
            ("home.example.org:4500", "home.example.org:4500"),
            ("203.0.113.7", "203.0.113.7:51820"),
            ("203.0.113.7:1", "203.0.113.7:1"),
            ("2001:db8::7", "[2001:db8::7]:51820"),
            ("[2001:db8::7]:9", "[2001:db8::7]:9"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.with_port(51820), file);
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn host_is_a_name_or_an_address_and_has_no_port() {
        for text in ["proxy.example.org", "203.0.113.7", "2001:db8::7"] {
            assert_eq!(text.parse::<Host>().unwrap().to_string(), text);
        }
        for bad in ["", "a:1", "[2001:db8::7]", "a b", "http://a"] {
            assert_eq!(bad.parse::<Host>(), Err(HostError), "{bad:?}");
        }
    }

    #[test]
    fn endpoint_refuses_the_rest() {
        for bad in [
            "",
            ":",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a b",
            "[::1",
            "2001:db8::7]:9",
            "http://a",
            "a:1:2",
            "a\n",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad:?}");
        }
    }
}
