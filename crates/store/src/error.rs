//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// A store that could not be opened, read or changed. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("the state directory {0} is in use by another process")]
    Locked(PathBuf),
    /// There is no store in the directory.
    #[error("there is no store in {0}")]
    Missing(PathBuf),
    /// Written by a newer version; nothing was touched.
    #[error("the store has schema {found}, this version knows only up to {known}")]
    NewerSchema {
        /// Schema of the store.
        found: u32,
        /// Newest schema this version reads.
        known: u32,
    },
    /// The schema file holds no number.
    #[error("{0} does not hold a schema number")]
    BadSchema(PathBuf),
    /// A file or directory beside the database could not be used.
    #[error("cannot {step} {path}")]
    File {
        /// What was being done.
        step: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The database could not be opened.
    #[error("cannot open the database")]
    Open(#[source] sled::Error),
    /// The database could not be read.
    #[error("cannot read the database")]
    Read(#[source] sled::Error),
    /// The database could not be written; until [`crate::Store::reopen`] every call answers [`StoreError::Poisoned`].
    #[error("cannot write the database")]
    Write(#[source] sled::Error),
    /// What was written could not be made durable; as [`StoreError::Write`].
    #[error("cannot make the database durable")]
    Sync(#[source] io::Error),
    /// An earlier write failed half-way, so memory and disk may differ; [`crate::Store::reopen`] reads the disk again.
    #[error("an earlier write failed; the store must be reopened")]
    Poisoned,
    /// Too little room on the file system. When the check before the write finds it, nothing was changed and the store
    /// goes on; when the disk fills during a write, later calls answer [`StoreError::Poisoned`] as after any failed write.
    #[error("the disk is full: {free} bytes free, {needed} needed")]
    DiskFull {
        /// Bytes free.
        free: u64,
        /// Bytes that must be free.
        needed: u64,
    },
    /// The config changed since the caller looked.
    #[error("the config is at revision {current}, the change was made for {expected}")]
    Stale {
        /// What the caller saw.
        expected: u64,
        /// What is there.
        current: u64,
    },
    /// A document is not JSON on one line.
    #[error("document {0} is not JSON on one line")]
    NotJson(String),
    /// A record could not be put into JSON.
    #[error("record {key} of {tree} cannot be written as JSON")]
    Encode {
        /// The tree.
        tree: &'static str,
        /// The key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A value is above [`crate::MAX_VALUE`] or its key above [`crate::MAX_KEY`].
    #[error("{key} or its value of {size} bytes is too long")]
    TooLarge {
        /// The key.
        key: String,
        /// Bytes of the value.
        size: usize,
    },
    /// A stored value does not have the expected form.
    #[error("{0} in the store is damaged")]
    Damaged(String),
    /// No such revision, or its history is no longer kept.
    #[error("revision {0} is not kept")]
    NoRevision(u64),
    /// An export could not be written where it was to go.
    #[error("cannot write the export")]
    Export(#[source] io::Error),
    /// An export could not be read.
    #[error("cannot read the export")]
    Import(#[source] io::Error),
    /// A line of an export does not have the documented form.
    #[error("line {line} of the export is not valid: {reason}")]
    BadExport {
        /// Line number, from 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

impl StoreError {
    pub(crate) fn file(
        step: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { step, path, source }
    }
}
