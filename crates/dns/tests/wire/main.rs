//! The name server over real sockets on loopback: with `dig`, with hand-made packets, with garbage.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should say so at once, its set-up included"
)]

mod cells;
mod conformance;
mod forwarding;
mod garbage;
mod process;
mod swap;
mod ways;
mod world;
