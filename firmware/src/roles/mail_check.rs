//! The process that looks at mail as others see it, from both sides. One is started for each look, and ends after it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cell_control::action::LogLevel;
use cell_control::channel::Handler;
use cell_core::LogBuffer;
use cell_mail_check::{Command, LinkError, MailCheckLink, Report, look};
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use super::process::{keep_log, start};
use super::{NoCalls, Role, Said, until_closed};
use crate::logging::RoleLog;

/// How long the process has to end by itself once it is not needed any more.
const GRACE: Duration = Duration::from_secs(2);

/// The core's side.
pub(crate) struct MailCheckProcess {
    logs: Arc<LogBuffer>,
}

impl MailCheckProcess {
    /// Its log goes into the box's.
    pub(crate) fn new(logs: Arc<LogBuffer>) -> Self {
        Self { logs }
    }
}

#[async_trait]
impl MailCheckLink for MailCheckProcess {
    async fn look(&self, command: Command) -> Result<Report, LinkError> {
        let (mut child, channel) = start(Role::MailCheck, LogLevel::Info, Arc::new(NoCalls))
            .map_err(|error| LinkError(format!("cannot be started: {error}")))?;
        if let Some(stderr) = child.stderr.take() {
            keep_log(stderr, None, Arc::clone(&self.logs));
        }
        let replied = channel.call(&Said::Order(&command), Vec::new()).await;
        drop(channel);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
        let report: Option<Report> =
            replied.map_err(|error| LinkError(format!("went away: {error}")))?;
        report.ok_or_else(|| LinkError("did not understand".to_owned()))
    }
}

/// The process's side: looks when it is told to until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    until_closed(stream, log, Arc::new(Look), |_| std::future::pending()).await;
}

struct Look;

#[async_trait]
impl Handler for Look {
    async fn handle(&self, body: Box<RawValue>, _: Vec<OwnedFd>) -> Box<RawValue> {
        let report = match serde_json::from_str::<Command>(body.get()) {
            Ok(command) => Some(look(command).await),
            Err(error) => {
                tracing::error!(%error, "an order cannot be read");
                None
            }
        };
        serde_json::value::to_raw_value(&report).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}
