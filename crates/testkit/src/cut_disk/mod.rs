//! A disk whose power can be cut at every moment: what a program wrote to it, and all that may be left of that.
//!
//! [`CutDisk`] is a file system of its own (FUSE), so that the real program writes to it through the real kernel. It
//! keeps every operation in order as a [`Recording`]. From that, [`Replay`] makes what a power cut at any moment may
//! leave, as an [`Image`]: a folder to open, or the disk of the next start, whose power may be cut again. So one run
//! of a program is good for thousands of cuts, also in the middle of a system call that takes long.
//!
//! # What may be left
//!
//! As much as, and never more than, ext4 leaves as the box mounts it (`data=ordered`, delayed allocation,
//! `dioread_nolock`, barriers) on a drive with a volatile cache:
//!
//! - Names, rights and lengths are journalled: of the operations on them a prefix survives, in order. It reaches at
//!   least to what the last `fsync` of a file or folder had to commit: for a file its creation, renames, rights and
//!   length (`fdatasync`: creation and length), for a folder its entries. An operation on one file thereby carries
//!   all earlier ones on others along, as jbd2's transactions do.
//! - Data of blocks that were already on the disk is overwritten in place and not journalled: of every sector (512
//!   bytes) any state since the last `fsync` may be there, independent of every other sector and of the journal. A
//!   write may be torn, and a later one there without an earlier one.
//! - Data of new blocks (4 KiB: appended, or in a hole) is there as a whole or not at all, since a block is given to a
//!   file only after its data. A file gets longer only by what was written, though perhaps later than other things
//!   happen; what lies before its new end and is not there reads as zeros.
//! - What is done to a file or folder with the attribute `S` (chattr) is followed by a sync before it is answered. What
//!   is made in such a folder has the attribute too.
//! - `sync_file_range` promises nothing: it neither commits the journal nor empties the drive's cache. Nor does closing
//!   a file or renaming it.
//!
//! Not modelled: drives that lie about flushes, and blocks that go bad.
//!
//! Promises: a cut is chosen by a seed; the recording is what the kernel asked for, in its order. Must never: lose what
//! ext4 keeps, or the tests would ask for what no program can do. Needs root and `/dev/fuse`; call it inside
//! [`in_own_mounts`], so that no mount outlives the test, and let programs that use the disk be processes of their own:
//! a process that is killed while it waits for a disk it serves itself never ends.
//!
//! Start reading at [`CutDisk::mount`], then [`Replay::cut`].

mod content;
mod error;
mod file;
mod image;
mod mounted;
mod names;
mod own_mounts;
mod replay;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use fuser::{BackgroundSession, Config, MountOption};
use rustix::mount::{UnmountFlags, unmount};

use self::mounted::{Live, Mounted};
use self::names::NameChange;
use crate::wait_for;

pub use self::error::CutDiskError;
pub use self::file::SECTOR;
pub use self::image::Image;
pub use self::own_mounts::in_own_mounts;
pub use self::replay::Replay;

/// How long files may stay open after the program let go of them: sled's threads end some time later.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mounted disk that records what happens to it.
#[derive(Debug)]
pub struct CutDisk {
    path: PathBuf,
    live: Arc<Mutex<Live>>,
    session: Option<BackgroundSession>,
}

/// Everything that happened to a disk, in order.
#[derive(Debug)]
pub struct Recording {
    start: Image,
    events: Vec<Event>,
}

/// One thing that happened. Files and folders have numbers, which are never used again.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Of names and rights.
    Name(NameChange),
    /// Bytes of a file.
    Write {
        file: u64,
        offset: usize,
        data: Vec<u8>,
    },
    /// The length of a file.
    Length { file: u64, length: usize },
    /// `fsync`, or `fdatasync`.
    Sync { node: u64, data_only: bool },
}

impl CutDisk {
    /// Mounts a disk with this on it at an empty folder.
    ///
    /// # Errors
    /// When the kernel refuses: without root, or without `/dev/fuse`.
    pub fn mount(path: &Path, start: &Image) -> Result<Self, CutDiskError> {
        let live = Arc::new(Mutex::new(Live::new(start)));
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("cell-cut-disk".to_owned()),
            MountOption::NoAtime,
        ];
        let session = fuser::spawn_mount(Mounted(Arc::clone(&live)), path, &config)
            .map_err(CutDiskError::Mount)?;
        Ok(Self {
            path: path.to_owned(),
            live,
            session: Some(session),
        })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many things happened so far. What a program was told before this call had happened by then.
    #[must_use]
    pub fn moment(&self) -> usize {
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .events
            .len()
    }

    /// Unmounts the disk, once nobody has a file of it open any more.
    ///
    /// # Errors
    /// That a file stayed open.
    pub fn finish(mut self) -> Result<Recording, CutDiskError> {
        let unmounted = wait_for(PATIENCE, || unmount(&self.path, UnmountFlags::empty()).ok());
        unmounted.ok_or(CutDiskError::Busy)?;
        if let Some(session) = self.session.take() {
            session.join().map_err(CutDiskError::Serve)?;
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Recording {
            start: std::mem::take(&mut live.start),
            events: std::mem::take(&mut live.events),
        })
    }
}

impl Drop for CutDisk {
    fn drop(&mut self) {
        if self.session.take().is_some() {
            // Nothing more can be done for a disk that is given up while files are open; the mounts of the test's
            // process go with it.
            let _ = unmount(&self.path, UnmountFlags::DETACH);
        }
    }
}

impl Recording {
    /// How many things happened.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Any moment.
    #[must_use]
    pub fn any_moment(&self, random: &mut Rng) -> usize {
        random.usize(..=self.events.len())
    }

    /// A moment right after any of the bytes that were written: where much is written at once, most of them are.
    #[must_use]
    pub fn any_byte(&self, random: &mut Rng) -> usize {
        let bytes = |event: &Event| match event {
            Event::Write { data, .. } => data.len(),
            _ => 0,
        };
        let written: usize = self.events.iter().map(bytes).sum();
        let mut byte = random.usize(..=written);
        let before = self.events.iter().take_while(|event| {
            let is_before = byte >= bytes(event);
            byte = byte.saturating_sub(bytes(event));
            is_before
        });
        before.count()
    }

    /// Goes through what happened, from the start.
    #[must_use]
    pub fn replay(&self) -> Replay<'_> {
        Replay::new(self)
    }
}

#[cfg(test)]
mod tests;
