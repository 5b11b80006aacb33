//! Blobs: files that are named by what is in them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cell_model::container::ImageDigest;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{self, PackagesError};

/// How one blob names another (OCI image specification, "descriptor"). What it is for is told by where it stands.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Described {
    pub(crate) digest: ImageDigest,
    pub(crate) size: u64,
}

/// Where a blob is, below a package folder as in an archive.
pub(crate) fn place(digest: &ImageDigest) -> PathBuf {
    Path::new("blobs/sha256").join(HEXLOWER.encode(digest.as_bytes()))
}

/// The digest of these bytes.
pub(crate) fn digest(bytes: &[u8]) -> ImageDigest {
    ImageDigest::new(Sha256::digest(bytes).into())
}

/// All of a file that is small.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, PackagesError> {
    let file = File::open(path).map_err(error::read(path))?;
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    let length = read.map_err(error::read(path))?;
    match length as u64 > limit {
        true => Err(PackagesError::TooLarge {
            path: path.to_owned(),
            limit,
        }),
        false => Ok(bytes),
    }
}

/// All of a blob that is small, checked.
pub(crate) fn read_blob(
    path: &Path,
    expected: &ImageDigest,
    limit: u64,
) -> Result<Vec<u8>, PackagesError> {
    let bytes = read_small(path, limit)?;
    let found = digest(&bytes);
    match found == *expected {
        true => Ok(bytes),
        false => Err(PackagesError::Altered {
            path: path.to_owned(),
            found,
        }),
    }
}

/// Reads a blob of a known size piece by piece, and knows at the end what it has read.
pub(crate) struct BlobReader {
    path: PathBuf,
    described: Described,
    file: io::Take<File>,
    digest: Sha256,
    /// Why no more could be read: whoever reads sees the same error, and may take it for one of their own.
    failed: Option<io::Error>,
}

impl BlobReader {
    pub(crate) fn open(path: PathBuf, described: Described) -> Result<Self, PackagesError> {
        let file = File::open(&path).map_err(error::read(&path))?;
        let found = file.metadata().map_err(error::read(&path))?.len();
        let expected = described.size;
        if found != expected {
            return Err(PackagesError::Size {
                path,
                expected,
                found,
            });
        }
        Ok(Self {
            path,
            described,
            file: file.take(expected),
            digest: Sha256::new(),
            failed: None,
        })
    }

    /// Whether it was read whole and is the blob; `copied` is what came of that.
    pub(crate) fn finish(self, copied: io::Result<()>) -> Result<(), PackagesError> {
        let Self {
            path,
            described,
            file,
            digest,
            failed,
        } = self;
        if let Some(source) = failed {
            return Err(PackagesError::Read { path, source });
        }
        copied.map_err(PackagesError::Write)?;
        let found = ImageDigest::new(digest.finalize().into());
        match file.limit() == 0 && found == described.digest {
            true => Ok(()),
            false => Err(PackagesError::Altered { path, found }),
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Ok(length) => {
                self.digest.update(&buffer[..length]);
                Ok(length)
            }
            Err(again) if again.kind() == io::ErrorKind::Interrupted => Err(again),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}
