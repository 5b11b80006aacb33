//! Services that were installed, as asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OriginConfig, SourceConfig};
use crate::name::{GroupName, ServiceId, SettingKey, SourceName};

/// What is installed, and whose data is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServicesConfig {
    /// Where services get their networks from.
    #[serde(default = "usual_network")]
    pub network: Ipv4Net,
    /// Where services come from beside the image, by the owner's names for them.
    #[serde(default)]
    pub sources: BTreeMap<SourceName, SourceConfig>,
    /// Services by id.
    #[serde(default)]
    pub installed: BTreeMap<ServiceId, Arc<ServiceConfig>>,
    /// Services that were removed and whose data was kept.
    #[serde(default)]
    pub kept: BTreeMap<ServiceId, DataConfig>,
    /// Of those, the ones that were installed from a source, and from which: what they kept is for nobody else.
    #[serde(default)]
    pub kept_from: BTreeMap<ServiceId, SourceName>,
    /// Numbers of data that is deleted, by its service. What came later has other numbers: however old the config that
    /// says so, it is never deleted with it.
    #[serde(default)]
    pub discarded: BTreeMap<ServiceId, BTreeSet<u32>>,
    /// The highest number of data that was deleted and is not named any more. Neither it nor a lower one is given again.
    #[serde(default)]
    pub deleted_to: u32,
}

/// What is the same for all services, as settings have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServicesSettings {
    /// Where services get their networks from: a private IPv4 network with a prefix of 12 to 24 bits.
    #[schemars(with = "String")]
    pub network: Ipv4Net,
    /// Where services come from beside the image, by the owner's names for them; at most 8.
    #[serde(default)]
    pub sources: BTreeMap<SourceName, SourceConfig>,
}

impl ServicesSettings {
    /// The most sources.
    pub const MAX_SOURCES: usize = 8;

    /// Whether services can have their networks from there.
    pub fn is_fit(&self) -> bool {
        let network = self.network;
        (12..=24).contains(&network.prefix_len())
            && network.addr() == network.network()
            && network.network().is_private()
            && network.broadcast().is_private()
    }
}

/// What a service keeps, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The service's number, of which network and ids follow: data belongs to these ids. No two have the same.
    pub slot: u16,
    /// The number of what an update copies first; it is never given twice.
    pub number: u32,
    /// The number of all else that it keeps, which is the same before and after an update; it is never given twice either.
    pub lasting: u32,
}

impl DataConfig {
    /// Both numbers.
    pub fn numbers(&self) -> [u32; 2] {
        [self.number, self.lasting]
    }
}

/// A service that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// What it is: its manifest as its publisher wrote it. With the config, so that whatever config counts, all that
    /// follows from it is known.
    pub manifest: String,
    /// Its number, and what it keeps.
    pub data: DataConfig,
    /// Where it was installed from; `null`: it came with the image.
    #[serde(default)]
    pub origin: Option<OriginConfig>,
    /// Whether it runs.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether the internet reaches its hosts while it runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub published: bool,
    /// Whose people may use it; `None`: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<BTreeSet<GroupName>>,
    /// What was answered; all else is as the manifest says.
    #[serde(default)]
    pub answers: BTreeMap<SettingKey, SettingValue>,
    /// What an update makes of it once all its images are here. Until then it goes on as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextConfig>,
    /// What it was before an update, for as long as it is not known whether it gets well. Until then nobody reaches it,
    /// so that nothing is lost should it become that again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<FormerConfig>,
    /// The last update, if it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_update: Option<FailedUpdateConfig>,
}

impl ServiceConfig {
    /// One that runs.
    pub fn new(
        manifest: String,
        data: DataConfig,
        answers: BTreeMap<SettingKey, SettingValue>,
    ) -> Self {
        Self {
            manifest,
            data,
            origin: None,
            enabled: true,
            published: false,
            groups: None,
            answers,
            next: None,
            former: None,
            failed_update: None,
        }
    }
}

/// What a service becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextConfig {
    /// Its manifest.
    pub manifest: String,
    /// Where its images are; `null`: with the image of the box.
    #[serde(default)]
    pub origin: Option<OriginConfig>,
}

/// A service as it was before an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerConfig {
    /// Its manifest.
    pub manifest: String,
    /// The number of what was copied: untouched since.
    pub number: u32,
    /// Where it was installed from.
    #[serde(default)]
    pub origin: Option<OriginConfig>,
    /// What was answered.
    pub answers: BTreeMap<SettingKey, SettingValue>,
}

/// An update that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedUpdateConfig {
    /// The release that did not get well.
    pub release: u32,
    /// What people call it.
    pub version: String,
    /// Why, as a sentence.
    pub reason: String,
}

impl ServiceConfig {
    /// The source it was installed from; `None`: it came with the image.
    pub fn source(&self) -> Option<&SourceName> {
        self.origin.as_ref().map(|origin| &origin.source)
    }
}

impl Default for ServicesConfig {
    fn default() -> Self {
        Self {
            network: usual_network(),
            sources: BTreeMap::new(),
            installed: BTreeMap::new(),
            kept: BTreeMap::new(),
            kept_from: BTreeMap::new(),
            discarded: BTreeMap::new(),
            deleted_to: 0,
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

    /// The numbers for a service: its own from before, or the lowest that is free and one for new data. `None`: there are
    /// too many.
    pub fn data_for(&self, id: &ServiceId) -> Option<DataConfig> {
        if let Some(kept) = self.kept.get(id) {
            return Some(*kept);
        }
        let installed = self.installed.values().map(|service| service.data);
        let present: Vec<DataConfig> = installed.chain(self.kept.values().copied()).collect();
        let taken: BTreeSet<u16> = present.iter().map(|data| data.slot).collect();
        let mut free = (Self::OWN_SLOT + 1..=u16::MAX).filter(|slot| !taken.contains(slot));
        let slot = free.next().filter(|_| self.installed.len() < Self::MAX)?;
        let number = self.next_number()?;
        Some(DataConfig {
            slot,
            number,
            lasting: number.checked_add(1)?,
        })
    }

    /// A number for data that nothing had before. `None`: they are used up.
    pub fn next_number(&self) -> Option<u32> {
        let installed = self.installed.values();
        let former = installed
            .clone()
            .filter_map(|service| Some(service.former.as_ref()?.number));
        let present = installed.map(|service| service.data);
        let present = present.chain(self.kept.values().copied());
        let discarded = self.discarded.values().flatten().copied();
        let known = present.flat_map(|data| data.numbers()).chain(former);
        known
            .chain(discarded)
            .chain([self.deleted_to])
            .max()
            .unwrap_or_default()
            .checked_add(1)
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

    fn data(slot: u16, number: u32) -> DataConfig {
        let lasting = number + 1;
        DataConfig {
            slot,
            number,
            lasting,
        }
    }

    #[test]
    fn service_gets_its_own_numbers_again_and_nobody_elses() {
        let mut services = ServicesConfig::default();
        let service = |data| Arc::new(ServiceConfig::new(String::new(), data, BTreeMap::new()));
        assert_eq!(services.data_for(&id("a")), Some(data(1, 1)));
        services.installed.insert(id("a"), service(data(1, 1)));
        services.kept.insert(id("b"), data(2, 3));
        assert_eq!(services.data_for(&id("b")), Some(data(2, 3)));
        services.discarded.insert(id("c"), [7].into());
        assert_eq!(
            services.data_for(&id("c")),
            Some(data(3, 8)),
            "never the one that is deleted"
        );
        for slot in 3..=64 {
            let one = service(data(slot, 2 * u32::from(slot)));
            services.installed.insert(id(&format!("s{slot}")), one);
        }
        assert_eq!(services.data_for(&id("c")), Some(data(65, 130)));
        services.installed.insert(id("d"), service(data(65, 130)));
        assert_eq!(services.data_for(&id("c")), None);
    }

    #[test]
    fn number_of_what_an_update_has_copied_is_not_given_again() {
        let mut services = ServicesConfig::default();
        assert_eq!(services.next_number(), Some(1));
        let former = FormerConfig {
            manifest: String::new(),
            number: 7,
            origin: None,
            answers: BTreeMap::new(),
        };
        let updated = ServiceConfig {
            former: Some(former),
            ..ServiceConfig::new(String::new(), data(1, 3), BTreeMap::new())
        };
        services.installed.insert(id("a"), Arc::new(updated));
        assert_eq!(services.next_number(), Some(8));
    }

    #[test]
    fn number_of_what_was_deleted_is_not_given_again() {
        let services = ServicesConfig {
            deleted_to: 7,
            ..ServicesConfig::default()
        };
        assert_eq!(services.next_number(), Some(8));
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
            let settings = ServicesSettings {
                network,
                sources: BTreeMap::new(),
            };
            assert_eq!(settings.is_fit(), fits, "{network}");
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
