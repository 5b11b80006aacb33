//! The process that calls another cell, or looks up where cells are, from both sides. One is started for each order, and ends
//! after it.

use std::sync::Arc;

use async_trait::async_trait;
use cell_cells::{CallLink, Command, Found, LinkError, Lookup, Reply, call, look_up};
use cell_core::LogBuffer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use super::process::ask_once;
use super::{Orders, Role, until_closed};
use crate::logging::RoleLog;

/// What the process is told to do.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Call(Command),
    LookUp(Lookup),
}

/// What came of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Called(Reply),
    LookedUp(Found),
}

/// The core's side.
pub(crate) struct CellsProcess {
    logs: Arc<LogBuffer>,
}

impl CellsProcess {
    /// Its log goes into the box's.
    pub(crate) fn new(logs: Arc<LogBuffer>) -> Self {
        Self { logs }
    }

    async fn ask<T: DeserializeOwned>(&self, order: &Order) -> Result<T, LinkError> {
        let asked = ask_once(Role::Cells, &self.logs, order, Vec::new());
        let answered: Option<T> = asked.await.map_err(LinkError)?;
        answered.ok_or_else(|| LinkError("did not understand".to_owned()))
    }
}

#[async_trait]
impl CallLink for CellsProcess {
    async fn call(&self, command: Command) -> Result<Reply, LinkError> {
        self.ask(&Order::Call(command)).await
    }

    async fn look_up(&self, lookup: Lookup) -> Result<Found, LinkError> {
        self.ask(&Order::LookUp(lookup)).await
    }
}

/// The process's side: does what it is told to until the core goes away.
pub(super) async fn serve(stream: UnixStream, log: RoleLog) {
    until_closed(stream, log, Orders::answered_by(perform), |_| {
        std::future::pending()
    })
    .await;
}

async fn perform(order: Order) -> Outcome {
    match order {
        Order::Call(command) => Outcome::Called(call(command).await),
        Order::LookUp(lookup) => Outcome::LookedUp(look_up(lookup).await),
    }
}
