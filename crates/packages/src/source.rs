//! What a source of services publishes, and whether it is taken.
//!
//! Beside what a package folder has, a source has two signed documents: `index.json`, an envelope around an [`Index`],
//! and, once its publisher has replaced keys, `keys.json`: the lists of keys, each signed by the keys of the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use cell_catalogue::{Entry, Index, IndexError, Manifest};
use cell_model::Timestamp;
use cell_model::container::ImageDigest;
use cell_model::name::ServiceId;
use cell_signed::{Envelope, JsonError, KeyList, PayloadType, SignedError, check_fresh};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::blob::digest;

/// The list of what a source offers, below its folder.
pub const INDEX_FILE: &str = "index.json";
/// The lists of keys that took the place of the first.
pub const KEYS_FILE: &str = "keys.json";
/// What an envelope around an index says it holds.
pub const INDEX_TYPE: PayloadType =
    PayloadType("application/vnd.personal-internet-cell.services+json");

/// The most bytes of all manifests of a source: what is known of eight sources stays far below what the partition for
/// settings has.
const MAX_MANIFESTS: usize = 2 * 1024 * 1024;

/// Why what a source publishes is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file is larger than any of its kind is.
    #[error("{0} is larger than {limit} KiB", limit = Index::MAX_BYTES / 1024)]
    TooLarge(&'static str),
    /// A file is no envelope.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which.
        file: &'static str,
        /// Why.
        source: JsonError,
    },
    /// Other keys than those of the publisher would take their place.
    #[error("the publisher's keys do not follow from those this box knows")]
    Keys(#[source] SignedError),
    /// Too few of the publisher's keys have signed it.
    #[error("the catalogue is not signed by its publisher")]
    NotSigned(#[source] SignedError),
    /// A newer form, an older version, a service twice.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Its time is over.
    #[error("the catalogue was good until {0}")]
    Expired(Timestamp),
    /// A manifest is not the one of the catalogue.
    #[error("the manifest of {0} is not the one that the catalogue names")]
    Altered(ServiceId),
    /// Too much to be kept.
    #[error("the manifests are together larger than {} MiB", MAX_MANIFESTS / 1024 / 1024)]
    Manifests,
    /// It cannot be kept.
    #[error("cannot write {path}")]
    Keep {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A catalogue that counts, and its manifests as far as they are known.
#[derive(Debug, Clone)]
pub struct Examined {
    /// What the owner trusts.
    pub(crate) given: KeyList,
    /// The newest list that follows from it.
    pub(crate) keys: KeyList,
    pub(crate) index: Index,
    pub(crate) manifests: BTreeMap<ServiceId, String>,
}

impl Examined {
    /// Looks what was fetched of a source. `trusted` is the newest list of keys that is known; `seen` the version of the
    /// catalogue that was taken last.
    ///
    /// # Errors
    /// [`SourceError`]
    pub(crate) fn new(
        given: KeyList,
        trusted: &KeyList,
        seen: Option<u64>,
        fetched: &Fetched<'_>,
        now: Timestamp,
    ) -> Result<Self, SourceError> {
        let keys = match fetched.keys {
            Some(chain) => {
                let chain: Vec<Envelope> = read(KEYS_FILE, chain)?;
                trusted.follow(&chain).map_err(SourceError::Keys)?
            }
            None => trusted.clone(),
        };
        let envelope: Envelope = read(INDEX_FILE, fetched.index)?;
        let form: Form = open(&keys, &envelope)?;
        // A newer form may have what this one does not know.
        if form.schema != Index::SCHEMA {
            return Err(IndexError::Schema.into());
        }
        let index: Index = open(&keys, &envelope)?;
        index.check(seen)?;
        check_fresh(index.expires, now).map_err(|_| SourceError::Expired(index.expires))?;
        Ok(Self {
            given,
            keys,
            index,
            manifests: BTreeMap::new(),
        })
    }

    /// Services whose manifests have to be fetched.
    pub fn missing(&self) -> Vec<ServiceId> {
        let entries = self.index.services.iter();
        let missing = entries.filter(|entry| !self.manifests.contains_key(&entry.id));
        missing.map(|entry| entry.id.clone()).collect()
    }

    /// Takes a manifest that was fetched.
    ///
    /// # Errors
    /// [`SourceError::Altered`], [`SourceError::Manifests`]
    pub fn add(&mut self, id: &ServiceId, bytes: Vec<u8>) -> Result<(), SourceError> {
        let altered = || SourceError::Altered(id.clone());
        let entry = self.index.entry(id).ok_or_else(altered)?;
        if digest(&bytes) != entry.manifest {
            return Err(altered());
        }
        // What is no text is no manifest; whoever reads it says so.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let known: usize = self.manifests.values().map(String::len).sum();
        if known + text.len() > MAX_MANIFESTS {
            return Err(SourceError::Manifests);
        }
        self.manifests.insert(id.clone(), text);
        Ok(())
    }
}

/// The files of a source.
#[derive(Debug, Clone, Copy)]
pub struct Fetched<'a> {
    /// [`KEYS_FILE`], if there is one.
    pub keys: Option<&'a [u8]>,
    /// [`INDEX_FILE`].
    pub index: &'a [u8],
}

/// What every form of an index has.
#[derive(Deserialize)]
struct Form {
    schema: u32,
}

fn read<T: DeserializeOwned>(file: &'static str, bytes: &[u8]) -> Result<T, SourceError> {
    if bytes.len() > Index::MAX_BYTES {
        return Err(SourceError::TooLarge(file));
    }
    serde_json::from_slice(bytes).map_err(|error| SourceError::Unreadable {
        file,
        source: error.into(),
    })
}

fn open<T: DeserializeOwned>(keys: &KeyList, envelope: &Envelope) -> Result<T, SourceError> {
    keys.open(INDEX_TYPE, envelope)
        .map_err(|error| match error {
            SignedError::Payload(source) => SourceError::Unreadable {
                file: INDEX_FILE,
                source,
            },
            other => SourceError::NotSigned(other),
        })
}

/// The manifest of an entry, if this version of the box takes it and it is what the entry says.
pub(crate) fn fitting(entry: &Entry, text: &str) -> Result<Manifest, String> {
    let manifest = Manifest::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    let images: BTreeSet<ImageDigest> = digests(manifest.containers.iter().map(|part| &part.image));
    let is_same = manifest.id == entry.id
        && manifest.release == entry.release
        && manifest.requires == entry.requires
        && images == digests(&entry.images);
    match is_same {
        true => Ok(manifest),
        false => Err("the catalogue says something else of it than its manifest".to_owned()),
    }
}

fn digests<'a>(
    images: impl IntoIterator<Item = &'a cell_model::container::ImageRef>,
) -> BTreeSet<ImageDigest> {
    images.into_iter().map(|image| image.digest).collect()
}
