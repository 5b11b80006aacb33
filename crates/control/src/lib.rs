//! The one door to the core, and the wire protocol that web, REST, command line and console speak through it.
//!
//! Promises: every call carries the caller, and the core decides anew each time who that is and what
//! they may do; a refused call changes nothing and says why.
//! Must never: trust what an unprivileged process says about identity, or hold state of its own.
//! Start reading at [`Control`], then [`change::Change`] and [`query::Query`].

pub mod action;
pub mod api_token;
pub mod app_password;
pub mod caller;
pub mod change;
pub mod channel;
pub mod connection;
pub mod csv;
pub mod fake;
pub mod invite;
pub mod link;
pub mod mail;
pub mod passkey;
pub mod query;
pub mod remote;
pub mod second_factor;
pub mod view;

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use cell_model::account::Identity;
use cell_model::problem::Problem;

use crate::action::{Action, IncomingBundle, Outcome};
use crate::caller::Caller;
use crate::change::{Change, Preview, Receipt};
use crate::query::{Answer, Query, Question};
use crate::view::FirmwareView;

/// What the core offers to every face. Implemented by the core itself and, over a socket, by [`remote::Remote`].
#[async_trait]
pub trait Control: Send + Sync {
    /// Who the caller is. 428 before setup, 503 without any account, 401 for everything else that is not somebody.
    async fn identify(&self, caller: &Caller) -> Result<Identity, Problem>;

    /// Reads.
    async fn snapshot(&self, caller: &Caller, query: Query) -> Result<Answer, Problem>;

    /// What a change would do, without doing it.
    async fn preview(&self, caller: &Caller, change: Change) -> Result<Preview, Problem>;

    /// Makes a change: validated, stored with its audit record, flushed; then applied. When this returns
    /// `Ok` the change survives a power cut.
    async fn submit(&self, caller: &Caller, change: Change) -> Result<Receipt, Problem>;

    /// Keeps a risky change. Counts only on a connection opened after the change was applied, by the same person.
    async fn confirm(&self, caller: &Caller) -> Result<Receipt, Problem>;

    /// Takes a risky change back before its deadline.
    async fn revert(&self, caller: &Caller) -> Result<Receipt, Problem>;

    /// Does something that is no change of the config: sign in, test a part, restart it.
    async fn act(&self, caller: &Caller, action: Action) -> Result<Outcome, Problem>;

    /// Takes in a firmware bundle from the other end of `stream` (a Unix stream socket), and answers once all of it is
    /// here and was found to be right; writing goes on by itself then.
    async fn receive(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem>;

    /// Waits until the published status is newer than `seen` (at most half a minute) and answers its number.
    async fn changed(&self, caller: &Caller, seen: u64) -> Result<u64, Problem>;
}

/// Asks one question and gets the answer that belongs to it.
pub async fn ask<Q: Question>(
    control: &dyn Control,
    caller: &Caller,
    question: Q,
) -> Result<Q::Answer, Problem> {
    let answer = control.snapshot(caller, question.into()).await?;
    Q::pick(answer).ok_or_else(Problem::internal)
}
