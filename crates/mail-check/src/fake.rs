//! A look that sees what it is told: for tests of whoever has it looked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::{Command, LinkError, MailCheckLink, Report};

/// Answers every command with the same report.
#[derive(Debug, Default)]
pub struct FakeMailCheck {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    report: Report,
    away: bool,
    asked: Vec<Command>,
}

impl FakeMailCheck {
    /// One that sees nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it sees from now on.
    pub fn see(&self, report: Report) {
        self.state().report = report;
    }

    /// From now on it cannot be reached (or can be again).
    pub fn go_away(&self, away: bool) {
        self.state().away = away;
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Command> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MailCheckLink for FakeMailCheck {
    async fn look(&self, command: Command) -> Result<Report, LinkError> {
        let mut state = self.state();
        state.asked.push(command);
        match state.away {
            true => Err(LinkError("went away".to_owned())),
            false => Ok(state.report.clone()),
        }
    }
}
