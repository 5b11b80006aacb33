//! What can go wrong with a machine.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What can go wrong with a machine.
#[derive(Debug, Error)]
pub enum MachineError {
    /// No room for its files.
    #[error("cannot make a folder for the machine")]
    Folder(#[source] io::Error),
    /// A file it needs cannot be used.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program is not in the toolbox.
    #[error("cannot find QEMU")]
    Toolbox(#[from] cell_os::OsError),
    /// Not one of those that machines are made with.
    #[error("no machine has the processor of {target}")]
    Processor {
        /// In Rust's words.
        target: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// QEMU would not.
    #[error("QEMU refused: {message}")]
    Refused {
        /// What it said.
        message: String,
    },
    /// Its process cannot be asked.
    #[error("cannot wait for the machine")]
    Wait(#[source] io::Error),
    /// It did not say what was waited for.
    #[error("the serial port did not say {wanted:?} in time; it ended with: {end}")]
    Silent {
        /// What was waited for.
        wanted: String,
        /// The last lines.
        end: String,
    },
}
