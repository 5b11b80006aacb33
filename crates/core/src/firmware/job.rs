//! One version on its way into the other slot, whatever it comes from.

use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cell_control::action::IncomingBundle;
use cell_control::view::{UpdateState, UpdateView};
use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_model::problem::{Problem, chain};
use cell_signed::KeyList;
use cell_store::SCHEMA;
use cell_updates::install::{
    self, Allowances, Index, InstallError, Installed, Offer, Progress, Received, SlotLock, Source,
    Step,
};

use super::{Appliance, problem};

/// How long the next piece of a bundle may take.
const PIECE_TIME: Duration = Duration::from_secs(90);
/// How soon somebody who waits for a piece hears that it is not wanted any more.
const ATTENTION: Duration = Duration::from_secs(1);

/// What there is to be seen of a version on its way, and how it is told to stop. One at a time.
#[derive(Default)]
pub(crate) struct Work {
    view: Mutex<UpdateView>,
    cancelled: AtomicBool,
}

impl Work {
    /// As it is.
    pub(super) fn view(&self) -> MutexGuard<'_, UpdateView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 409 while another one is on its way.
    pub(super) fn begin(&self) -> Result<(), Problem> {
        let mut view = self.view();
        if view.state.is_busy() {
            return Err(problem::busy());
        }
        self.cancelled.store(false, Ordering::Relaxed);
        *view = UpdateView {
            state: UpdateState::Comparing,
            ..UpdateView::default()
        };
        Ok(())
    }

    /// Stops what is still being fetched; false where nothing is. The other slot is as it was then.
    pub(super) fn cancel(&self) -> bool {
        let view = self.view();
        let is_early = matches!(view.state, UpdateState::Comparing | UpdateState::Receiving);
        if is_early {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        is_early
    }

    /// From now on it is too late to stop it.
    fn begin_writing(&self, total: u64) -> Result<(), InstallError> {
        let mut view = self.view();
        if self.is_cancelled() {
            return Err(InstallError::Source(io::Error::other(Cancelled)));
        }
        view.state = UpdateState::Writing;
        (view.done, view.total) = (0, total);
        Ok(())
    }

    /// Forgets what came of the last one, unless another one has begun meanwhile.
    pub(super) fn forget(&self) {
        let mut view = self.view();
        if !view.state.is_busy() {
            *view = UpdateView::default();
        }
    }

    /// Whoever waits for it waits no more.
    pub(super) fn give_up(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Where a bundle comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Somebody sends it.
    Sender,
    /// A USB stick.
    Stick,
    /// The server of a channel.
    Channel(ReleaseChannel),
}

/// Somebody wants it no more.
#[derive(Debug, thiserror::Error)]
#[error("it was cancelled")]
pub(super) struct Cancelled;

/// One bundle.
pub(super) struct Job {
    pub(super) appliance: Arc<Appliance>,
    pub(super) keys: KeyList,
    pub(super) allow: IncomingBundle,
    /// Who is to blame for what is wrong with it.
    pub(super) origin: Origin,
    pub(super) now: Timestamp,
    pub(super) work: Arc<Work>,
}

impl Job {
    /// Reads what it is, and refuses what is not for this box.
    pub(super) fn accept(&self, source: &mut dyn Source) -> Result<Offer, InstallError> {
        let offer = self.look(source)?;
        let mut view = self.work.view();
        view.version = Some(offer.manifest.release.version.clone());
        view.sequence = Some(offer.manifest.release.sequence);
        view.notes = Some(offer.manifest.notes.clone());
        Ok(offer)
    }

    /// The same, without being on its way.
    pub(super) fn look(&self, source: &mut dyn Source) -> Result<Offer, InstallError> {
        let offer = Offer::read(source, &self.keys)?;
        let installed = Installed {
            release: self.appliance.release.clone(),
            kept_schema: SCHEMA,
        };
        let allow = Allowances {
            older: self.allow.allow_older,
            expired: self.allow.allow_expired,
            testing: self.origin != Origin::Channel(ReleaseChannel::Stable),
        };
        offer.check(&installed, allow, self.now)?;
        Ok(offer)
    }

    /// Fetches what is not here.
    pub(super) fn receive(
        &self,
        offer: &Offer,
        source: &mut dyn Source,
    ) -> Result<Index, InstallError> {
        let appliance = &self.appliance;
        let report = &mut |progress| self.report(progress);
        let index = Index::of(
            &*appliance.partitions,
            appliance.running.slot,
            appliance.root_size,
            report,
        )?;
        let source = &mut Wanted {
            source,
            work: &self.work,
        };
        let received = install::receive(offer, source, &appliance.staging, &index, report)?;
        let Received { total, fetched } = received;
        self.work.view().fetched = Some(fetched);
        tracing::info!(
            version = offer.manifest.release.version,
            total,
            fetched,
            "a firmware bundle is here"
        );
        self.work.begin_writing(total)?;
        Ok(index)
    }

    /// Fills the other slot.
    pub(super) fn write(&self, offer: &Offer, index: &Index) {
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
                self.work.view().state = UpdateState::Ready;
                let version = &offer.manifest.release.version;
                tracing::info!(%slot, version, "a version is tried at the next start");
            }
            Err(error) => drop(self.failed(&error)),
        }
    }

    fn report(&self, progress: Progress) {
        let mut view = self.work.view();
        view.state = match progress.step {
            Step::Comparing => UpdateState::Comparing,
            Step::Receiving => UpdateState::Receiving,
            Step::Writing => UpdateState::Writing,
            Step::Verifying => UpdateState::Verifying,
        };
        view.done = progress.done;
        view.total = progress.total;
    }

    /// It is not taken; what that means to whoever sent it.
    pub(super) fn failed(&self, error: &InstallError) -> Problem {
        let problem = problem::from(self.origin, error);
        let mut view = self.work.view();
        if problem::is_cancelled(error) {
            tracing::info!("a firmware bundle is not wanted any more");
            if let Err(error) = self.appliance.staging.clear() {
                tracing::warn!(error = %chain(&error), "what has come of it stays");
            }
            *view = UpdateView::default();
            return problem;
        }
        tracing::warn!(error = %chain(error), "a firmware bundle was not taken");
        view.state = UpdateState::Failed;
        view.problem = Some(problem.clone());
        problem
    }
}

/// A source that is read only while it is wanted.
struct Wanted<'a> {
    source: &'a mut dyn Source,
    work: &'a Work,
}

impl Wanted<'_> {
    fn check(&self) -> io::Result<()> {
        match self.work.is_cancelled() {
            true => Err(io::Error::other(Cancelled)),
            false => Ok(()),
        }
    }
}

impl Source for Wanted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.source.read(buffer)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.check()?;
        self.source.skip(bytes)
    }

    fn expect(&mut self, parts: &[Range<u64>]) {
        self.source.expect(parts);
    }
}

/// A stream that is waited for only so long, and only while it is wanted.
pub(super) struct Awaited {
    stream: UnixStream,
    work: Arc<Work>,
    /// How long the next piece may take; none: the other side sees to that.
    patience: Option<Duration>,
}

impl Awaited {
    /// What somebody sends.
    pub(super) fn sent(stream: UnixStream, work: Arc<Work>) -> io::Result<Self> {
        Self::new(stream, work, Some(PIECE_TIME))
    }

    /// What a process of the box fetches, which knows by itself when to give up.
    pub(super) fn fetched(stream: UnixStream, work: Arc<Work>) -> io::Result<Self> {
        Self::new(stream, work, None)
    }

    fn new(stream: UnixStream, work: Arc<Work>, patience: Option<Duration>) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(ATTENTION))?;
        Ok(Self {
            stream,
            work,
            patience,
        })
    }
}

impl Read for Awaited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            if self.work.is_cancelled() {
                return Err(io::Error::other(Cancelled));
            }
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self
                        .patience
                        .is_some_and(|patience| begun.elapsed() >= patience)
                    {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                other => return other,
            }
        }
    }
}
