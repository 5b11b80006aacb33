//! Findings, made.

use cell_model::mail::{FindingState, MailFinding};

/// What was found, without what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) state: FindingState,
    pub(crate) seen: String,
    pub(crate) action: String,
}

impl Verdict {
    pub(crate) fn ok(seen: impl Into<String>) -> Self {
        Self::new(FindingState::Ok, seen, "")
    }

    pub(crate) fn warning(seen: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(FindingState::Warning, seen, action)
    }

    pub(crate) fn failed(seen: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(FindingState::Failed, seen, action)
    }

    pub(crate) fn unknown(seen: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(FindingState::Unknown, seen, action)
    }

    pub(crate) fn new(
        state: FindingState,
        seen: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self {
            state,
            seen: seen.into(),
            action: action.into(),
        }
    }

    pub(crate) fn about(self, id: impl Into<String>) -> MailFinding {
        MailFinding {
            id: id.into(),
            state: self.state,
            seen: self.seen,
            action: self.action,
        }
    }
}
