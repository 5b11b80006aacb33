//! Containers that ended and wait for their time: told by whoever looks after them to whoever starts what does not run.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The names of those that are not to be started now, for all who have a clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resting(Arc<Mutex<BTreeSet<String>>>);

impl Resting {
    /// These, and no others.
    pub(crate) fn set(&self, names: BTreeSet<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Those that are not to be started now.
    pub(crate) fn now(&self) -> BTreeSet<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
