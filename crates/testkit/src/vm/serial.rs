//! The first serial port of a machine: everything it said, and a way to type.

use std::fs;
use std::io::{self, Read, Write};
use std::num::NonZero;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::MachineError;
use crate::wait_for;

const ROWS: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(80).unwrap();

/// The port.
#[derive(Debug)]
pub struct Serial {
    socket: PathBuf,
    log: PathBuf,
    /// QEMU talks to one at a time: it is left to others until something is typed here.
    stream: Mutex<Option<UnixStream>>,
}

impl Serial {
    /// QEMU's end, which is there once QEMU runs; `log` is where QEMU writes what the machine says.
    pub(super) fn find(socket: &Path, log: &Path) -> Option<Self> {
        socket.exists().then(|| Self {
            socket: socket.to_owned(),
            log: log.to_owned(),
            stream: Mutex::default(),
        })
    }

    /// Where a program such as socat reaches the port while nothing is typed here.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Everything said since power-on.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// What a terminal of 80 columns and 24 rows shows after all that.
    #[must_use]
    pub fn screen(&self) -> String {
        let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
        screen.process(&fs::read(&self.log).unwrap_or_default());
        screen.screen().contents()
    }

    /// Waits until `wanted` stands on that screen.
    ///
    /// # Errors
    /// [`MachineError::Silent`], with the screen, when `limit` has passed.
    pub fn sees(&self, wanted: &str, limit: Duration) -> Result<(), MachineError> {
        let found = wait_for(limit, || self.screen().contains(wanted).then_some(()));
        found.ok_or_else(|| MachineError::Silent {
            wanted: wanted.to_owned(),
            end: self.screen(),
        })
    }

    /// A point from which to look: what is said later.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.text().len()
    }

    /// Waits until what was said after `mark` holds `wanted`; returns the rest of that line.
    ///
    /// # Errors
    /// [`MachineError::Silent`] when `limit` has passed.
    pub fn wait_after(
        &self,
        mark: usize,
        wanted: &str,
        limit: Duration,
    ) -> Result<String, MachineError> {
        let found = wait_for(limit, || {
            let text = self.text();
            let later = text.get(mark..)?;
            let (_, rest) = later.split_once(wanted)?;
            // A line counts once it is whole.
            let (line, _) = rest.split_once('\n')?;
            Some(line.trim().to_owned())
        });
        found.ok_or_else(|| self.silent(wanted))
    }

    /// Waits until `wanted` was drawn after `mark`, on a line that may still be open: a menu waits with its cursor there.
    ///
    /// # Errors
    /// [`MachineError::Silent`] when `limit` has passed.
    pub fn wait_drawn_after(
        &self,
        mark: usize,
        wanted: &str,
        limit: Duration,
    ) -> Result<(), MachineError> {
        let drawn = wait_for(limit, || {
            let text = self.text();
            text.get(mark..)?.contains(wanted).then_some(())
        });
        drawn.ok_or_else(|| self.silent(wanted))
    }

    /// Waits until `wanted` was said at any time; returns the rest of that line.
    ///
    /// # Errors
    /// [`MachineError::Silent`].
    pub fn wait(&self, wanted: &str, limit: Duration) -> Result<String, MachineError> {
        self.wait_after(0, wanted, limit)
    }

    fn silent(&self, wanted: &str) -> MachineError {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        MachineError::Silent {
            wanted: wanted.to_owned(),
            end: lines[lines.len().saturating_sub(5)..].join(" | "),
        }
    }

    /// Types.
    ///
    /// # Errors
    /// That QEMU is gone.
    pub fn send(&self, text: &str) -> Result<(), MachineError> {
        self.type_in(text.as_bytes()).map_err(MachineError::Wait)
    }

    fn type_in(&self, bytes: &[u8]) -> io::Result<()> {
        let mut held = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            let stream = UnixStream::connect(&self.socket)?;
            let mut reader = stream.try_clone()?;
            // Nobody reads here, but QEMU must not wait for us.
            std::thread::spawn(move || {
                let mut sink = [0; 4096];
                while matches!(reader.read(&mut sink), Ok(1..)) {}
            });
            *held = Some(stream);
        }
        held.as_mut()
            .map_or(Ok(()), |stream| stream.write_all(bytes))
    }
}
