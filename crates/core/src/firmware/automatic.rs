//! What the box does by itself about new versions, as far as its owner wants that.

use std::sync::Arc;
use std::time::Duration;

use cell_audit::AuditEvent;
use cell_control::action::{BundleSource, FirmwareFetch};
use cell_control::view::UpdateState;
use cell_model::config::{Config, TimeOfDay, UpdateMode, UpdatesConfig};
use cell_model::name::TimeZoneName;
use cell_updates::boot_state::TrialEnd;
use tokio::time::Instant;

use super::Offered;
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
    /// What becomes of a version in this run.
    state: UpdateState,
    /// Whether it is time to look at the channel.
    is_due: bool,
    /// Whether the version that is offered may be fetched now: neither tried nor fetched in vain, nor declined.
    is_wanted: bool,
    /// Whether the version that is ready was fetched by the box itself.
    is_own: bool,
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
        UpdateState::Ready if is_automatic && moment.is_own && moment.is_open => Next::Restart,
        UpdateState::None | UpdateState::Failed if moment.is_due => Next::Check,
        UpdateState::None | UpdateState::Failed if is_automatic && moment.is_wanted => Next::Fetch,
        _ => Next::Nothing,
    }
}

/// When what is to be done again.
struct Schedule {
    check_at: Instant,
    fetch_at: Instant,
    /// What was asked for when it was thought about last.
    asked: Option<UpdatesConfig>,
    /// The version that the box has fetched by itself in this run, until it has restarted for it.
    own: Option<u64>,
}

impl Core {
    /// Looks for new versions, installs them and restarts into them, as the owner has said.
    pub(crate) fn keep_up_to_date(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        let mut desired = self.desired.subscribe();
        tokio::spawn(async move {
            let spread = FIRST.1 - FIRST.0;
            let mut schedule = Schedule {
                check_at: Instant::now() + FIRST.0 + spread.mul_f64(random_share()),
                fetch_at: Instant::now(),
                asked: None,
                own: None,
            };
            if let Some(core) = core.upgrade() {
                core.decline_what_failed().await;
            }
            loop {
                tokio::select! {
                    () = tokio::time::sleep(PULSE) => {}
                    changed = desired.changed() => if changed.is_err() { return },
                }
                let Some(core) = core.upgrade() else { return };
                let config = desired.borrow_and_update().config.clone();
                if let Some(config) = config {
                    core.think(&config, &mut schedule).await;
                }
            }
        });
    }

    /// Does what there is to be done, as far as it is known without looking at a disk.
    async fn think(&self, config: &Config, schedule: &mut Schedule) {
        let updates = &config.updates;
        let before = schedule.asked.replace(updates.clone());
        if let Some(before) = before.filter(|before| before != updates) {
            // Whoever has just asked for it wants to see that it works.
            (schedule.check_at, schedule.fetch_at) = (Instant::now(), Instant::now());
            let place = |updates: &UpdatesConfig| {
                let UpdatesConfig {
                    channel,
                    source,
                    authorities,
                    ..
                } = updates;
                (*channel, source.clone(), authorities.clone())
            };
            if place(&before) != place(updates) {
                *self.offered() = Offered::default();
            }
        }
        match self.next_step(config, schedule) {
            Next::Nothing => {}
            Next::Check => {
                let pause = match self.check_firmware().await {
                    Ok(()) => EVERY,
                    Err(_) => AGAIN,
                };
                schedule.check_at = Instant::now() + pause;
                // What was found is not left lying, unless the owner has thought better of it meanwhile.
                let config = self.desired.borrow().config.clone();
                if config.is_some_and(|now| self.next_step(&now, schedule) == Next::Fetch) {
                    self.fetch_by_itself(schedule).await;
                }
            }
            Next::Fetch => self.fetch_by_itself(schedule).await,
            Next::Restart => {
                // Once: should nothing come of it, a person has to look.
                schedule.own = None;
                if let Err(problem) = self.restart_for(AuditEvent::new("box.restart")).await {
                    tracing::warn!(%problem, "the box could not restart into its new version");
                }
            }
        }
    }

    fn next_step(&self, config: &Config, schedule: &Schedule) -> Next {
        let updates = &config.updates;
        let Some(appliance) = self.appliance.get().filter(|it| it.keys.is_some()) else {
            return Next::Nothing;
        };
        if updates.mode == UpdateMode::Manual || appliance.is_on_trial() {
            return Next::Nothing;
        }
        let (state, sequence) = {
            let view = self.update.view();
            (view.state, view.sequence)
        };
        let offered = self
            .offered()
            .available
            .as_ref()
            .map(|offer| offer.sequence);
        let is_fetch_due = schedule.fetch_at <= Instant::now();
        let is_declined = |sequence| appliance.staging.declined().contains(&sequence);
        let time = self.time_of_day(&config.cell.timezone);
        next(&Moment {
            mode: updates.mode,
            state,
            is_due: schedule.check_at <= Instant::now(),
            is_wanted: is_fetch_due && offered.is_some_and(|offered| !is_declined(offered)),
            is_own: schedule.own.is_some() && schedule.own == sequence,
            // What waits for its confirmation would be taken back by a restart.
            is_open: self.confirmation().is_none()
                && time.is_some_and(|time| updates.window.contains(time)),
        })
    }

    /// The version that was tried last and did not get well is not taken again by itself.
    async fn decline_what_failed(&self) {
        let Some(appliance) = self.appliance.get().cloned() else {
            return;
        };
        let read = tokio::task::spawn_blocking(move || {
            let wanted = appliance.wanted().ok()?;
            let last = wanted.last.filter(|_| wanted.trial.is_none())?;
            let release = appliance.tried(&last)?;
            (last.end != TrialEnd::Passed).then_some(release.sequence)
        });
        self.decline(read.await.ok().flatten()).await;
    }

    async fn fetch_by_itself(&self, schedule: &mut Schedule) {
        schedule.fetch_at = Instant::now() + AGAIN;
        let fetch = FirmwareFetch {
            from: BundleSource::Channel,
            allow_older: false,
            allow_expired: false,
        };
        schedule.own = match self.fetch_version(fetch).await {
            Ok(version) => {
                let sequence = self.update.view().sequence;
                self.note(AuditEvent::new("firmware.fetch").on(version))
                    .await;
                sequence
            }
            Err(problem) => {
                tracing::warn!(%problem, "the newer version was not fetched");
                None
            }
        };
    }

    fn time_of_day(&self, zone: &TimeZoneName) -> Option<TimeOfDay> {
        let zone = jiff::tz::TimeZone::get(zone.as_str()).ok()?;
        let now = (self.clock)().to_zoned(zone);
        let number = |number: i8| u8::try_from(number).ok();
        TimeOfDay::new(number(now.hour())?, number(now.minute())?)
    }
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
            is_own: true,
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
    fn box_restarts_only_into_what_it_has_fetched_itself() {
        let mut ready = moment(UpdateMode::Automatic, UpdateState::Ready);
        ready.is_own = false;
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
