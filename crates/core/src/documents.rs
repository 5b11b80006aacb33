//! The config as documents of the store: one a section, one a device, so that a change writes only what it touches.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_model::config::{Config, PeerConfig};
use cell_model::name::PeerName;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Before the name of a device in the key of its document.
const PEER: &str = "peer/";

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
    for (key, json) in documents {
        if let Some(name) = key.strip_prefix(PEER) {
            let name: PeerName = name
                .parse()
                .map_err(|_| DocumentError::Unknown(key.clone()))?;
            let peer: PeerConfig = parse(key, json)?;
            peers.insert(name, Arc::new(peer));
        } else if !["cell", "domain", "network", "vpn", "dns", "updates"].contains(&key.as_str()) {
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
        peers,
    }))
}

/// Documents that differ between two configs.
pub(crate) fn changes(before: Option<&Config>, after: &Config) -> Result<Changes, DocumentError> {
    let Config {
        cell,
        domain,
        network,
        vpn,
        dns,
        updates,
        peers,
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
    Ok(changes)
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
