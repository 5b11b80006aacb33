//! The names in a manifest, found before what refers to them is read.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::name::{PartName, ServiceId, SettingKey};
use cell_model::toml_text::{Field, Reader, Section};
use toml::de::DeValue;

use crate::manifest::{Backend, Container};
use crate::template::{Template, Variable};

/// What would be taken for the box itself.
pub(super) const NAMES_OF_THE_BOX: [&str; 6] = [
    "localhost",
    "celld",
    "core",
    "host",
    "gateway",
    "host.containers.internal",
];

/// The names that there are.
pub(super) struct Known {
    pub(super) requires: BTreeSet<ServiceId>,
    containers: BTreeSet<PartName>,
    /// With the byte each begins at.
    volumes: BTreeMap<PartName, usize>,
    hosts: BTreeSet<PartName>,
    /// Those of them that are no document's.
    answered: BTreeSet<PartName>,
    /// Whether it is a secret.
    settings: BTreeMap<SettingKey, bool>,
}

/// Whether a template is filled for a person, whose name it may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Container,
    /// What is run about somebody.
    Account,
    /// What somebody reads.
    Person,
    /// What programs read, whoever has them.
    Document,
}

impl Known {
    /// Finds the names, and reports those that are there twice. What cannot be read is reported by whoever reads it.
    pub(super) fn find(
        reader: &mut Reader<'_>,
        root: &Section<'_>,
        requires: BTreeSet<ServiceId>,
    ) -> Self {
        let mut names = |list: &str, key: &str| {
            let mut found: BTreeMap<PartName, usize> = BTreeMap::new();
            for (text, at, _) in texts(root, list, key) {
                let Ok(name) = text.parse() else { continue };
                if found.insert(name, at).is_some() {
                    reader.report(
                        at,
                        format!("{list}.{key} must not be that of another {list}"),
                    );
                }
            }
            found
        };
        let volumes = names("volume", "name");
        let containers = names("container", "name").into_keys().collect();
        let mut answered: BTreeSet<PartName> = names("route", "host").into_keys().collect();
        let named = |list| {
            let texts = texts(root, list, "host").into_iter();
            texts.filter_map(|(text, ..)| text.parse().ok())
        };
        answered.extend(named("port"));
        let mut hosts = answered.clone();
        hosts.extend(named("document"));
        let mut settings = BTreeMap::new();
        for (text, at, is_secret) in texts(root, "setting", "key") {
            let Ok(key) = text.parse() else { continue };
            if settings.insert(key, is_secret).is_some() {
                reader.report(at, "setting.key must not be that of another setting");
            }
        }
        Self {
            requires,
            containers,
            volumes,
            hosts,
            answered,
            settings,
        }
    }

    /// Whether a route or a port of this service has this host.
    pub(super) fn is_answered(&self, host: &PartName) -> bool {
        self.answered.contains(host)
    }

    /// A volume of this service by its name.
    pub(super) fn volume(
        &self,
        reader: &mut Reader<'_>,
        section: &Section<'_>,
        field: Field,
    ) -> Option<PartName> {
        let is_there = |name: &PartName| self.volumes.contains_key(name);
        part(reader, (section, field), is_there, "volume")
    }

    /// A container of this service by its name.
    pub(super) fn container(
        &self,
        reader: &mut Reader<'_>,
        section: &Section<'_>,
        field: Field,
    ) -> Option<PartName> {
        let is_there = |name: &PartName| self.containers.contains(name);
        part(reader, (section, field), is_there, "container")
    }

    /// A container of this service and its port, written `name:port`.
    pub(super) fn backend(
        &self,
        reader: &mut Reader<'_>,
        section: &Section<'_>,
        field: Field,
    ) -> Option<Backend> {
        let (text, at) = reader.require(section, field)?;
        let problem = match parse_backend(text) {
            Some(backend) if self.containers.contains(&backend.container) => return Some(backend),
            _ if leads_to_the_box(text) => {
                "is refused: it must be a container of this service, never the box itself or an address"
            }
            Some(_) => "must be a [[container]] of this service and one of its ports",
            None => "must be the name of a container, a colon and a port",
        };
        reader.wrong_text(section, field, at, text, problem);
        None
    }

    /// Reads a template whose places can all be filled.
    pub(super) fn template(
        &self,
        reader: &mut Reader<'_>,
        (section, field): (&Section<'_>, Field),
        (text, at): (&str, usize),
        filled_for: For,
    ) -> Option<Template> {
        let parsed = match filled_for {
            For::Container | For::Account => text.parse(),
            For::Person => Template::for_people(text),
            For::Document => Template::for_programs(text),
        };
        let template = match parsed {
            Ok(template) => template,
            Err(error) => {
                reader.wrong_text(section, field, at, text, error);
                return None;
            }
        };
        let unknown = template.variables().find_map(|variable| {
            let problem = match variable {
                Variable::Domain | Variable::Network | Variable::TimeZone => return None,
                Variable::Username if matches!(filled_for, For::Account | For::Person) => {
                    return None;
                }
                Variable::Username => "can be told in [accounts] or a [[guide]] only",
                Variable::Host(name) if self.hosts.contains(name) => return None,
                Variable::Host(_) => "is no host of a [[route]], [[document]] or [[port]]",
                Variable::Setting(key) => match self.settings.get(key) {
                    Some(false) => return None,
                    Some(true) => "is a secret: the container finds it in /run/secrets",
                    None => "is no [[setting]]",
                },
            };
            Some(format!("has {variable}, which {problem}"))
        });
        match unknown {
            Some(problem) => {
                reader.wrong(section, field, at, problem);
                None
            }
            None => Some(template),
        }
    }

    /// Volumes that no container has, with the byte each begins at.
    pub(super) fn idle_volumes(&self, containers: &[Container]) -> Vec<(PartName, usize)> {
        let mounted = |volume: &PartName| {
            let mut mounts = containers.iter().flat_map(|container| &container.mounts);
            mounts.any(|mount| mount.volume == *volume)
        };
        // One that could not be read may have the mount.
        if containers.len() < self.containers.len() {
            return Vec::new();
        }
        self.volumes
            .iter()
            .filter(|(volume, _)| !mounted(volume))
            .map(|(volume, at)| (volume.clone(), *at))
            .collect()
    }
}

/// The name of one of the tables of a list.
fn part(
    reader: &mut Reader<'_>,
    (section, field): (&Section<'_>, Field),
    is_there: impl Fn(&PartName) -> bool,
    list: &str,
) -> Option<PartName> {
    let name = reader.required(section, field)?;
    if !is_there(&name) {
        let at = super::value_at(section, field);
        let message = format!("must be the name of a [[{list}]] of this service");
        reader.wrong(section, field, at, message);
        return None;
    }
    Some(name)
}

/// A container and a port.
pub(super) fn parse_backend(text: &str) -> Option<Backend> {
    let (container, port) = text.split_once(':')?;
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    let port: u16 = port.parse().ok().filter(|port| digits && *port > 0)?;
    Some(Backend {
        container: container.parse().ok()?,
        port,
    })
}

/// Whether somebody meant the box, or a host by its address.
fn leads_to_the_box(text: &str) -> bool {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<std::net::IpAddr>().is_ok()
        || NAMES_OF_THE_BOX.contains(&host)
        || host.contains('/')
}

/// The text of one key in each table of a list, with the byte it begins at, and whether the table is about a secret.
fn texts<'a>(root: &Section<'a>, list: &str, key: &str) -> Vec<(&'a str, usize, bool)> {
    let Some((_, value)) = root.find(list) else {
        return Vec::new();
    };
    let items: &'a [_] = match value.get_ref() {
        DeValue::Array(items) => items,
        _ => &[],
    };
    items
        .iter()
        .filter_map(|item| {
            let table = item.get_ref().as_table()?;
            let (_, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
            let is_secret = table.iter().any(|(name, kind)| {
                name.get_ref() == "kind" && kind.get_ref().as_str() == Some("secret")
            });
            Some((value.get_ref().as_str()?, value.span().start, is_secret))
        })
        .collect()
}
