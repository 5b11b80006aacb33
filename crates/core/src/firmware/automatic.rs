//! What the box does by itself about new versions, as far as its owner wants that.

use std::sync::Arc;
use std::time::Duration;

use cell_audit::AuditEvent;
use cell_control::action::{BundleSource, FirmwareFetch};
use cell_control::view::UpdateState;
use cell_model::config::{TimeOfDay, UpdateMode, UpdatesConfig};
use cell_model::name::TimeZoneName;
use cell_updates::boot_state::TrialEnd;
use tokio::time::Instant;

use crate::Core;

/// How often the channel is looked at.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon again after that failed, or the version could not be fetched.
const AGAIN: Duration = Duration::from_secs(60 * 60);
/// The first look after a start: not all boxes of a street at once after its power came back.
const FIRST: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(60 * 60));
/// How often it is thought about.
const PULSE: Duration = Duration::from_secs(15);

/// What is known at a moment.
#[derive(Debug, Clone)]
struct Moment {
    mode: UpdateMode,
    state: UpdateState,
    /// Whether it is time to look at the channel.
    is_due: bool,
    /// Whether the version that is offered may be fetched now: newer, and neither tried in vain nor fetched in vain
    /// just now.
    is_wanted: bool,
    /// Whether the box may restart now.
    is_open: bool,
}

/// What there is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    Check,
    Fetch,
    Restart,
}

fn next(moment: &Moment) -> Next {
    let is_automatic = moment.mode == UpdateMode::Automatic;
    match moment.state {
        _ if moment.mode == UpdateMode::Manual => Next::Nothing,
        UpdateState::Ready if is_automatic && moment.is_open => Next::Restart,
        UpdateState::None | UpdateState::Failed if moment.is_due => Next::Check,
        UpdateState::None | UpdateState::Failed if is_automatic && moment.is_wanted => Next::Fetch,
        _ => Next::Nothing,
    }
}

impl Core {
    /// Looks for new versions, installs them and restarts into them, as the owner has said.
    pub(crate) fn keep_up_to_date(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        let mut desired = self.desired.subscribe();
        tokio::spawn(async move {
            let spread = FIRST.1 - FIRST.0;
            let mut check_at = Instant::now() + FIRST.0 + spread.mul_f64(random_share());
            let mut fetch_at = Instant::now();
            let mut asked = None;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(PULSE) => {}
                    changed = desired.changed() => if changed.is_err() { return },
                }
                let Some(core) = core.upgrade() else { return };
                let config = desired.borrow_and_update().config.clone();
                let Some(config) = config else { continue };
                // Whoever has just asked for it wants to see that it works.
                if asked
                    .replace(config.updates.clone())
                    .is_some_and(|before| before != config.updates)
                {
                    (check_at, fetch_at) = (Instant::now(), Instant::now());
                }
                let zone = &config.cell.timezone;
                let due = (check_at <= Instant::now(), fetch_at <= Instant::now());
                match core.next_step(&config.updates, zone, due).await {
                    Next::Nothing => {}
                    Next::Check => {
                        let pause = match core.check_firmware().await {
                            Ok(()) => EVERY,
                            Err(_) => AGAIN,
                        };
                        check_at = Instant::now() + pause;
                        // What was found is not left lying.
                        let due = (false, fetch_at <= Instant::now());
                        if core.next_step(&config.updates, zone, due).await == Next::Fetch {
                            fetch_at = Instant::now() + AGAIN;
                            core.fetch_by_itself().await;
                        }
                    }
                    Next::Fetch => {
                        fetch_at = Instant::now() + AGAIN;
                        core.fetch_by_itself().await;
                    }
                    Next::Restart => {
                        let event = AuditEvent::new("box.restart");
                        if let Err(problem) = core.restart_for(event).await {
                            tracing::warn!(%problem, "the box could not restart into its new version");
                        }
                    }
                }
            }
        });
    }

    async fn next_step(
        &self,
        updates: &UpdatesConfig,
        zone: &TimeZoneName,
        (check, fetch): (bool, bool),
    ) -> Next {
        let Ok(firmware) = self.firmware().await else {
            return Next::Nothing;
        };
        if firmware.not_updatable.is_some() {
            return Next::Nothing;
        }
        let failed = match self.appliance.get().cloned() {
            Some(appliance) => failed_sequence(appliance).await,
            None => None,
        };
        let offered = firmware.available.as_ref();
        next(&Moment {
            mode: updates.mode,
            state: firmware.update.state,
            is_due: check,
            is_wanted: fetch && offered.is_some_and(|offer| Some(offer.sequence) != failed),
            is_open: self
                .time_of_day(zone)
                .is_some_and(|time| updates.window.contains(time)),
        })
    }

    async fn fetch_by_itself(&self) {
        let fetch = FirmwareFetch {
            from: BundleSource::Channel,
            allow_older: false,
            allow_expired: false,
        };
        match self.fetch_version(fetch).await {
            Ok(version) => {
                self.note(AuditEvent::new("firmware.fetch").on(version))
                    .await
            }
            Err(problem) => tracing::warn!(%problem, "the newer version was not fetched"),
        }
    }

    fn time_of_day(&self, zone: &TimeZoneName) -> Option<TimeOfDay> {
        let zone = jiff::tz::TimeZone::get(zone.as_str()).ok()?;
        let now = (self.clock)().to_zoned(zone);
        let number = |number: i8| u8::try_from(number).ok();
        TimeOfDay::new(number(now.hour())?, number(now.minute())?)
    }
}

/// The version that was tried last and did not get well.
async fn failed_sequence(appliance: Arc<super::Appliance>) -> Option<u64> {
    let read = tokio::task::spawn_blocking(move || {
        let last = appliance.wanted().ok()?.last?;
        let release = appliance.tried(&last)?;
        (last.end != TrialEnd::Passed).then_some(release.sequence)
    });
    read.await.ok().flatten()
}

/// From 0 to 1.
fn random_share() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = RandomState::new().build_hasher().finish();
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(mode: UpdateMode, state: UpdateState) -> Moment {
        Moment {
            mode,
            state,
            is_due: true,
            is_wanted: true,
            is_open: true,
        }
    }

    #[test]
    fn nothing_is_done_that_the_owner_has_not_asked_for() {
        for state in UpdateState::ALL {
            assert_eq!(next(&moment(UpdateMode::Manual, state)), Next::Nothing);
            let asked = next(&moment(UpdateMode::Ask, state));
            assert!(matches!(asked, Next::Nothing | Next::Check), "{state:?}");
        }
    }

    #[test]
    fn version_that_is_ready_waits_for_the_window() {
        let mut ready = moment(UpdateMode::Automatic, UpdateState::Ready);
        assert_eq!(next(&ready), Next::Restart);
        ready.is_open = false;
        assert_eq!(next(&ready), Next::Nothing);
    }

    #[test]
    fn what_is_offered_is_fetched_unless_it_was_tried_in_vain() {
        let mut offered = moment(UpdateMode::Automatic, UpdateState::None);
        assert_eq!(next(&offered), Next::Check);
        offered.is_due = false;
        assert_eq!(next(&offered), Next::Fetch);
        offered.is_wanted = false;
        assert_eq!(next(&offered), Next::Nothing);
    }

    #[test]
    fn nothing_begins_while_something_is_on_its_way() {
        for state in UpdateState::ALL {
            if state.is_busy() || state == UpdateState::OnTrial {
                let next = next(&moment(UpdateMode::Automatic, state));
                assert_eq!(next, Next::Nothing, "{state:?}");
            }
        }
    }
}
