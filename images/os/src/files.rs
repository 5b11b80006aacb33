//! Files and folders: copied as they are, listed in one order.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::error::{self, OsError};

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), OsError> {
    fs::create_dir_all(path).map_err(error::write(path))
}

/// An empty folder, whatever was there before.
pub(crate) fn empty_folder(path: &Path) -> Result<(), OsError> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(error::write(path))?;
    }
    make_folder(path)
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<(), OsError> {
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    fs::write(path, content).map_err(error::write(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(error::write(path))
}

/// Reads a text.
pub(crate) fn read_text(path: &Path) -> Result<String, OsError> {
    fs::read_to_string(path).map_err(error::read(path))
}

/// Copies a file with its mode, or a symbolic link as a link. What was there is replaced.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), OsError> {
    if let Some(parent) = to.parent() {
        make_folder(parent)?;
    }
    if to.symlink_metadata().is_ok() {
        fs::remove_file(to).map_err(error::write(to))?;
    }
    if from.is_symlink() {
        let target = fs::read_link(from).map_err(error::read(from))?;
        return symlink(target, to).map_err(error::write(to));
    }
    fs::copy(from, to).map_err(error::read(from)).map(drop)
}

/// A symbolic link, with the folders above it; one that is there is replaced.
pub(crate) fn link(target: &str, path: &Path) -> Result<(), OsError> {
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path).map_err(error::write(path))?;
    }
    symlink(target, path).map_err(error::write(path))
}

/// Every file and link below a folder, relative to it, in the order of their names.
pub(crate) fn below(folder: &Path) -> Result<Vec<PathBuf>, OsError> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(here) = open.pop() {
        for entry in fs::read_dir(&here).map_err(error::read(&here))? {
            let entry = entry.map_err(error::read(&here))?;
            let path = entry.path();
            let is_folder = entry.file_type().map_err(error::read(&path))?.is_dir();
            if is_folder {
                open.push(path);
            } else if let Ok(relative) = path.strip_prefix(folder) {
                found.push(relative.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Copies everything below one folder into another.
pub(crate) fn copy_below(from: &Path, to: &Path) -> Result<(), OsError> {
    for path in below(from)? {
        copy(&from.join(&path), &to.join(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_modes_survive_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        write(&from.join("bin/run"), "x", 0o755).unwrap();
        link("run", &from.join("bin/start")).unwrap();
        copy_below(&from, &to).unwrap();
        assert_eq!(below(&to).unwrap(), below(&from).unwrap());
        assert_eq!(
            fs::read_link(to.join("bin/start")).unwrap(),
            Path::new("run")
        );
        let mode = fs::metadata(to.join("bin/run"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o755);
        // Again: what is there is replaced.
        copy_below(&from, &to).unwrap();
    }
}
