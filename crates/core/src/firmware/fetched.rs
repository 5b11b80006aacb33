//! A bundle on a server: a process without power fetches the parts that are needed.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use cell_fetch::{Command, FetchLink, Fetched, LinkError, Reply};
use cell_updates::install::Source;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::job::{Awaited, Work};

/// Bytes that are asked for while nobody has said what is needed: most headers are shorter.
const AT_FIRST: u64 = 256 << 10;
/// Gaps up to so many bytes are fetched too: another question costs more.
const SMALL_GAP: u64 = 64 << 10;

/// A bundle on a server. Its calls block, and so belong to a thread of their own.
pub(super) struct FetchedFile {
    link: Arc<dyn FetchLink>,
    runtime: Handle,
    work: Arc<Work>,
    /// Which file; its parts are filled in.
    command: Command,
    /// Where the next byte is read.
    at: u64,
    /// What will be needed from there on.
    ahead: VecDeque<Range<u64>>,
    running: Option<Running>,
    file: Option<Fetched>,
}

/// Parts on their way.
struct Running {
    stream: Awaited,
    parts: VecDeque<Range<u64>>,
    /// Where in the file the stream stands.
    at: u64,
    outcome: Fetching,
}

/// Its process ends when nobody waits for it any more.
struct Fetching(JoinHandle<Result<Reply, LinkError>>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FetchedFile {
    pub(super) fn new(
        link: Arc<dyn FetchLink>,
        runtime: Handle,
        work: Arc<Work>,
        command: Command,
    ) -> Self {
        Self {
            link,
            runtime,
            work,
            command,
            at: 0,
            ahead: VecDeque::new(),
            running: None,
            file: None,
        }
    }

    fn start(&mut self) -> io::Result<Running> {
        while self.ahead.front().is_some_and(|part| part.end <= self.at) {
            self.ahead.pop_front();
        }
        let is_planned = self
            .ahead
            .front()
            .is_some_and(|part| part.contains(&self.at));
        let parts = match is_planned {
            true => std::mem::take(&mut self.ahead),
            false => std::iter::once(self.at..self.at.saturating_add(AT_FIRST)).collect(),
        };
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = self.command.clone();
        command.parts = parts.iter().cloned().collect();
        command.same_as = self.file.as_ref().and_then(|file| file.tag.clone());
        let link = Arc::clone(&self.link);
        let sink = OwnedFd::from(theirs);
        let outcome = async move { link.fetch(command, sink).await };
        Ok(Running {
            stream: Awaited::fetched(ours, Arc::clone(&self.work))?,
            at: parts.front().map_or(self.at, |part| part.start),
            parts,
            outcome: Fetching(self.runtime.spawn(outcome)),
        })
    }

    /// Waits until the parts are said to be complete.
    fn finish(&mut self, mut running: Running) -> io::Result<()> {
        // It would wait for ever to write what nobody reads.
        drop(running.stream);
        let outcome = self.runtime.block_on(&mut running.outcome.0);
        let fetched = outcome
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        self.file = Some(fetched.map_err(io::Error::other)?);
        Ok(())
    }

    /// None: the parts end before the place where is read.
    fn read_on(&self, running: &mut Running, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        while let Some(part) = running.parts.front() {
            let passed_over = self.at.min(part.end) - running.at;
            let mut passed = running.stream.by_ref().take(passed_over);
            let passed = io::copy(&mut passed, &mut io::sink())?;
            running.at += passed;
            if passed < passed_over {
                return Ok(None);
            }
            if running.at < part.end {
                let left = usize::try_from(part.end - running.at).unwrap_or(usize::MAX);
                let length = buffer.len().min(left);
                let read = running.stream.read(&mut buffer[..length])?;
                running.at += read as u64;
                return Ok(Some(read).filter(|read| *read > 0));
            }
            running.parts.pop_front();
            match running.parts.front() {
                Some(next) if next.start <= self.at => running.at = next.start,
                _ => break,
            }
        }
        Ok(None)
    }
}

impl Source for FetchedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Twice: what was asked for may end here, and the next question begins.
        for _ in 0..2 {
            if let Some(file) = &self.file
                && self.at >= file.size
            {
                return match self.at == file.size {
                    true => Ok(0),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
            let running = self.running.take();
            let mut running = match running.filter(|running| running.at <= self.at) {
                Some(running) => running,
                None => self.start()?,
            };
            match self.read_on(&mut running, buffer)? {
                Some(read) => {
                    self.at += read as u64;
                    self.running = Some(running);
                    return Ok(read);
                }
                None => self.finish(running)?,
            }
        }
        match &self.file {
            Some(file) if self.at == file.size => Ok(0),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.at = self.at.saturating_add(bytes);
        Ok(())
    }

    fn expect(&mut self, parts: &[Range<u64>]) {
        self.ahead = joined(parts);
        // What is on its way without a plan is little, and at its end is said which form of the file it was.
        if let Some(mut running) = self.running.take()
            && io::copy(&mut running.stream, &mut io::sink()).is_ok()
            && let Err(error) = self.finish(running)
        {
            tracing::debug!(%error, "what was read ahead of a bundle did not come");
        }
    }
}

/// Parts with small gaps between them are one.
fn joined(parts: &[Range<u64>]) -> VecDeque<Range<u64>> {
    let mut joined: VecDeque<Range<u64>> = VecDeque::new();
    for part in parts {
        match joined.back_mut() {
            Some(last) if part.start <= last.end.saturating_add(SMALL_GAP) => last.end = part.end,
            _ => joined.push_back(part.clone()),
        }
    }
    joined
}
