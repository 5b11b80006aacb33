//! What the box must not forget: the config as numbered revisions, sealed secrets, and records (accounts, sessions,
//! audit …), in one directory, on sled.
//!
//! Promises:
//! - [`Store::commit`] is one transaction: all of a [`Batch`] or nothing, also across a crash, and on disk
//!   (so across a power cut too, at any moment: `tests/power`) before it returns;
//! - a reader never sees what is not on disk yet;
//! - every change of the config gets the next revision number, and any kept revision can be rebuilt;
//! - the cost of a commit depends on what changes, not on what is stored;
//! - a store written by a newer version is refused and not touched, an older one is migrated on a copy.
//!
//! Must never: know what a document, a secret or a record means; see a secret that is not sealed; read a clock
//! (callers give the time); roll back secrets or records. All calls block: async callers use `spawn_blocking`.
//!
//! The directory (mode 0700): `store.lock`, `store/` (sled's files and `schema`), `store.v<N>/` (the store before the
//! last migration), `store.replaced/` (the store before the last restore), `snapshots/` (see [`export`]).
//!
//! Start reading at [`Store::commit`], then `layout` for the keys and [`export`] for the way out of sled.

mod batch;
mod check;
mod commit;
mod database;
mod error;
pub mod export;
#[cfg(feature = "faults")]
mod fault;
mod files;
mod import;
mod layout;
mod migrations;
mod open;
mod pieces;
mod records;
mod revision;
mod snapshot;
mod store;

pub use batch::{Batch, MAX_KEY, MAX_VALUE};
pub use check::Report;
pub use commit::HISTORY_LIMIT;
pub use error::StoreError;
pub use export::Extent;
#[cfg(feature = "faults")]
pub use fault::Fault;
pub use files::FREE_RESERVE;
pub use files::schema_of;
pub use migrations::SCHEMA;
pub use records::{Records, Tree};
pub use revision::{Change, Revision, RevisionSummary};
pub use store::Store;
