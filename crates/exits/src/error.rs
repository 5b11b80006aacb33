//! What can go wrong with ways out, short of that they do not lead anywhere: that is their status.

use std::io;
use std::net::SocketAddr;

use crate::link::LinkError;

/// Ways are not in service as they should be.
#[derive(Debug, thiserror::Error)]
pub enum ExitsError {
    /// Addresses cannot be bound; their ways are not in service.
    #[error("cannot listen on {addresses:?}")]
    Bind {
        /// Which.
        addresses: Vec<SocketAddr>,
        /// Why the first one cannot.
        source: io::Error,
    },
    /// A socket cannot be handed over.
    #[error("the socket of {address} cannot be handed over")]
    HandOver {
        /// Whose.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The process is not reached.
    #[error("the process that carries flows is not reached")]
    Link(#[from] LinkError),
    /// The process cannot do it; why, in a sentence.
    #[error("the process that carries flows: {0}")]
    Process(String),
}
