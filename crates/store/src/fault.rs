//! Faults on demand, for tests of what whoever uses a store makes of them. Only with the feature `faults`.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::StoreError;
use crate::database::{Database, Writes};

/// What goes wrong with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: nothing is written, and that is known.
    Full,
    /// Writing fails and nothing is there; whoever asked cannot know.
    Lost,
    /// All of it is there, but to make sure of that fails; whoever asked cannot know.
    Unsure,
}

/// The fault of the next commit, if one was asked for.
#[derive(Debug, Default)]
pub(crate) struct NextFault(Mutex<Option<Fault>>);

impl NextFault {
    pub(crate) fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Takes the fault that is to happen before anything is written, or else writes, as far as it lets it.
    pub(crate) fn apply(&self, database: &Database, writes: Writes) -> Result<(), StoreError> {
        let fault = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let failed = || io::Error::other("a fault that a test has asked for");
        match fault {
            None => database.apply(writes),
            Some(Fault::Full) => Err(StoreError::Write(sled::Error::Io(io::Error::from(
                io::ErrorKind::StorageFull,
            )))),
            Some(Fault::Lost) => Err(StoreError::Write(sled::Error::Io(failed()))),
            Some(Fault::Unsure) => {
                database.apply(writes)?;
                Err(StoreError::Sync(failed()))
            }
        }
    }
}
