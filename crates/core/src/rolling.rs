//! Rolling snapshots: copies of the state in a form that needs no database to be read, should the database ever fail.

use cell_model::problem::chain;
use std::sync::Arc;
use std::time::Duration;

use crate::Core;

/// How long after a start the first one is taken: a start has better things to do.
const FIRST: Duration = Duration::from_secs(10 * 60);
/// Time between two.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// A week of them.
const KEPT: usize = 7;

impl Core {
    /// Takes one a day for as long as the core lives.
    pub(crate) fn keep_snapshots(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut taken = None;
            let mut pause = FIRST;
            loop {
                tokio::time::sleep(pause).await;
                pause = EVERY;
                let Some(core) = core.upgrade() else { return };
                taken = core.take_snapshot(taken).await;
            }
        });
    }

    /// Takes one, unless nothing has changed since the one of the revision `taken`. Answers the revision of the last.
    pub(crate) async fn take_snapshot(&self, taken: Option<u64>) -> Option<u64> {
        let revision = self.desired.borrow().revision;
        if taken == Some(revision) {
            return taken;
        }
        let (store, now) = (Arc::clone(&self.store), (self.clock)());
        let written = tokio::task::spawn_blocking(move || store.snapshot(KEPT, now)).await;
        match written {
            Ok(Ok(path)) => {
                tracing::info!(path = %path.display(), revision, "snapshot taken");
                Some(revision)
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "no snapshot could be taken");
                taken
            }
            Err(_) => taken,
        }
    }
}
