//! The process that calls another cell, from both sides. One is started for each call, and ends after it.

use std::sync::Arc;

use async_trait::async_trait;
use cell_cells::{CallLink, Command, LinkError, Reply, call};
use cell_core::LogBuffer;
use tokio::net::UnixStream;

use super::process::ask_once;
use super::{Orders, Role, until_closed};
use crate::logging::RoleLog;

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
        let asked = ask_once(Role::Cells, &self.logs, &command, Vec::new());
        let answered: Option<Reply> = asked.await.map_err(LinkError)?;
        answered.ok_or_else(|| LinkError("did not understand".to_owned()))
    }
}

/// The process's side: calls when it is told to until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    until_closed(stream, log, Orders::answered_by(call), |_| {
        std::future::pending()
    })
    .await;
}
