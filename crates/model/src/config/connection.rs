//! A way out to the internet other than the uplink, as asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::LoginName;
use crate::endpoint::{Endpoint, Host};
use crate::key::PublicKey;
use crate::name::{ConnectionName, InterfaceName};

/// A way out. Its id is the key it is stored under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionConfig {
    /// What its owner calls it, unique.
    pub name: ConnectionName,
    /// How it leads out.
    pub way: WayConfig,
    /// Which of the marks, and of the routing tables, is its own.
    pub slot: ExitSlot,
    /// Which of the ports is its own where flows are led to; `None` where the kernel carries the packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<RelayPort>,
    /// Who uses it gets out; otherwise they are kept in.
    pub enabled: bool,
    /// The name servers that are asked by this way, in order; empty: the box's own where they are of the internet's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<IpAddr>,
    /// Since when it exists.
    pub created_at: Timestamp,
}

/// How a way leads out. A closed set: what it means for packets is decided for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "type",
    content = "config",
    rename_all = "snake_case",
    deny_unknown_fields
)]
pub enum WayConfig {
    /// By way of a proxy.
    Proxy(ProxyConfig),
    /// By a provider's WireGuard tunnel.
    WireguardExt(WireguardExtConfig),
}

/// A secret of a way out. Each is kept sealed, beside the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnectionSecret {
    /// What the box signs in with.
    Password,
    /// The box's key in a tunnel.
    PrivateKey,
    /// What both ends of a tunnel share besides their keys.
    PresharedKey,
}

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyScheme {
    /// SOCKS5 (RFC 1928).
    Socks5,
    /// HTTP with CONNECT (RFC 9110 section 9.3.6).
    Http,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// What it speaks.
    pub scheme: ProxyScheme,
    /// Its host.
    pub host: Host,
    /// Its port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Who the box is there; `null`: it does not sign in. The password is not config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<LoginName>,
}

/// A tunnel of a provider's: this end of it, and the other. Its keys are not config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireguardExtConfig {
    /// The box's IPv4 address in it.
    #[schemars(with = "String")]
    pub address: Ipv4Addr,
    /// Its IPv6 address in it; `null`: IPv6 does not leave by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub address6: Option<Ipv6Addr>,
    /// The box's public key in it.
    #[schemars(with = "String")]
    pub public_key: PublicKey,
    /// The provider's.
    #[schemars(with = "String")]
    pub server_public_key: PublicKey,
    /// Whether there is a key that both ends share besides.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preshared_key: bool,
    /// Where the provider's end is.
    pub endpoint: Endpoint,
    /// Largest packet inside it, in bytes; `null`: the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Seconds between packets that keep the path open; `null`: none are sent for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<u16>,
    /// Name servers that the provider offers in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub dns: Vec<IpAddr>,
}

/// A mark of packets with the routing table that goes with it: 256 there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExitSlot(u8);

/// A port where flows are led to that a program of the box carries on: 100 there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RelayPort(u16);

/// The port is none of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be from {} to {}", RelayPort::FIRST.0, RelayPort::LAST.0)]
pub struct RelayPortError;

impl ConnectionConfig {
    /// The most name servers that are asked by one way.
    pub const MAX_RESOLVERS: usize = 4;
}

impl WayConfig {
    /// The word in requests and forms.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Proxy(_) => "proxy",
            Self::WireguardExt(_) => "wireguard_ext",
        }
    }

    /// The secrets that it cannot do without.
    pub fn secrets(&self) -> Vec<ConnectionSecret> {
        match self {
            Self::Proxy(proxy) => {
                let login = proxy.username.iter();
                login.map(|_| ConnectionSecret::Password).collect()
            }
            Self::WireguardExt(tunnel) => {
                let shared = tunnel
                    .preshared_key
                    .then_some(ConnectionSecret::PresharedKey);
                [ConnectionSecret::PrivateKey]
                    .into_iter()
                    .chain(shared)
                    .collect()
            }
        }
    }

    /// Whether secrets of the other one may be used for this one: they are for the same at the same place.
    pub fn shares_secrets(&self, other: &Self) -> bool {
        match (self, other) {
            // Another port of a host is the same host.
            (Self::Proxy(one), Self::Proxy(other)) => {
                one.host == other.host && one.username == other.username
            }
            (Self::WireguardExt(one), Self::WireguardExt(other)) => {
                one.public_key == other.public_key
                    && one.server_public_key == other.server_public_key
                    && one.preshared_key == other.preshared_key
            }
            _ => false,
        }
    }

    /// Whether a program of the box carries the flows, at a port of its own.
    pub fn is_relayed(&self) -> bool {
        match self {
            Self::Proxy(_) => true,
            Self::WireguardExt(_) => false,
        }
    }
}

impl ConnectionSecret {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Password, Self::PrivateKey, Self::PresharedKey];

    /// The last part of the name that it is kept under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PrivateKey => "private_key",
            Self::PresharedKey => "preshared_key",
        }
    }
}

impl ProxyScheme {
    /// All of them, in the order shown.
    pub const ALL: [Self; 2] = [Self::Socks5, Self::Http];

    /// The word in requests and forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Http => "http",
        }
    }
}

impl ExitSlot {
    /// The bits of a packet's mark that say which way it goes. Whoever marks packets later on has the others.
    pub const MASK: u32 = 0x1ff0;
    /// What names of interfaces of tunnels begin with. No other interface of the box is called so.
    pub const INTERFACES: &str = "wgext_";
    const FIRST_MARK: u32 = 0x1000;
    const STEP: u32 = 0x10;
    const FIRST_TABLE: u32 = 1000;

    /// All of them, in the order they are given away.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// Which of them it is.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The mark of packets that go this way, within [`Self::MASK`].
    pub fn mark(self) -> u32 {
        Self::FIRST_MARK + Self::STEP * u32::from(self.0)
    }

    /// The one with this mark.
    pub fn of_mark(mark: u32) -> Option<Self> {
        Self::all().find(|slot| slot.mark() == mark)
    }

    /// The interface of a tunnel of this way.
    pub fn interface(self) -> InterfaceName {
        let name = format!("{}{}", Self::INTERFACES, self.0);
        name.parse().expect("a short word and a number are a name")
    }

    /// The routing table of this way.
    pub fn table(self) -> u32 {
        Self::FIRST_TABLE + u32::from(self.0)
    }
}

impl RelayPort {
    /// The first of them.
    pub const FIRST: Self = Self(9100);
    /// The last.
    pub const LAST: Self = Self(9199);

    /// All of them, in the order they are given away.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::FIRST.0..=Self::LAST.0).map(Self)
    }

    /// The port itself.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for RelayPort {
    type Error = RelayPortError;

    fn try_from(port: u16) -> Result<Self, RelayPortError> {
        let is_one = (Self::FIRST.0..=Self::LAST.0).contains(&port);
        is_one.then_some(Self(port)).ok_or(RelayPortError)
    }
}

impl<'de> Deserialize<'de> for RelayPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u16::deserialize(deserializer)?
            .try_into()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn marks_tables_and_ports_are_those_that_were_promised_and_no_two_alike() {
        let marks: BTreeSet<u32> = ExitSlot::all().map(ExitSlot::mark).collect();
        assert_eq!(marks.len(), 256);
        assert_eq!(
            (marks.first(), marks.last()),
            (Some(&0x1000), Some(&0x1ff0))
        );
        assert!(marks.iter().all(|mark| mark & !ExitSlot::MASK == 0));
        let tables: BTreeSet<u32> = ExitSlot::all().map(ExitSlot::table).collect();
        assert_eq!((tables.first(), tables.last()), (Some(&1000), Some(&1255)));
        assert_eq!(tables.len(), 256);
        let interfaces: BTreeSet<_> = ExitSlot::all().map(ExitSlot::interface).collect();
        assert_eq!(interfaces.len(), 256);
        let ports: Vec<u16> = RelayPort::all().map(RelayPort::get).collect();
        assert_eq!((ports.len(), ports[0], ports[99]), (100, 9100, 9199));
        for wrong in [9099, 9200, 0] {
            assert_eq!(RelayPort::try_from(wrong), Err(RelayPortError));
        }
    }

    #[test]
    fn connection_reads_what_it_wrote_and_nothing_else() {
        let json = serde_json::json!({
            "name": "Work", "way": { "type": "proxy", "config": {
                "scheme": "socks5", "host": "proxy.example.org", "port": 1080, "username": "anna",
            } },
            "slot": 0, "port": 9100, "enabled": true, "created_at": "2026-11-28T12:00:00Z",
        });
        let connection: ConnectionConfig = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&connection).unwrap(), json);
        assert_eq!(
            (connection.slot.mark(), connection.slot.table()),
            (0x1000, 1000)
        );
        for (key, value) in [
            ("port", serde_json::json!(9200)),
            ("slot", serde_json::json!(256)),
            ("password", serde_json::json!("x")),
        ] {
            let mut wrong = json.clone();
            wrong[key] = value;
            let read = serde_json::from_value::<ConnectionConfig>(wrong);
            assert!(read.is_err(), "{key}");
        }
    }
}
