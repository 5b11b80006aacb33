//! Addresses of the interfaces, as asked for.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Addresses of the interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The uplink.
    #[serde(default)]
    pub wan: InterfaceConfig,
    /// The home side; without meaning on a box with one interface.
    #[serde(default)]
    pub lan: InterfaceConfig,
}

/// One interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceConfig {
    /// Where its addresses come from.
    #[serde(default)]
    pub addressing: AddressingConfig,
}

/// Where an interface's addresses come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum AddressingConfig {
    /// What is there stays: somebody else looks after it.
    #[default]
    Adopt,
    /// Whatever a DHCP server grants (RFC 2131), or a link-local address where there is none (RFC 3927).
    Dhcp,
    /// Exactly this.
    Static {
        /// Address and prefix length.
        #[schemars(with = "String")]
        address: Ipv4Net,
        /// Where everything else goes; on the uplink only.
        #[serde(default)]
        #[schemars(with = "Option<String>")]
        gateway: Option<Ipv4Addr>,
    },
}

/// Which part of a static addressing cannot be. The text is fit to be shown beside the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressingError {
    /// The address.
    #[error("must be the address of a host, with the length of its network's prefix")]
    Address,
    /// The gateway.
    #[error("must be another host of the same network")]
    Gateway,
}

impl AddressingConfig {
    /// Whether a host can stand there.
    pub fn check(&self) -> Result<(), AddressingError> {
        let Self::Static { address, gateway } = self else {
            return Ok(());
        };
        let host = address.addr();
        let usable = address.prefix_len() >= 31
            || (host != address.network() && host != address.broadcast());
        if !usable || host.is_loopback() || host.is_multicast() || host.is_unspecified() {
            return Err(AddressingError::Address);
        }
        match gateway {
            Some(gateway) if *gateway == host || !address.contains(gateway) => {
                Err(AddressingError::Gateway)
            }
            _ => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for AddressingConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The same, with braces: serde lets unknown keys pass beside the tag of a variant without fields, and an
        /// address beside `adopt` would be dropped without a word.
        #[derive(Deserialize)]
        #[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
        enum Strict {
            Adopt {},
            Dhcp {},
            Static {
                address: Ipv4Net,
                #[serde(default)]
                gateway: Option<Ipv4Addr>,
            },
        }
        Ok(match Strict::deserialize(deserializer)? {
            Strict::Adopt {} => Self::Adopt,
            Strict::Dhcp {} => Self::Dhcp,
            Strict::Static { address, gateway } => Self::Static { address, gateway },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AddressingConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn addressing_reads_back_as_written() {
        for config in [
            AddressingConfig::Adopt,
            AddressingConfig::Dhcp,
            AddressingConfig::Static {
                address: "192.168.1.1/24".parse().unwrap(),
                gateway: Some("192.168.1.254".parse().unwrap()),
            },
        ] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(read(&text).unwrap(), config, "{text}");
        }
        assert!(read(r#"{"mode":"static","address":"192.168.1.1/24"}"#).is_ok());
    }

    #[test]
    fn address_beside_adopt_or_dhcp_is_refused() {
        assert!(read(r#"{"mode":"adopt","address":"192.168.1.1/24"}"#).is_err());
        assert!(read(r#"{"mode":"dhcp","address":"192.168.1.1/24"}"#).is_err());
        assert!(read(r#"{"mode":"static","address":"192.168.1.1/24","colour":"red"}"#).is_err());
        assert!(read(r#"{"mode":"dance"}"#).is_err());
    }
}
