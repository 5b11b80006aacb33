//! What can go wrong with a disk for tests.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What can go wrong with a disk for tests.
#[derive(Debug, Error)]
pub enum CutDiskError {
    /// It could not be mounted.
    #[error("cannot mount a file system of our own (needs root and /dev/fuse)")]
    Mount(#[source] io::Error),
    /// A file of it stayed open.
    #[error("a file on the disk stays open, so it cannot be unmounted")]
    Busy,
    /// Its thread ended badly.
    #[error("the file system ended with an error")]
    Serve(#[source] io::Error),
    /// What was left of it could not be written to a folder, or read from one.
    #[error("cannot use {path}")]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
