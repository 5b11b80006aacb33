//! The program as a person meets it: on a terminal of its own, with the real daemon running, dead or hung.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

mod before_setup;
mod entries;
mod offline;
mod robust;
mod sitting;
