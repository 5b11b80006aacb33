//! Devices that leave by another way than the uplink, with a real other end of each kind: what they reach, what they are told,
//! and that nothing of them ever leaves by the uplink, whatever happens to the other end, to processes and to the daemon.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

mod lab;
mod proxies;
mod tunnels;
