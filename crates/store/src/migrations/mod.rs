//! Forward migrations, one frozen file a step.
//!
//! A step turns the keys of one schema into those of the next and is never edited once released: it names keys and
//! forms by itself and uses nothing of `layout`, which only describes the newest. To change the layout: add
//! `v<N>_to_v<N+1>.rs` with a test that starts from literal keys, append it to `STEPS`, raise [`SCHEMA`].

mod v0_to_v1;
mod v1_to_v2;
mod v2_to_v3;

use crate::StoreError;
use crate::database::Database;

/// The schema this version writes.
pub const SCHEMA: u32 = 3;

type Step = fn(&Database) -> Result<(), StoreError>;

/// Step `n` leads from schema `n` to `n + 1`.
const STEPS: [Step; SCHEMA as usize] = [v0_to_v1::migrate, v1_to_v2::migrate, v2_to_v3::migrate];

/// Brings a database from an older schema to [`SCHEMA`].
pub(crate) fn run(database: &Database, from: u32) -> Result<(), StoreError> {
    for step in STEPS.iter().skip(from as usize) {
        step(database)?;
    }
    Ok(())
}
