//! The process of a role: how it is started, and what becomes of its log.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cell_control::action::LogLevel;
use cell_control::channel::{Channel, Handler};
use cell_core::{LogBuffer, part_of};
use cell_model::status::Part;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};

use super::{NoCalls, Role, Said};
use crate::logging;

/// How long a process has to end by itself once it is not needed any more.
const GRACE: Duration = Duration::from_secs(2);

/// Starts the process of a role, which ends when the channel does. Its calls go to `handler`.
pub(super) fn start(
    role: Role,
    level: LogLevel,
    handler: Arc<dyn Handler>,
) -> io::Result<(Child, Channel)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let user = role.user();
    let mut command = std::process::Command::new("/proc/self/exe");
    command
        .arg0("celld")
        .args(["role", role.word(), "--log-level"])
        .arg(level.as_str())
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
    let channel = Channel::start(UnixStream::from_std(ours)?, handler);
    Ok((child, channel))
}

/// Has a process of a role started for one order, and waits for its answer: it ends after that. Why not, as the end of a
/// sentence about the process.
pub(super) async fn ask_once<Q: Serialize, A: DeserializeOwned>(
    role: Role,
    logs: &Arc<LogBuffer>,
    order: &Q,
    descriptors: Vec<OwnedFd>,
) -> Result<A, String> {
    let (mut child, channel) = start(role, LogLevel::Info, Arc::new(NoCalls))
        .map_err(|error| format!("cannot be started: {error}"))?;
    if let Some(stderr) = child.stderr.take() {
        keep_log(stderr, None, Arc::clone(logs));
    }
    let replied = channel.call(&Said::Order(order), descriptors).await;
    drop(channel);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
    replied.map_err(|error| format!("went away: {error}"))
}

/// Puts what the process says into the box's log, until it ends. `part`: whose it is where a line does not say.
pub(super) fn keep_log(stderr: ChildStderr, part: Option<Part>, logs: Arc<LogBuffer>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let (level, text) = parse(&line);
            // A role may carry more than the part it is named after.
            let part = part_of(text).or(part);
            if part.is_none_or(|part| level <= logs.level(part)) {
                logging::pass_on(&line);
                logs.push(part, level, text.to_owned());
            }
        }
    });
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
