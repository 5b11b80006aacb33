//! Versions of the appliance's system, made from the image under test, as bundles that it takes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_os::bundle::{self, Terms};
use cell_os::disk::offset_of;
use cell_os::keyring::Keyring;
use cell_os::rework::rework;
use cell_updates::bundle::{Digest, Manifest, Place, RELEASE, Release, Sbom};
use tempfile::TempDir;

use crate::vm::{emulator, from_environment, image};

/// A version whose root differs from that of the image under test.
#[derive(Debug)]
pub struct Version {
    /// Which.
    pub release: Release,
    /// What its bundle says of it.
    pub manifest: Manifest,
    image: PathBuf,
    bundle: PathBuf,
    _folder: TempDir,
}

impl Version {
    /// The image under test with `change` done to its root, so many versions on.
    #[must_use]
    pub fn after(steps: u64, change: impl FnOnce(&Path) -> io::Result<()>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("version.img");
        let scratch = folder.path().join("scratch");
        let mut release = None;
        let emulator = emulator();
        let reworked = |root: &Path| {
            let path = root.join(RELEASE);
            let mut found: Release = serde_json::from_slice(&fs::read(&path)?)?;
            found.sequence += steps;
            found.version = format!("{}.{steps}", found.version);
            fs::write(&path, serde_json::to_vec(&found)?)?;
            release = Some(found);
            change(root)
        };
        rework(&image(), reworked, &to, &scratch, 0, emulator.toolbox()).unwrap();
        fs::remove_dir_all(&scratch).unwrap();
        let keys = Keyring::read(&from_environment("CELL_KEYS")).unwrap();
        let bundle = folder.path().join("version.bundle");
        let release: Release = release.unwrap();
        let terms = Terms {
            release: release.clone(),
            channel: ReleaseChannel::Testing,
            expires: Timestamp::now() + std::time::Duration::from_secs(86_400),
            notes: "For a test.".to_owned(),
            sbom: Sbom {
                name: "none.spdx.json".to_owned(),
                digest: Digest::of(b""),
            },
        };
        let manifest = bundle::make(&to, terms, &keys, emulator.toolbox(), &bundle).unwrap();
        Self {
            release,
            manifest,
            image: to,
            bundle,
            _folder: folder,
        }
    }

    /// Its bundle, signed by the keys that the image under test trusts.
    #[must_use]
    pub fn bundle(&self) -> Vec<u8> {
        fs::read(&self.bundle).unwrap()
    }

    /// What a slot holds that holds it.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let Manifest { boot, root, .. } = &self.manifest;
        Contents([boot, root].map(|content| (content.size, content.digest)))
    }

    /// What belongs on a partition.
    #[must_use]
    pub fn content(&self, place: Place) -> Vec<u8> {
        let name = format!("{}-a", place.as_str());
        let mut file = File::open(&self.image).unwrap();
        file.seek(SeekFrom::Start(offset_of(&name))).unwrap();
        let mut bytes = Vec::new();
        let size = self.manifest.content(place).size;
        file.take(size).read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// What the partitions of a slot hold from their first bytes on: sizes and digests, in the order of [`Place::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents(pub [(u64, Digest); 2]);
