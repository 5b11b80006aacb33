//! What can go wrong with the boot state.

use std::io;
use std::path::PathBuf;

use super::{Slot, StateFile};

/// Why the boot state could not be read or changed. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BootStateError {
    /// Neither `a` nor `b`.
    #[error("{0:?} is no slot")]
    NoSlot(String),
    /// Not one of the three modes.
    #[error("{0:?} is no boot mode")]
    NoMode(String),
    /// The kernel's command line cannot be read.
    #[error("cannot read {path}")]
    CommandLine {
        /// Usually `/proc/cmdline`.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel's command line lacks a word of ours: something else than our loader started it.
    #[error("the kernel was started without {0}")]
    Unmarked(&'static str),
    /// The slot to be tried is the one that runs.
    #[error("slot {0} is the one that runs")]
    AlreadyRunning(Slot),
    /// A trial runs; it must be committed or rolled back first.
    #[error("slot {0} is on trial right now")]
    TrialRunning(Slot),
    /// The trial was taken back; it only runs on until the restart.
    #[error("the trial of slot {0} was taken back")]
    TakenBack(Slot),
    /// A recovery system cannot prove that the everyday one works.
    #[error("this is a recovery system")]
    Recovery,
    /// There is no trial to give up and no slot to go back to.
    #[error("there is nothing to go back to")]
    NothingToGoBackTo,
    /// The place of the files cannot be opened.
    #[error("cannot {step} {path}")]
    Open {
        /// What was being done.
        step: &'static str,
        /// Device or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// Which.
        file: StateFile,
        /// The system's answer.
        source: io::Error,
    },
    /// A file cannot be written. The other copy is untouched; whether the change counts is for
    /// [`repair`](super::BootState::repair) to find out.
    #[error("cannot write {file}")]
    Write {
        /// Which.
        file: StateFile,
        /// The system's answer.
        source: io::Error,
    },
    /// A file was written and holds something else. The other copy is untouched.
    #[error("{0} does not hold what was written")]
    NotWritten(StateFile),
}
