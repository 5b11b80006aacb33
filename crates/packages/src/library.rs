//! All services that can be installed, wherever they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cell_catalogue::Manifest;
use cell_model::Timestamp;
use cell_model::config::{OriginConfig, SourceConfig};
use cell_model::container::{ImageDigest, ImageName, ImageRef};
use cell_model::name::{ServiceId, SourceName};

use crate::known::{Catalogue, Sources};
use crate::source::{Examined, Fetched, SourceError};
use crate::{PackageFolder, PackagesError};

/// The name of the reverse proxy's image.
const PROXY: &str = "caddy";

/// What the box has to install services from: the folder that its image brings along, if it does, and what is known of
/// the sources of its settings.
#[derive(Debug)]
pub struct Library {
    built_in: Option<PackageFolder>,
    sources: RwLock<Sources>,
    clock: fn() -> Timestamp,
}

/// A service that can be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is.
    pub manifest: Manifest,
    /// The same as its publisher wrote it.
    pub text: String,
    /// Where it comes from; `None`: with the box.
    pub origin: Option<OriginConfig>,
}

impl Offer {
    /// The source it comes from; `None`: it comes with the box.
    pub fn source(&self) -> Option<&SourceName> {
        self.origin.as_ref().map(|origin| &origin.source)
    }
}

impl Default for Library {
    fn default() -> Self {
        Self {
            built_in: None,
            sources: RwLock::default(),
            clock: Timestamp::now,
        }
    }
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
        Ok(Self {
            built_in,
            ..Self::default()
        })
    }

    /// With a folder for what is known of sources, which is made when it is needed.
    #[must_use]
    pub fn remembering(self, folder: impl Into<PathBuf>) -> Self {
        self.known_mut().folder = Some(folder.into());
        self
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    /// These are the sources from now on.
    pub fn follow(&self, sources: &BTreeMap<SourceName, SourceConfig>) {
        self.known_mut().follow(sources);
    }

    /// Looks whether what was fetched of a source counts; nothing is taken yet. `None`: it is no source any more.
    pub fn examine(
        &self,
        source: &SourceName,
        fetched: &Fetched<'_>,
    ) -> Option<Result<Examined, SourceError>> {
        self.known().examine(source, fetched, (self.clock)())
    }

    /// Takes a catalogue with its manifests: what it has can be installed from then on. Waits for the disk.
    ///
    /// # Errors
    /// [`SourceError::Keep`]; what was known stays.
    pub fn keep(&self, source: &SourceName, examined: Examined) -> Result<(), SourceError> {
        self.known_mut().keep(source, examined)
    }

    /// What counts of a source now.
    pub fn catalogue(&self, source: &SourceName) -> Option<Catalogue> {
        self.known().catalogue(source, (self.clock)())
    }

    /// The services there are.
    pub fn ids(&self) -> BTreeSet<ServiceId> {
        let known = self.known();
        let offered = known.offers((self.clock)());
        let offered = offered.flat_map(|(_, offers)| offers.keys());
        let built_in = self.built_in.iter().flat_map(PackageFolder::ids);
        built_in.chain(offered).cloned().collect()
    }

    /// A service: of all that are called so, the one of the highest release, and of equal ones that of the box.
    ///
    /// # Errors
    /// [`PackagesError::NoService`]; that its manifest cannot be read, or all that is wrong with it.
    pub fn offer(&self, id: &ServiceId) -> Result<Offer, PackagesError> {
        self.best(id, |_| true)
    }

    /// What may take the place of a service that was installed from `source`: it comes from there, or with the box.
    ///
    /// # Errors
    /// As [`offer`](Self::offer).
    pub fn successor(
        &self,
        id: &ServiceId,
        source: Option<&SourceName>,
    ) -> Result<Offer, PackagesError> {
        self.best(id, |offered| Some(offered) == source)
    }

    fn best(
        &self,
        id: &ServiceId,
        may_be_of: impl Fn(&SourceName) -> bool,
    ) -> Result<Offer, PackagesError> {
        let built_in = self.built_in(id);
        let known = self.known();
        let mut best = built_in.as_ref().ok();
        for (source, offers) in known.offers((self.clock)()) {
            let offer = offers.get(id).filter(|_| may_be_of(source));
            let is_better = |offer: &&Offer| {
                best.is_none_or(|best| best.manifest.release < offer.manifest.release)
            };
            best = offer.filter(is_better).or(best);
        }
        match best.cloned() {
            Some(best) => Ok(best),
            None => built_in,
        }
    }

    fn built_in(&self, id: &ServiceId) -> Result<Offer, PackagesError> {
        let folder = self.built_in.as_ref();
        let folder = folder.ok_or_else(|| PackagesError::NoService(id.clone()))?;
        let manifest = folder.manifest(id)?;
        let text = String::from_utf8(folder.manifest_bytes(id)?);
        let text = text.expect("what was read as TOML is text");
        Ok(Offer {
            manifest,
            text,
            origin: None,
        })
    }

    /// The image of the reverse proxy, which the box itself runs.
    pub fn proxy(&self) -> Option<ImageRef> {
        let name: ImageName = PROXY.parse().ok()?;
        let digest = *self.built_in.as_ref()?.images().get(&name)?;
        Some(ImageRef { name, digest })
    }

    /// Whether an image came with the box.
    pub fn has_image(&self, image: &ImageDigest) -> bool {
        let mut images = self
            .built_in
            .iter()
            .flat_map(|folder| folder.images().values());
        images.any(|known| known == image)
    }

    /// Writes an image that came with the box as the archive that podman loads. Blocks until it is read.
    ///
    /// # Errors
    /// [`PackagesError::NoImage`]; the file that is not as the digest says.
    pub fn write_archive(&self, image: &ImageDigest, to: impl Write) -> Result<(), PackagesError> {
        match &self.built_in {
            Some(folder) => folder.write_archive(image, to),
            None => Err(PackagesError::NoImage(*image)),
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, Sources> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Sources> {
        self.sources.write().unwrap_or_else(PoisonError::into_inner)
    }
}
