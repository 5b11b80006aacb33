//! The process that carries flows out by other ways than the uplink, from both sides. There is none until the first way is.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::channel::{ChannelError, Handler};
use cell_exits::relay::{DESCRIPTORS, Doors, Relays};
use cell_exits::{Command, LinkError, Reply, ServerLink};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::{Keeper, NotRunning, until_closed};
use crate::logging::RoleLog;

/// The core's side.
pub(crate) struct RelayLink {
    keeper: Arc<Keeper>,
    running: OnceCell<JoinHandle<()>>,
}

impl RelayLink {
    pub(crate) fn new(keeper: Arc<Keeper>) -> Self {
        Self {
            keeper,
            running: OnceCell::new(),
        }
    }
}

#[async_trait]
impl ServerLink for RelayLink {
    async fn call(&self, command: Command, doors: Vec<Doors>) -> Result<Reply, LinkError> {
        if !self.running.initialized() {
            match &command {
                Command::Replace(spec) if spec.relays.is_empty() => return Ok(Reply::Done),
                Command::Status => return Ok(Reply::Status(Default::default())),
                Command::Replace(_) => {}
            }
        }
        let start = || async { tokio::spawn(Arc::clone(&self.keeper).run()) };
        self.running.get_or_init(start).await;
        let descriptors = doors
            .into_iter()
            .flat_map(|doors| [OwnedFd::from(doors.flows), OwnedFd::from(doors.names)]);
        let answered = self.keeper.call(&command, descriptors.collect()).await;
        answered.map_err(|error| match error {
            NotRunning::Absent | NotRunning::Channel(ChannelError::Closed) => LinkError::Closed,
            NotRunning::Channel(ChannelError::Decode(error)) => {
                LinkError::Unreadable(Box::new(error))
            }
            NotRunning::Channel(error) => LinkError::Io(io::Error::other(error)),
        })
    }
}

/// Lets processes that are started from here take as many descriptors as flows need, which is more than a bare system allows.
pub(crate) fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    let needed = DESCRIPTORS as u64;
    if limit.maximum.is_some_and(|most| most < needed) {
        limit.maximum = Some(needed);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "fewer flows than usual can leave by other ways than the uplink");
        }
    }
}

/// The process's side: carries flows until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    let relays = Arc::new(Server(Relays::new()));
    until_closed(stream, log, relays, |_| std::future::pending()).await;
}

struct Server(Relays);

#[async_trait]
impl Handler for Server {
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
        let reply = match serde_json::from_str(body.get()) {
            Ok(command) => cell_exits::link::serve(&self.0, command, pair(descriptors)),
            Err(error) => {
                tracing::error!(%error, "an order cannot be read");
                return RawValue::NULL.to_owned();
            }
        };
        serde_json::value::to_raw_value(&reply).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// Descriptors come as both doors of each way in turn.
fn pair(descriptors: Vec<OwnedFd>) -> Vec<Doors> {
    let mut descriptors = descriptors.into_iter();
    std::iter::from_fn(|| {
        Some(Doors {
            flows: TcpListener::from(descriptors.next()?),
            names: TcpListener::from(descriptors.next()?),
        })
    })
    .collect()
}
