//! What is said to the process that fetches. How it gets there is the caller's matter.

use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;

use async_trait::async_trait;
use cell_model::url::SourceUrl;
use serde::{Deserialize, Serialize};

use crate::FetchError;

/// Parts of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Which file.
    pub url: SourceUrl,
    /// Certificates (PEM) that may vouch for the server beside the public ones.
    pub authorities: Option<String>,
    /// Who is asked for the server's address.
    pub name_servers: Vec<SocketAddr>,
    /// Bytes of the file, in rising order and apart from each other. The last may go beyond the file's end.
    pub parts: Vec<Range<u64>>,
    /// The file as it was when other parts were fetched: another one is refused.
    pub same_as: Option<String>,
}

/// The parts are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Bytes of the whole file.
    pub size: u64,
    /// The server's word for this form of the file (RFC 9110, section 8.8.3), where it has one.
    pub tag: Option<String>,
}

/// What the process answers when all bytes were written.
pub type Reply = Result<Fetched, FetchError>;

/// The process was not reached, or went away.
#[derive(Debug, thiserror::Error)]
#[error("the process that fetches {0}")]
pub struct LinkError(pub String);

/// The way to the process.
#[async_trait]
pub trait FetchLink: Send + Sync {
    /// Has the parts written to `sink`, a Unix stream socket, and waits until that is done.
    ///
    /// # Errors
    /// See [`LinkError`]. What could not be fetched is in the reply.
    async fn fetch(&self, command: Command, sink: OwnedFd) -> Result<Reply, LinkError>;
}
