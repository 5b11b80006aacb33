//! What a source of services offers: the list that its publisher signs.

use std::collections::BTreeSet;

use cell_model::Timestamp;
use cell_model::container::{ImageDigest, ImageRef, Registry};
use cell_model::name::ServiceId;
use serde::{Deserialize, Serialize};

/// The services of a source, at a time. It counts by its signatures and only until it expires, so that nobody can keep a
/// box with an old one for ever; a lower `version` than the one seen last is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The form of this document: [`Index::SCHEMA`].
    pub schema: u32,
    /// Rises with every change.
    pub version: u64,
    /// From then on it counts no more.
    pub expires: Timestamp,
    /// What is offered; each once.
    pub services: Vec<Entry>,
}

/// A service of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which.
    pub id: ServiceId,
    /// What it is called on pages.
    pub name: String,
    /// What it does, in a line.
    pub summary: String,
    /// The version people know.
    pub version: String,
    /// Rises with every change of the package.
    pub release: u32,
    /// Services that it needs.
    pub requires: BTreeSet<ServiceId>,
    /// SHA-256 of its manifest's bytes.
    pub manifest: ImageDigest,
    /// What has to be fetched to run it.
    pub images: Vec<ImageRef>,
    /// Bytes of all of that.
    pub size: u64,
    /// The registry that has the images; without one, the source's own folder has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
}

/// Why an index is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// A newer form.
    #[error("the catalogue is written for a newer version of the box; update the box first")]
    Schema,
    /// Somebody shows an old one.
    #[error(
        "the catalogue is older than the one this box has seen (version {offered}, and {seen} before)"
    )]
    RolledBack {
        /// Its version.
        offered: u64,
        /// The version before.
        seen: u64,
    },
    /// Two of the same id, or more than there may be.
    #[error(
        "the catalogue names a service twice, or has more than {} services",
        Index::MAX_SERVICES
    )]
    Services,
}

impl Index {
    /// The form that this code reads and writes.
    pub const SCHEMA: u32 = 1;
    /// The most bytes of an index with its signatures.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// The most services.
    pub const MAX_SERVICES: usize = 500;

    /// Whether it may take the place of one of version `seen`, signatures and time apart.
    ///
    /// # Errors
    /// [`IndexError`]
    pub fn check(&self, seen: Option<u64>) -> Result<(), IndexError> {
        if self.schema != Self::SCHEMA {
            return Err(IndexError::Schema);
        }
        if let Some(seen) = seen.filter(|seen| self.version < *seen) {
            let offered = self.version;
            return Err(IndexError::RolledBack { offered, seen });
        }
        let ids: BTreeSet<_> = self.services.iter().map(|entry| &entry.id).collect();
        if ids.len() != self.services.len() || ids.len() > Self::MAX_SERVICES {
            return Err(IndexError::Services);
        }
        Ok(())
    }

    /// The service of an id.
    pub fn entry(&self, id: &ServiceId) -> Option<&Entry> {
        self.services.iter().find(|entry| entry.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> Entry {
        Entry {
            id: id.parse().unwrap(),
            name: id.to_owned(),
            summary: "A service".to_owned(),
            version: "1".to_owned(),
            release: 1,
            requires: BTreeSet::new(),
            manifest: ImageDigest::new([7; 32]),
            images: Vec::new(),
            size: 1,
            registry: None,
        }
    }

    fn index(version: u64, services: Vec<Entry>) -> Index {
        Index {
            schema: Index::SCHEMA,
            version,
            expires: "2026-12-24T00:00:00Z".parse().unwrap(),
            services,
        }
    }

    #[test]
    fn index_is_read_as_it_is_written_and_nothing_is_left_out() {
        let index = index(3, vec![entry("calendar")]);
        let json = serde_json::to_string(&index).unwrap();
        assert_eq!(serde_json::from_str::<Index>(&json).unwrap(), index);
        let more = json.replacen('{', "{\"mirror\":\"x\",", 1);
        assert!(serde_json::from_str::<Index>(&more).is_err());
    }

    #[test]
    fn older_one_is_refused_and_the_same_one_taken() {
        let index = index(3, vec![entry("calendar"), entry("files")]);
        assert_eq!(index.check(None), Ok(()));
        assert_eq!(index.check(Some(3)), Ok(()));
        let refused = IndexError::RolledBack {
            offered: 3,
            seen: 4,
        };
        assert_eq!(index.check(Some(4)), Err(refused));
    }

    #[test]
    fn newer_form_and_a_service_twice_are_refused() {
        let twice = index(1, vec![entry("files"), entry("files")]);
        assert_eq!(twice.check(None), Err(IndexError::Services));
        let many = (0..501)
            .map(|number| entry(&format!("s{number}")))
            .collect();
        assert_eq!(index(1, many).check(None), Err(IndexError::Services));
        let newer = Index {
            schema: 2,
            ..index(1, Vec::new())
        };
        assert_eq!(newer.check(None), Err(IndexError::Schema));
    }
}
