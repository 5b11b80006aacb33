//! A machine in the middle of its work, which can be gone on with as often as one likes.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::monitor::Monitor;
use super::{Emulator, Machine, MachineError, MachineOptions};

/// Disk, firmware's settings, memory and devices of a machine at one moment.
#[derive(Debug)]
pub struct Frozen {
    folder: TempDir,
}

impl Frozen {
    /// What the disk held.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.folder.path().join("disk.qcow2")
    }

    pub(super) fn variables(&self) -> PathBuf {
        self.folder.path().join("variables.fd")
    }

    pub(super) fn memory(&self) -> PathBuf {
        self.folder.path().join("memory")
    }
}

impl Machine {
    /// Keeps all of it as it is now; then the machine is off.
    ///
    /// # Errors
    /// What QEMU says; what the file system says.
    pub fn freeze(&mut self) -> Result<Frozen, MachineError> {
        let folder = tempfile::tempdir().map_err(MachineError::Folder)?;
        let frozen = Frozen { folder };
        Monitor::connect(&self.monitor_socket())?.save(&frozen.memory())?;
        self.cut_power()?;
        copy(&self.disk, &frozen.disk())?;
        copy(&self.variables(), &frozen.variables())?;
        Ok(frozen)
    }

    /// Goes on from there, with these options: the same ones, and a file for the disk that is replaced.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn thaw(
        emulator: &Emulator,
        options: &MachineOptions,
        frozen: &Frozen,
    ) -> Result<Self, MachineError> {
        if let Some(disk) = &options.overlay {
            copy(&frozen.disk(), disk)?;
        }
        let machine = Self::begin(emulator, options, Some(frozen))?;
        Monitor::connect(&machine.monitor_socket())?.go_on()?;
        Ok(machine)
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), MachineError> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|source| MachineError::File {
            path: from.to_owned(),
            source,
        })
}
