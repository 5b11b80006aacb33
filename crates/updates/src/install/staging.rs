//! What was fetched and is not yet in a slot: one file with the bundle's own layout and holes where nothing is needed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::slots::SlotFile;
use super::{InstallError, Offer};
use crate::boot_state::Slot;
use crate::bundle::{Planned, Release};

/// What stays free, for what else the box has to keep.
const RESERVE: u64 = 32 << 20;

/// Versions that are remembered as not wanted: the newest ones; older ones are not offered any more.
const MOST_DECLINED: usize = 32;

/// The folder for it, on the data partition.
#[derive(Debug, Clone)]
pub struct Staging {
    folder: PathBuf,
}

/// The version that was put on trial last, and where: what came of it, the loader knows by its slot only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which version.
    pub release: Release,
    /// Where.
    pub slot: Slot,
}

/// A bundle of which something is there.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
    file: File,
    first_chunk: u64,
}

impl Staging {
    /// In this folder, which is made when it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Forgets what is there.
    ///
    /// # Errors
    /// [`InstallError::Staging`].
    pub fn clear(&self) -> Result<(), InstallError> {
        let path = self.path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Remembers what is put on trial.
    pub(super) fn note_tried(&self, release: &Release, slot: Slot) -> Result<(), InstallError> {
        let path = self.tried_path();
        let tried = Tried {
            release: release.clone(),
            slot,
        };
        let json =
            serde_json::to_vec(&tried).map_err(|error| failed("write", &path)(error.into()))?;
        cell_durable::replace(&path, &json, 0o600).map_err(failed("write", &path))
    }

    /// What was put on trial last, as far as that is known.
    pub fn tried(&self) -> Option<Tried> {
        serde_json::from_slice(&fs::read(self.tried_path()).ok()?).ok()
    }

    /// Remembers a version that nobody shall be given without asking for it.
    ///
    /// # Errors
    /// [`InstallError::Staging`].
    pub fn decline(&self, sequence: u64) -> Result<(), InstallError> {
        let mut declined = self.declined();
        if declined.contains(&sequence) {
            return Ok(());
        }
        declined.push(sequence);
        let oldest = declined.len().saturating_sub(MOST_DECLINED);
        let path = self.declined_path();
        let json = serde_json::to_vec(&declined[oldest..])
            .map_err(|error| failed("write", &path)(error.into()))?;
        fs::create_dir_all(&self.folder).map_err(failed("make", &self.folder))?;
        cell_durable::replace(&path, &json, 0o600).map_err(failed("write", &path))
    }

    /// The versions that nobody shall be given without asking for them, by their numbers.
    pub fn declined(&self) -> Vec<u64> {
        let read = || serde_json::from_slice(&fs::read(self.declined_path()).ok()?).ok();
        read().unwrap_or_default()
    }

    fn declined_path(&self) -> PathBuf {
        self.folder.join("declined.json")
    }

    fn tried_path(&self) -> PathBuf {
        self.folder.join("tried.json")
    }

    /// Room for chunks of this bundle; those of another are forgotten.
    pub(super) fn open(&self, offer: &Offer) -> Result<Staged, InstallError> {
        let path = self.path();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(failed("make", &self.folder))?;
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false);
        let file = file
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        let header = offer.header();
        let mut there = vec![0; header.len()];
        let is_same = SlotFile::read_at(&file, &mut there, 0)
            .is_ok_and(|read| read == header.len() && there == header);
        if !is_same {
            file.set_len(0)
                .and_then(|()| file.write_all_at(header, 0))
                .map_err(failed("write", &path))?;
        }
        Ok(Staged {
            path,
            file,
            first_chunk: header.len() as u64,
        })
    }

    fn path(&self) -> PathBuf {
        self.folder.join("incoming.bundle")
    }
}

impl Staged {
    /// A chunk's bytes, if they are there and right.
    pub(super) fn chunk(&self, planned: &Planned) -> Option<Vec<u8>> {
        let mut bytes = vec![0; planned.chunk.length()];
        let at = self.first_chunk + planned.source;
        let read = SlotFile::read_at(&self.file, &mut bytes, at).ok()?;
        (read == bytes.len() && planned.chunk.is(&bytes)).then_some(bytes)
    }

    pub(super) fn write(&self, planned: &Planned, bytes: &[u8]) -> Result<(), InstallError> {
        let at = self.first_chunk + planned.source;
        self.file
            .write_all_at(bytes, at)
            .map_err(failed("write", &self.path))
    }

    pub(super) fn sync(&self) -> Result<(), InstallError> {
        self.file.sync_all().map_err(failed("write", &self.path))
    }

    /// Refuses to fill the disk.
    pub(super) fn check_room(&self, needed: u64) -> Result<(), InstallError> {
        let folder = self.path.parent().unwrap_or(&self.path);
        let free = cell_durable::free_room(folder).map_err(failed("look at", folder))?;
        let needed = needed + RESERVE;
        if needed > free {
            return Err(InstallError::Room { needed, free });
        }
        Ok(())
    }
}

fn failed<'a>(step: &'static str, path: &'a Path) -> impl Fn(io::Error) -> InstallError + 'a {
    move |source| InstallError::Staging {
        step,
        path: path.to_owned(),
        source,
    }
}
