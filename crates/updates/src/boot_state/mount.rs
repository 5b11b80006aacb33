//! The partition `select`, mounted only while its files are read or written.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::files::{OpenFolder, lock};
use super::{BootStateError, OpenFiles, StateFile, StateFiles};

/// A FAT partition and the folder it is mounted at for the occasion. A power cut while nothing is open cannot harm the
/// file system, and nobody else can write to it by chance.
#[derive(Debug, Clone)]
pub struct MountedSelect {
    device: PathBuf,
    mount_point: PathBuf,
}

impl MountedSelect {
    /// `device` is the partition's device file; `mount_point`, normally `/run/select`, is made when it is not there.
    /// [`select_device`](super::select_device) finds the device.
    pub fn new(device: impl Into<PathBuf>, mount_point: impl Into<PathBuf>) -> Self {
        Self {
            device: device.into(),
            mount_point: mount_point.into(),
        }
    }
}

impl StateFiles for MountedSelect {
    fn open(&self) -> Result<Box<dyn OpenFiles + '_>, BootStateError> {
        std::fs::create_dir_all(&self.mount_point)
            .map_err(|source| failure("make", &self.mount_point, source))?;
        // Not the folder itself: once mounted over, that is another one.
        let beside = self.mount_point.with_extension("lock");
        File::create(&beside).map_err(|source| failure("make", &beside, source))?;
        let lock = lock(&beside)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(
            &self.device,
            &self.mount_point,
            "vfat",
            flags | MountFlags::SYNCHRONOUS,
            c"umask=0077",
        )
        .map_err(|errno| failure("mount", &self.device, errno.into()))?;
        Ok(Box::new(OpenMount {
            folder: OpenFolder {
                path: &self.mount_point,
                _lock: None,
            },
            is_mounted: true,
            _lock: lock,
        }))
    }
}

/// Unmounts when dropped, and then lets the next one in: fields are dropped after that.
#[derive(Debug)]
struct OpenMount<'a> {
    folder: OpenFolder<'a>,
    is_mounted: bool,
    _lock: File,
}

impl OpenMount<'_> {
    fn unmount(&mut self) -> Result<(), BootStateError> {
        if std::mem::take(&mut self.is_mounted) {
            // Whoever looks into it for a moment must not keep it mounted.
            unmount(self.folder.path, UnmountFlags::empty())
                .or_else(|_| unmount(self.folder.path, UnmountFlags::DETACH))
                .map_err(|errno| failure("unmount", self.folder.path, errno.into()))?;
        }
        Ok(())
    }
}

impl Drop for OpenMount<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            tracing::warn!(%error, "the select partition stays mounted");
        }
    }
}

impl OpenFiles for OpenMount<'_> {
    fn read(&self, file: StateFile) -> std::io::Result<Option<Vec<u8>>> {
        self.folder.read(file)
    }

    fn write(&self, file: StateFile, block: &[u8]) -> std::io::Result<()> {
        self.folder.write(file, block)
    }

    fn close(mut self: Box<Self>) -> Result<(), BootStateError> {
        self.unmount()
    }
}

fn failure(step: &'static str, path: &Path, source: std::io::Error) -> BootStateError {
    BootStateError::Open {
        step,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_cannot_be_mounted_is_named_and_the_next_caller_does_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let point = folder.path().join("select");
        let select = MountedSelect::new("/dev/nowhere", &point);
        for _ in 0..2 {
            let Err(error) = select.open() else {
                unreachable!("there is no such device");
            };
            assert_eq!(error.to_string(), "cannot mount /dev/nowhere");
        }
        assert!(point.is_dir());
    }
}
