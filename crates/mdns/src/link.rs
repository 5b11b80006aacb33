//! What is said to the process that answers. How it gets there is the caller's matter.

use std::error::Error;
use std::io;
use std::net::UdpSocket;

use async_trait::async_trait;
use cell_model::spec::MdnsSpec;
use cell_model::status::MdnsStatus;
use serde::{Deserialize, Serialize};

use crate::responder::Via;
use crate::server::MdnsServer;

/// Something the process is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Answer as the spec says; the sockets of these protocols come along, in this order.
    Answer(MdnsSpec, Vec<Via>),
    /// Take back what was said, and answer no more.
    Stop,
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
    Status(MdnsStatus),
    /// It failed; why, in a sentence.
    Failed(String),
}

/// An open socket: bound to the port on one interface, member of the group.
#[derive(Debug)]
pub struct Socket {
    /// Its protocol.
    pub via: Via,
    /// The socket.
    pub udp: UdpSocket,
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

/// The way to the process.
#[async_trait]
pub trait ServerLink: Send + Sync {
    /// Sends a command, with the sockets that [`Command::Answer`] names, and waits for the reply.
    ///
    /// # Errors
    /// See [`LinkError`]. A command the process could not carry out is [`Reply::Failed`].
    async fn call(&self, command: Command, sockets: Vec<Socket>) -> Result<Reply, LinkError>;
}

/// Carries out a command: what the process does with everything it is told.
pub async fn serve(server: &MdnsServer, command: Command, sockets: Vec<Socket>) -> Reply {
    match command {
        Command::Answer(spec, vias) => {
            if !vias.iter().eq(sockets.iter().map(|socket| &socket.via)) {
                return Reply::Failed("sockets and protocols do not match".to_owned());
            }
            match server.answer(spec, sockets).await {
                Ok(()) => Reply::Done,
                Err(error) => Reply::Failed(error.to_string()),
            }
        }
        Command::Stop => {
            server.stop().await;
            Reply::Done
        }
        Command::Status => Reply::Status(server.status()),
    }
}
