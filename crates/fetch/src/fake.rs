//! Servers that only are remembered: for tests of whoever fetches.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::{Command, FetchError, FetchLink, Fetched, LinkError, Reply};

/// Gives what it was given, by the place it is asked for.
#[derive(Debug, Default)]
pub struct FakeFetch {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    failing: Option<FetchError>,
    asked: Vec<Command>,
}

impl FakeFetch {
    /// One that has nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on it has this at the place (`https://…`).
    pub fn put(&self, place: &str, bytes: &[u8]) {
        self.state().files.insert(place.to_owned(), bytes.to_vec());
    }

    /// It has nothing there any more.
    pub fn take(&self, place: &str) {
        self.state().files.remove(place);
    }

    /// Whatever it is asked for, it fails (or gives it again).
    pub fn fail(&self, error: Option<FetchError>) {
        self.state().failing = error;
    }

    /// What it was asked for, in order.
    pub fn asked(&self) -> Vec<Command> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl FetchLink for FakeFetch {
    async fn fetch(&self, command: Command, sink: OwnedFd) -> Result<Reply, LinkError> {
        let file = {
            let mut state = self.state();
            state.asked.push(command.clone());
            match &state.failing {
                Some(error) => Err(error.clone()),
                None => {
                    let file = state.files.get(&command.url.to_string());
                    file.cloned().ok_or(FetchError::Status(404))
                }
            }
        };
        let file = match file {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let written = tokio::task::spawn_blocking(move || {
            let mut sink = UnixStream::from(sink);
            for part in command.parts {
                let length = file.len();
                let at = |place: u64| usize::try_from(place).map_or(length, |at| at.min(length));
                sink.write_all(&file[at(part.start)..at(part.end)])?;
            }
            std::io::Result::Ok(file.len() as u64)
        });
        Ok(match written.await {
            Ok(Ok(size)) => Ok(Fetched { size, tag: None }),
            _ => Err(FetchError::Unwanted),
        })
    }
}
