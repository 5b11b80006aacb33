//! Starts the process of a role, starts it again when it ends, and passes its log on.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cell_control::action::LogLevel;
use cell_control::channel::{Channel, ChannelError, Handler};
use cell_core::LogBuffer;
use cell_model::status::Part;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::process::Child;
use tokio::sync::{Notify, OnceCell, watch};
use tokio::time::Instant;

use super::process::{keep_log, start};
use super::{Role, Said};

/// Pause before a process is started again: at once the first time, longer while it keeps ending.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(10));
/// A process that lived this long was well.
const WELL: Duration = Duration::from_secs(10);
/// How long a call waits for a process that is being started.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long somebody who asks for another verbosity waits for a process to hear of it.
const VERBOSITY: Duration = Duration::from_secs(2);
/// How long a process has to end by itself at shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// The process is not there, or went away while it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRunning {
    #[error("it is not running")]
    Absent,
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

/// A role that is started when there is something for it to do.
pub(crate) struct OnDemand {
    keeper: Arc<Keeper>,
    started: OnceCell<()>,
}

impl OnDemand {
    /// Nothing runs yet.
    pub(crate) fn new(keeper: Arc<Keeper>) -> Self {
        Self {
            keeper,
            started: OnceCell::new(),
        }
    }

    /// One that somebody starts, whether there is something to do or not.
    pub(crate) fn kept(keeper: Arc<Keeper>) -> Self {
        Self {
            keeper,
            started: OnceCell::new_with(Some(())),
        }
    }

    /// Whether there ever was something to do.
    pub(crate) fn is_started(&self) -> bool {
        self.started.initialized()
    }

    /// The role, which is started if it does not run yet.
    pub(crate) async fn keeper(&self) -> &Keeper {
        let start = || async {
            // It ends when it is stopped, as all of them are.
            tokio::spawn(Arc::clone(&self.keeper).run());
        };
        self.started.get_or_init(start).await;
        &self.keeper
    }
}

type Refresh = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Keeps one role running.
pub(crate) struct Keeper {
    role: Role,
    part: Part,
    handler: Arc<dyn Handler>,
    logs: Arc<LogBuffer>,
    channel: watch::Sender<Option<Channel>>,
    process: AtomicU32,
    starts: AtomicU32,
    refresh: OnceLock<Refresh>,
    kill: Notify,
    stop: watch::Sender<bool>,
}

impl Keeper {
    /// Nothing runs yet. Calls of the process go to `handler`; `part` is the one it is named after.
    pub(crate) fn new(
        role: Role,
        part: Part,
        handler: Arc<dyn Handler>,
        logs: Arc<LogBuffer>,
    ) -> Arc<Self> {
        Arc::new(Self {
            role,
            part,
            handler,
            logs,
            channel: watch::channel(None).0,
            process: AtomicU32::new(0),
            starts: AtomicU32::new(0),
            refresh: OnceLock::new(),
            kill: Notify::new(),
            stop: watch::channel(false).0,
        })
    }

    /// What to tell a process that took the place of another.
    pub(crate) fn on_restart<F>(&self, refresh: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _ = self.refresh.set(Box::new(move || Box::pin(refresh())));
    }

    /// The part it is named after.
    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// The process and how often another one took its place.
    pub(crate) fn process(&self) -> (u32, u32) {
        let starts = self.starts.load(Ordering::Relaxed);
        (
            self.process.load(Ordering::Relaxed),
            starts.saturating_sub(1),
        )
    }

    /// Whether there ever was a process: some are started when there is something for them to do.
    pub(crate) fn has_started(&self) -> bool {
        self.starts.load(Ordering::Relaxed) > 0
    }

    /// Ends the process; another takes its place.
    pub(crate) fn kill(&self) {
        if self.has_started() {
            self.kill.notify_one();
        }
    }

    /// Ends the process for good, giving it a moment to end by itself.
    pub(crate) async fn stop(&self) {
        let mut channel = self.channel.subscribe();
        self.stop.send_replace(true);
        self.channel.send_replace(None);
        let gone = channel.wait_for(|_| self.process.load(Ordering::Relaxed) == 0);
        let _ = tokio::time::timeout(GRACE + Duration::from_secs(1), gone).await;
    }

    /// Calls the process, waiting a little when it is just being started.
    pub(crate) async fn call<T: Serialize, R: DeserializeOwned>(
        &self,
        body: &T,
        descriptors: Vec<OwnedFd>,
    ) -> Result<R, NotRunning> {
        let there = tokio::time::timeout(PATIENCE, self.channel()).await;
        let channel = there.ok().flatten().ok_or(NotRunning::Absent)?;
        Ok(channel.call(&Said::Order(body), descriptors).await?)
    }

    /// Tells the process how much to log. One that starts later is told with its start.
    pub(crate) async fn set_verbosity(&self) {
        if !self.has_started() {
            return;
        }
        let level = self.level();
        let told = async {
            let channel = self.channel().await.ok_or(ChannelError::Closed)?;
            let said = Said::<()>::LogLevel(level);
            channel.call::<_, IgnoredAny>(&said, Vec::new()).await
        };
        if !matches!(tokio::time::timeout(VERBOSITY, told).await, Ok(Ok(_))) {
            tracing::warn!(
                part = self.part.as_str(),
                "its process does not take over how much to log"
            );
        }
    }

    /// How much the process says: as much as any part it carries is asked for.
    fn level(&self) -> LogLevel {
        let levels = self.role.parts().iter().map(|part| self.logs.level(*part));
        levels.max().unwrap_or(LogLevel::Info)
    }

    /// The channel to the process, once there is one.
    async fn channel(&self) -> Option<Channel> {
        let mut channel = self.channel.subscribe();
        let there = channel.wait_for(Option::is_some).await;
        there.ok().and_then(|channel| channel.clone())
    }

    /// Keeps the process running until [`Self::stop`].
    pub(crate) async fn run(self: Arc<Self>) {
        let mut stop = self.stop.subscribe();
        let mut pause = PAUSE.0;
        while !*stop.borrow() {
            let started = Instant::now();
            match start(self.role, self.level(), Arc::clone(&self.handler)) {
                Ok((child, channel)) => self.watch(child, channel, &mut stop).await,
                Err(error) => {
                    tracing::error!(part = self.part.as_str(), %error, "a process cannot be started")
                }
            }
            self.process.store(0, Ordering::Relaxed);
            self.channel.send_replace(None);
            if started.elapsed() >= WELL {
                pause = PAUSE.0;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = told(&mut stop) => {}
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn watch(
        self: &Arc<Self>,
        mut child: Child,
        channel: Channel,
        stop: &mut watch::Receiver<bool>,
    ) {
        let part = self.part;
        self.process
            .store(child.id().unwrap_or_default(), Ordering::Relaxed);
        let again = self.starts.fetch_add(1, Ordering::Relaxed) > 0;
        if let Some(stderr) = child.stderr.take() {
            keep_log(stderr, Some(part), Arc::clone(&self.logs));
        }
        self.channel.send_replace(Some(channel));
        if again {
            tracing::warn!(part = part.as_str(), "its process was started again");
            if let Some(refresh) = self.refresh.get() {
                tokio::spawn(refresh());
            }
        }
        tokio::select! {
            status = child.wait() => {
                if let Ok(status) = status {
                    tracing::warn!(part = part.as_str(), %status, "its process ended");
                }
            }
            () = self.kill.notified() => {
                let _ = child.kill().await;
            }
            () = told(stop) => {
                // `stop` has let go of the channel, and a role ends when its channel closes.
                if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
            }
        }
    }
}

/// Returns when the keeper is told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as the keeper.
    let _ = stop.wait_for(|stop| *stop).await;
}
