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

use super::{NotRunning, OnDemand, until_closed};
use crate::logging::RoleLog;

/// The core's side.
pub(crate) struct RelayLink(pub(crate) OnDemand);

#[async_trait]
impl ServerLink for RelayLink {
    async fn call(&self, command: Command, doors: Vec<Doors>) -> Result<Reply, LinkError> {
        if !self.0.is_started() {
            match &command {
                Command::Replace(spec) if spec.relays.is_empty() => return Ok(Reply::Done),
                Command::Status => return Ok(Reply::Status(Default::default())),
                Command::Replace(_) => {}
            }
        }
        let descriptors = doors
            .into_iter()
            .flat_map(|doors| doors.flows.into_iter().chain([doors.names]))
            .map(OwnedFd::from);
        let keeper = self.0.keeper().await;
        let answered = keeper.call(&command, descriptors.collect()).await;
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
            Ok(command) => {
                let doors = doors(&command, descriptors);
                cell_exits::link::serve(&self.0, command, doors)
            }
            Err(error) => {
                tracing::error!(%error, "an order cannot be read");
                return RawValue::NULL.to_owned();
            }
        };
        serde_json::value::to_raw_value(&reply).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// Descriptors come as the doors of each way in turn.
fn doors(command: &Command, descriptors: Vec<OwnedFd>) -> Vec<Doors> {
    let Command::Replace(spec) = command else {
        return Vec::new();
    };
    let mut descriptors = descriptors.into_iter().map(TcpListener::from);
    let relays = spec.relays.values().map_while(|relay| {
        let flows = match relay.listen {
            Some(_) => Some(descriptors.next()?),
            None => None,
        };
        let names = descriptors.next()?;
        Some(Doors { flows, names })
    });
    relays.collect()
}
