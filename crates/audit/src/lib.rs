//! Who did what, when, from where, and how it ended: an append-only log whose records are chained by SHA-256.
//!
//! Promises:
//! - [`AuditLog::commit`] keeps the record in the same transaction as the change, so there is never one without the other;
//! - a record that was altered, removed or put in between is found by [`AuditLog::verify`], also at either end;
//! - rotation drops only the oldest records and the rest still verifies;
//! - what looks like key material is masked before it is kept (see [`redact`]).
//!
//! What the chain cannot do: stop somebody who writes to the disk from computing a whole new chain. Whoever fears that
//! notes the hash [`AuditLog::verify`] answers somewhere else and compares.
//!
//! Must never: change or remove a record but by rotation; decide what is worth a record; hold a secret on purpose
//! (callers build details from values that are not secret; masking is the second line).
//!
//! Start reading at [`AuditLog`], then `chain` for what is hashed.

mod chain;
mod log;
mod query;
mod record;
mod redact;

pub use chain::{Broken, ChainHead, Fault, Hash, next, verify};
pub use log::{AuditError, AuditLog, Committed, MAX_RECORDS};
pub use query::{AuditPage, AuditQuery};
pub use record::{AuditEvent, AuditRecord, MAX_DETAIL, MAX_OBJECT, Outcome};
pub use redact::{MASK, redact};
