//! Being found by name at home: answers multicast DNS (RFC 6762) for `<name>.local`, and tells those who browse for
//! services (RFC 6763) where the admin page is.
//!
//! Promises:
//! - It answers on one interface, to sources of that wire, with the addresses of that interface.
//! - A name that another device has is left to it: the box takes the next of a short list and says so.
//! - A name that is no longer the box's is taken back, and so is every name when the box stops.
//! - No message makes it stop, and what it remembers of strangers is bounded.
//! - The process that reads messages of strangers opens no port and holds no right: the core opens the sockets and
//!   hands them in.
//!
//! It must never answer in a tunnel, ask others for names on somebody's behalf, or keep what they say. Nor on a WAN, but
//! where it is the only wire: there a one-armed box answers neighbours with private and link-local addresses.
//!
//! Start at [`Mdns`] (what the rest of the daemon sees) and [`ProcessMdns`] (how it is done), then [`server`] (what
//! runs in the process). What is said when is the pure part: [`responder`].

mod error;
pub mod fake;
pub mod link;
mod process;
pub mod responder;
pub mod server;
mod socket;

use async_trait::async_trait;
use cell_model::spec::MdnsSpec;
use cell_model::status::MdnsStatus;

pub use error::MdnsError;
pub use link::{Command, LinkError, Reply, ServerLink, Socket};
pub use process::ProcessMdns;
pub use responder::{PORT, Via};
pub use server::MdnsServer;

/// Being found by name, as the rest of the daemon sees it.
#[async_trait]
pub trait Mdns: Send + Sync {
    /// By which name, if any.
    ///
    /// # Errors
    /// When the process does not answer.
    async fn observe(&self) -> Result<MdnsStatus, MdnsError>;

    /// Begins to be found as the spec says, or ends being found. Returns before it is known whether the name is free.
    ///
    /// # Errors
    /// See [`MdnsError`]. Applying the same spec again is harmless, and begins anew where all names were taken.
    async fn apply(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError>;

    /// Waits until a name is found to be free, about a second where it is.
    ///
    /// # Errors
    /// [`MdnsError::Taken`] when none is.
    async fn verify(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError>;
}
