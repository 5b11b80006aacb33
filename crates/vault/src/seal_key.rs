//! Where the sealing key comes from.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cell_model::secret::Secret;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::random::{self, RandomError};

/// Name of the key's file in the state directory.
const FILE_NAME: &str = "seal.key";
/// Bytes of a key of ChaCha20-Poly1305.
const KEY_BYTES: usize = 32;

/// The key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// No key could be made.
    #[error("cannot make the sealing key")]
    Random(#[from] RandomError),
    /// A new key could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key's file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not hold 32 bytes. It is left as it is: what is sealed cannot be opened without the right one.
    #[error("{path} is not a sealing key: it must have 32 bytes")]
    Length {
        /// The key's file.
        path: PathBuf,
    },
}

/// The key that seals, by where it is kept. A closed set; a TPM, a USB key or a passphrase is another variant.
#[derive(Debug, Clone)]
pub enum SealKey {
    /// In a file beside what it seals.
    Disk(Secret<[u8; KEY_BYTES]>),
}

/// What sealing protects from, said as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Whoever has the disk has the key too. Sealing then only keeps secrets out of copies of single files and
    /// of backups without the key.
    None,
}

impl Protection {
    /// The words shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "not protected from whoever holds the disk",
        }
    }
}

impl SealKey {
    /// The key in `seal.key` of the state directory, made there when there is none. A file that others may read is
    /// taken, made private and logged.
    pub fn on_disk(state_directory: &Path) -> Result<Self, SealKeyError> {
        let path = state_directory.join(FILE_NAME);
        match read(&path) {
            Err(SealKeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let key = Secret::new(random::random_bytes()?);
                match cell_durable::create(&path, key.expose(), 0o600) {
                    Ok(()) => Ok(Self::Disk(key)),
                    Err(source) => Err(SealKeyError::Write { path, source }),
                }
            }
            other => other.map(Self::Disk),
        }
    }

    /// What this way of keeping the key protects from.
    pub fn protection(&self) -> Protection {
        match self {
            Self::Disk(_) => Protection::None,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        match self {
            Self::Disk(key) => key.expose(),
        }
    }
}

fn read(path: &Path) -> Result<Secret<[u8; KEY_BYTES]>, SealKeyError> {
    let failed = |source| SealKeyError::Read {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .read(true)
        // A link in its place would be somebody else's choice of key.
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    keep_private(&file, path).map_err(failed)?;
    let mut content = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
    // One byte more than a key, so that a longer file is noticed.
    file.take(KEY_BYTES as u64 + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    <[u8; KEY_BYTES]>::try_from(content.as_slice())
        .map(Secret::new)
        .map_err(|_| SealKeyError::Length {
            path: path.to_owned(),
        })
}

fn keep_private(file: &File, path: &Path) -> io::Result<()> {
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the sealing key could be read by others; making it private");
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn key_is_made_once_private_to_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let first = SealKey::on_disk(directory.path()).unwrap();
        let again = SealKey::on_disk(directory.path()).unwrap();
        assert_eq!(first.bytes(), again.bytes());
        assert_eq!(mode(&directory.path().join(FILE_NAME)), 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(format!("{first:?}"), "Disk([secret])");
    }

    #[test]
    fn two_boxes_have_different_keys() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_ne!(
            SealKey::on_disk(one.path()).unwrap().bytes(),
            SealKey::on_disk(two.path()).unwrap().bytes()
        );
    }

    #[test]
    fn key_that_others_may_read_is_made_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        fs::write(&path, [7; 32]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let key = SealKey::on_disk(directory.path()).unwrap();
        assert_eq!(key.bytes(), &[7; 32]);
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn file_of_another_length_is_refused_and_left_alone() {
        for length in [0, 31, 33] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join(FILE_NAME);
            fs::write(&path, vec![7; length]).unwrap();
            let error = SealKey::on_disk(directory.path()).unwrap_err();
            assert!(matches!(error, SealKeyError::Length { .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }

    #[test]
    fn link_in_place_of_the_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, [7; 32]).unwrap();
        std::os::unix::fs::symlink(&elsewhere, directory.path().join(FILE_NAME)).unwrap();
        let error = SealKey::on_disk(directory.path()).unwrap_err();
        assert!(matches!(error, SealKeyError::Read { .. }), "{error}");
    }

    #[test]
    fn key_on_disk_claims_no_protection() {
        let key = SealKey::Disk(Secret::new([0; 32]));
        assert_eq!(
            key.protection().as_str(),
            "not protected from whoever holds the disk"
        );
    }
}
