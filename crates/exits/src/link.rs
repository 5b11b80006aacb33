//! What is said to the process that carries flows. How it gets there is the caller's matter.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use cell_model::problem::chain;
use cell_model::spec::ExitsSpec;
use cell_model::status::ExitStatus;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::relay::{Doors, Relays};

/// Something the process is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Have exactly these ways in service; their sockets come along, those of each way in turn: where flows are led to,
    /// if they are, and where names are asked for.
    Replace(Arc<ExitsSpec>),
    /// Say how they are.
    Status,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// How they are.
    Status(BTreeMap<Uuid, ExitStatus>),
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

/// The way to the process.
#[async_trait]
pub trait ServerLink: Send + Sync {
    /// Sends a command, with sockets for [`Command::Replace`], and waits for the reply.
    ///
    /// # Errors
    /// See [`LinkError`]. A command the process could not carry out is [`Reply::Failed`].
    async fn call(&self, command: Command, doors: Vec<Doors>) -> Result<Reply, LinkError>;
}

/// Carries out a command: what the process does with everything it is told.
pub fn serve(relays: &Relays, command: Command, doors: Vec<Doors>) -> Reply {
    let outcome = match command {
        Command::Replace(spec) => {
            if spec.relays.len() != doors.len() {
                return Reply::Failed("sockets and ways do not match".to_owned());
            }
            let doors = spec.relays.keys().copied().zip(doors).collect();
            relays.replace(&spec, doors)
        }
        Command::Status => return Reply::Status(relays.status()),
    };
    match outcome {
        Ok(()) => Reply::Done,
        // Only text crosses between processes.
        Err(error) => Reply::Failed(chain(&error)),
    }
}

/// The relay in the same process: for tests and tools.
#[derive(Clone, Default)]
pub struct LocalLink {
    /// The relay at the other end.
    pub relays: Arc<Relays>,
}

#[async_trait]
impl ServerLink for LocalLink {
    async fn call(&self, command: Command, doors: Vec<Doors>) -> Result<Reply, LinkError> {
        Ok(serve(&self.relays, command, doors))
    }
}
