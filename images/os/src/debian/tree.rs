//! Unpacked packages, kept from one build to the next.

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

/// Unpacks what a lock file names below `cache`, unless that was done before.
///
/// # Errors
/// What could not be fetched, verified or unpacked.
pub(super) fn unpacked(cache: &Path, architecture: &str, lock: Lock) -> Result<Tree, OsError> {
    let name = &lock.digest()[..16];
    let folder = cache.join("trees").join(format!("{architecture}-{name}"));
    if !folder.exists() {
        let archive = Archive::new(cache.join(architecture), architecture);
        let packages = archive.fetch(&lock)?;
        // Half a tree must never be taken for a whole one.
        let unfinished = folder.with_extension(format!("part-{}", std::process::id()));
        files::empty_folder(&unfinished)?;
        for package in packages {
            run(Command::new("dpkg-deb")
                .arg("--extract")
                .arg(package)
                .arg(&unfinished))?;
        }
        if let Err(source) = fs::rename(&unfinished, &folder) {
            // Another build was quicker.
            let _ = fs::remove_dir_all(&unfinished);
            if !folder.exists() {
                return Err(error::write(&folder)(source));
            }
        }
    }
    Ok(Tree { folder, lock })
}

/// Writes a lock file anew: the newest packages that the list beside it asks for.
///
/// # Errors
/// What apt says, or that the file cannot be written.
pub(super) fn refresh(
    cache: &Path,
    architecture: &str,
    list: &Path,
    lock_file: &Path,
) -> Result<Lock, OsError> {
    let lock = newest(cache, architecture, list)?;
    let header =
        "# Packages of the image, to the byte. Written by `cargo xtask image --update-lock`.\n";
    files::write(lock_file, format!("{header}{lock}"), 0o644)?;
    Ok(lock)
}

/// The newest packages that a list asks for, with all they depend on, fetched.
///
/// # Errors
/// What apt says.
pub(super) fn newest(cache: &Path, architecture: &str, list: &Path) -> Result<Lock, OsError> {
    let archive = Archive::new(cache.join(architecture), architecture);
    archive.newest(&names(&files::read_text(list)?, architecture))
}

/// The packages of a list: one a line, `#` starts a comment, `{arch}` stands for the architecture.
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
