//! Starts the process of a role, starts it again when it ends, and passes its log on.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cell_control::action::LogLevel;
use cell_control::channel::{Channel, ChannelError, Handler};
use cell_core::{LogBuffer, part_of};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{Role, Said};
use crate::logging;

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

type Refresh = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Keeps one role running.
pub(crate) struct Keeper {
    role: Role,
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
    /// Nothing runs yet. Calls of the process go to `handler`.
    pub(crate) fn new(role: Role, handler: Arc<dyn Handler>, logs: Arc<LogBuffer>) -> Arc<Self> {
        Arc::new(Self {
            role,
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

    /// The role.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The process and how often another one took its place.
    pub(crate) fn process(&self) -> (u32, u32) {
        let starts = self.starts.load(Ordering::Relaxed);
        (
            self.process.load(Ordering::Relaxed),
            starts.saturating_sub(1),
        )
    }

    /// Ends the process; another takes its place.
    pub(crate) fn kill(&self) {
        self.kill.notify_one();
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
        let level = self.level();
        let told = async {
            let channel = self.channel().await.ok_or(ChannelError::Closed)?;
            let said = Said::<()>::LogLevel(level);
            channel.call::<_, IgnoredAny>(&said, Vec::new()).await
        };
        if !matches!(tokio::time::timeout(VERBOSITY, told).await, Ok(Ok(_))) {
            tracing::warn!(
                part = self.role.part().as_str(),
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
            match self.start() {
                Ok((child, channel)) => self.watch(child, channel, &mut stop).await,
                Err(error) => {
                    tracing::error!(part = self.role.part().as_str(), %error, "a process cannot be started")
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

    fn start(&self) -> io::Result<(Child, Channel)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let user = self.role.user();
        let mut command = std::process::Command::new("/proc/self/exe");
        command
            .arg0("celld")
            .args(["role", self.role.word(), "--log-level"])
            .arg(self.level().as_str())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .uid(user)
            .gid(user)
            // A Ctrl-C at the terminal is for the daemon, which stops them in order.
            .process_group(0);
        let child = Command::from(command).kill_on_drop(true).spawn()?;
        let channel = Channel::start(UnixStream::from_std(ours)?, Arc::clone(&self.handler));
        Ok((child, channel))
    }

    async fn watch(
        self: &Arc<Self>,
        mut child: Child,
        channel: Channel,
        stop: &mut watch::Receiver<bool>,
    ) {
        let part = self.role.part();
        self.process
            .store(child.id().unwrap_or_default(), Ordering::Relaxed);
        let again = self.starts.fetch_add(1, Ordering::Relaxed) > 0;
        if let Some(stderr) = child.stderr.take() {
            let logs = Arc::clone(&self.logs);
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let (level, text) = parse(&line);
                    // A role may carry more than the part it is named after.
                    let part = part_of(text).unwrap_or(part);
                    if level <= logs.level(part) {
                        logging::pass_on(&line);
                        logs.push(Some(part), level, text.to_owned());
                    }
                }
            });
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

/// Level and text of a line a role wrote: time, level, text.
fn parse(line: &str) -> (LogLevel, &str) {
    let after_time = line
        .split_once(' ')
        .map_or(line, |(_, rest)| rest.trim_start());
    let (word, text) = after_time.split_once(' ').unwrap_or((after_time, ""));
    match word {
        "ERROR" => (LogLevel::Error, text),
        "WARN" => (LogLevel::Warn, text),
        "INFO" => (LogLevel::Info, text),
        "DEBUG" => (LogLevel::Debug, text),
        // Not a line of the log: a panic's message, say.
        _ => (LogLevel::Error, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_a_role_is_taken_apart() {
        let line = "2026-11-23T12:50:21.819652Z  INFO cell_dns::server: name server listens";
        assert_eq!(
            parse(line),
            (LogLevel::Info, "cell_dns::server: name server listens")
        );
        assert_eq!(
            parse("thread 'main' panicked"),
            (LogLevel::Error, "thread 'main' panicked")
        );
        assert_eq!(parse(""), (LogLevel::Error, ""));
    }
}
