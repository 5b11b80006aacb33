//! The process that calls another cell, from both sides. One is started for each call, and ends after it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cell_cells::{CallLink, Command, LinkError, Reply, call};
use cell_control::action::LogLevel;
use cell_control::channel::Handler;
use cell_core::LogBuffer;
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use super::process::{keep_log, start};
use super::{NoCalls, Role, Said, until_closed};
use crate::logging::RoleLog;

/// How long the process has to end by itself once it is not needed any more.
const GRACE: Duration = Duration::from_secs(2);

/// The core's side.
pub(crate) struct CellsProcess {
    logs: Arc<LogBuffer>,
}

impl CellsProcess {
    /// Its log goes into the box's.
    pub(crate) fn new(logs: Arc<LogBuffer>) -> Self {
        Self { logs }
    }
}

#[async_trait]
impl CallLink for CellsProcess {
    async fn call(&self, command: Command) -> Result<Reply, LinkError> {
        let (mut child, channel) = start(Role::Cells, LogLevel::Info, Arc::new(NoCalls))
            .map_err(|error| LinkError(format!("cannot be started: {error}")))?;
        if let Some(stderr) = child.stderr.take() {
            keep_log(stderr, None, Arc::clone(&self.logs));
        }
        let replied = channel.call(&Said::Order(&command), Vec::new()).await;
        drop(channel);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
        let reply: Option<Reply> =
            replied.map_err(|error| LinkError(format!("went away: {error}")))?;
        reply.ok_or_else(|| LinkError("did not understand".to_owned()))
    }
}

/// The process's side: calls when it is told to until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    until_closed(stream, log, Arc::new(Call), |_| std::future::pending()).await;
}

struct Call;

#[async_trait]
impl Handler for Call {
    async fn handle(&self, body: Box<RawValue>, _: Vec<OwnedFd>) -> Box<RawValue> {
        let reply = match serde_json::from_str::<Command>(body.get()) {
            Ok(command) => Some(call(command).await),
            Err(error) => {
                tracing::error!(%error, "an order cannot be read");
                None
            }
        };
        serde_json::value::to_raw_value(&reply).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}
