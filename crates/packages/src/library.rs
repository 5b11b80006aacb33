//! All services that can be installed, wherever they come from.

use std::io::Write;
use std::path::Path;

use cell_catalogue::Manifest;
use cell_model::container::{ImageDigest, ImageName, ImageRef};
use cell_model::name::ServiceId;

use crate::{PackageFolder, PackagesError};

/// The name of the reverse proxy's image.
const PROXY: &str = "caddy";

/// What the box has to install services from: the folder that its image brings along, if it does.
#[derive(Debug, Clone, Default)]
pub struct Library {
    built_in: Option<PackageFolder>,
}

/// A service that can be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is.
    pub manifest: Manifest,
    /// The same as its publisher wrote it.
    pub text: String,
}

impl Library {
    /// One with what comes with the box in this folder. No folder, no services.
    ///
    /// # Errors
    /// The folder is there and cannot be read.
    pub fn open(built_in: &Path) -> Result<Self, PackagesError> {
        let built_in = match built_in.is_dir() {
            true => Some(PackageFolder::open(built_in)?),
            false => None,
        };
        Ok(Self { built_in })
    }

    /// The services there are.
    pub fn ids(&self) -> impl Iterator<Item = &ServiceId> {
        self.built_in.iter().flat_map(PackageFolder::ids)
    }

    /// A service.
    ///
    /// # Errors
    /// [`PackagesError::NoService`]; that its manifest cannot be read, or all that is wrong with it.
    pub fn offer(&self, id: &ServiceId) -> Result<Offer, PackagesError> {
        let folder = self.built_in.as_ref();
        let folder = folder.ok_or_else(|| PackagesError::NoService(id.clone()))?;
        let manifest = folder.manifest(id)?;
        let text = String::from_utf8(folder.manifest_bytes(id)?);
        let text = text.expect("what was read as TOML is text");
        Ok(Offer { manifest, text })
    }

    /// The image of the reverse proxy, which the box itself runs.
    pub fn proxy(&self) -> Option<ImageRef> {
        let name: ImageName = PROXY.parse().ok()?;
        let digest = *self.built_in.as_ref()?.images().get(&name)?;
        Some(ImageRef { name, digest })
    }

    /// Whether an image can be brought from here.
    pub fn has_image(&self, image: &ImageDigest) -> bool {
        let mut images = self
            .built_in
            .iter()
            .flat_map(|folder| folder.images().values());
        images.any(|known| known == image)
    }

    /// Writes an image as the archive that podman loads. Blocks until it is read.
    ///
    /// # Errors
    /// [`PackagesError::NoImage`]; the file that is not as the digest says.
    pub fn write_archive(&self, image: &ImageDigest, to: impl Write) -> Result<(), PackagesError> {
        match &self.built_in {
            Some(folder) => folder.write_archive(image, to),
            None => Err(PackagesError::NoImage(*image)),
        }
    }
}
