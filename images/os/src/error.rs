//! What can go wrong while an image is made.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// One failing step.
#[derive(Debug, thiserror::Error)]
pub enum OsError {
    /// A file or folder could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("{program} ended with {status}: {message}")]
    Ended {
        /// Its name and arguments.
        program: String,
        /// How.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        message: String,
    },
    /// A program wrote something else than it should.
    #[error("{program} did not say {what}; it wrote: {output}")]
    Answer {
        /// Its name.
        program: String,
        /// What was looked for.
        what: &'static str,
        /// What was written.
        output: String,
    },
    /// A data file of the tree is wrong.
    #[error("{path}: {problem}")]
    Data {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A file the image needs is not in the base.
    #[error("the base has no {path}, which {asked} asks for")]
    Absent {
        /// As asked for.
        path: String,
        /// By whom.
        asked: String,
    },
    /// Something is larger than its partition, which may never grow.
    #[error("{what} takes {size} bytes and its partition has {room}; leave something out")]
    TooLarge {
        /// What.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The partition's size in bytes.
        room: u64,
    },
    /// The archive no longer has what the lock file names.
    #[error(
        "the archive no longer has {packages}, which the lock file names; \
         run the command with --update-lock and look at what changed"
    )]
    Gone {
        /// Names and versions.
        packages: String,
    },
    /// A package is another one than the lock file says.
    #[error(
        "{path} has the SHA-256 {found}, the lock file or recipe says {expected}; it is not used"
    )]
    Digest {
        /// The package file.
        path: PathBuf,
        /// From the lock file.
        expected: String,
        /// What it has.
        found: String,
    },
}

/// A [`OsError::Read`] for this path.
pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> OsError {
    let path = path.into();
    move |source| OsError::Read { path, source }
}

/// A [`OsError::Write`] for this path.
pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> OsError {
    let path = path.into();
    move |source| OsError::Write { path, source }
}
