//! Links, addresses, routes and rules of the kernel, over rtnetlink (`man 7 rtnetlink`).
//!
//! Promises: adding what is there and removing what is not are no errors; every other refusal says what was attempted
//! and carries the kernel's errno; a listing is complete or an error; an overrun [`Watch`] says so and goes on.
//! Must never: decide what the network should look like, read or write config, or keep state between two calls.
//! Start reading at [`Netlink`]; the exchange of messages is in `socket.rs`.
//!
//! All calls act on the network namespace of the calling thread and need a tokio runtime with I/O.

mod address;
mod attribute;
mod error;
mod link;
mod route;
mod rule;
mod socket;
mod watch;

pub use address::{Address, Scope};
pub use error::NetlinkError;
pub use link::Link;
pub use route::{MAIN_TABLE, Route};
pub use rule::{Packets, Rule};
pub use watch::{Change, Watch};

/// The door to the kernel's links, addresses and routes.
///
/// Each call opens a socket of its own: it costs microseconds, a cancelled call leaves no half-read answer behind,
/// and two calls never wait for each other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Netlink;

impl Netlink {
    /// A door; nothing is opened yet.
    pub fn new() -> Self {
        Self
    }
}
