//! What can go wrong.

use std::io;

use cell_model::name::{DnsLabel, InterfaceName};

use crate::link::LinkError;
use crate::responder::{PORT, Via};

/// Why the box is not found by name.
#[derive(Debug, thiserror::Error)]
pub enum MdnsError {
    /// The interface is gone.
    #[error("there is no interface {interface}")]
    Interface {
        /// Which.
        interface: InterfaceName,
        /// Why.
        source: io::Error,
    },
    /// Somebody else has the port and does not share it.
    #[error(
        "another program on this machine has UDP port {PORT} to itself, such as avahi-daemon or systemd-resolved. Stop \
         it, or open the box by its address"
    )]
    PortTaken,
    /// A socket could not be opened.
    #[error("cannot answer over {via} on {interface}")]
    Open {
        /// Over which protocol.
        via: Via,
        /// On which interface.
        interface: InterfaceName,
        /// Why.
        source: io::Error,
    },
    /// An open socket could not be duplicated for the process.
    #[error("cannot hand over a socket")]
    HandOver(#[source] io::Error),
    /// The process cannot be reached.
    #[error("the name server's process does not answer")]
    Link(#[from] LinkError),
    /// The process answered that it failed, or with something else than was asked.
    #[error("the name server's process failed: {0}")]
    Process(String),
    /// Other devices have all names.
    #[error(
        "other devices at home are called {label}.local and by all its alternatives. Give the cell another name, or \
         open it by its address"
    )]
    Taken {
        /// The one that was asked for.
        label: DnsLabel,
    },
}
