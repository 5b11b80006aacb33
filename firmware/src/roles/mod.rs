//! Processes without power: what faces the network is the same binary, started anew as a user of its own, without
//! rights, with its sockets handed in over the channel it has as standard input.

pub(crate) mod cells;
mod confine;
pub(crate) mod dns;
pub(crate) mod fetch;
pub(crate) mod handing;
mod keeper;
pub(crate) mod mail_check;
mod process;
pub(crate) mod proxy;
pub(crate) mod relay;
pub(crate) mod web;
pub(crate) mod wireguard;

use std::error::Error;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::action::LogLevel;
use cell_control::channel::{Channel, Handler};
use cell_model::status::Part;
use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use crate::logging::RoleLog;

pub(crate) use keeper::{Keeper, NotRunning, OnDemand};

/// One of the daemon's own processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Answers DNS, and to the box's own name on the home side's wire.
    Dns,
    /// Serves pages and REST.
    Web,
    /// Carries the VPN's packets where the kernel does not.
    Wireguard,
    /// Fetches parts of a file from the internet.
    Fetch,
    /// Looks at mail as others see it.
    MailCheck,
    /// Calls another cell.
    Cells,
    /// Carries flows out by other ways than the uplink.
    Relay,
    /// Carries the packets of tunnels that lead out, where the kernel does not.
    Tunnels,
}

impl Role {
    /// As on the command line.
    fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Web => "web",
            Self::Wireguard => "wireguard",
            Self::Fetch => "fetch",
            Self::MailCheck => "mail-check",
            Self::Cells => "cells",
            Self::Relay => "relay",
            Self::Tunnels => "tunnels",
        }
    }

    /// The parts it carries.
    fn parts(self) -> &'static [Part] {
        match self {
            Self::Dns => &[Part::Dns, Part::Mdns],
            Self::Web => &[Part::Web],
            Self::Wireguard => &[Part::Wireguard],
            Self::Relay | Self::Tunnels => &[Part::Exits],
            Self::Fetch | Self::MailCheck | Self::Cells => &[],
        }
    }

    /// User and group it runs as: below the range of dynamic users (61184 and up, systemd's UIDS-GIDS), above that
    /// of people, one for each so that they cannot touch each other.
    fn user(self) -> u32 {
        match self {
            Self::Dns => 60801,
            Self::Web => 60802,
            Self::Wireguard => 60803,
            Self::Fetch => 60805,
            Self::MailCheck => 60806,
            Self::Cells => 60807,
            Self::Relay => 60808,
            Self::Tunnels => 60809,
        }
    }
}

/// Runs as a role until the core goes away.
pub(crate) fn run(role: Role, log_level: LogLevel) -> Result<(), Box<dyn Error>> {
    let log = crate::logging::role(log_level);
    if rustix::process::geteuid().is_root() {
        return Err("a role is started by the daemon, and never as root".into());
    }
    // The channel came as standard input.
    let stream = std::os::unix::net::UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream.set_nonblocking(true)?;
    confine::confine(role)?;
    tracing::debug!(role = role.word(), "the role is confined");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let stream = UnixStream::from_std(stream)?;
        match role {
            Role::Dns => dns::serve(stream, log).await,
            Role::Web => web::serve(stream, log).await?,
            Role::Wireguard | Role::Tunnels => wireguard::serve(stream, log).await,
            Role::Fetch => fetch::serve(stream, log).await,
            Role::MailCheck => mail_check::serve(stream, log).await,
            Role::Cells => cells::serve(stream, log).await,
            Role::Relay => relay::serve(stream, log).await,
        }
        Ok(())
    })
}

/// What the core says to a role.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Said<'a, T> {
    /// What this role is there for.
    Order(&'a T),
    /// Log this much.
    LogLevel(LogLevel),
}

/// The same, as it arrives.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Heard {
    Order(Box<RawValue>),
    LogLevel(LogLevel),
}

/// Hears what is for every role, and hands on what is for this one.
struct Ear {
    orders: Arc<dyn Handler>,
    log: RoleLog,
}

#[async_trait]
impl Handler for Ear {
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
        match serde_json::from_str(body.get()) {
            Ok(Heard::Order(order)) => return self.orders.handle(order, descriptors).await,
            Ok(Heard::LogLevel(level)) => self.log.set(level),
            Err(error) => tracing::error!(%error, "what the core says cannot be read"),
        }
        RawValue::NULL.to_owned()
    }
}

/// Answers the core, orders with `orders`, until the core goes away.
async fn until_closed<F: Future<Output = ()>>(
    stream: UnixStream,
    log: RoleLog,
    orders: Arc<dyn Handler>,
    beside: impl FnOnce(Channel) -> F,
) {
    let channel = Channel::start(stream, Arc::new(Ear { orders, log }));
    let beside = beside(channel.clone());
    tokio::select! {
        () = channel.closed() => {}
        () = beside => channel.closed().await,
    }
}

/// Orders of one kind, each answered by a function; `null` is the answer to what cannot be read.
struct Orders<Q, F>(F, PhantomData<fn(Q)>);

impl<Q, F> Orders<Q, F> {
    fn answered_by(answer: F) -> Arc<Self> {
        Arc::new(Self(answer, PhantomData))
    }
}

#[async_trait]
impl<Q, A, F, Answer> Handler for Orders<Q, F>
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send,
    F: Fn(Q) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = A> + Send,
{
    async fn handle(&self, body: Box<RawValue>, _: Vec<OwnedFd>) -> Box<RawValue> {
        let answered = match serde_json::from_str(body.get()) {
            Ok(order) => Some((self.0)(order).await),
            Err(error) => {
                tracing::error!(%error, "an order cannot be read");
                None
            }
        };
        serde_json::value::to_raw_value(&answered).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// For processes that have nothing to ask.
pub(crate) struct NoCalls;

#[async_trait]
impl Handler for NoCalls {
    async fn handle(&self, _: Box<RawValue>, _: Vec<OwnedFd>) -> Box<RawValue> {
        RawValue::NULL.to_owned()
    }
}
