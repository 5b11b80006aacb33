//! Steps on their way: each runs by itself, and no part has two.

use std::collections::HashMap;
use std::sync::Arc;

use cell_model::Timestamp;
use cell_model::spec::BoxSpec;
use cell_model::status::Part;
use cell_model::step::Step;
use tokio::task::{Id, JoinSet};

use crate::Parts;
use crate::execute::{StepError, execute};
use crate::items::part_of;
use crate::resting::Resting;

/// Steps that were begun and whose end nobody has taken note of yet. Dropping it cuts them off.
pub(crate) struct InHand {
    resting: Resting,
    running: JoinSet<Result<(), StepError>>,
    begun: HashMap<Id, Begun>,
}

/// A step that was begun.
pub(crate) struct Begun {
    pub(crate) step: Step,
    /// What it leads to.
    pub(crate) spec: Arc<BoxSpec>,
    /// The part was to be brought up anew since: that the step worked says nothing any more.
    pub(crate) outdated: bool,
}

impl InHand {
    pub(crate) fn new(resting: Resting) -> Self {
        Self {
            resting,
            running: JoinSet::new(),
            begun: HashMap::new(),
        }
    }

    /// Begins a step. Its part must have none in hand.
    pub(crate) fn begin(&mut self, parts: &Parts, step: Step, spec: Arc<BoxSpec>, now: Timestamp) {
        debug_assert!(!self.has(part_of(&step)), "a part does one thing at a time");
        let (parts, task_step, resting) = (parts.clone(), step.clone(), self.resting.clone());
        let task = self
            .running
            .spawn(async move { execute(&parts, &task_step, &resting, now).await });
        let begun = Begun {
            step,
            spec,
            outdated: false,
        };
        self.begun.insert(task.id(), begun);
    }

    /// Whether this part has a step in hand.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.begun
            .values()
            .any(|begun| part_of(&begun.step) == part)
    }

    /// Whether nothing is in hand.
    pub(crate) fn is_empty(&self) -> bool {
        self.begun.is_empty()
    }

    /// What the part has in hand no longer counts, however it ends.
    pub(crate) fn outdate(&mut self, part: Part) {
        for begun in self.begun.values_mut() {
            begun.outdated |= part_of(&begun.step) == part;
        }
    }

    /// The next step that ends; never, while none is in hand. Loses nothing when it is given up waiting for.
    pub(crate) async fn next(&mut self) -> (Begun, Result<(), StepError>) {
        loop {
            let (id, outcome) = match self.running.join_next_with_id().await {
                Some(Ok((id, outcome))) => (id, outcome),
                Some(Err(broken)) => (broken.id(), Err(StepError::from(broken.to_string()))),
                None => std::future::pending().await,
            };
            if let Some(begun) = self.begun.remove(&id) {
                return (begun, outcome);
            }
        }
    }
}
