//! From a bundle to a slot on trial, with a box in memory whose power can be cut.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

mod bundles;
mod cuts;
mod memory;
