//! Services that were installed, as asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ServiceId, SettingKey};

/// What is installed, and whose data is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServicesConfig {
    /// Where services get their networks from.
    #[serde(default = "usual_network")]
    pub network: Ipv4Net,
    /// Services by id.
    #[serde(default)]
    pub installed: BTreeMap<ServiceId, Arc<ServiceConfig>>,
    /// Numbers of services that were removed and whose data was kept: it belongs to users that follow from the number.
    #[serde(default)]
    pub kept: BTreeMap<ServiceId, u16>,
    /// Services that were removed and whose data is deleted.
    #[serde(default)]
    pub discarded: BTreeSet<ServiceId>,
}

/// What is the same for all services, as settings have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServicesSettings {
    /// Where services get their networks from: a private IPv4 network with a prefix of 12 to 24 bits.
    #[schemars(with = "String")]
    pub network: Ipv4Net,
}

impl ServicesSettings {
    /// Whether services can have their networks from there.
    pub fn is_fit(&self) -> bool {
        let network = self.network;
        (12..=24).contains(&network.prefix_len())
            && network.addr() == network.network()
            && network.network().is_private()
            && network.broadcast().is_private()
    }
}

/// A service that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// What it is: its manifest as its publisher wrote it. With the config, so that whatever config counts, all that
    /// follows from it is known.
    pub manifest: String,
    /// Its number, of which network and ids follow. No two have the same.
    pub slot: u16,
    /// Whether it runs.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What was answered; all else is as the manifest says.
    #[serde(default)]
    pub answers: BTreeMap<SettingKey, SettingValue>,
}

impl Default for ServicesConfig {
    fn default() -> Self {
        Self {
            network: usual_network(),
            installed: BTreeMap::new(),
            kept: BTreeMap::new(),
            discarded: BTreeSet::new(),
        }
    }
}

/// Rarely met in homes.
fn usual_network() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(172, 20, 0, 0), 16)
}

impl ServicesConfig {
    /// The number of what the box itself runs.
    pub const OWN_SLOT: u16 = 0;
    /// The most services at a time.
    pub const MAX: usize = 64;

    /// The number for a service: its own from before, or the lowest that is free. `None`: there are too many.
    pub fn slot_for(&self, id: &ServiceId) -> Option<u16> {
        if let Some(kept) = self.kept.get(id) {
            return Some(*kept);
        }
        let installed = self.installed.values().map(|service| service.slot);
        let taken: BTreeSet<u16> = installed.chain(self.kept.values().copied()).collect();
        let mut free = (Self::OWN_SLOT + 1..=u16::MAX).filter(|slot| !taken.contains(slot));
        free.next().filter(|_| self.installed.len() < Self::MAX)
    }
}

/// An answer to a question of a service's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SettingValue {
    /// Yes or no.
    Switch(bool),
    /// A whole number.
    Number(u32),
    /// A line, or a choice.
    Text(String),
}

/// As containers get it.
impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ServiceId {
        text.parse().unwrap()
    }

    #[test]
    fn service_gets_its_own_number_again_and_nobody_elses() {
        let mut services = ServicesConfig::default();
        let service = |slot| {
            Arc::new(ServiceConfig {
                manifest: String::new(),
                slot,
                enabled: true,
                answers: BTreeMap::new(),
            })
        };
        assert_eq!(services.slot_for(&id("a")), Some(1));
        services.installed.insert(id("a"), service(1));
        services.kept.insert(id("b"), 2);
        assert_eq!(services.slot_for(&id("b")), Some(2));
        assert_eq!(services.slot_for(&id("c")), Some(3));
        for slot in 3..=ServicesConfig::MAX {
            services.installed.insert(
                id(&format!("s{slot}")),
                service(u16::try_from(slot).unwrap()),
            );
        }
        assert_eq!(services.slot_for(&id("c")), Some(65));
        services.installed.insert(id("d"), service(65));
        assert_eq!(services.slot_for(&id("c")), None);
    }

    #[test]
    fn network_of_services_is_private_and_large_enough() {
        for (network, fits) in [
            ("172.20.0.0/16", true),
            ("10.200.0.0/24", true),
            ("10.0.0.0/8", false),
            ("10.200.0.0/25", false),
            ("10.200.0.1/24", false),
            ("203.0.113.0/24", false),
            ("192.168.0.0/15", false),
        ] {
            let network = network.parse().unwrap();
            assert_eq!(ServicesSettings { network }.is_fit(), fits, "{network}");
        }
    }

    #[test]
    fn answers_are_plain_json() {
        let text = |value: &str| SettingValue::Text(value.to_owned());
        for (value, json) in [
            (SettingValue::Switch(true), "true"),
            (SettingValue::Number(7), "7"),
            (text("7"), "\"7\""),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
            assert_eq!(serde_json::from_str::<SettingValue>(json).unwrap(), value);
        }
        for json in ["-1", "1.5", "null", "[]", "4294967296"] {
            assert!(
                serde_json::from_str::<SettingValue>(json).is_err(),
                "{json}"
            );
        }
    }
}
