//! From a bundle to a slot that is to be tried.
//!
//! # The way
//! ```text
//! receive:  header ─► trusted? for this box? newer? room? ─► missing chunks into `data`, each checked
//! write:    nothing falls back to the other slot ─► its chunks ─► read back: digests, root hash ─► trial
//! ```
//!
//! # What it promises
//! - The other slot is not touched before everything it shall hold is here and right: a bundle that turns out to be cut
//!   or damaged leaves it as it was.
//! - Nothing points to a slot whose content was not read back whole.
//! - What is cut short goes on where it stopped: chunks that are here are not fetched again.
//! - Never more than a chunk of the bundle is held in memory.
//!
//! # Who calls what
//! [`Offer::read`] and [`Offer::check`], then [`Index::of`], [`receive`], [`write`](fn@write). All block on the disk and, through
//! their [`Source`], on the network: from async code use `spawn_blocking`.

mod error;
mod fill;
mod index;
mod offer;
mod receive;
mod slots;
mod source;
mod staging;
mod stick;
mod write;

pub use error::InstallError;
pub use fill::{SlotLock, fill};
pub use index::Index;
pub use offer::{Allowances, Installed, Offer};
pub use receive::{Received, receive};
pub use slots::{Access, PartitionFiles, SlotFile, SlotPartitions};
pub use source::{Source, Stream};
pub use staging::{Staging, Tried};
pub use stick::{StickError, StickFile, open_on_stick};
pub use write::write;

/// How far it has come. Bytes, of the step that it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The step.
    pub step: Step,
    /// Done of it.
    pub done: u64,
    /// All of it.
    pub total: u64,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Looking which chunks are here.
    Comparing,
    /// Fetching those that are not.
    Receiving,
    /// Filling the other slot.
    Writing,
    /// Reading it back.
    Verifying,
}
