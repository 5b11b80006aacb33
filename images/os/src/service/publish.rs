//! A package folder as a source of services: the list of what it has, signed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cell_catalogue::{Entry, Index, Manifest};
use cell_model::Timestamp;
use cell_model::container::{ImageDigest, Registry};
use cell_packages::{INDEX_FILE, INDEX_TYPE, KEYS_FILE, PackageFolder, PackagesError};
use cell_signed::Envelope;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{self, OsError};
use crate::keyring::Keyring;

/// What an index says besides what is in the folder.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Rises with every change.
    pub version: u64,
    /// Until when boxes take it.
    pub expires: Timestamp,
    /// The registry that has the images; without one, the folder itself.
    pub registry: Option<Registry>,
}

/// How blobs are named in an image's manifest.
#[derive(Debug, Deserialize)]
struct Described {
    digest: ImageDigest,
    size: u64,
}

#[derive(Debug, Deserialize)]
struct ImageManifest {
    config: Described,
    layers: Vec<Described>,
}

/// Writes `index.json` and `keys.json` into a package folder: put on a server, it is a source.
///
/// # Errors
/// Something in it is wrong or cannot be read; the files cannot be written.
pub fn publish(folder: &Path, issue: &Issue, keys: &Keyring) -> Result<Index, OsError> {
    let packages = PackageFolder::open(folder).map_err(unfit(folder))?;
    let entries = packages.ids().iter().map(|id| {
        let manifest = packages.manifest(id).map_err(unfit(folder))?;
        let bytes = packages.manifest_bytes(id).map_err(unfit(folder))?;
        entry(folder, manifest, &bytes, issue.registry.clone())
    });
    let index = Index {
        schema: Index::SCHEMA,
        version: issue.version,
        expires: issue.expires,
        services: entries.collect::<Result<_, OsError>>()?,
    };
    index.check(None).map_err(|problem| OsError::Data {
        path: folder.to_owned(),
        problem: problem.to_string(),
    })?;
    let payload = to_json(&folder.join(INDEX_FILE), &index)?;
    let envelope = Envelope::seal(INDEX_TYPE, payload, &keys.signers);
    write(folder.join(KEYS_FILE), &keys.chain)?;
    write(folder.join(INDEX_FILE), &envelope)?;
    Ok(index)
}

fn entry(
    folder: &Path,
    manifest: Manifest,
    bytes: &[u8],
    registry: Option<Registry>,
) -> Result<Entry, OsError> {
    let images: Vec<_> = manifest
        .containers
        .into_iter()
        .map(|part| part.image)
        .collect();
    let mut blobs = BTreeMap::new();
    for image in &images {
        let path = folder.join(image.digest.blob_path());
        let document = fs::read(&path).map_err(error::read(&path))?;
        blobs.insert(image.digest, document.len() as u64);
        let parts: ImageManifest =
            serde_json::from_slice(&document).map_err(|problem| OsError::Data {
                path,
                problem: format!("is no manifest of an image: {problem}"),
            })?;
        let parts = parts.layers.into_iter().chain([parts.config]);
        blobs.extend(parts.map(|part| (part.digest, part.size)));
    }
    Ok(Entry {
        id: manifest.id,
        name: manifest.name,
        summary: manifest.summary,
        version: manifest.version,
        release: manifest.release,
        requires: manifest.requires,
        manifest: ImageDigest::new(Sha256::digest(bytes).into()),
        images,
        size: blobs.values().sum::<u64>() + bytes.len() as u64,
        registry,
    })
}

fn to_json(path: &Path, value: &impl serde::Serialize) -> Result<Vec<u8>, OsError> {
    let json = serde_json::to_vec(value).map_err(io::Error::other);
    json.map_err(error::write(path))
}

fn write(path: PathBuf, value: &impl serde::Serialize) -> Result<(), OsError> {
    let json = to_json(&path, value)?;
    cell_durable::replace(&path, &json, 0o644).map_err(error::write(path))
}

fn unfit(folder: &Path) -> impl Fn(PackagesError) -> OsError {
    let path = folder.to_owned();
    move |problem| OsError::Data {
        path: path.clone(),
        problem: cell_model::problem::chain(&problem),
    }
}
