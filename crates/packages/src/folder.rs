//! A folder with services.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use cell_catalogue::Manifest;
use cell_model::container::{ImageDigest, ImageName};
use cell_model::name::ServiceId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::archive;
use crate::blob::read_small;
use crate::error::{self, PackagesError};

/// The list of images.
const IMAGES: &str = "images.json";
/// A service's manifest, in a folder of the service's name.
const MANIFEST: &str = "service.toml";
/// The most bytes of the list: thousands of images.
const MAX_LIST: u64 = 1024 * 1024;

/// Services, and images of theirs and of others.
#[derive(Debug, Clone)]
pub struct PackageFolder {
    folder: PathBuf,
    ids: BTreeSet<ServiceId>,
    images: BTreeMap<ImageName, ImageDigest>,
}

/// `images.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageList {
    #[serde(deserialize_with = "named")]
    images: BTreeMap<ImageName, ImageDigest>,
}

/// Digests by names that are names of images.
fn named<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<ImageName, ImageDigest>, D::Error> {
    let images = BTreeMap::<String, ImageDigest>::deserialize(deserializer)?;
    images
        .into_iter()
        .map(|(name, digest)| Ok((name.parse().map_err(D::Error::custom)?, digest)))
        .collect()
}

impl PackageFolder {
    /// Looks which services and images there are.
    ///
    /// # Errors
    /// That the folder or its list cannot be read, or is of another form.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, PackagesError> {
        let folder = folder.into();
        let path = folder.join(IMAGES);
        let ImageList { images } = serde_json::from_slice(&read_small(&path, MAX_LIST)?)
            .map_err(|source| PackagesError::Json { path, source })?;
        let ids = ids(&folder)?;
        Ok(Self {
            folder,
            ids,
            images,
        })
    }

    /// The services there are.
    pub fn ids(&self) -> &BTreeSet<ServiceId> {
        &self.ids
    }

    /// The images there are, also those of no service.
    pub fn images(&self) -> &BTreeMap<ImageName, ImageDigest> {
        &self.images
    }

    /// A service's manifest. All images that it asks for are there.
    ///
    /// # Errors
    /// [`PackagesError::NoService`]; that it cannot be read, or all that is wrong with it.
    pub fn manifest(&self, id: &ServiceId) -> Result<Manifest, PackagesError> {
        let path = self.manifest_path(id)?;
        let manifest = match Manifest::parse(&self.manifest_bytes(id)?) {
            Ok(manifest) => manifest,
            Err(source) => return Err(PackagesError::Manifest { path, source }),
        };
        if manifest.id != *id {
            let found = manifest.id;
            return Err(PackagesError::OtherService { path, found });
        }
        let mut images = manifest.containers.iter().map(|container| &container.image);
        match images.find(|image| self.images.get(&image.name) != Some(&image.digest)) {
            Some(image) => Err(PackagesError::OtherImage {
                image: image.clone(),
                path,
            }),
            None => Ok(manifest),
        }
    }

    /// A service's manifest as it is written.
    ///
    /// # Errors
    /// [`PackagesError::NoService`], or that it cannot be read.
    pub fn manifest_bytes(&self, id: &ServiceId) -> Result<Vec<u8>, PackagesError> {
        read_small(&self.manifest_path(id)?, Manifest::MAX_BYTES as u64)
    }

    /// Writes an image as the archive that podman loads: its own blobs, each checked while it is copied.
    ///
    /// # Errors
    /// [`PackagesError::NoImage`]; the file that is not as the digest says. What was written until then is no archive.
    pub fn write_archive(&self, image: &ImageDigest, to: impl Write) -> Result<(), PackagesError> {
        match self.images.values().any(|known| known == image) {
            true => archive::write(&self.folder, image, to),
            false => Err(PackagesError::NoImage(*image)),
        }
    }

    fn manifest_path(&self, id: &ServiceId) -> Result<PathBuf, PackagesError> {
        match self.ids.contains(id) {
            true => Ok(self.folder.join(id.as_str()).join(MANIFEST)),
            false => Err(PackagesError::NoService(id.clone())),
        }
    }
}

/// The names of the folders with a manifest.
fn ids(folder: &Path) -> Result<BTreeSet<ServiceId>, PackagesError> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(error::read(folder))? {
        let entry = entry.map_err(error::read(folder))?;
        let path = entry.path();
        if !path.join(MANIFEST).is_file() {
            continue;
        }
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        ids.insert(id.ok_or(PackagesError::Name(path))?);
    }
    Ok(ids)
}
