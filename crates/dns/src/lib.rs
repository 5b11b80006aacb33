//! The name server: the cell's own zone from memory, everything else from servers the owner chose.
//!
//! Promises:
//! - A change is one swap, and is checked by asking the box itself over the wire.
//! - Names of the cell, addresses of the VPN and names that mean something only in the house
//!   (RFC 6303, RFC 6761 and kin) are never passed on.
//! - Only the sources of the spec are answered, loopback included only when listed; memory for
//!   remembered answers is bounded in bytes; no message makes it stop.
//! - The process that reads messages of strangers opens no port and holds no right: the core binds
//!   the sockets and hands them in.
//!
//! It must never answer half of a change, be an open resolver, or write down what anybody asked.
//! Nothing in this crate logs names or sources; hickory does, see [`LOG_FILTER`].
//!
//! Start at [`Dns`] (what the rest of the daemon sees) and [`ProcessDns`] (how it is done), then
//! [`server`] (what runs in the process). The answers themselves are the pure part: `zone`.

pub mod ask;
mod error;
pub mod fake;
mod forward;
pub mod link;
mod process;
pub mod server;
pub mod verify;
mod zone;

use async_trait::async_trait;
use cell_model::status::DnsStatus;
use cell_model::step::DnsStep;

pub use error::DnsError;
pub use link::{Command, LinkError, LocalLink, Reply, ServerLink};
pub use process::ProcessDns;
pub use server::{DnsServer, Listen};
pub use zone::{NEGATIVE_TTL, TTL, ZoneError};

/// Directives a log filter must hold in any process that runs a [`DnsServer`]: hickory's server
/// writes name and source of every question at `info`, its client names up to `error`.
pub const LOG_FILTER: &str =
    "hickory_server=off,hickory_net=off,hickory_resolver=off,hickory_proto=off";

/// The name server as the rest of the daemon sees it.
#[async_trait]
pub trait Dns: Send + Sync {
    /// What is in service.
    ///
    /// # Errors
    /// When the server does not answer.
    async fn observe(&self) -> Result<DnsStatus, DnsError>;

    /// Brings a step into service. An address that cannot be bound does not keep the others from
    /// being served; it is reported when they are.
    ///
    /// # Errors
    /// See [`DnsError`]. Applying the same step again is harmless and tries again what failed.
    async fn apply(&self, step: &DnsStep) -> Result<(), DnsError>;

    /// Asks the box itself, at every address it listens on, whether the step is in service.
    ///
    /// # Errors
    /// [`DnsError::Ask`] and [`DnsError::Differs`].
    async fn verify(&self, step: &DnsStep) -> Result<(), DnsError>;
}
