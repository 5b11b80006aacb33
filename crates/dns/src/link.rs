//! What is said to the name server's process. How it gets there is the caller's matter.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use cell_model::problem::chain;
use cell_model::status::DnsStatus;
use cell_model::step::DnsStep;
use serde::{Deserialize, Serialize};

use crate::server::{DnsServer, Listen};

/// Something the server's process is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Bring a step into service.
    Apply(DnsStep),
    /// Serve exactly these addresses; their sockets come along, in this order.
    Listen(Vec<SocketAddr>),
    /// Say how it is.
    Status,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// How it is.
    Status(DnsStatus),
    /// It failed; why, in a sentence.
    Failed(String),
}

/// Why the process was not reached.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is not running, or stopped while it was asked.
    #[error("it is not running")]
    Closed,
    /// The channel to it failed.
    #[error("the channel failed")]
    Io(#[from] io::Error),
    /// What it said is not understood.
    #[error("what it said is not understood")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
}

/// The way to the server's process.
#[async_trait]
pub trait ServerLink: Send + Sync {
    /// Sends a command, with sockets where [`Command::Listen`] names addresses, and waits for the reply.
    ///
    /// # Errors
    /// See [`LinkError`]. A command the process could not carry out is [`Reply::Failed`].
    async fn call(&self, command: Command, sockets: Vec<Listen>) -> Result<Reply, LinkError>;
}

/// Carries out a command: what the server's process does with everything it is told.
pub async fn serve(server: &DnsServer, command: Command, sockets: Vec<Listen>) -> Reply {
    let outcome = match command {
        Command::Apply(step) => server.apply(&step),
        Command::Listen(addresses) => {
            if !addresses.iter().eq(sockets.iter().map(|s| &s.address)) {
                // Going on would close the sockets of addresses that lost theirs on the way.
                return Reply::Failed("sockets and addresses do not match".to_owned());
            }
            server.listen(sockets).await
        }
        Command::Status => return Reply::Status(server.status()),
    };
    match outcome {
        Ok(()) => Reply::Done,
        // Only text crosses between processes.
        Err(error) => Reply::Failed(chain(&error)),
    }
}

/// A server in the same process: for tests and tools.
#[derive(Clone, Default)]
pub struct LocalLink {
    /// The server at the other end.
    pub server: DnsServer,
}

#[async_trait]
impl ServerLink for LocalLink {
    async fn call(&self, command: Command, sockets: Vec<Listen>) -> Result<Reply, LinkError> {
        Ok(serve(&self.server, command, sockets).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_without_their_sockets_are_not_listened_to() {
        let server = DnsServer::new();
        let lost = Command::Listen(vec!["127.0.0.1:53".parse().unwrap()]);
        let reply = serve(&server, lost, Vec::new()).await;
        assert!(matches!(reply, Reply::Failed(_)));
    }

    #[test]
    fn causes_cross_the_link_in_one_line() {
        let error = crate::DnsError::Serve {
            address: "127.0.0.1:53".parse().unwrap(),
            source: io::Error::other("no more descriptors"),
        };
        assert_eq!(
            chain(&error),
            "cannot serve 127.0.0.1:53: no more descriptors"
        );
    }
}
