//! The one place that talks to sled.
//!
//! sled 0.34 has two gaps a box without a battery falls into: its `flush` uses `sync_file_range`, which neither
//! commits the file's length nor empties the drive's cache (pagecache/iobuf.rs), and values above a quarter of a
//! segment go to files of their own that are never synced (pagecache/blob_io.rs). So [`Database::apply`] flushes and then
//! syncs the files itself.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::StoreError;
use crate::files;

/// sled keeps at most this much of the database in memory; its default of 1 GiB is a small box's whole memory.
const CACHE: u64 = 4 * 1024 * 1024;
/// How often to try again when a database just closed in this process still holds its lock: sled's threads let go
/// of it some time after the last handle is dropped.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A key and its value.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// An open database.
pub(crate) struct Database {
    sled: sled::Db,
    path: PathBuf,
    file: File,
    /// Side files known to be on disk.
    synced: Mutex<BTreeSet<OsString>>,
}

impl Database {
    /// Opens or makes the database in a directory.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        files::make_dir(path)?;
        let sled = open_sled(path)?;
        let data = path.join("db");
        let file = File::open(&data).map_err(StoreError::file("open", data))?;
        files::keep_private(path).map_err(StoreError::file("restrict", path))?;
        let database = Self {
            sled,
            path: path.to_owned(),
            file,
            synced: Mutex::default(),
        };
        database.sync().map_err(StoreError::Sync)?;
        files::sync_dir(path).map_err(StoreError::Sync)?;
        Ok(database)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.sled.get(key).map_err(StoreError::Read)?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// All entries whose key starts with `prefix`, in order, the prefix cut off.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + use<> {
        let cut = prefix.len();
        self.sled.scan_prefix(prefix).map(move |entry| {
            let (key, value) = entry.map_err(StoreError::Read)?;
            Ok((key[cut..].to_vec(), value.to_vec()))
        })
    }

    /// All entries from `from` (included) to `to` (not), in order.
    pub(crate) fn range(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + use<> {
        self.sled.range(from..to).map(|entry| {
            let (key, value) = entry.map_err(StoreError::Read)?;
            Ok((key.to_vec(), value.to_vec()))
        })
    }

    /// Writes all or nothing, and returns when it is on disk.
    pub(crate) fn apply(&self, batch: sled::Batch) -> Result<(), StoreError> {
        self.sled.apply_batch(batch).map_err(StoreError::Write)?;
        self.sled.flush().map_err(StoreError::Write)?;
        self.sync().map_err(StoreError::Sync)
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

    fn sync(&self) -> io::Result<()> {
        let blobs = self.path.join("blobs");
        let mut known = self
            .synced
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let present = fs::read_dir(&blobs)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<BTreeSet<_>>>()?;
        let fresh: Vec<_> = present.difference(&known).collect();
        for name in &fresh {
            match File::open(blobs.join(name)) {
                Ok(file) => file.sync_data()?,
                // sled removes a side file as soon as its page is rewritten.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if !fresh.is_empty() {
            files::sync_dir(&blobs)?;
        }
        *known = present;
        self.file.sync_data()
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

/// Our own lock keeps other processes out, so a held lock is this process's, being dropped. sled gives it no kind.
fn is_lock_held(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// Whether the disk was full.
pub(crate) fn is_disk_full(error: &StoreError) -> bool {
    match error {
        StoreError::Write(sled::Error::Io(error)) | StoreError::Sync(error) => {
            error.kind() == io::ErrorKind::StorageFull
        }
        _ => false,
    }
}
