//! The partitions that hold the two systems.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{Advice, fadvise};

use crate::boot_state::Slot;
use crate::bundle::Place;

/// Opens partitions. Implemented by [`PartitionFiles`], and in tests by memory whose power fails.
pub trait SlotPartitions: Send + Sync {
    /// The one of a slot, to read it, and to write it if it is not the running one's.
    ///
    /// # Errors
    /// It is not there, or may not be opened.
    fn open(&self, slot: Slot, place: Place, access: Access) -> io::Result<Box<dyn SlotFile>>;
}

/// What a partition is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is changed.
    Read,
    /// The slot that does not run only.
    Write,
}

/// One open partition.
pub trait SlotFile: Send {
    /// Fills the buffer, or less of it at the end.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all of it.
    ///
    /// # Errors
    /// What the disk says; some of it may be written.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Waits until all is on the disk, and forgets what is known of it, so that it is read from there.
    ///
    /// # Errors
    /// What the disk says.
    fn sync(&self) -> io::Result<()>;
}

/// Partitions as the kernel shows them, or files of their size.
pub struct PartitionFiles<F>(pub F);

impl<F> fmt::Debug for PartitionFiles<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartitionFiles")
    }
}

impl<F> SlotPartitions for PartitionFiles<F>
where
    F: Fn(Slot, Place) -> io::Result<PathBuf> + Send + Sync,
{
    fn open(&self, slot: Slot, place: Place, access: Access) -> io::Result<Box<dyn SlotFile>> {
        let path = (self.0)(slot, place)?;
        let mut options = File::options();
        let file = options
            .read(true)
            .write(access == Access::Write)
            .open(path)?;
        Ok(Box::new(file))
    }
}

impl SlotFile for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(self, &mut buffer[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(again) if again.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()?;
        Ok(fadvise(self, 0, None, Advice::DontNeed)?)
    }
}

/// A partition from its first byte on.
pub(super) struct Reading<'a> {
    file: &'a dyn SlotFile,
    at: u64,
    end: u64,
}

impl<'a> Reading<'a> {
    /// The first `size` bytes.
    pub(super) fn first(file: &'a dyn SlotFile, size: u64) -> Self {
        Self {
            file,
            at: 0,
            end: size,
        }
    }
}

impl io::Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
