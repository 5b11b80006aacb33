//! Files that are whole or absent, whenever the power goes, and how much room there is for them.
//!
//! Promises: a reader, now or after a power cut, sees the old content or the new one; what returned `Ok` is on disk.
//! Must never: leave a file with wider rights than asked for. A cut may leave the name with `.new` behind it, which the
//! next write takes away. At most one writer of a file at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a file in the place of the one that is there, if any. `mode` is that of the new file.
///
/// # Errors
/// What the file system says; the file is the old one or, when only the last sync failed, the new one.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let new = beside(path);
    write_new(&new, content, mode)?;
    fs::rename(&new, path)?;
    sync_parent(path)
}

/// Writes a file unless it exists.
///
/// # Errors
/// `AlreadyExists` when it does, and the file stays as it is; or what the file system says.
pub fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let new = beside(path);
    write_new(&new, content, mode)?;
    // A link fails where a rename would overwrite.
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    linked?;
    sync_parent(path)
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// What the file system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_parent(path),
    }
}

/// Waits until a name that was made, changed or removed is so on disk: it is only when its directory is.
///
/// # Errors
/// What the file system says.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Bytes that are free where this file or folder is, for somebody without privileges: what the file system keeps back for
/// the administrator does not count (statvfs(3), `f_bavail`).
///
/// # Errors
/// What the file system says.
pub fn free_room(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The name the content has until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // Left behind by a power cut, with the rights it had then.
    remove(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn room_is_where_something_is() {
        assert!(free_room(Path::new("/")).unwrap() > 0);
        assert_eq!(
            free_room(Path::new("/proc")).unwrap(),
            0,
            "nothing is kept there"
        );
        assert!(free_room(Path::new("/none/such")).is_err());
    }

    #[test]
    fn replaced_file_has_the_new_content_and_mode_and_leaves_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        fs::write(beside(&path), "torn").unwrap();
        replace(&path, b"one", 0o644).unwrap();
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn removed_file_may_be_removed_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        replace(&path, b"one", 0o600).unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn created_file_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seal.key");
        create(&path, b"one", 0o600).unwrap();
        let error = create(&path, b"two", 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
