//! The process that fetches from the internet, from both sides. One is started for each time, and ends after it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::channel::Handler;
use cell_core::LogBuffer;
use cell_fetch::{Command, FetchError, FetchLink, LinkError, Reply};
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use super::process::ask_once;
use super::{Role, until_closed};
use crate::logging::RoleLog;

/// The core's side.
pub(crate) struct FetchProcess {
    logs: Arc<LogBuffer>,
}

impl FetchProcess {
    /// Its log goes into the box's.
    pub(crate) fn new(logs: Arc<LogBuffer>) -> Self {
        Self { logs }
    }
}

#[async_trait]
impl FetchLink for FetchProcess {
    async fn fetch(&self, command: Command, sink: OwnedFd) -> Result<Reply, LinkError> {
        let asked = ask_once(Role::Fetch, &self.logs, &command, vec![sink]);
        asked.await.map_err(LinkError)
    }
}

/// The process's side: fetches what it is told to until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    until_closed(stream, log, Arc::new(Fetch), |_| std::future::pending()).await;
}

struct Fetch;

#[async_trait]
impl Handler for Fetch {
    async fn handle(&self, body: Box<RawValue>, descriptors: Vec<OwnedFd>) -> Box<RawValue> {
        let reply = fetch(&body, descriptors).await;
        serde_json::value::to_raw_value(&reply).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

async fn fetch(body: &RawValue, descriptors: Vec<OwnedFd>) -> Reply {
    let command: Command = serde_json::from_str(body.get()).map_err(|error| {
        tracing::error!(%error, "an order cannot be read");
        FetchError::Unwanted
    })?;
    let sink = descriptors.into_iter().next().map(|descriptor| {
        let stream = std::os::unix::net::UnixStream::from(descriptor);
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    match sink {
        Some(Ok(sink)) => cell_fetch::serve(&command, sink).await,
        _ => Err(FetchError::Unwanted),
    }
}
