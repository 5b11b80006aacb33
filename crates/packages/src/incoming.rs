//! Images on their way from a source: a folder for each service, until podman has them.
//!
//! What has come whole and is right lies under its digest; what has begun to come has `.part` behind that, and is gone on
//! with after a power cut.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cell_model::container::ImageDigest;
use cell_model::name::ServiceId;

use crate::archive::{self, MAX_DOCUMENT};
use crate::blob::{BlobReader, Described, digest, place};
use crate::error::{self, PackagesError};

/// What stays free, for what else the box has to keep.
const RESERVE: u64 = 64 << 20;
/// Podman writes the archive of an image down, and then what is in it.
const COPIES: u64 = 2;

/// The images of one service.
#[derive(Debug, Clone)]
pub struct Incoming {
    folder: PathBuf,
}

impl Incoming {
    /// Their place below `folder`, which is made.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: &Path, service: &ServiceId) -> Result<Self, PackagesError> {
        let folder = folder.join(service.as_str());
        let blobs = folder.join("blobs/sha256");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&blobs)
            .map_err(error::keep(&blobs))?;
        Ok(Self { folder })
    }

    /// Takes away what is there of other services than these.
    ///
    /// # Errors
    /// Something cannot be taken away.
    pub fn clear(folder: &Path, but: impl Fn(&str) -> bool) -> Result<(), PackagesError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error::read(folder)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(error::read(folder))?;
            if !entry.file_name().to_str().is_some_and(&but) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(error::keep(path))?;
            }
        }
        Ok(())
    }

    /// Whether a blob is there whole.
    pub fn has(&self, blob: &ImageDigest) -> bool {
        self.path(blob).exists()
    }

    /// Bytes that have come of a blob, which may be all.
    pub fn begun(&self, blob: &ImageDigest) -> u64 {
        let length = |path: PathBuf| fs::metadata(path).map(|found| found.len()).ok();
        let whole = length(self.path(blob));
        whole
            .or_else(|| length(self.part(blob)))
            .unwrap_or_default()
    }

    /// A file for what comes next of a blob.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn append(&self, blob: &ImageDigest) -> Result<File, PackagesError> {
        let path = self.part(blob);
        let mut options = OpenOptions::new();
        let opened = options.append(true).create(true).mode(0o600).open(&path);
        opened.map_err(error::keep(path))
    }

    /// All of a blob has come: checks it, and waits until it is on disk. One that is wrong is taken away.
    ///
    /// # Errors
    /// [`PackagesError::Size`], [`PackagesError::Altered`]; the disk's own.
    pub fn finish(&self, blob: &ImageDigest, size: u64) -> Result<(), PackagesError> {
        let (part, path) = (self.part(blob), self.path(blob));
        let described = Described {
            digest: *blob,
            size,
        };
        let checked = BlobReader::open(part.clone(), described).and_then(|mut reader| {
            let copied = io::copy(&mut reader, &mut io::sink()).map(drop);
            reader.finish(copied)
        });
        if let Err(wrong) = checked {
            let _ = cell_durable::remove(&part);
            return Err(wrong);
        }
        File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, &path))
            .and_then(|()| cell_durable::sync_parent(&path))
            .map_err(error::keep(path))
    }

    /// Takes an image's manifest.
    ///
    /// # Errors
    /// [`PackagesError::Altered`]; it cannot be written.
    pub fn put(&self, image: &ImageDigest, manifest: &[u8]) -> Result<(), PackagesError> {
        let path = self.path(image);
        let found = digest(manifest);
        if found != *image {
            return Err(PackagesError::Altered { path, found });
        }
        cell_durable::replace(&path, manifest, 0o600).map_err(error::keep(path))
    }

    /// The most bytes that the manifest of an image may have.
    pub fn largest_manifest() -> u64 {
        MAX_DOCUMENT
    }

    /// What these images are made from beside their manifests, which are there: each blob once, with its size.
    ///
    /// # Errors
    /// A manifest cannot be read; all of it is more than `limit` bytes.
    pub fn blobs(
        &self,
        images: &[ImageDigest],
        limit: u64,
    ) -> Result<BTreeMap<ImageDigest, u64>, PackagesError> {
        let mut blobs = BTreeMap::new();
        let mut total = 0_u64;
        for image in images {
            let (bytes, manifest) = archive::manifest(&self.folder, image)?;
            total = total.saturating_add(bytes.len() as u64);
            for part in manifest.parts() {
                if blobs.insert(part.digest, part.size).is_none() {
                    total = total.saturating_add(part.size);
                }
            }
        }
        match total > limit {
            true => Err(PackagesError::Images { total, limit }),
            false => Ok(blobs),
        }
    }

    /// Refuses to fill the disk: there is room for `missing` bytes that are still to come, and for podman to take in all
    /// of `total`.
    ///
    /// # Errors
    /// [`PackagesError::Room`]; nobody knows how much there is.
    pub fn check_room(&self, missing: u64, total: u64) -> Result<(), PackagesError> {
        let free = cell_durable::free_room(&self.folder).map_err(error::read(&self.folder))?;
        let copies = total.saturating_mul(COPIES);
        let needed = missing.saturating_add(copies).saturating_add(RESERVE);
        match needed > free {
            true => Err(PackagesError::Room { needed, free }),
            false => Ok(()),
        }
    }

    /// Writes an image as the archive that podman loads. Blocks until it is read.
    ///
    /// # Errors
    /// The file that is not as the digest says.
    pub fn write_archive(&self, image: &ImageDigest, to: impl Write) -> Result<(), PackagesError> {
        archive::write(&self.folder, image, to)
    }

    /// Takes all of it away.
    ///
    /// # Errors
    /// It cannot be taken away.
    pub fn remove(&self) -> Result<(), PackagesError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error::keep(&self.folder)(error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, blob: &ImageDigest) -> PathBuf {
        self.folder.join(place(blob))
    }

    fn part(&self, blob: &ImageDigest) -> PathBuf {
        self.path(blob).with_extension("part")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(folder: &Path) -> Incoming {
        Incoming::open(folder, &"files".parse().unwrap()).unwrap()
    }

    #[test]
    fn blob_that_has_come_whole_is_there_and_one_that_is_wrong_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let incoming = incoming(folder.path());
        let blob = digest(b"layer");
        incoming.append(&blob).unwrap().write_all(b"lay").unwrap();
        assert_eq!((incoming.begun(&blob), incoming.has(&blob)), (3, false));
        incoming.append(&blob).unwrap().write_all(b"er").unwrap();
        incoming.finish(&blob, 5).unwrap();
        assert_eq!((incoming.begun(&blob), incoming.has(&blob)), (5, true));

        let other = digest(b"other");
        incoming
            .append(&other)
            .unwrap()
            .write_all(b"wrong")
            .unwrap();
        let refused = incoming.finish(&other, 5);
        assert!(matches!(refused, Err(PackagesError::Altered { .. })));
        assert_eq!(incoming.begun(&other), 0);
        let refused = incoming.put(&other, b"wrong");
        assert!(matches!(refused, Err(PackagesError::Altered { .. })));
    }

    #[test]
    fn disk_is_not_filled() {
        let folder = tempfile::tempdir().unwrap();
        let incoming = incoming(folder.path());
        incoming.check_room(0, 0).unwrap();
        for (missing, total) in [(1 << 60, 0), (0, 1 << 60), (u64::MAX, u64::MAX)] {
            let refused = incoming.check_room(missing, total).unwrap_err();
            let text = refused.to_string();
            assert!(text.contains("are needed on the data partition"), "{text}");
        }
    }

    #[test]
    fn what_nobody_needs_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        Incoming::clear(&folder.path().join("absent"), |_| false).unwrap();
        let kept = incoming(folder.path());
        kept.put(&digest(b"a"), b"a").unwrap();
        Incoming::open(folder.path(), &"notes".parse().unwrap()).unwrap();
        Incoming::clear(folder.path(), |name| name == "files").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(kept.has(&digest(b"a")));
        kept.remove().unwrap();
        kept.remove().unwrap();
    }
}
