//! The one place that talks to sled.
//!
//! sled 0.34 takes for durable what is not. It syncs its log by `sync_file_range`, which neither commits the file's length
//! nor empties the drive's cache (pagecache/iobuf.rs), and after that reuses segments, also within one flush; it overwrites
//! segments that only its newest page table calls free before the rename of that table is durable (pagecache/snapshot.rs,
//! pagecache/segment.rs); and it never syncs `conf`. After a power cut the store then lacked acknowledged changes or did
//! not open: `tests/power` shows it. So the directory is kept with an attribute that makes every write durable before it
//! returns, opening ends with a sync of everything, and [`Database::apply`] syncs the file itself, which on a file system
//! without that attribute is the better half of it. For the last gap see [`crate::pieces`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::StoreError;
use crate::files;
use crate::pieces::{self, Stored};

/// sled keeps at most this much of the database in memory; its default of 1 GiB is a small box's whole memory.
const CACHE: u64 = 4 * 1024 * 1024;
/// How often to try again when a database just closed in this process still holds its lock: sled's threads let go
/// of it some time after the last handle is dropped.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A key and its value.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// Values to put or remove together; a later one for the same key wins.
#[derive(Default)]
pub(crate) struct Writes(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

/// An open database.
pub(crate) struct Database {
    sled: sled::Db,
    path: PathBuf,
    file: File,
}

impl Database {
    /// Opens or makes the database in a directory.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        files::make_dir(path)?;
        files::write_through(path).map_err(StoreError::file("set attributes in", path))?;
        discard_unfinished(path).map_err(StoreError::file("tidy", path))?;
        let sled = open_sled(path)?;
        let data = path.join("db");
        let file = File::open(&data).map_err(StoreError::file("open", data))?;
        files::keep_private(path).map_err(StoreError::file("restrict", path))?;
        let database = Self {
            sled,
            path: path.to_owned(),
            file,
        };
        files::sync_all(path).map_err(StoreError::Sync)?;
        Ok(database)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.sled.get(key).map_err(StoreError::Read)? {
            Some(entry) => whole(&self.sled, key, &entry).map(Some),
            None => Ok(None),
        }
    }

    /// All values whose key starts with `prefix`, in order, the prefix cut off.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + use<> {
        let cut = prefix.len();
        let sled = self.sled.clone();
        self.sled.scan_prefix(prefix).map(move |entry| {
            let (key, entry) = entry.map_err(StoreError::Read)?;
            Ok((key[cut..].to_vec(), whole(&sled, &key, &entry)?))
        })
    }

    /// All values from `from` (included) to `to` (not), in order.
    pub(crate) fn range(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + use<> {
        let sled = self.sled.clone();
        self.sled.range(from..to).map(move |entry| {
            let (key, entry) = entry.map_err(StoreError::Read)?;
            let value = whole(&sled, &key, &entry)?;
            Ok((key.to_vec(), value))
        })
    }

    /// Writes all or nothing, and returns when it is on disk.
    pub(crate) fn apply(&self, writes: Writes) -> Result<(), StoreError> {
        let batch = self.batch(writes)?;
        self.sled.apply_batch(batch).map_err(StoreError::Write)?;
        self.sled.flush().map_err(StoreError::Write)?;
        self.file.sync_data().map_err(StoreError::Sync)
    }

    /// The entries that come of values, and the removal of the pieces the values before had more.
    fn batch(&self, writes: Writes) -> Result<sled::Batch, StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in writes.0 {
            let mut count = 0;
            match value {
                Some(value) => {
                    let (entry, pieces) = pieces::cut(&value);
                    for (index, piece) in pieces {
                        batch.insert(pieces::key(&key, index), piece);
                        count = index + 1;
                    }
                    batch.insert(&key[..], entry);
                }
                None => batch.remove(&key[..]),
            }
            let before = self.sled.get(&key).map_err(StoreError::Read)?;
            if let Some(Stored::Cut(before)) = before.as_deref().and_then(pieces::parse) {
                for index in count..before {
                    batch.remove(pieces::key(&key, index));
                }
            }
        }
        Ok(batch)
    }

    /// Bytes of the database's files.
    pub(crate) fn size(&self) -> Result<u64, StoreError> {
        self.sled.size_on_disk().map_err(StoreError::Read)
    }

    /// Closes the database and waits until sled's threads have let go of its files.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        let Self { sled, path, .. } = self;
        drop(sled);
        let data = path.join("db");
        let file = File::open(&data).map_err(StoreError::file("open", &data))?;
        let mut tries = 0;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if tries < LOCK_TRIES => {
                    tries += 1;
                    thread::sleep(LOCK_PAUSE);
                }
                answer => {
                    return answer.map_err(|e| StoreError::file("close", data)(e.into()));
                }
            }
        }
    }
}

impl Writes {
    pub(crate) fn insert(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.insert(key.into(), Some(value.into()));
    }

    pub(crate) fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.0.insert(key.into(), None);
    }
}

fn whole(sled: &sled::Db, key: &[u8], entry: &[u8]) -> Result<Vec<u8>, StoreError> {
    let damaged = || StoreError::Damaged(format!("value of {}", String::from_utf8_lossy(key)));
    match pieces::parse(entry).ok_or_else(damaged)? {
        Stored::Whole(value) => Ok(value.to_vec()),
        Stored::Cut(count) => {
            let mut value = Vec::new();
            for index in 0..count {
                let piece = sled
                    .get(pieces::key(key, index))
                    .map_err(StoreError::Read)?;
                value.extend_from_slice(&piece.ok_or_else(damaged)?);
            }
            Ok(value)
        }
    }
}

fn open_sled(path: &Path) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE)
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(None);
    let mut tries = 0;
    loop {
        match config.open() {
            Err(error) if tries < LOCK_TRIES && is_lock_held(&error) => {
                tries += 1;
                thread::sleep(LOCK_PAUSE);
            }
            answer => return answer.map_err(StoreError::Open),
        }
    }
}

/// Removes page tables that were not written to their end, because of a crash or a full disk. sled takes the newest
/// file whose name starts like a page table's for one, finds this one short, and calls the database corrupt.
fn discard_unfinished(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Our own lock keeps other processes out, so a held lock is this process's, being dropped. sled gives it no kind.
fn is_lock_held(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// Whether the disk was full.
pub(crate) fn is_disk_full(error: &StoreError) -> bool {
    match error {
        StoreError::DiskFull { .. } => true,
        StoreError::Open(sled::Error::Io(error))
        | StoreError::Write(sled::Error::Io(error))
        | StoreError::Sync(error)
        | StoreError::File { source: error, .. } => error.kind() == io::ErrorKind::StorageFull,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(database: &Database, key: &str, size: usize) {
        let mut writes = Writes::default();
        writes.insert(key, vec![b'x'; size]);
        database.apply(writes).unwrap();
    }

    #[test]
    fn long_values_make_no_side_files_and_leave_no_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        for round in 1..=3 {
            for at in 0..40 {
                write(&database, &format!("c/{at}"), 50_000 * round);
            }
        }
        let blobs = std::fs::read_dir(dir.path().join("blobs")).unwrap();
        assert_eq!(blobs.count(), 0);
        assert_eq!(database.get(b"c/7").unwrap().unwrap().len(), 150_000);

        let mut writes = Writes::default();
        for at in 1..40 {
            writes.remove(format!("c/{at}"));
        }
        database.apply(writes).unwrap();
        write(&database, "c/0", 2 * pieces::PIECE);
        assert_eq!(database.sled.len(), 3);
        write(&database, "c/0", 1);
        assert_eq!(database.sled.len(), 1);
    }

    #[test]
    fn page_table_left_unfinished_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        write(&database, "c/0", 10);
        database.close().unwrap();
        Database::open(dir.path()).unwrap().close().unwrap();
        let mut files = std::fs::read_dir(dir.path()).unwrap();
        let table = files.find_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            name.starts_with("snap.").then_some(name)
        });
        let unfinished = format!("{}.generating", table.unwrap());
        std::fs::write(dir.path().join(&unfinished), b"").unwrap();
        let database = Database::open(dir.path()).unwrap();
        assert_eq!(database.get(b"c/0").unwrap().unwrap().len(), 10);
        assert!(!dir.path().join(unfinished).exists());
    }

    #[test]
    fn value_that_lost_a_piece_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        write(&database, "c/0", 10_000);
        database.sled.remove(pieces::key(b"c/0", 1)).unwrap();
        assert!(matches!(database.get(b"c/0"), Err(StoreError::Damaged(_))));
    }
}
