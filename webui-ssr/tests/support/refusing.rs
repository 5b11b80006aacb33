//! A core that answers every question and refuses whatever is to be done.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::Control;
use cell_control::action::{Action, IncomingBundle, Outcome};
use cell_control::caller::Caller;
use cell_control::change::{Change, Preview, Receipt};
use cell_control::fake::FakeControl;
use cell_control::query::{Answer, Query};
use cell_control::view::FirmwareView;
use cell_model::account::Identity;
use cell_model::problem::Problem;

/// Refuses with this problem.
pub(crate) struct Refusing(pub(crate) Arc<FakeControl>, pub(crate) Problem);

#[async_trait]
impl Control for Refusing {
    async fn identify(&self, caller: &Caller) -> Result<Identity, Problem> {
        self.0.identify(caller).await
    }

    async fn snapshot(&self, caller: &Caller, query: Query) -> Result<Answer, Problem> {
        self.0.snapshot(caller, query).await
    }

    async fn preview(&self, _: &Caller, _: Change) -> Result<Preview, Problem> {
        Err(self.1.clone())
    }

    async fn submit(&self, _: &Caller, _: Change) -> Result<Receipt, Problem> {
        Err(self.1.clone())
    }

    async fn confirm(&self, _: &Caller) -> Result<Receipt, Problem> {
        Err(self.1.clone())
    }

    async fn revert(&self, _: &Caller) -> Result<Receipt, Problem> {
        Err(self.1.clone())
    }

    async fn act(&self, _: &Caller, _: Action) -> Result<Outcome, Problem> {
        Err(self.1.clone())
    }

    async fn receive(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        self.0.receive(caller, bundle, stream).await
    }

    async fn changed(&self, caller: &Caller, seen: u64) -> Result<u64, Problem> {
        self.0.changed(caller, seen).await
    }
}
