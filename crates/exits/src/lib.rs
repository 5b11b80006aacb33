//! Ways out to the internet that a program of the box carries flows by, each with ports of its own.
//!
//! # What it is for
//! The packet filter leads the TCP connections of whoever was given such a way to its port. The relay asks the kernel where
//! they were to go, gets there by way of the proxy, and moves bytes until both ends are done. The box's name server asks name
//! servers out there by the same way.
//!
//! # What it promises
//! - A flow leaves by its way or not at all: nothing here ever connects a destination that a device named.
//! - Whoever comes to a port without having been led there is refused, so nobody uses the box as a proxy.
//! - Flows that do not get out are torn down, and their programs learn it at once.
//! - Bytes are moved by the kernel (splice); a flow that rests takes up two sockets and no buffer.
//! - Whether a way leads out is found out by asking a name server by it, not by whether the proxy answers.
//! - The process that reads messages of strangers opens no port and holds no right: the core binds the sockets and hands
//!   them in.
//!
//! # What it must never do
//! Write down where anybody goes, or decide who may use which way: that is the packet filter's.
//!
//! # Where to start reading
//! [`Exits`] (what the rest of the daemon sees), [`ProcessExits`] (how it is done), then [`relay`] (what runs in the process).

mod error;
pub mod fake;
pub mod link;
mod process;
pub mod relay;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cell_model::spec::ExitsSpec;
use cell_model::status::ExitStatus;
use uuid::Uuid;

pub use error::ExitsError;
pub use link::{Command, LinkError, Reply, ServerLink};
pub use process::ProcessExits;

/// Ways out, as the rest of the daemon sees them.
#[async_trait]
pub trait Exits: Send + Sync {
    /// How each way in service is.
    ///
    /// # Errors
    /// When the process does not answer.
    async fn observe(&self) -> Result<BTreeMap<Uuid, ExitStatus>, ExitsError>;

    /// Has exactly these ways in service. Flows of a way that stays as it is go on; all others end. A port that cannot be
    /// bound does not keep the others from being served; it is reported when they are.
    ///
    /// # Errors
    /// See [`ExitsError`]. Applying the same again is harmless and tries again what failed.
    async fn apply(&self, spec: &Arc<ExitsSpec>) -> Result<(), ExitsError>;
}
