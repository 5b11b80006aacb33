//! Which slot boots.
//!
//! Two parties share four small files on the partition `select`. The running system says in `/cell/sel0` and
//! `/cell/sel1` what shall boot ([`Selection`]); the loader, GRUB with `board/common/grub.cfg`, keeps in `/cell/tries0`
//! and `/cell/tries1` how far it has come ([`Tries`]). Each fact is there in two copies, and each copy holds its text
//! twice, so that either party can tell a whole copy from any other. `docs/adr/0009-boot-state.md` says why that holds.
//!
//! # The cycle
//! The loader moves one step on at every start, writes the step down, then boots what belongs to it:
//!
//! ```text
//! trial:      t1 t2 t3 ─┐                     the slot on trial, mode=trial
//! committed:  p1 p2 p3 ◄┘ ─► o1 o2 o3 ─► r1 ─► r2 ─► p1 …
//!             primary        other       recovery on the primary's, on the opposite slot's kernel
//! ```
//!
//! Nothing in it only drains: the system that came up and is healthy puts the step back, and if none ever does, the
//! cycle starts over. What cannot be loaded is passed over within the same start. A new selection makes old tries void
//! by its number, so no change ever has to reach two files at once.
//!
//! # Who calls what
//! At boot `repair(Health::Starting)`, which mends copies and records a failed trial. Once everything answers
//! *and* the root file system has been read through, `repair(Health::Healthy)`; during a trial `commit()`. Calls
//! block for a few milliseconds of disk; from async code use `spawn_blocking`.

mod block;
mod change;
mod error;
pub mod fake;
mod files;
mod grub;
mod loader;
mod mount;
mod place;
mod record;
mod running;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

pub use block::{BLOCK_SIZE, decode, encode};
pub use error::BootStateError;
pub use files::{Folder, OpenFiles, StateFile, StateFiles};
pub use grub::{GrubBootState, first_files};
pub use loader::{Loader, Start};
pub use mount::MountedSelect;
pub use place::{checked_bytes, partition_device, select_device};
pub use record::{Outcome, Selection, Stage, Step, TrialEnd, Tries};
pub use running::Running;

use serde::{Deserialize, Serialize};

/// One of the two places for a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Partitions `boot-a` and `root-a`.
    A,
    /// Partitions `boot-b` and `root-b`.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The opposite one.
    pub fn opposite(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// `a` or `b`.
    pub fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

impl FromStr for Slot {
    type Err = BootStateError;

    fn from_str(text: &str) -> Result<Self, BootStateError> {
        match text {
            "a" => Ok(Self::A),
            "b" => Ok(Self::B),
            _ => Err(BootStateError::NoSlot(text.to_owned())),
        }
    }
}

/// What a system was booted for: `cell.mode` of the kernel's command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Everyday.
    Normal,
    /// To prove itself; without a `commit` the box goes back.
    Trial,
    /// Console and little else.
    Recovery,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Trial => "trial",
            Self::Recovery => "recovery",
        })
    }
}

impl FromStr for Mode {
    type Err = BootStateError;

    fn from_str(text: &str) -> Result<Self, BootStateError> {
        match text {
            "normal" => Ok(Self::Normal),
            "trial" => Ok(Self::Trial),
            "recovery" => Ok(Self::Recovery),
            _ => Err(BootStateError::NoMode(text.to_owned())),
        }
    }
}

/// How the running system is, as far as its caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It has just come up; nothing is proven.
    Starting,
    /// Everything local answers and the root file system has been read through without a bad block.
    Healthy,
}

/// What shall boot, and what came of the last trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The committed slot.
    pub primary: Slot,
    /// The slot to fall back to; none while it is being written or after it failed.
    pub other: Option<Slot>,
    /// The slot on trial: pending, running, or failed and not yet recorded.
    pub trial: Option<Slot>,
    /// What came of the last trial.
    pub last: Option<Outcome>,
    /// Slots the loader could not load since the last healthy start.
    pub unreadable: BTreeSet<Slot>,
    /// What the loader will boot next, if it can load it.
    pub next: Start,
}

impl Wanted {
    /// The slot that holds nothing to fall back to and may be filled: beside a primary that runs, and where nothing is
    /// on trial.
    pub fn vacant(&self, running: &Running) -> Option<Slot> {
        let is_settled = running.mode == Mode::Normal && running.slot == self.primary;
        let is_vacant = self.other.is_none() && self.trial.is_none();
        (is_settled && is_vacant).then_some(running.slot.opposite())
    }
}

/// What [`BootState::repair`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Files that were not whole, or behind the other copy, and were written anew.
    pub rewritten: BTreeSet<StateFile>,
    /// The trial whose failure was recorded just now.
    pub failed_trial: Option<Outcome>,
    /// Whether the loader's step was put back.
    pub tries_reset: bool,
}

/// The state that decides what boots. Implemented for GRUB by [`GrubBootState`] and in memory by
/// [`fake::FakeBootState`].
///
/// What an operation acknowledged is on the disk. What was cut short is either done or not done; `repair` at the
/// next boot removes the traces.
pub trait BootState: Send + Sync {
    /// What runs now.
    ///
    /// # Errors
    /// The kernel was not started by our loader.
    fn current(&self) -> Result<Running, BootStateError>;

    /// What shall run.
    ///
    /// # Errors
    /// The files cannot be reached. Files that are not whole are no error: the answer is what the loader makes of them.
    fn wanted(&self) -> Result<Wanted, BootStateError>;

    /// Says that the slot that does not run is about to be written, so that nothing falls back to it.
    /// [`begin_trial`](Self::begin_trial) makes it count again.
    ///
    /// # Errors
    /// [`BootStateError::TrialRunning`]; the files cannot be reached or written.
    fn withdraw_other(&self) -> Result<(), BootStateError>;

    /// Says that the slot that does not run holds a whole system: it may be fallen back to. Only beside a primary that
    /// runs, and where nothing is on trial; otherwise this changes nothing.
    ///
    /// # Errors
    /// [`BootStateError::TrialRunning`]; the files cannot be reached or written.
    fn restore_other(&self) -> Result<(), BootStateError>;

    /// From the next boot on the other slot is tried, at most three times.
    ///
    /// # Errors
    /// [`BootStateError::AlreadyRunning`] for the slot that runs; [`BootStateError::TrialRunning`];
    /// the files cannot be reached or written.
    fn begin_trial(&self, slot: Slot) -> Result<(), BootStateError>;

    /// The running system has proven itself: it becomes primary, and the one before it the other. Without a trial and
    /// on the primary this only puts the loader's step back.
    ///
    /// # Errors
    /// [`BootStateError::Recovery`]: a recovery proves nothing; [`BootStateError::TakenBack`]; the files cannot be reached or written.
    fn commit(&self) -> Result<(), BootStateError>;

    /// Takes back the last step: a trial, pending or running; without one, gives up the running slot, and the
    /// opposite one boots next. What was given up is not fallen back to.
    ///
    /// # Errors
    /// [`BootStateError::NothingToGoBackTo`] when no trial is on and there is no other slot; the files cannot be reached
    /// or written.
    fn rollback(&self) -> Result<(), BootStateError>;

    /// Writes anew what is torn, stale or missing, records a failed trial, and puts the loader's step back where
    /// `health` allows.
    ///
    /// # Errors
    /// The files cannot be reached or written.
    fn repair(&self, health: Health) -> Result<Repaired, BootStateError>;
}
