//! Why a version was not installed.

use std::io;
use std::path::PathBuf;

use crate::boot_state::BootStateError;
use crate::bundle::{BundleError, Place};

/// Why a version was not installed. Unless a variant says otherwise the other slot is as it was.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It is not taken.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// It ends too early.
    #[error("the bundle ends before its end")]
    Cut,
    /// Something follows its end.
    #[error("the bundle goes on after its end")]
    TooLong,
    /// A chunk is not what the manifest says.
    #[error("the bundle is damaged at byte {0}")]
    Damaged(u64),
    /// It cannot be read any further.
    #[error("the bundle cannot be read any further")]
    Source(#[source] io::Error),
    /// No room for what is missing.
    #[error("{needed} bytes are needed on the data partition, and {free} are free")]
    Room {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// What was fetched cannot be kept.
    #[error("cannot {step} {path}")]
    Staging {
        /// What was being done.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A chunk that was there is there no more.
    #[error("a part that was here already cannot be read any more")]
    Lost,
    /// A partition cannot be read or written; the other slot may hold anything, and nothing falls back to it.
    #[error("cannot {step} the {} partition of slot {slot}", place.as_str())]
    Partition {
        /// What was being done.
        step: &'static str,
        /// Of which slot.
        slot: crate::boot_state::Slot,
        /// Which.
        place: Place,
        /// The system's answer.
        source: io::Error,
    },
    /// What was read back is something else: the disk is failing. Nothing falls back to the slot.
    #[error("the {} partition does not hold what was written", .0.as_str())]
    NotWritten(Place),
    /// The root is whole, and the kernel would refuse it. Nothing falls back to the slot.
    #[error("the root hash of the bundle is not that of its root")]
    RootHash,
    /// The loader could not be told.
    #[error(transparent)]
    BootState(#[from] BootStateError),
}
