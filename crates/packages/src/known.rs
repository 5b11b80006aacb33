//! What is known of the sources: kept on disk, so that neither a power cut nor a source can take the box back to an older
//! catalogue.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cell_catalogue::Index;
use cell_model::Timestamp;
use cell_model::config::{OriginConfig, SourceConfig};
use cell_model::name::{ServiceId, SourceName};
use cell_signed::KeyList;
use serde::{Deserialize, Serialize};

use crate::Offer;
use crate::source::{Examined, Fetched, SourceError, fitting};

/// The sources of the settings, and what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// A folder of its own; without one nothing outlives the daemon.
    pub(crate) folder: Option<PathBuf>,
    known: BTreeMap<SourceName, Known>,
}

/// A source.
#[derive(Debug)]
struct Known {
    given: KeyList,
    kept: Option<Kept>,
    offers: BTreeMap<ServiceId, Offer>,
}

/// What is kept of a source.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The keys that the owner trusted then: under others, it is another publisher.
    given: KeyList,
    keys: KeyList,
    index: Index,
    manifests: BTreeMap<ServiceId, String>,
}

/// A catalogue that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Catalogue {
    /// Its version.
    pub version: u64,
    /// Until when it counts.
    pub expires: Timestamp,
    /// How many services of it can be installed.
    pub services: usize,
    /// How many cannot, on this version of the box.
    pub unfit: usize,
}

impl Sources {
    /// These are the sources from now on.
    pub(crate) fn follow(&mut self, sources: &BTreeMap<SourceName, SourceConfig>) {
        self.known.retain(|name, _| sources.contains_key(name));
        for (name, source) in sources {
            let given = match KeyList::given(&source.keys) {
                Ok(given) => given,
                Err(error) => {
                    tracing::warn!(source = %name, %error, "the keys of a source are none");
                    self.known.remove(name);
                    continue;
                }
            };
            let is_same = |known: &Known| known.given == given;
            if !self.known.get(name).is_some_and(is_same) {
                let kept = self.read(name).filter(|kept| kept.given == given);
                let known = Known::new(name, given, kept);
                self.known.insert(name.clone(), known);
            }
        }
    }

    /// Looks whether what was fetched of a source counts. `None`: it is no source.
    pub(crate) fn examine(
        &self,
        name: &SourceName,
        fetched: &Fetched<'_>,
        now: Timestamp,
    ) -> Option<Result<Examined, SourceError>> {
        let known = self.known.get(name)?;
        let kept = known.kept.as_ref();
        let trusted = kept.map_or(&known.given, |kept| &kept.keys);
        let seen = kept.map(|kept| kept.index.version);
        let examined = Examined::new(known.given.clone(), trusted, seen, fetched, now);
        Some(examined.map(|mut examined| {
            let entries = kept.iter().flat_map(|kept| &kept.index.services);
            for entry in entries {
                let text = kept.and_then(|kept| kept.manifests.get(&entry.id));
                let now = examined.index.entry(&entry.id);
                let is_same = now.is_some_and(|now| now.manifest == entry.manifest);
                if let Some(text) = text.filter(|_| is_same) {
                    examined.manifests.insert(entry.id.clone(), text.clone());
                }
            }
            examined
        }))
    }

    /// Keeps a catalogue with its manifests, on disk first.
    pub(crate) fn keep(
        &mut self,
        name: &SourceName,
        examined: Examined,
    ) -> Result<(), SourceError> {
        let kept = Kept {
            given: examined.given,
            keys: examined.keys,
            index: examined.index,
            manifests: examined.manifests,
        };
        if let Some(folder) = &self.folder {
            let path = file(folder, name);
            let written = serde_json::to_vec(&kept)
                .map_err(io::Error::from)
                .and_then(|json| {
                    fs::create_dir_all(folder)?;
                    cell_durable::replace(&path, &json, 0o600)
                });
            written.map_err(|source| SourceError::Keep { path, source })?;
        }
        let known = Known::new(name, kept.given.clone(), Some(kept));
        self.known.insert(name.clone(), known);
        Ok(())
    }

    /// What counts of a source at a time.
    pub(crate) fn catalogue(&self, name: &SourceName, now: Timestamp) -> Option<Catalogue> {
        let known = self.known.get(name)?;
        let index = &known.kept.as_ref()?.index;
        let services = known.offers.len();
        let catalogue = Catalogue {
            version: index.version,
            expires: index.expires,
            services,
            unfit: index.services.len() - services,
        };
        (now < index.expires).then_some(catalogue)
    }

    /// What counts of all sources at a time, by their names.
    pub(crate) fn offers(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&SourceName, &BTreeMap<ServiceId, Offer>)> {
        let counts = move |known: &Known| {
            let kept = known.kept.as_ref();
            kept.is_some_and(|kept| now < kept.index.expires)
        };
        let counting = self.known.iter().filter(move |(_, known)| counts(known));
        counting.map(|(name, known)| (name, &known.offers))
    }

    /// What is not read is not known: the source is asked anew, and by its keys nobody else can answer.
    fn read(&self, name: &SourceName) -> Option<Kept> {
        let path = file(self.folder.as_deref()?, name);
        let read = fs::read(&path).and_then(|json| Ok(serde_json::from_slice(&json)?));
        match read {
            Ok(kept) => Some(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "what was known of a source cannot be read");
                None
            }
        }
    }
}

impl Known {
    fn new(name: &SourceName, given: KeyList, kept: Option<Kept>) -> Self {
        let mut offers = BTreeMap::new();
        if let Some(kept) = &kept {
            for entry in &kept.index.services {
                let Some(text) = kept.manifests.get(&entry.id) else {
                    continue;
                };
                match fitting(entry, text) {
                    Ok(manifest) => {
                        let offer = Offer {
                            manifest,
                            text: text.clone(),
                            origin: Some(OriginConfig {
                                source: name.clone(),
                                size: entry.size,
                                registry: entry.registry.clone(),
                            }),
                        };
                        offers.insert(entry.id.clone(), offer);
                    }
                    Err(error) => {
                        tracing::warn!(source = %name, service = %entry.id, error, "a service is not offered");
                    }
                }
            }
        }
        Self {
            given,
            kept,
            offers,
        }
    }
}

fn file(folder: &Path, name: &SourceName) -> PathBuf {
    folder.join(format!("{name}.json"))
}
