//! Addresses of the interfaces, as asked for.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum AddressingConfig {
    /// What is there stays: somebody else looks after it.
    #[default]
    Adopt,
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
