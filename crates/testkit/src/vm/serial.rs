//! The first serial port of a machine: everything it said, and a way to type.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::MachineError;
use crate::wait_for;

/// The port.
#[derive(Debug)]
pub struct Serial {
    stream: UnixStream,
    log: PathBuf,
}

impl Serial {
    /// Connects to QEMU's end; `log` is where QEMU writes what the machine says.
    pub(super) fn connect(path: &Path, log: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        let mut reader = stream.try_clone()?;
        // Nobody reads here, but QEMU must not wait for us.
        std::thread::spawn(move || {
            let mut sink = [0; 4096];
            while matches!(reader.read(&mut sink), Ok(1..)) {}
        });
        Ok(Self {
            stream,
            log: log.to_owned(),
        })
    }

    /// Everything said since power-on.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
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
        found.ok_or_else(|| {
            let text = self.text();
            let lines: Vec<&str> = text.lines().collect();
            MachineError::Silent {
                wanted: wanted.to_owned(),
                end: lines[lines.len().saturating_sub(5)..].join(" | "),
            }
        })
    }

    /// Waits until `wanted` was said at any time; returns the rest of that line.
    ///
    /// # Errors
    /// [`MachineError::Silent`].
    pub fn wait(&self, wanted: &str, limit: Duration) -> Result<String, MachineError> {
        self.wait_after(0, wanted, limit)
    }

    /// Types.
    ///
    /// # Errors
    /// That QEMU is gone.
    pub fn send(&self, text: &str) -> Result<(), MachineError> {
        (&self.stream)
            .write_all(text.as_bytes())
            .map_err(MachineError::Wait)
    }
}
