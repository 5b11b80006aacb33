//! Chosen packages, unpacked, and kept from one build to the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::Archive;
use super::lock::Lock;
use crate::error::{self, OsError};
use crate::files;
use crate::toolbox::run;

/// A folder with all packages of a lock unpacked; nobody writes into it any more.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Where.
    pub folder: PathBuf,
    /// Of what.
    pub lock: Lock,
}

/// Which packages are wanted, and which these were when that was last looked at.
#[derive(Debug)]
pub(super) struct Selection {
    /// Where they come from.
    pub(super) archive: Archive,
    /// One package a line, `#` starts a comment, `{arch}` stands for `architecture`.
    pub(super) list: PathBuf,
    /// The architecture they are for.
    pub(super) architecture: String,
    /// They and all they depend on, to the byte.
    pub(super) lock_file: PathBuf,
}

impl Selection {
    /// Those of the lock file, unpacked below `cache`; or, once the archive has newer ones only, the newest.
    ///
    /// # Errors
    /// What could not be fetched, verified or unpacked.
    pub(super) fn unpacked(
        &self,
        cache: &Path,
        mut progress: impl FnMut(&str),
    ) -> Result<Tree, OsError> {
        match unpacked(cache, &self.archive, Lock::read(&self.lock_file)?) {
            // The archive forgets what it has replaced. A build must still be possible years later; what it is then
            // made of is written down beside the image.
            Err(gone @ OsError::Gone { .. }) => {
                progress(&format!("{gone}; taking the newest for now"));
                unpacked(cache, &self.archive, self.newest()?)
            }
            outcome => outcome,
        }
    }

    /// Writes the lock file anew.
    ///
    /// # Errors
    /// What apt says, or that the file cannot be written.
    pub(super) fn refresh(&self) -> Result<Lock, OsError> {
        let lock = self.newest()?;
        let header =
            "# Packages of the image, to the byte. Written by `cargo xtask image --update-lock`.\n";
        files::write(&self.lock_file, format!("{header}{lock}"), 0o644)?;
        Ok(lock)
    }

    fn newest(&self) -> Result<Lock, OsError> {
        let list = files::read_text(&self.list)?;
        self.archive.newest(&names(&list, &self.architecture))
    }
}

/// Unpacks what a lock names, unless that was done before.
fn unpacked(cache: &Path, archive: &Archive, lock: Lock) -> Result<Tree, OsError> {
    let name = format!("{}-{}", archive.architecture(), &lock.digest()[..16]);
    let folder = cache.join("trees").join(name);
    if !folder.exists() {
        unpack(&archive.fetch(&lock)?, &folder, |_| Ok(()))?;
    }
    Ok(Tree { folder, lock })
}

/// Unpacks packages' files into `folder`, which is there only once it is whole; `more` adds to it before.
pub(crate) fn unpack(
    packages: &[PathBuf],
    folder: &Path,
    more: impl FnOnce(&Path) -> Result<(), OsError>,
) -> Result<(), OsError> {
    if !folder.exists() {
        // Half a tree must never be taken for a whole one.
        let unfinished = folder.with_extension(format!("part-{}", std::process::id()));
        files::empty_folder(&unfinished)?;
        for package in packages {
            run(Command::new("dpkg-deb")
                .arg("--extract")
                .arg(package)
                .arg(&unfinished))?;
        }
        more(&unfinished)?;
        if let Err(source) = fs::rename(&unfinished, folder) {
            // Another build was quicker.
            let _ = fs::remove_dir_all(&unfinished);
            if !folder.exists() {
                return Err(error::write(folder)(source));
            }
        }
    }
    Ok(())
}

/// The packages of a list.
fn names(list: &str, architecture: &str) -> Vec<String> {
    list.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.replace("{arch}", architecture))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_read_without_comments() {
        let list = "# kernel\nlinux-image-{arch}\n\nnftables # rules\n";
        assert_eq!(names(list, "arm64"), ["linux-image-arm64", "nftables"]);
    }
}
