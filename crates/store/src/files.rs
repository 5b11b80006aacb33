//! The files around the database: the lock, the schema number, rights, room on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, IFlags, flock, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

use crate::StoreError;

/// Bytes that stay free on the file system. sled writes segments of 512 KiB, may open a new one for each of its page
/// sizes in one flush, and writes a table of all pages when it opens: eight segments, so that a full disk is met
/// before a write and never inside one.
pub const FREE_RESERVE: u64 = 4 * 1024 * 1024;

/// What opening the database and an urgent batch leave free: two of sled's segments, so that they do not fail half-way.
pub(crate) const OPEN_RESERVE: u64 = 1024 * 1024;

pub(crate) const STORE: &str = "store";
pub(crate) const NEXT: &str = "store.next";
pub(crate) const REPLACED: &str = "store.replaced";
pub(crate) const SNAPSHOTS: &str = "snapshots";
const LOCK: &str = "store.lock";
const SCHEMA: &str = "schema";

/// Makes the directory, 0700, if it is not there.
pub(crate) fn make_dir(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
        .map_err(StoreError::file("make directory", path))
}

/// Takes the exclusive lock of the state directory. It is released when the file is dropped, or by the kernel when
/// the process ends; the descriptor is not inherited by programs that are started.
pub(crate) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(StoreError::file("open lock", &path))?;
    hold(file, dir)
}

/// A daemon that was killed while it started another program is held by that one until it has begun.
const LETTING_GO: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// As [`lock`], but changes nothing: no lock file means nobody ever opened the store.
pub(crate) fn lock_existing(dir: &Path) -> Result<Option<File>, StoreError> {
    let path = dir.join(LOCK);
    match File::open(&path) {
        Ok(file) => hold(file, dir).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file("open lock", path)(error)),
    }
}

fn hold(file: File, dir: &Path) -> Result<File, StoreError> {
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if begun.elapsed() < LETTING_GO => std::thread::sleep(PAUSE),
            Err(Errno::WOULDBLOCK) => return Err(StoreError::Locked(dir.to_owned())),
            Err(error) => return Err(StoreError::file("lock", dir)(error.into())),
        }
    }
}

/// The schema of what a state directory holds; `None` when there is nothing, or nothing that can be told.
pub fn schema_of(state_dir: &Path) -> Option<u32> {
    read_schema(&state_dir.join(STORE)).ok().flatten()
}

/// The schema number of a store directory; `None` when it has none, which means that it was never finished.
pub(crate) fn read_schema(store: &Path) -> Result<Option<u32>, StoreError> {
    let path = store.join(SCHEMA);
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(StoreError::BadSchema(path)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file("read", path)(error)),
    }
}

/// Writes the schema number of a store directory; the last step of making one.
pub(crate) fn write_schema(store: &Path, number: u32) -> Result<(), StoreError> {
    let path = store.join(SCHEMA);
    cell_durable::replace(&path, format!("{number}\n").as_bytes(), 0o600)
        .map_err(StoreError::file("write", path))
}

/// Whether a file of a store directory is the schema number and not the database's.
pub(crate) fn is_schema(name: &std::ffi::OsStr) -> bool {
    name == SCHEMA
}

/// An empty file, 0600, for writing.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Renames a finished file into place and makes that durable.
pub(crate) fn publish(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::file("rename", from))?;
    sync_parent(to)
}

/// Makes the entries of the directory that holds `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    cell_durable::sync_parent(path).map_err(StoreError::file("sync the directory of", path))
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Has the file system write through whatever is done to a directory and to the files in it, also to later ones: the
/// attribute `S` of chattr(1), which ext4 keeps and hands on. File systems that cannot are left as they are.
pub(crate) fn write_through(dir: &Path) -> io::Result<()> {
    set_write_through(dir)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            write_through(&entry.path())?;
        } else {
            set_write_through(&entry.path())?;
        }
    }
    Ok(())
}

fn set_write_through(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let set = ioctl_getflags(&file).and_then(|flags| match flags.contains(IFlags::SYNC) {
        true => Ok(()),
        false => ioctl_setflags(&file, flags | IFlags::SYNC),
    });
    match set {
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        set => Ok(set?),
    }
}

/// Makes everything in a directory durable.
pub(crate) fn sync_all(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(dir)
}

/// Takes every right on the files of a directory from others. sled makes its files with the process's umask.
pub(crate) fn keep_private(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            keep_private(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Refuses when writing `bytes` would leave less than [`FREE_RESERVE`].
pub(crate) fn require_room(dir: &Path, bytes: u64) -> Result<(), StoreError> {
    require_free(dir, FREE_RESERVE.saturating_add(bytes))
}

/// Refuses when less than this is free.
pub(crate) fn require_free(dir: &Path, needed: u64) -> Result<(), StoreError> {
    let free = cell_durable::free_room(dir);
    let free = free.map_err(StoreError::file("ask for free room in", dir))?;
    if free < needed {
        return Err(StoreError::DiskFull { free, needed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_lock_of_a_directory_is_refused_until_the_first_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        assert!(matches!(lock(dir.path()), Err(StoreError::Locked(_))));
        assert!(matches!(
            lock_existing(dir.path()),
            Err(StoreError::Locked(_))
        ));
        drop(first);
        assert!(lock(dir.path()).is_ok());
    }

    #[test]
    fn lock_for_reading_makes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(lock_existing(dir.path()).unwrap().is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn schema_that_is_no_number_is_an_error_and_a_missing_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_schema(dir.path()).unwrap(), None);
        write_schema(dir.path(), 7).unwrap();
        assert_eq!(read_schema(dir.path()).unwrap(), Some(7));
        fs::write(dir.path().join(SCHEMA), "seven").unwrap();
        assert!(matches!(
            read_schema(dir.path()),
            Err(StoreError::BadSchema(_))
        ));
    }

    #[test]
    fn more_than_the_disk_holds_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(require_room(dir.path(), 0).is_ok());
        assert!(matches!(
            require_room(dir.path(), u64::MAX),
            Err(StoreError::DiskFull { .. })
        ));
    }
}
