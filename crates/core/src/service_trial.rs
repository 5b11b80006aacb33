//! Whether a service that was updated is well, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cell_model::config::Config;
use cell_model::name::ServiceId;
use cell_model::status::State;
use tokio::time::Instant;

use crate::edit::services::{keep_update, take_back_update};
use crate::service_next::Waiting;
use crate::{Core, System};

/// How long a new version is well, without a break, before it stays: one that ends right after its start does not.
const STEADY: Duration = Duration::from_secs(5);
/// How long one that was seen to fail has to get well: what it needs may come a little later.
const GRACE: Duration = Duration::from_secs(30);
/// Time between two looks while something is on trial.
const LOOK: Duration = Duration::from_secs(1);
/// Pause after an outcome that could not be kept. A full disk is not emptied within a second.
const RETRY: Duration = Duration::from_secs(10);

/// What has been seen of a version on trial.
#[derive(Debug, Clone, Default)]
struct Trial {
    /// The number of the data it works on: another update is another trial.
    data: u32,
    /// Since when it is well.
    well_since: Option<Instant>,
    /// Since when it has not been well, once it was seen to fail.
    failed_since: Option<Instant>,
}

/// What becomes of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Keep,
    TakeBack,
}

impl Trial {
    fn see(&mut self, state: State, now: Instant) -> Option<Outcome> {
        match state {
            State::Ok => {
                self.failed_since = None;
                let since = *self.well_since.get_or_insert(now);
                (now - since >= STEADY).then_some(Outcome::Keep)
            }
            State::Failed => {
                self.well_since = None;
                let since = *self.failed_since.get_or_insert(now);
                (now - since >= GRACE).then_some(Outcome::TakeBack)
            }
            // One that ends again and again is on its way again and again.
            State::Pending | State::Unknown => {
                self.well_since = None;
                None
            }
        }
    }
}

impl Core {
    /// Watches updates of services for as long as the core lives.
    pub(crate) fn watch_service_trials(self: &Arc<Self>, system: &System) {
        let core = Arc::downgrade(self);
        let mut desired = self.desired();
        let (mut services, mut next) = (system.services.clone(), system.next.clone());
        tokio::spawn(async move {
            let (mut trials, mut waiting) = (BTreeMap::new(), Waiting::new());
            let mut is_watched = true;
            loop {
                let config = desired.borrow_and_update().config.clone();
                let mut pause = Duration::MAX;
                if let Some(config) = config.filter(|config| is_any_updated(config)) {
                    let Some(core) = core.upgrade() else { return };
                    let judged = core.judge(&config, &mut trials).await;
                    let all_kept = core.go_on_with_updates(&config, &mut waiting).await && judged;
                    pause = if all_kept { LOOK } else { RETRY };
                }
                tokio::select! {
                    changed = desired.changed() => if changed.is_err() { return },
                    changed = services.changed(), if is_watched => is_watched = changed.is_ok(),
                    changed = next.changed(), if is_watched => is_watched = changed.is_ok(),
                    () = tokio::time::sleep(pause) => {}
                }
            }
        });
    }

    /// Looks at every trial. Whether all that came out of it was kept.
    async fn judge(&self, config: &Config, trials: &mut BTreeMap<ServiceId, Trial>) -> bool {
        let installed = &config.services.installed;
        trials.retain(|id, trial| {
            let service = installed.get(id);
            service.is_some_and(|service| service.data.number == trial.data)
        });
        let mut all_kept = true;
        let now = Instant::now();
        for (id, service) in installed.iter().filter(|(_, one)| one.former.is_some()) {
            let (state, reason, of) = self.trial_status(id);
            let trial = trials.entry(id.clone()).or_insert_with(|| Trial {
                data: service.data.number,
                ..Trial::default()
            });
            let state = match of {
                Some(data) if data != trial.data => State::Pending,
                _ => state,
            };
            let Some(outcome) = trial.see(state, now) else {
                continue;
            };
            // What is kept while a version of the system is on trial would be lost with that.
            if self.refuse_during_trial().is_err() {
                continue;
            }
            let (data, id) = (trial.data, id.clone());
            let edit = move |config: &Config| {
                let service = config.services.installed.get(&id);
                service.filter(|service| service.data.number == data)?;
                match outcome {
                    Outcome::Keep => keep_update(config, &id),
                    Outcome::TakeBack => take_back_update(config, &id, &reason),
                }
            };
            if let Err(problem) = self.change_by_itself(edit).await {
                tracing::warn!(%problem, "what became of an update of a service could not be kept");
                all_kept = false;
            }
        }
        all_kept
    }

    /// How a service is, why, and the number of the data that this is told of, if it depends on it.
    fn trial_status(&self, id: &ServiceId) -> (State, String, Option<u32>) {
        let unknown = (State::Unknown, String::new(), None);
        let Some(system) = self.system.get() else {
            return unknown;
        };
        let published = system.published.borrow().clone();
        // What is published may still be about the config of before.
        if published.tried_revision < Some(self.desired.borrow().revision) {
            return unknown;
        }
        let spec = published.spec.as_ref();
        if let Some(problem) = spec.and_then(|spec| spec.unfit_services.get(id)) {
            return (State::Failed, format!("It {problem}."), None);
        }
        let services = system.services.borrow();
        services.get(id).map_or(unknown, |status| {
            (status.state, status.detail.clone(), Some(status.data))
        })
    }
}

fn is_any_updated(config: &Config) -> bool {
    let mut installed = config.services.installed.values();
    installed.any(|service| service.next.is_some() || service.former.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of states, each seen for so many seconds.
    fn outcome(states: &[(State, u64)]) -> Option<(u64, Outcome)> {
        let start = Instant::now();
        let mut trial = Trial::default();
        let mut second = 0;
        for (state, seconds) in states {
            for _ in 0..*seconds {
                let now = start + Duration::from_secs(second);
                if let Some(outcome) = trial.see(*state, now) {
                    return Some((second, outcome));
                }
                second += 1;
            }
        }
        None
    }

    #[test]
    fn version_that_stays_well_for_a_while_is_kept() {
        let seen = [(State::Pending, 600), (State::Ok, 10)];
        assert_eq!(outcome(&seen), Some((605, Outcome::Keep)));
        // Well, but never for long.
        let flaps = [(State::Ok, 4), (State::Pending, 1)].repeat(20);
        assert_eq!(outcome(&flaps), None);
    }

    #[test]
    fn version_that_fails_has_half_a_minute_to_get_well() {
        assert_eq!(
            outcome(&[(State::Failed, 60)]),
            Some((30, Outcome::TakeBack))
        );
        let late = [(State::Failed, 20), (State::Ok, 6)];
        assert_eq!(outcome(&late), Some((25, Outcome::Keep)));
        // One that ends again and again.
        let ends = [(State::Failed, 2), (State::Pending, 2)].repeat(20);
        assert_eq!(outcome(&ends), Some((32, Outcome::TakeBack)));
    }

    #[test]
    fn nothing_comes_of_what_is_not_known() {
        assert_eq!(outcome(&[(State::Unknown, 3_600)]), None);
        assert_eq!(outcome(&[(State::Pending, 3_600)]), None);
        // What failed once is not taken back for being on its way.
        let slow = [(State::Failed, 1), (State::Pending, 3_600)];
        assert_eq!(outcome(&slow), None);
    }
}
