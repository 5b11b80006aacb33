//! The open store and what can be read from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::de::DeserializeOwned;

use crate::database::{Database, is_disk_full};
use crate::layout::History;
use crate::{Records, StoreError, Tree, files, layout, open};

/// The store of one state directory. One process has it open at a time; its threads share it.
///
/// A write that fails half-way leaves memory and disk apart, so from then on every call answers
/// [`StoreError::Poisoned`] until [`Store::reopen`] has read the disk again. The failed batch is then there as a whole or
/// not at all.
pub struct Store {
    pub(crate) dir: PathBuf,
    /// Where a copy may be put when the disk has no room for opening the database.
    spare: Option<PathBuf>,
    pub(crate) history_limit: u64,
    /// `None` while a write runs and after one failed.
    state: RwLock<Option<Open>>,
    _lock: File,
    #[cfg(feature = "faults")]
    pub(crate) fault: crate::fault::NextFault,
}

/// An open database and what is known about its history.
pub(crate) struct Open {
    pub database: Database,
    pub history: History,
    pub place: Place,
}

/// Which database is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one of the state directory.
    Disk,
    /// A copy of it that is only read; what was written to it would be lost.
    Spare,
}

impl Store {
    pub(crate) fn new(
        dir: &Path,
        spare: Option<&Path>,
        lock: File,
        history_limit: u64,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            dir: dir.to_owned(),
            spare: spare.map(Path::to_owned),
            history_limit,
            state: RwLock::new(Some(Open::new(dir, spare)?)),
            _lock: lock,
            #[cfg(feature = "faults")]
            fault: Default::default(),
        })
    }

    /// Opens the store of a state directory; makes both if they are not there.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it open, [`StoreError::NewerSchema`] (nothing is written then),
    /// or what kept it from being read or migrated.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        open::open(dir, None, crate::HISTORY_LIMIT)
    }

    /// As [`Self::open`], also on a disk without the room that opening takes. What is stored is then read from a copy
    /// under `spare`, which is replaced if it is there, and every commit answers [`StoreError::DiskFull`] until the
    /// disk has room again.
    ///
    /// # Errors
    /// As [`Self::open`], and when the copy cannot be made. A store that is not there yet needs room.
    pub fn open_even_full(dir: &Path, spare: &Path) -> Result<Self, StoreError> {
        open::open(dir, Some(spare), crate::HISTORY_LIMIT)
    }

    /// Has this happen to the next commit that writes something; nothing when `None`.
    #[cfg(feature = "faults")]
    pub fn fail_next(&self, fault: Option<crate::Fault>) {
        self.fault.set(fault);
    }

    /// Reads the disk again after a failed write. What was kept from the failed batch is all of it or nothing.
    ///
    /// # Errors
    /// When the database cannot be opened; the store stays poisoned then.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let mut state = self.write_guard();
        if let Some(open) = state.take() {
            open.database.close()?;
        }
        *state = Some(Open::new(&self.dir, self.spare.as_deref())?);
        Ok(())
    }

    /// Goes back from the copy to the database itself, if the disk has room again.
    pub(crate) fn leave_spare(&self, state: &mut Option<Open>) -> Result<(), StoreError> {
        let open = state.as_ref().ok_or(StoreError::Poisoned)?;
        if open.place == Place::Disk {
            return Ok(());
        }
        files::require_free(&self.dir, files::OPEN_RESERVE)?;
        let copy = state.replace(Open::on_disk(&self.dir)?);
        tracing::info!("the disk has room again; changes are kept");
        let closed = copy.map_or(Ok(()), |copy| copy.database.close());
        let dismissed = || self.spare.as_deref().map_or(Ok(()), open::dismiss);
        if let Err(error) = closed.and_then(|()| dismissed()) {
            tracing::warn!(%error, "the copy of the store stays behind");
        }
        Ok(())
    }

    /// The config now: document key to JSON.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn documents(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        self.read()?.documents()
    }

    /// The config and its revision, of one moment.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn current(&self) -> Result<(u64, BTreeMap<String, Vec<u8>>), StoreError> {
        let open = self.read()?;
        Ok((open.history.latest, open.documents()?))
    }

    /// A sealed secret.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read()?.database.get(&layout::secret(name))
    }

    /// The names of all secrets, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn secret_names(&self) -> Result<Vec<String>, StoreError> {
        let open = self.read()?;
        open.database
            .scan(layout::SECRETS)
            .map(|entry| text(entry?.0))
            .collect()
    }

    /// The records of a tree, as values of `T`.
    pub fn records<T: DeserializeOwned>(&self, tree: Tree) -> Records<'_, T> {
        Records::new(self, tree)
    }

    /// Bytes of the database on disk.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn size(&self) -> Result<u64, StoreError> {
        self.read()?.database.size()
    }

    /// Holds off writers while reading.
    pub(crate) fn read(&self) -> Result<Reading<'_>, StoreError> {
        let guard = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            return Err(StoreError::Poisoned);
        }
        Ok(Reading(guard))
    }

    /// Holds off everybody else.
    pub(crate) fn write_guard(&self) -> RwLockWriteGuard<'_, Option<Open>> {
        // A panic while writing left `None` behind, so its state needs no second mark.
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Open {
    fn new(dir: &Path, spare: Option<&Path>) -> Result<Self, StoreError> {
        let Some(spare) = spare else {
            return Self::on_disk(dir);
        };
        // Asked first: a database that runs out of room while it is opened is left half-way.
        let opened =
            files::require_free(dir, files::OPEN_RESERVE).and_then(|()| Self::on_disk(dir));
        match opened {
            Err(error) if is_disk_full(&error) => {
                tracing::error!(%error, "nothing can be kept until the disk has room");
                Self::of(open::stand_in(dir, spare)?, Place::Spare)
            }
            other => {
                open::dismiss(spare)?;
                other
            }
        }
    }

    fn on_disk(dir: &Path) -> Result<Self, StoreError> {
        Self::of(open::database(dir)?, Place::Disk)
    }

    fn of(database: Database, place: Place) -> Result<Self, StoreError> {
        let history = read_history(&database)?;
        Ok(Self {
            database,
            history,
            place,
        })
    }

    pub(crate) fn documents(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        self.database
            .scan(layout::DOCUMENTS)
            .map(|entry| {
                let (key, json) = entry?;
                Ok((text(key)?, json))
            })
            .collect()
    }
}

/// A store that nobody writes to while this exists.
pub(crate) struct Reading<'a>(RwLockReadGuard<'a, Option<Open>>);

impl Deref for Reading<'_> {
    type Target = Open;

    fn deref(&self) -> &Open {
        self.0.as_ref().expect("checked when the guard was made")
    }
}

pub(crate) fn read_history(database: &Database) -> Result<History, StoreError> {
    match database.get(layout::HISTORY)? {
        Some(json) => {
            serde_json::from_slice(&json).map_err(|_| StoreError::Damaged("history".to_owned()))
        }
        None => Ok(History::default()),
    }
}

pub(crate) fn text(key: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(key).map_err(|_| StoreError::Damaged("key".to_owned()))
}
