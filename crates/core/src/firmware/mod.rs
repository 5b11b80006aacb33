//! The system itself: which version runs, and the next one's way into the other slot.

mod problem;

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cell_audit::AuditEvent;
use cell_control::action::{IncomingBundle, Outcome};
use cell_control::caller::Caller;
use cell_control::view::{FirmwareView, SlotsView, TrialView, UpdateState, UpdateView};
use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::problem::Problem;
use cell_signed::KeyList;
use cell_store::SCHEMA;
use cell_updates::boot_state::{BootState, BootStateError, Mode, Running, TrialEnd, Wanted};
use cell_updates::bundle::Release;
use cell_updates::install::{
    self, Allowances, Index, InstallError, Installed, Offer, Progress, Received, SlotLock,
    SlotPartitions, Staging, Step, Stream,
};

use crate::{Core, chain, submit};

/// How long the next piece of a bundle may take.
const PIECE_TIME: Duration = Duration::from_secs(90);

/// The image that the daemon runs from, and the disk it is on.
pub struct Appliance {
    /// The running version.
    pub release: Release,
    /// Whose bundles are taken; none: nobody's.
    pub keys: Option<KeyList>,
    /// What was booted, and what for.
    pub running: Running,
    /// What boots next.
    pub boot: Arc<dyn BootState>,
    /// Both slots' partitions.
    pub partitions: Arc<dyn SlotPartitions>,
    /// Bytes of the running root with its hash tree.
    pub root_size: Option<u64>,
    /// Where what was fetched waits.
    pub staging: Staging,
    /// Held by whoever writes the slot that does not run.
    pub slot_lock: PathBuf,
    /// The file that is there once a trial has passed.
    pub committed: PathBuf,
    /// What was last read of what boots next: a page that is looked at must not wear the disk out.
    pub seen: Mutex<Option<Seen>>,
    /// Restarts the box.
    pub restart: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
}

/// A version on its way into the other slot. One at a time.
pub(crate) type Work = Arc<Mutex<UpdateView>>;

/// What boots next, as it was some time ago.
pub struct Seen {
    at: Instant,
    /// Whether a trial had passed then: another process writes that down.
    committed: bool,
    wanted: Wanted,
}

/// How long it is taken for so.
const SEEN: Duration = Duration::from_secs(60);

impl Appliance {
    fn wanted(&self) -> Result<Wanted, BootStateError> {
        let committed = self.committed.exists();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |seen: &Seen| seen.at.elapsed() < SEEN && seen.committed == committed;
        if let Some(seen) = seen.as_ref().filter(|seen| is_fresh(seen)) {
            return Ok(seen.wanted.clone());
        }
        let wanted = self.boot.wanted()?;
        *seen = Some(Seen {
            at: Instant::now(),
            committed,
            wanted: wanted.clone(),
        });
        Ok(wanted)
    }

    /// It was changed just now.
    fn forget(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the running version still has to prove itself.
    fn is_on_trial(&self) -> bool {
        self.running.mode == Mode::Trial && !self.committed.exists()
    }
}

impl Core {
    /// Hands over the image that the daemon runs from. Without one, there is nothing to update.
    pub fn set_appliance(&self, appliance: Appliance) {
        if self.appliance.set(Arc::new(appliance)).is_err() {
            tracing::error!("an appliance was set twice");
        }
    }

    /// 409 while a version is on trial: should it fall back, what was changed meanwhile would be lost.
    pub(crate) fn refuse_during_trial(&self) -> Result<(), Problem> {
        match self.appliance.get() {
            Some(appliance) if appliance.is_on_trial() => Err(problem::trial_running()),
            _ => Ok(()),
        }
    }

    pub(crate) async fn firmware(&self) -> Result<FirmwareView, Problem> {
        let update = lock(&self.update).clone();
        let Some(appliance) = self.appliance.get().cloned() else {
            return Ok(FirmwareView {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                sequence: None,
                board: None,
                not_updatable: Some(problem::NO_IMAGE.to_owned()),
                slots: None,
                last_trial: None,
                update,
            });
        };
        let viewed = tokio::task::spawn_blocking(move || view(&appliance, update)).await;
        viewed.map_err(|_| Problem::internal())?
    }

    pub(crate) async fn receive(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        let event = |identity: &Identity| submit::event("firmware.receive", identity, caller);
        let identity = self.require_for(caller, Role::Admin, event).await?;
        match self.take_in(bundle, stream).await {
            Ok(version) => {
                self.note(event(&identity).on(version)).await;
                self.firmware().await
            }
            Err(problem) => Err(self.refuse(event(&identity), problem).await),
        }
    }

    /// Answers which version it is, once all of it is here.
    async fn take_in(&self, bundle: IncomingBundle, stream: OwnedFd) -> Result<String, Problem> {
        let appliance = self.appliance.get().cloned();
        let appliance = appliance.ok_or_else(|| problem::not_updatable(problem::NO_IMAGE))?;
        let keys = appliance.keys.clone();
        let keys = keys.ok_or_else(|| problem::not_updatable(problem::NO_KEYS))?;
        self.refuse_during_trial()?;
        begin(&self.update)?;
        let job = Job {
            appliance,
            keys,
            allow: Allowances {
                older: bundle.allow_older,
                expired: bundle.allow_expired,
            },
            now: (self.clock)(),
            update: Arc::clone(&self.update),
        };
        let received = tokio::task::spawn_blocking(move || {
            let received = job.receive(stream);
            let result = match &received {
                Ok((offer, ..)) => Ok(offer.manifest.release.version.clone()),
                Err(error) => Err(job.failed(error)),
            };
            (job, received.ok(), result)
        });
        let (job, received, result) = received.await.map_err(|_| Problem::internal())?;
        if let Some((offer, index)) = received {
            tokio::task::spawn_blocking(move || job.write(&offer, &index));
        }
        result
    }

    pub(crate) async fn restart_box(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        let appliance = self.appliance.get();
        let appliance = appliance.ok_or_else(|| problem::not_updatable(problem::NO_IMAGE))?;
        if lock(&self.update).state.is_busy() {
            return Err(problem::busy());
        }
        self.note(submit::event("box.restart", identity, caller))
            .await;
        restart(Arc::clone(appliance)).await?;
        Ok(Outcome::Done)
    }

    pub(crate) async fn drop_firmware(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        self.change_boot(
            submit::event("firmware.drop", identity, caller),
            |boot| match boot.wanted()?.trial {
                Some(_) => boot.rollback().map(|()| true),
                None => Ok(false),
            },
        )
        .await?;
        *lock(&self.update) = UpdateView::default();
        // What was dropped is what runs: it ends here.
        if let Some(appliance) = self
            .appliance
            .get()
            .filter(|appliance| appliance.is_on_trial())
        {
            restart(Arc::clone(appliance)).await?;
        }
        Ok(Outcome::Done)
    }

    pub(crate) async fn try_other_slot(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        let event = submit::event("firmware.other", identity, caller);
        self.change_boot(event, |boot| {
            let (running, wanted) = (boot.current()?.slot, boot.wanted()?);
            match wanted.primary != running || wanted.other.is_some() {
                true => boot.begin_trial(running.opposite()).map(|()| true),
                false => Ok(false),
            }
        })
        .await?;
        Ok(Outcome::Done)
    }

    /// Changes what boots next; `false` of `change`: there is nothing to change.
    async fn change_boot(
        &self,
        event: AuditEvent,
        change: impl FnOnce(&dyn BootState) -> Result<bool, BootStateError> + Send + 'static,
    ) -> Result<(), Problem> {
        let appliance = self.appliance.get().cloned();
        let appliance = appliance.ok_or_else(|| problem::not_updatable(problem::NO_IMAGE))?;
        if lock(&self.update).state.is_busy() {
            return Err(problem::busy());
        }
        let changed = tokio::task::spawn_blocking(move || {
            let changed = change(&*appliance.boot);
            appliance.forget();
            changed
        })
        .await;
        match changed.map_err(|_| Problem::internal())? {
            Ok(true) => {
                self.note(event).await;
                Ok(())
            }
            Ok(false) => Err(problem::nothing_there()),
            Err(error) => Err(problem::of(&InstallError::BootState(error))),
        }
    }
}

async fn restart(appliance: Arc<Appliance>) -> Result<(), Problem> {
    let restarted = tokio::task::spawn_blocking(move || (appliance.restart)()).await;
    restarted
        .map_err(|_| Problem::internal())?
        .map_err(|error| {
            tracing::error!(%error, "the box could not be restarted");
            Problem::internal()
        })
}

/// One bundle.
struct Job {
    appliance: Arc<Appliance>,
    keys: KeyList,
    allow: Allowances,
    now: Timestamp,
    update: Work,
}

impl Job {
    fn receive(&self, stream: OwnedFd) -> Result<(Offer, Index), InstallError> {
        let stream = UnixStream::from(stream);
        stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_read_timeout(Some(PIECE_TIME)))
            .map_err(InstallError::Source)?;
        let mut stream = Stream(InTime(stream));
        let appliance = &self.appliance;
        let offer = Offer::read(&mut stream, &self.keys)?;
        let installed = Installed {
            release: appliance.release.clone(),
            kept_schema: SCHEMA,
        };
        offer.check(&installed, self.allow, self.now)?;
        {
            let mut update = lock(&self.update);
            update.version = Some(offer.manifest.release.version.clone());
            update.sequence = Some(offer.manifest.release.sequence);
            update.notes = Some(offer.manifest.notes.clone());
        }
        let report = &mut |progress| self.report(progress);
        let index = Index::of(
            &*appliance.partitions,
            appliance.running.slot,
            appliance.root_size,
            report,
        )?;
        let received = install::receive(&offer, &mut stream, &appliance.staging, &index, report)?;
        let Received { total, fetched } = received;
        lock(&self.update).fetched = Some(fetched);
        tracing::info!(
            version = offer.manifest.release.version,
            total,
            fetched,
            "a firmware bundle is here"
        );
        self.report(Progress {
            step: Step::Writing,
            done: 0,
            total,
        });
        Ok((offer, index))
    }

    fn write(&self, offer: &Offer, index: &Index) {
        let appliance = &self.appliance;
        let written = SlotLock::wait(&appliance.slot_lock).and_then(|lock| {
            install::write(
                offer,
                &appliance.staging,
                index,
                &*appliance.partitions,
                &*appliance.boot,
                &lock,
                &mut |progress| self.report(progress),
            )
        });
        appliance.forget();
        match written {
            Ok(slot) => {
                lock(&self.update).state = UpdateState::Ready;
                let version = &offer.manifest.release.version;
                tracing::info!(%slot, version, "a version is tried at the next start");
            }
            Err(error) => drop(self.failed(&error)),
        }
    }

    fn report(&self, progress: Progress) {
        let mut update = lock(&self.update);
        update.state = match progress.step {
            Step::Comparing => UpdateState::Comparing,
            Step::Receiving => UpdateState::Receiving,
            Step::Writing => UpdateState::Writing,
            Step::Verifying => UpdateState::Verifying,
        };
        update.done = progress.done;
        update.total = progress.total;
    }

    fn failed(&self, error: &InstallError) -> Problem {
        tracing::warn!(error = %chain(error), "a firmware bundle was not taken");
        let problem = problem::of(error);
        let mut update = lock(&self.update);
        update.state = UpdateState::Failed;
        update.problem = Some(problem.clone());
        problem
    }
}

/// What breaks off for want of time is said to.
struct InTime(UnixStream);

impl Read for InTime {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

/// 409 while another one is on its way.
fn begin(update: &Work) -> Result<(), Problem> {
    let mut update = lock(update);
    if update.state.is_busy() {
        return Err(problem::busy());
    }
    *update = UpdateView {
        state: UpdateState::Comparing,
        ..UpdateView::default()
    };
    Ok(())
}

fn view(appliance: &Appliance, mut update: UpdateView) -> Result<FirmwareView, Problem> {
    let wanted = appliance.wanted().map_err(|error| {
        tracing::warn!(error = %chain(&error), "the loader's state could not be read");
        problem::of(&InstallError::BootState(error))
    })?;
    let running = &appliance.running;
    if appliance.is_on_trial() {
        update.state = UpdateState::OnTrial;
    } else if !update.state.is_busy() {
        // What waits to be tried is more than that another one was not taken.
        update.state = match (wanted.trial, update.state) {
            (Some(_), _) => UpdateState::Ready,
            (None, UpdateState::Failed) => UpdateState::Failed,
            (None, _) => UpdateState::None,
        };
    }
    Ok(FirmwareView {
        version: appliance.release.version.clone(),
        sequence: Some(appliance.release.sequence),
        board: Some(appliance.release.board.clone()),
        not_updatable: appliance
            .keys
            .is_none()
            .then(|| problem::NO_KEYS.to_owned()),
        last_trial: wanted.last.map(|last| TrialView {
            slot: last.slot.to_string(),
            passed: last.end == TrialEnd::Passed,
            detail: last.to_string(),
        }),
        slots: Some(SlotsView {
            running: running.slot.to_string(),
            mode: running.mode.to_string(),
            primary: wanted.primary.to_string(),
            other: wanted.other.map(|slot| slot.to_string()),
            trial: wanted.trial.map(|slot| slot.to_string()),
            notice: notice(running, &wanted),
        }),
        update,
    })
}

/// Why something else than the committed slot runs.
fn notice(running: &Running, wanted: &Wanted) -> Option<String> {
    match running.mode {
        Mode::Normal if running.slot != wanted.primary => Some(format!(
            "Slot {} is the one that counts. It did not come up, so slot {} runs.",
            wanted.primary, running.slot
        )),
        Mode::Recovery => Some("Neither slot came up, so only the console runs.".to_owned()),
        _ => None,
    }
}

fn lock(update: &Mutex<UpdateView>) -> MutexGuard<'_, UpdateView> {
    update.lock().unwrap_or_else(PoisonError::into_inner)
}
