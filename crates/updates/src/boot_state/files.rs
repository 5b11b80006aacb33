//! Where the four files lie: a folder, a device that is mounted for the occasion, or memory.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::BootStateError;

/// One of the four files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateFile {
    /// First copy of the selection.
    Selection0,
    /// Second copy of the selection.
    Selection1,
    /// First copy of the tries.
    Tries0,
    /// Second copy of the tries.
    Tries1,
}

impl StateFile {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Selection0,
        Self::Selection1,
        Self::Tries0,
        Self::Tries1,
    ];
    /// The copies of the selection.
    pub const SELECTIONS: [Self; 2] = [Self::Selection0, Self::Selection1];
    /// The copies of the tries.
    pub const TRIES: [Self; 2] = [Self::Tries0, Self::Tries1];

    /// The path on the partition `select`, without a leading slash.
    pub fn path(self) -> &'static str {
        match self {
            Self::Selection0 => "cell/sel0",
            Self::Selection1 => "cell/sel1",
            Self::Tries0 => "cell/tries0",
            Self::Tries1 => "cell/tries1",
        }
    }
}

impl fmt::Display for StateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

/// A place for the files that must be opened first.
pub trait StateFiles: Send + Sync {
    /// Opens the place for one caller; others wait.
    ///
    /// # Errors
    /// [`BootStateError::Open`].
    fn open(&self) -> Result<Box<dyn OpenFiles + '_>, BootStateError>;
}

/// The files, opened for one caller.
pub trait OpenFiles {
    /// The bytes of a file; none when it does not exist.
    ///
    /// # Errors
    /// As the system says; a file that the medium does not give back is none.
    fn read(&self, file: StateFile) -> io::Result<Option<Vec<u8>>>;

    /// Overwrites a file in place, or makes it, and returns when that is on the disk.
    ///
    /// # Errors
    /// As the system says. The file may hold any beginning of `block` followed by what it held before.
    fn write(&self, file: StateFile, block: &[u8]) -> io::Result<()>;

    /// Closes the place; everything is on the disk afterwards.
    ///
    /// # Errors
    /// [`BootStateError::Open`].
    fn close(self: Box<Self>) -> Result<(), BootStateError>;
}

/// The partition `select` where somebody else has mounted it.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Files lie in `path/cell/`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl StateFiles for Folder {
    fn open(&self) -> Result<Box<dyn OpenFiles + '_>, BootStateError> {
        let lock = lock(&self.path)?;
        Ok(Box::new(OpenFolder {
            path: &self.path,
            _lock: Some(lock),
        }))
    }
}

/// A folder with the files.
#[derive(Debug)]
pub(super) struct OpenFolder<'a> {
    pub(super) path: &'a Path,
    /// Held while somebody reads or writes.
    pub(super) _lock: Option<File>,
}

/// Takes the lock of a folder; waits for whoever has it.
pub(super) fn lock(path: &Path) -> Result<File, BootStateError> {
    let failed = |step| {
        move |source| BootStateError::Open {
            step,
            path: path.to_owned(),
            source,
        }
    };
    let folder = File::open(path).map_err(failed("open"))?;
    flock(&folder, FlockOperation::LockExclusive).map_err(|errno| failed("lock")(errno.into()))?;
    Ok(folder)
}

impl OpenFiles for OpenFolder<'_> {
    fn read(&self, file: StateFile) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path.join(file.path())) {
            Ok(content) => Ok(Some(content)),
            // FAT answers with EIO for what the medium does not give back; GRUB reads nothing either.
            Err(error) if error.kind() == ErrorKind::NotFound || is_unreadable(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, file: StateFile, block: &[u8]) -> io::Result<()> {
        let path = self.path.join(file.path());
        let folder = path.parent().unwrap_or(self.path);
        std::fs::create_dir_all(folder)?;
        let target = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        let length = block.len() as u64;
        let is_new = target.metadata()?.len() != length;
        target.write_all_at(block, 0)?;
        if is_new {
            target.set_len(length)?;
        }
        target.sync_all()?;
        if is_new {
            File::open(folder)?.sync_all()?;
            File::open(self.path)?.sync_all()?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), BootStateError> {
        Ok(())
    }
}

fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}
