//! What can go wrong with a daemon.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use thiserror::Error;

use super::PATIENCE;
use crate::client::ClientError;

/// What can go wrong with a daemon.
#[derive(Debug, Error)]
pub enum CelldError {
    /// No binary was found.
    #[error("no `celld` beside {beside}; run `cargo build --bin celld` first or set CELLD")]
    NoBinary {
        /// The running test.
        beside: PathBuf,
    },
    /// A directory or file of the daemon could not be used.
    #[error("cannot use {path}")]
    File {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process could not be started.
    #[error("cannot start {binary}")]
    Start {
        /// The binary.
        binary: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process could not be waited for.
    #[error("cannot wait for the daemon")]
    Wait(#[source] io::Error),
    /// The process ended before it answered.
    #[error("the daemon ended with {status} before it answered; its log:\n{log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// What was waited for did not happen in time.
    #[error("no {awaited} within {} s; the daemon's log:\n{log}", PATIENCE.as_secs())]
    TooLate {
        /// What was waited for.
        awaited: &'static str,
        /// The end of its log.
        log: String,
    },
    /// A client could not be made.
    #[error("cannot make a client")]
    Client(#[from] ClientError),
}
