//! The process that carries the VPN's packets where the kernel does not, from both sides.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use cell_control::channel::{ChannelError, Handler};
use cell_model::Timestamp;
use cell_model::name::InterfaceName;
use cell_wireguard::userspace::{
    Command, Descriptors, Engine, EngineLink, EngineLinkError, Reply, Request, run,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{NotRunning, OnDemand, until_closed};
use crate::logging::RoleLog;

/// What the core says to the process of an interface.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    interface: InterfaceName,
    deed: Deed,
}

/// What is to be done with it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Deed {
    /// Take the interface and the socket that come along, in place of earlier ones.
    Start,
    /// Let go of them.
    Stop,
    /// For the engine.
    Engine(Command),
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done,
    Engine(Reply),
    /// It does not have that interface.
    Idle,
}

/// The core's side of one interface.
pub(crate) struct WireGuardLink {
    pub(crate) process: Arc<OnDemand>,
    pub(crate) interface: InterfaceName,
}

impl WireGuardLink {
    async fn order(
        &self,
        deed: Deed,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Answer, EngineLinkError> {
        let order = Order {
            interface: self.interface.clone(),
            deed,
        };
        let keeper = self.process.keeper().await;
        let answered = keeper.call(&order, descriptors).await;
        answered.map_err(|error| match error {
            NotRunning::Absent | NotRunning::Channel(ChannelError::Closed) => EngineLinkError::Gone,
            NotRunning::Channel(error) => EngineLinkError::Talk(io::Error::other(error)),
        })
    }
}

#[async_trait]
impl EngineLink for WireGuardLink {
    async fn start(&self, descriptors: Descriptors) -> Result<(), EngineLinkError> {
        let descriptors = vec![descriptors.tun, OwnedFd::from(descriptors.socket)];
        match self.order(Deed::Start, descriptors).await? {
            Answer::Done => Ok(()),
            Answer::Engine(_) | Answer::Idle => Err(EngineLinkError::Start(io::Error::other(
                "the descriptors did not arrive",
            ))),
        }
    }

    async fn call(&self, command: Command) -> Result<Reply, EngineLinkError> {
        match self.order(Deed::Engine(command), Vec::new()).await? {
            Answer::Engine(reply) => Ok(reply),
            Answer::Done | Answer::Idle => Err(EngineLinkError::Gone),
        }
    }

    async fn stop(&self) -> Result<(), EngineLinkError> {
        self.order(Deed::Stop, Vec::new()).await.map(|_| ())
    }
}

/// The process's side: carries packets until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    until_closed(stream, log, Arc::new(Carrier::default()), |_| {
        std::future::pending()
    })
    .await;
}

#[derive(Default)]
struct Carrier {
    engines: Mutex<BTreeMap<InterfaceName, mpsc::Sender<Request>>>,
}

impl Carrier {
    async fn obey(&self, order: Order, descriptors: Vec<OwnedFd>) -> Answer {
        let Order { interface, deed } = order;
        match deed {
            Deed::Start => {
                let Ok([tun, socket]) = <[OwnedFd; 2]>::try_from(descriptors) else {
                    return Answer::Idle;
                };
                let descriptors = Descriptors {
                    tun,
                    socket: socket.into(),
                };
                let (commands, requests) = mpsc::channel(16);
                self.engines.lock().await.insert(interface, commands);
                tokio::spawn(async move {
                    let engine = Engine::new(Instant::now(), Timestamp::now());
                    if let Err(error) = run(engine, descriptors, requests).await {
                        tracing::error!(%error, "packets are no longer carried");
                        // The keeper starts another process, which is given everything again.
                        std::process::exit(1);
                    }
                });
                Answer::Done
            }
            Deed::Stop => {
                self.engines.lock().await.remove(&interface);
                Answer::Done
            }
            Deed::Engine(command) => {
                let Some(commands) = self.engines.lock().await.get(&interface).cloned() else {
                    return Answer::Idle;
                };
                let (answer, reply) = oneshot::channel();
                if commands.send((command, answer)).await.is_err() {
                    return Answer::Idle;
                }
                reply.await.map_or(Answer::Idle, Answer::Engine)
            }
        }
    }
}

#[async_trait]
impl Handler for Carrier {
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
        let answer = match serde_json::from_str(body.get()) {
            Ok(order) => self.obey(order, descriptors).await,
            Err(error) => {
                tracing::error!(%error, "an order cannot be read");
                Answer::Idle
            }
        };
        serde_json::value::to_raw_value(&answer).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}
