//! Data of services that was to be deleted: once it is gone, the config does not name it any more. Otherwise it would name ever
//! more of it, and podman would be woken at every start to look for what is not there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cell_model::config::Config;
use cell_model::name::ServiceId;
use cell_reconcile::Published;

use crate::edit::services::forget_deleted;
use crate::{Core, System};

/// Pause before the config is changed: what is deleted within a minute is one change.
const PAUSE: Duration = Duration::from_secs(60);

impl Core {
    /// Watches what is deleted for as long as the core lives.
    pub(crate) fn watch_deleted_data(self: &Arc<Self>, system: &System) {
        let core = Arc::downgrade(self);
        let mut published = system.published.clone();
        tokio::spawn(async move {
            loop {
                let waits = {
                    let Some(core) = core.upgrade() else { return };
                    let config = core.desired.borrow().config.clone();
                    config.is_some_and(|config| !deleted(&config, &published.borrow()).is_empty())
                };
                if !waits {
                    if published.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                tokio::time::sleep(PAUSE).await;
                let Some(core) = core.upgrade() else { return };
                // What is kept while a version of the system is on trial would be lost with that.
                if core.refuse_during_trial().is_err() {
                    continue;
                }
                let seen = published.borrow_and_update().clone();
                let edit = |config: &Config| forget_deleted(config, &deleted(config, &seen));
                if let Err(problem) = core.change_by_itself(edit).await {
                    tracing::warn!(%problem, "that data is gone could not be kept");
                }
            }
        });
    }
}

/// What the config has deleted, and is seen to be gone.
fn deleted(config: &Config, published: &Published) -> BTreeSet<(ServiceId, u32)> {
    let gone = published.deleted.iter();
    let is_named = |(id, number): &&(ServiceId, u32)| {
        let numbers = config.services.discarded.get(id);
        numbers.is_some_and(|numbers| numbers.contains(number))
    };
    gone.filter(is_named).cloned().collect()
}
