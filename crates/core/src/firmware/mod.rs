//! The system itself: which version runs, and the next one's way into the other slot.

mod automatic;
mod fetched;
mod job;
mod problem;
mod source;
mod trial_log;
mod view;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cell_audit::AuditEvent;
use cell_control::action::{FirmwareFetch, IncomingBundle, Outcome};
use cell_control::caller::Caller;
use cell_control::view::FirmwareView;
use cell_fetch::FetchLink;
use cell_model::account::{Identity, Role};
use cell_model::problem::Problem;
use cell_signed::KeyList;
use cell_updates::boot_state::{
    BootState, BootStateError, Mode, Outcome as TrialOutcome, Running, Wanted,
};
use cell_updates::bundle::Release;
use cell_updates::install::{InstallError, SlotPartitions, Staging, StickError, StickFile, Stream};

use crate::authorise::Needs;
use crate::{Core, submit};

pub(crate) use job::Work;
pub(crate) use problem::{said, sentence};
pub(crate) use source::Offered;

use job::{Awaited, Job, Origin};

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
    /// What the last version on trial said, kept by the image's init.
    pub trial_log: PathBuf,
    /// What was last read of what boots next: a page that is looked at must not wear the disk out.
    pub seen: Mutex<Option<Seen>>,
    /// Fetches what is on a server.
    pub fetch: Arc<dyn FetchLink>,
    /// Opens files on USB sticks.
    pub stick: OpenStick,
    /// Restarts the box.
    pub restart: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
}

/// Opens a file on a USB stick, by its path from the stick's first folder on.
pub type OpenStick = Arc<dyn Fn(&str) -> Result<StickFile, StickError> + Send + Sync>;

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

    /// Which version a trial was of, as far as that is known.
    fn tried(&self, trial: &TrialOutcome) -> Option<Release> {
        if trial.slot == self.running.slot {
            return Some(self.release.clone());
        }
        let tried = self.staging.tried()?;
        (tried.slot == trial.slot).then_some(tried.release)
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

    pub(crate) async fn receive(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        let event = |identity: &Identity| submit::event("firmware.receive", identity, caller);
        let identity = self
            .require_for(caller, Needs::person(Role::Admin), event)
            .await?;
        match self.take_in(caller, bundle, stream).await {
            Ok(version) => {
                self.note(event(&identity).on(version)).await;
                self.firmware().await
            }
            Err(problem) => Err(self.refuse(event(&identity), problem).await),
        }
    }

    /// Answers which version it is, once all of it is here.
    async fn take_in(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<String, Problem> {
        self.require_proof(caller)?;
        let job = self.begin(bundle, Origin::Sender)?;
        let received = tokio::task::spawn_blocking(move || {
            let received = Awaited::sent(UnixStream::from(stream), Arc::clone(&job.work))
                .map_err(InstallError::Source)
                .and_then(|stream| {
                    let mut stream = Stream(stream);
                    let offer = job.accept(&mut stream)?;
                    let index = job.receive(&offer, &mut stream)?;
                    Ok((offer, index))
                });
            match received {
                Ok((offer, index)) => {
                    let version = offer.manifest.release.version.clone();
                    Ok((version, move || job.write(&offer, &index)))
                }
                Err(error) => Err(job.failed(&error)),
            }
        });
        let (version, write) = received.await.map_err(|_| Problem::internal())??;
        tokio::task::spawn_blocking(write);
        Ok(version)
    }

    /// Fetches a version from a server or a stick, and answers which one once it is known that it is for this box.
    pub(crate) async fn fetch_firmware(
        &self,
        identity: &Identity,
        caller: &Caller,
        fetch: FirmwareFetch,
    ) -> Result<Outcome, Problem> {
        let version = self.fetch_version(fetch).await?;
        let event = submit::event("firmware.fetch", identity, caller);
        self.note(event.on(version)).await;
        Ok(Outcome::Done)
    }

    async fn fetch_version(&self, fetch: FirmwareFetch) -> Result<String, Problem> {
        let allow = IncomingBundle {
            allow_older: fetch.allow_older,
            allow_expired: fetch.allow_expired,
        };
        let (source, origin) = self.source(fetch.from, Arc::clone(&self.update))?;
        let job = self.begin(allow, origin)?;
        let accepted = tokio::task::spawn_blocking(move || {
            let accepted = source.open().and_then(|mut source| {
                let offer = job.accept(&mut *source)?;
                Ok((offer, source))
            });
            match accepted {
                Ok((offer, source)) => Ok((job, offer, source)),
                Err(error) => Err(job.failed(&error)),
            }
        });
        let (job, offer, mut source) = accepted.await.map_err(|_| Problem::internal())??;
        let version = offer.manifest.release.version.clone();
        tokio::task::spawn_blocking(move || match job.receive(&offer, &mut *source) {
            Ok(index) => {
                // A stick may be pulled out from now on, and a connection end.
                drop(source);
                job.write(&offer, &index);
            }
            Err(error) => drop(job.failed(&error)),
        });
        Ok(version)
    }

    /// Begins with the next version, unless one is on its way or on trial.
    fn begin(&self, allow: IncomingBundle, origin: Origin) -> Result<Job, Problem> {
        let job = self.job(allow, origin)?;
        self.refuse_during_trial()?;
        self.update.begin()?;
        Ok(job)
    }

    fn job(&self, allow: IncomingBundle, origin: Origin) -> Result<Job, Problem> {
        let appliance = Arc::clone(self.appliance()?);
        let keys = appliance.keys.clone();
        Ok(Job {
            keys: keys.ok_or_else(|| problem::not_updatable(problem::NO_KEYS))?,
            appliance,
            allow,
            origin,
            now: (self.clock)(),
            work: Arc::clone(&self.update),
        })
    }

    /// The image that the daemon runs from; 409 without one.
    fn appliance(&self) -> Result<&Arc<Appliance>, Problem> {
        let appliance = self.appliance.get();
        appliance.ok_or_else(|| problem::not_updatable(problem::NO_IMAGE))
    }

    pub(crate) async fn restart_box(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        self.restart_for(submit::event("box.restart", identity, caller))
            .await?;
        Ok(Outcome::Done)
    }

    async fn restart_for(&self, event: AuditEvent) -> Result<(), Problem> {
        let appliance = Arc::clone(self.appliance()?);
        if self.update.view().state.is_busy() {
            return Err(problem::busy());
        }
        self.note(event).await;
        restart(appliance).await
    }

    pub(crate) async fn drop_firmware(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        let event = submit::event("firmware.drop", identity, caller);
        let dropped = self.update.view().sequence;
        if self.update.cancel() {
            self.decline(dropped).await;
            self.note(event).await;
            return Ok(Outcome::Done);
        }
        let waiting = self.appliance()?.staging.tried();
        self.change_boot(event, |boot| match boot.wanted()?.trial {
            Some(_) => boot.rollback().map(|()| true),
            None => Ok(false),
        })
        .await?;
        self.decline(dropped.or(waiting.map(|tried| tried.release.sequence)))
            .await;
        self.update.forget();
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
        // Whoever goes back from a version does not want to be given it again by itself.
        let left = self.appliance()?.release.sequence;
        self.decline(Some(left)).await;
        Ok(Outcome::Done)
    }

    /// The box does not take this version by itself any more.
    pub(crate) async fn decline(&self, sequence: Option<u64>) {
        let (Some(appliance), Some(sequence)) = (self.appliance.get().cloned(), sequence) else {
            return;
        };
        let declined = tokio::task::spawn_blocking(move || appliance.staging.decline(sequence));
        if let Ok(Err(error)) = declined.await {
            tracing::warn!(%error, "nobody will remember that a version is not wanted");
        }
    }

    /// Changes what boots next; `false` of `change`: there is nothing to change.
    async fn change_boot(
        &self,
        event: AuditEvent,
        change: impl FnOnce(&dyn BootState) -> Result<bool, BootStateError> + Send + 'static,
    ) -> Result<(), Problem> {
        let appliance = Arc::clone(self.appliance()?);
        if self.update.view().state.is_busy() {
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
