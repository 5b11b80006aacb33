//! Versions of the appliance's system, made from the image under test, as bundles that it takes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_os::bundle::{self, Terms};
use cell_os::keyring::Keyring;
use cell_os::rework::rework;
use cell_updates::bundle::{Digest, RELEASE, Release, Sbom};
use tempfile::TempDir;

use crate::vm::{emulator, from_environment, image};

/// A version whose root differs from that of the image under test.
#[derive(Debug)]
pub struct Version {
    /// Which.
    pub release: Release,
    /// Its disk image.
    pub image: PathBuf,
    folder: TempDir,
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
        Self {
            release: release.unwrap(),
            image: to,
            folder,
        }
    }

    /// Its bundle, signed by the keys that the image under test trusts.
    #[must_use]
    pub fn bundle(&self) -> Vec<u8> {
        let keys = Keyring::read(&from_environment("CELL_KEYS")).unwrap();
        let to = self.folder.path().join("version.bundle");
        let terms = Terms {
            release: self.release.clone(),
            channel: ReleaseChannel::Testing,
            expires: Timestamp::now() + std::time::Duration::from_secs(86_400),
            notes: "For a test.".to_owned(),
            sbom: Sbom {
                name: "none.spdx.json".to_owned(),
                digest: Digest::of(b""),
            },
        };
        bundle::make(&self.image, terms, &keys, emulator().toolbox(), &to).unwrap();
        fs::read(&to).unwrap()
    }
}
