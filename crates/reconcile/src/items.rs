//! The status of each part, with the time it last changed.

use cell_model::Timestamp;
use cell_model::status::{ItemStatus, Part, State};

/// One line a part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Items(Vec<ItemStatus>);

impl Items {
    /// Nothing is known yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        let unknown = |part: Part| ItemStatus {
            id: part.as_str().to_owned(),
            state: State::Unknown,
            since: now,
            detail: "Not looked at yet.".to_owned(),
        };
        Self(Part::ALL.map(unknown).into())
    }

    /// Sets a part; the time moves only when the state does.
    pub(crate) fn set(&mut self, part: Part, state: State, detail: String, now: Timestamp) {
        let Some(item) = self.0.iter_mut().find(|item| item.id == part.as_str()) else {
            return;
        };
        if item.state != state {
            item.state = state;
            item.since = now;
            match state {
                State::Failed => tracing::warn!(part = part.as_str(), detail, "part failed"),
                _ => tracing::info!(part = part.as_str(), state = state.as_str(), "part changed"),
            }
        }
        item.detail = detail;
    }

    pub(crate) fn state(&self, part: Part) -> State {
        self.0
            .iter()
            .find(|item| item.id == part.as_str())
            .map_or(State::Unknown, |item| item.state)
    }

    pub(crate) fn list(&self) -> Vec<ItemStatus> {
        self.0.clone()
    }
}
