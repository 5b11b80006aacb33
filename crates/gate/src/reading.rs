//! A core that is only read from: for requests that must not have an effect.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::Control;
use cell_control::action::{Action, IncomingBundle, Outcome};
use cell_control::caller::Caller;
use cell_control::change::{Change, Preview, Receipt};
use cell_control::query::{Answer, Query};
use cell_control::view::FirmwareView;
use cell_model::account::Identity;
use cell_model::problem::Problem;

/// Passes on what changes nothing. What would change something never reaches the core: a handler that tries has
/// forgotten that `GET` answers `HEAD` too.
pub(crate) struct Reading(pub(crate) Arc<dyn Control>);

#[async_trait]
impl Control for Reading {
    async fn identify(&self, caller: &Caller) -> Result<Identity, Problem> {
        self.0.identify(caller).await
    }

    async fn snapshot(&self, caller: &Caller, query: Query) -> Result<Answer, Problem> {
        self.0.snapshot(caller, query).await
    }

    async fn preview(&self, caller: &Caller, change: Change) -> Result<Preview, Problem> {
        self.0.preview(caller, change).await
    }

    async fn submit(&self, _: &Caller, _: Change) -> Result<Receipt, Problem> {
        Err(refused())
    }

    async fn confirm(&self, _: &Caller) -> Result<Receipt, Problem> {
        Err(refused())
    }

    async fn revert(&self, _: &Caller) -> Result<Receipt, Problem> {
        Err(refused())
    }

    async fn act(&self, _: &Caller, _: Action) -> Result<Outcome, Problem> {
        Err(refused())
    }

    async fn receive(
        &self,
        _: &Caller,
        _: IncomingBundle,
        _: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        Err(refused())
    }

    async fn changed(&self, caller: &Caller, seen: u64) -> Result<u64, Problem> {
        self.0.changed(caller, seen).await
    }
}

fn refused() -> Problem {
    tracing::error!("a request for headers only would have changed something");
    Problem::internal()
}
