//! What can go wrong.

use std::io;
use std::net::SocketAddr;

use crate::ask::AskError;
use crate::link::LinkError;
use crate::zone::ZoneError;

/// Why the name server is not as asked.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The zone cannot be laid out.
    #[error("the zone cannot be served")]
    Zone(#[from] ZoneError),
    /// Names were patched while there is no zone.
    #[error("there is no zone whose names could be changed")]
    NoZone,
    /// Addresses could not be bound; the others are served. The source is that of the first.
    #[error("cannot listen on {}", list(addresses))]
    Bind {
        /// All that failed.
        addresses: Vec<SocketAddr>,
        /// Why the first did.
        source: io::Error,
    },
    /// A bound socket could not be taken over.
    #[error("cannot serve {address}")]
    Serve {
        /// Its address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A bound socket could not be duplicated for the server's process.
    #[error("cannot hand over the sockets of {address}")]
    HandOver {
        /// Its address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The server's process cannot be reached.
    #[error("the name server's process does not answer")]
    Link(#[from] LinkError),
    /// The server's process answered that it failed, or with something else than was asked.
    #[error("the name server's process failed: {0}")]
    Process(String),
    /// The box asked itself and got no answer.
    #[error("the name server at {address} does not answer a question of our own")]
    Ask {
        /// Who was asked.
        address: SocketAddr,
        /// Why there is no answer.
        source: AskError,
    },
    /// The box asked itself and got another answer than the one applied.
    #[error("the name server at {address} answers {name} with {found} instead of {expected}")]
    Differs {
        /// Who was asked.
        address: SocketAddr,
        /// What was asked.
        name: String,
        /// What should have been answered.
        expected: String,
        /// What was.
        found: String,
    },
}

fn list(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
