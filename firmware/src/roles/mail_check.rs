//! The process that looks at mail as others see it, from both sides. One is started for each look, and ends after it.

use std::sync::Arc;

use async_trait::async_trait;
use cell_core::LogBuffer;
use cell_mail_check::{Command, LinkError, MailCheckLink, Report, look};
use tokio::net::UnixStream;

use super::process::ask_once;
use super::{Orders, Role, until_closed};
use crate::logging::RoleLog;

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
        let asked = ask_once(Role::MailCheck, &self.logs, &command, Vec::new());
        let answered: Option<Report> = asked.await.map_err(LinkError)?;
        answered.ok_or_else(|| LinkError("did not understand".to_owned()))
    }
}

/// The process's side: looks when it is told to until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    until_closed(stream, log, Orders::answered_by(look), |_| {
        std::future::pending()
    })
    .await;
}
