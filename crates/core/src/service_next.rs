//! Services that are to be updated: they go on as they are until the images of what they become are here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cell_catalogue::Manifest;
use cell_model::config::{Config, NextConfig};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;
use cell_model::status::{NextStatus, Obstacle, State};
use tokio::time::Instant;

use crate::Core;
use crate::edit::services::{give_up_update, try_update};

/// How long images are asked for again that are not what they should be, or are not given.
const GRACE: Duration = Duration::from_secs(30);
/// As [`GRACE`], where nobody is reached: after a power cut a router may take minutes, and what runs goes on meanwhile.
const NETWORK_GRACE: Duration = Duration::from_secs(600);
/// What comes for so long does come: a server that says nothing is given up earlier.
const COMES: Duration = Duration::from_secs(60);

/// What is said of an update may be of the one before for so long: whoever says it looks every two seconds.
const STALE: Duration = Duration::from_secs(5);

/// What services become, and what has been seen of that.
pub(crate) type Waiting = BTreeMap<ServiceId, Wait>;

/// What has been seen of images that a service waits for.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    next: NextConfig,
    since: Instant,
    /// Since when they come.
    comes_since: Option<Instant>,
    /// Since when they do not.
    failed_since: Option<Instant>,
}

/// What becomes of an update whose images are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Try,
    GiveUp(String),
}

impl Core {
    /// Begins the trials whose images are here, and gives up those whose do not come. Whether all that came out of it was
    /// kept.
    pub(crate) async fn go_on_with_updates(&self, config: &Config, waiting: &mut Waiting) -> bool {
        let installed = &config.services.installed;
        waiting.retain(|id, wait| {
            let service = installed.get(id);
            service.is_some_and(|service| service.next.as_ref() == Some(&wait.next))
        });
        let mut all_kept = true;
        for (id, service) in installed {
            let Some(next) = &service.next else { continue };
            let status = self.next_status(id, next);
            let wait = waiting.entry(id.clone());
            let wait = wait.or_insert_with(|| Wait::new(next.clone(), Instant::now()));
            let seen = status.and_then(|status| wait.see(status, Instant::now()));
            let Some(outcome) = seen else { continue };
            // What is kept while a version of the system is on trial would be lost with that.
            if self.refuse_during_trial().is_err() {
                continue;
            }
            match self.end_waiting(id, next, outcome).await {
                // The same update, asked for once more, begins anew.
                Ok(()) => drop(waiting.remove(id)),
                Err(problem) => {
                    tracing::warn!(%problem, "what became of an update of a service could not be kept");
                    all_kept = false;
                }
            }
        }
        all_kept
    }

    async fn end_waiting(
        &self,
        id: &ServiceId,
        next: &NextConfig,
        outcome: Outcome,
    ) -> Result<(), Problem> {
        let (id, next) = (id.clone(), next.clone());
        let edit = move |config: &Config| {
            let service = config.services.installed.get(&id)?;
            if service.next.as_ref() != Some(&next) {
                return None;
            }
            match outcome {
                Outcome::Try => try_update(config, &id),
                Outcome::GiveUp(reason) => give_up_update(config, &id, &reason),
            }
        };
        self.change_by_itself(edit).await
    }

    /// How far the images are of what a service becomes; `None` while nobody has said.
    pub(crate) fn next_status(&self, id: &ServiceId, next: &NextConfig) -> Option<NextStatus> {
        let Ok(manifest) = Manifest::parse(next.manifest.as_bytes()) else {
            let why = "this version of the box does not take its manifest".to_owned();
            let obstacle = Obstacle {
                why,
                is_network: false,
            };
            return Some(NextStatus {
                images: BTreeSet::new(),
                state: State::Failed,
                detail: format!("The next version cannot be fetched: {}.", obstacle.why),
                obstacle: Some(obstacle),
            });
        };
        let known = self.system.get()?.next.borrow().get(id).cloned();
        // What is said may still be of another one.
        known.filter(|known| known.images == manifest.images())
    }
}

impl Wait {
    fn new(next: NextConfig, since: Instant) -> Self {
        Self {
            next,
            since,
            comes_since: None,
            failed_since: None,
        }
    }

    fn see(&mut self, status: NextStatus, now: Instant) -> Option<Outcome> {
        match (status.state, status.obstacle) {
            (State::Ok, _) => Some(Outcome::Try),
            (State::Failed, Some(obstacle)) if now - self.since >= STALE => {
                self.comes_since = None;
                let since = *self.failed_since.get_or_insert(now);
                let grace = match obstacle.is_network {
                    true => NETWORK_GRACE,
                    false => GRACE,
                };
                let reason = format!("It could not be fetched: {}.", obstacle.why);
                (now - since >= grace).then_some(Outcome::GiveUp(reason))
            }
            // What is tried again has not come yet.
            _ => {
                let since = *self.comes_since.get_or_insert(now);
                if now - since >= COMES {
                    self.failed_since = None;
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, is_network: bool) -> NextStatus {
        let why = "nobody answers".to_owned();
        NextStatus {
            images: BTreeSet::new(),
            state,
            detail: String::new(),
            obstacle: (state == State::Failed).then_some(Obstacle { why, is_network }),
        }
    }

    /// What comes out of states, each seen for so many seconds.
    fn outcome(states: &[(State, u64)], is_network: bool) -> Option<(u64, Outcome)> {
        let start = Instant::now();
        let next = NextConfig {
            manifest: String::new(),
            origin: None,
        };
        let mut wait = Wait::new(next, start);
        let mut second = 0;
        for (state, seconds) in states {
            for _ in 0..*seconds {
                let now = start + Duration::from_secs(second);
                if let Some(outcome) = wait.see(status(*state, is_network), now) {
                    return Some((second, outcome));
                }
                second += 1;
            }
        }
        None
    }

    fn given_up_at(second: u64) -> Option<(u64, Outcome)> {
        let reason = "It could not be fetched: nobody answers.".to_owned();
        Some((second, Outcome::GiveUp(reason)))
    }

    #[test]
    fn update_is_tried_once_its_images_are_here() {
        let seen = [
            (State::Unknown, 60),
            (State::Pending, 3_600),
            (State::Ok, 1),
        ];
        assert_eq!(outcome(&seen, false), Some((3_660, Outcome::Try)));
    }

    #[test]
    fn update_whose_images_do_not_come_is_given_up() {
        assert_eq!(outcome(&[(State::Failed, 60)], false), given_up_at(35));
        let before = [(State::Failed, 4), (State::Pending, 3_600)];
        assert_eq!(outcome(&before, false), None, "that was of the one before");
        // It is tried again meanwhile, and does not come then either.
        let again = [(State::Failed, 10), (State::Pending, 10)].repeat(3);
        assert_eq!(outcome(&again, false), given_up_at(40));
        // What breaks off now and then, and comes in between, comes.
        let slow = [(State::Failed, 10), (State::Pending, 120)].repeat(5);
        assert_eq!(outcome(&slow, false), None);
    }

    #[test]
    fn network_has_longer_than_a_server_that_says_no() {
        assert_eq!(outcome(&[(State::Failed, 700)], true), given_up_at(605));
    }
}
