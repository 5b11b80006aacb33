//! The data plane in userspace, for kernels without the WireGuard module.
//!
//! Two processes: the daemon makes the TUN interface and the UDP socket ([`descriptors`]) and keeps them;
//! a child without rights gets duplicates and carries the packets ([`Engine`], [`run`]).
//! [`Userspace`] is the daemon's side; how the two talk is the [`EngineLink`] it is given.

pub mod command;
pub mod descriptors;
mod engine;
mod identity;
mod interface;
pub mod link;
mod peer;
mod routes;
mod runner;
mod table;

#[cfg(test)]
mod engine_tests;

pub use command::{Command, Reply};
pub use descriptors::Descriptors;
pub use engine::{Engine, LARGEST_PACKET, Outlet};
pub use interface::{Userspace, UserspaceError};
pub use link::{EngineLink, EngineLinkError, LocalLink};
pub use runner::{Request, RunError, run};
