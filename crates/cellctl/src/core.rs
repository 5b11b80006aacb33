//! The core at the other end of the socket, asked as root of this box.

use std::os::fd::OwnedFd;
use std::path::Path;

use cell_control::action::{Action, IncomingBundle, Outcome};
use cell_control::caller::Caller;
use cell_control::change::{Change, Preview, Receipt};
use cell_control::query::{Question, Range};
use cell_control::remote::Remote;
use cell_control::view::{FirmwareView, Page};
use cell_control::{Control, ask};
use cell_model::problem::Problem;

use crate::error::CellctlError;
use crate::pages;

/// A connection of root's to the core. Opened once a command, so a confirmation is always on a new one.
pub(crate) struct Core {
    control: Remote,
    caller: Caller,
}

impl Core {
    /// Connects to the daemon.
    pub(crate) async fn connect(socket: &Path) -> Result<Self, CellctlError> {
        let control = Remote::connect(socket)
            .await
            .map_err(|error| CellctlError::connect(socket, error))?;
        Ok(Self {
            control,
            caller: Caller::local(),
        })
    }

    /// Asks one question.
    pub(crate) async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Problem> {
        ask(&self.control, &self.caller, question).await
    }

    /// All items of a list, page by page, but not more than `most`.
    pub(crate) async fn list<T, Q: Question<Answer = Page<T>>>(
        &self,
        most: usize,
        question: impl Fn(Range) -> Q,
    ) -> Result<Page<T>, Problem> {
        pages::collect(most, async |range| self.ask(question(range)).await).await
    }

    /// What a change would do.
    pub(crate) async fn preview(&self, change: Change) -> Result<Preview, Problem> {
        self.control.preview(&self.caller, change).await
    }

    /// Makes a change.
    pub(crate) async fn submit(&self, change: Change) -> Result<Receipt, Problem> {
        self.control.submit(&self.caller, change).await
    }

    /// Keeps the risky change that waits.
    pub(crate) async fn confirm(&self) -> Result<Receipt, Problem> {
        self.control.confirm(&self.caller).await
    }

    /// Takes the risky change back.
    pub(crate) async fn revert(&self) -> Result<Receipt, Problem> {
        self.control.revert(&self.caller).await
    }

    /// Does something that is no change of the settings.
    pub(crate) async fn act(&self, action: Action) -> Result<Outcome, Problem> {
        self.control.act(&self.caller, action).await
    }

    /// Hands a firmware bundle in, from the other end of `stream`.
    pub(crate) async fn receive(
        &self,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        self.control.receive(&self.caller, bundle, stream).await
    }

    /// Waits until the status is newer than `seen`, or for half a minute.
    pub(crate) async fn changed(&self, seen: u64) -> Result<u64, Problem> {
        self.control.changed(&self.caller, seen).await
    }
}
