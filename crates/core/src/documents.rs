//! The config as documents of the store: one a section, one a device, so that a change writes only what it touches.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_model::config::{
    Config, ConnectionConfig, LinkConfig, MailConfig, PeerConfig, ServiceConfig, ServicesConfig,
};
use cell_model::name::{GroupName, PeerName, ServiceId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// Before the name of a device in the key of its document.
const PEER: &str = "peer/";
/// Before the key of another cell.
const LINK: &str = "link/";
/// Before the id of a way out.
const CONNECTION: &str = "connection/";
/// Before the name of a group.
const GROUP: &str = "group/";
/// Before the id of a service.
const SERVICE: &str = "service/";
/// What else there is about services; not there while all of it is as usual, as in configs of before there were any.
const SERVICES: &str = "services";
/// Mail; not there while all of it is as usual, as in configs of before there was any.
const MAIL: &str = "mail";

/// A stored config cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A section is not there.
    #[error("the document {0} is missing")]
    Missing(&'static str),
    /// A document is not what it should be.
    #[error("the document {key} cannot be read")]
    Damaged {
        /// Its key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A document nobody knows.
    #[error("the document {0} is unknown")]
    Unknown(String),
    /// A part of the config cannot be written.
    #[error("the document {key} cannot be written")]
    Write {
        /// Its key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// A document to put (`Some`) or to remove (`None`), by key.
pub(crate) type Changes = BTreeMap<String, Option<Vec<u8>>>;

/// Reads the config; `None` when there is none yet.
pub(crate) fn read(documents: &BTreeMap<String, Vec<u8>>) -> Result<Option<Config>, DocumentError> {
    if documents.is_empty() {
        return Ok(None);
    }
    let mut peers = BTreeMap::new();
    let mut connections = BTreeMap::new();
    let mut links = Vec::new();
    let mut groups = BTreeMap::new();
    let mut services = match documents.get(SERVICES) {
        Some(json) => parse(SERVICES, json)?,
        None => ServicesConfig::default(),
    };
    let mail = match documents.get(MAIL) {
        Some(json) => parse(MAIL, json)?,
        None => MailConfig::default(),
    };
    for (key, json) in documents {
        if let Some(name) = key.strip_prefix(PEER) {
            let name: PeerName = name
                .parse()
                .map_err(|_| DocumentError::Unknown(key.clone()))?;
            let peer: PeerConfig = parse(key, json)?;
            peers.insert(name, Arc::new(peer));
        } else if let Some(id) = key.strip_prefix(CONNECTION) {
            let id: Uuid = id
                .parse()
                .map_err(|_| DocumentError::Unknown(key.clone()))?;
            let connection: ConnectionConfig = parse(key, json)?;
            connections.insert(id, Arc::new(connection));
        } else if key.starts_with(LINK) {
            let link: LinkConfig = parse(key, json)?;
            links.push(Arc::new(link));
        } else if let Some(name) = key.strip_prefix(GROUP) {
            let name: GroupName = name
                .parse()
                .map_err(|_| DocumentError::Unknown(key.clone()))?;
            groups.insert(name, parse(key, json)?);
        } else if let Some(id) = key.strip_prefix(SERVICE) {
            let id: ServiceId = id
                .parse()
                .map_err(|_| DocumentError::Unknown(key.clone()))?;
            let service: ServiceConfig = parse(key, json)?;
            services.installed.insert(id, Arc::new(service));
        } else if !SECTIONS.contains(&key.as_str()) {
            return Err(DocumentError::Unknown(key.clone()));
        }
    }
    Ok(Some(Config {
        cell: section(documents, "cell")?,
        domain: section(documents, "domain")?,
        network: section(documents, "network")?,
        vpn: section(documents, "vpn")?,
        dns: section(documents, "dns")?,
        updates: section(documents, "updates")?,
        services,
        groups,
        mail,
        peers,
        connections,
        links,
    }))
}

/// Documents that are neither a device nor a service.
const SECTIONS: [&str; 8] = [
    "cell", "domain", "network", "vpn", "dns", "updates", SERVICES, MAIL,
];

/// Documents that differ between two configs.
pub(crate) fn changes(before: Option<&Config>, after: &Config) -> Result<Changes, DocumentError> {
    let Config {
        cell,
        domain,
        network,
        vpn,
        dns,
        updates,
        services,
        groups,
        mail,
        peers,
        connections,
        links,
    } = after;
    let mut changes = Changes::new();
    put(
        &mut changes,
        "cell",
        before.map(|config| &config.cell),
        cell,
    )?;
    put(
        &mut changes,
        "domain",
        before.map(|config| &config.domain),
        domain,
    )?;
    put(
        &mut changes,
        "network",
        before.map(|config| &config.network),
        network,
    )?;
    put(&mut changes, "vpn", before.map(|config| &config.vpn), vpn)?;
    put(&mut changes, "dns", before.map(|config| &config.dns), dns)?;
    put(
        &mut changes,
        "updates",
        before.map(|config| &config.updates),
        updates,
    )?;
    let usual = ServicesConfig::default();
    let services_before = before.map_or(&usual, |config| &config.services);
    service_changes(&mut changes, services_before, services)?;
    let usual = MailConfig::default();
    let mail_before = before.map_or(&usual, |config| &config.mail);
    put(&mut changes, MAIL, Some(mail_before), mail)?;
    for (name, group) in groups {
        let old = before.and_then(|config| config.groups.get(name));
        put(&mut changes, &format!("{GROUP}{name}"), old, group)?;
    }
    for name in before.iter().flat_map(|config| config.groups.keys()) {
        if !groups.contains_key(name) {
            changes.insert(format!("{GROUP}{name}"), None);
        }
    }
    for (name, peer) in peers {
        let old = before.and_then(|config| config.peers.get(name));
        // The same allocation is the same peer: spares comparing 10,000 of them.
        if !old.is_some_and(|old| Arc::ptr_eq(old, peer)) {
            put(
                &mut changes,
                &format!("{PEER}{name}"),
                old.map(Arc::as_ref),
                peer.as_ref(),
            )?;
        }
    }
    for name in before.iter().flat_map(|config| config.peers.keys()) {
        if !peers.contains_key(name) {
            changes.insert(format!("{PEER}{name}"), None);
        }
    }
    for (id, connection) in connections {
        let old = before.and_then(|config| config.connections.get(id));
        let key = format!("{CONNECTION}{id}");
        put(
            &mut changes,
            &key,
            old.map(Arc::as_ref),
            connection.as_ref(),
        )?;
    }
    for id in before.iter().flat_map(|config| config.connections.keys()) {
        if !connections.contains_key(id) {
            changes.insert(format!("{CONNECTION}{id}"), None);
        }
    }
    let links_before = before.map_or(&[][..], |config| &config.links);
    for link in links {
        let mut old = links_before.iter();
        let old = old.find(|old| old.claims.identity == link.claims.identity);
        let key = link_key(link);
        put(&mut changes, &key, old.map(Arc::as_ref), link.as_ref())?;
    }
    for old in links_before {
        let mut links = links.iter();
        if !links.any(|link| link.claims.identity == old.claims.identity) {
            changes.insert(link_key(old), None);
        }
    }
    Ok(changes)
}

fn link_key(link: &LinkConfig) -> String {
    format!("{LINK}{}", link.claims.identity)
}

fn service_changes(
    changes: &mut Changes,
    before: &ServicesConfig,
    after: &ServicesConfig,
) -> Result<(), DocumentError> {
    let others = |services: &ServicesConfig| ServicesConfig {
        installed: BTreeMap::new(),
        ..services.clone()
    };
    put(changes, SERVICES, Some(&others(before)), &others(after))?;
    for (id, service) in &after.installed {
        let old = before.installed.get(id).map(Arc::as_ref);
        put(changes, &format!("{SERVICE}{id}"), old, service.as_ref())?;
    }
    for id in before.installed.keys() {
        if !after.installed.contains_key(id) {
            changes.insert(format!("{SERVICE}{id}"), None);
        }
    }
    Ok(())
}

fn put<T: PartialEq + Serialize>(
    changes: &mut Changes,
    key: &str,
    before: Option<&T>,
    after: &T,
) -> Result<(), DocumentError> {
    if before != Some(after) {
        let json = serde_json::to_vec(after).map_err(|source| DocumentError::Write {
            key: key.to_owned(),
            source,
        })?;
        changes.insert(key.to_owned(), Some(json));
    }
    Ok(())
}

fn section<T: DeserializeOwned>(
    documents: &BTreeMap<String, Vec<u8>>,
    key: &'static str,
) -> Result<T, DocumentError> {
    parse(key, documents.get(key).ok_or(DocumentError::Missing(key))?)
}

fn parse<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T, DocumentError> {
    serde_json::from_slice(json).map_err(|source| DocumentError::Damaged {
        key: key.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use cell_model::config::DataConfig;

    use super::*;
    use crate::edit::sample;

    fn written(config: &Config) -> BTreeMap<String, Vec<u8>> {
        let changes = changes(None, config).unwrap();
        changes
            .into_iter()
            .map(|(key, json)| (key, json.unwrap()))
            .collect()
    }

    #[test]
    fn config_survives_the_way_through_documents() {
        let config = sample::with_peers(&["phone", "Anna.Laptop"]);
        let documents = written(&config);
        assert!(documents.contains_key("peer/Anna.Laptop"));
        assert_eq!(read(&documents).unwrap(), Some(config));
        assert_eq!(read(&BTreeMap::new()).unwrap(), None);
    }

    #[test]
    fn service_is_a_document_of_its_own_and_none_leaves_no_trace() {
        let mut config = sample::with_peers(&[]);
        let before = written(&config);
        assert!(!before.contains_key("services"));
        let data = DataConfig {
            slot: 1,
            number: 1,
            lasting: 2,
        };
        let service = ServiceConfig::new("schema = 1".to_owned(), data, BTreeMap::new());
        let id: ServiceId = "calendar".parse().unwrap();
        config
            .services
            .installed
            .insert(id.clone(), Arc::new(service));
        let mut documents = written(&config);
        assert!(documents.contains_key("service/calendar") && !documents.contains_key("services"));
        assert_eq!(read(&documents).unwrap().as_ref(), Some(&config));
        let mut removed = config.clone();
        removed.services.installed.clear();
        removed.services.kept.insert(id, data);
        let changes = changes(Some(&config), &removed).unwrap();
        let keys: Vec<&str> = changes.keys().map(String::as_str).collect();
        assert_eq!(keys, ["service/calendar", "services"]);
        for (key, json) in changes {
            match json {
                Some(json) => drop(documents.insert(key, json)),
                None => drop(documents.remove(&key)),
            }
        }
        assert_eq!(read(&documents).unwrap(), Some(removed));
    }

    #[test]
    fn one_changed_peer_is_one_document() {
        let before = sample::with_peers(&["phone", "laptop"]);
        let mut after = before.clone();
        Arc::make_mut(after.peers.get_mut(&"phone".parse().unwrap()).unwrap()).full_tunnel = false;
        after.peers.remove(&"laptop".parse().unwrap());
        let changes = changes(Some(&before), &after).unwrap();
        let keys: Vec<(&str, bool)> = changes
            .iter()
            .map(|(key, json)| (key.as_str(), json.is_some()))
            .collect();
        assert_eq!(keys, [("peer/laptop", false), ("peer/phone", true)]);
    }

    #[test]
    fn unknown_or_missing_documents_are_named() {
        let mut documents = written(&sample::with_peers(&[]));
        documents.insert("moon".into(), b"{}".to_vec());
        assert_eq!(
            read(&documents).unwrap_err().to_string(),
            "the document moon is unknown"
        );
        documents.remove("moon");
        documents.remove("vpn");
        assert_eq!(
            read(&documents).unwrap_err().to_string(),
            "the document vpn is missing"
        );
    }
}
