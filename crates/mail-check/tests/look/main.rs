//! Looks at servers on loopback, which say what a test has them say.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

mod outside;
mod provider;
mod world;
mod zone;
