//! A volume's content, copied for an update: with owners, modes, times, links and extended attributes.
//!
//! Nobody writes into either tree meanwhile: no container of the service runs. A copy is whole once its mark stands beside
//! it; one without is begun anew, so it does not matter when the power goes.

#[cfg(test)]
mod tests;
mod tree;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::syncfs;

use crate::size;

/// The mark, in the folder that podman has for a volume, beside that with its content.
const WHOLE: &str = "cell.copied";
/// Room that is left on the disk for everything else.
const SPARE: u64 = 256 * 1024 * 1024;

/// Why a volume was not copied. What was to be copied is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The disk is too full.
    #[error(
        "there is no room for a copy of its data: {needed} MiB are needed and {free} MiB are free"
    )]
    NoRoom {
        /// What it takes, with some to spare.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// A file cannot be read or written.
    #[error("its data cannot be copied at {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon ends. It is begun anew.
    #[error("its data is being copied, and was interrupted")]
    Interrupted,
}

impl CopyError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Whether the copy at this mount point is whole.
pub(crate) fn is_whole(mount_point: &Path) -> bool {
    mount_point.with_file_name(WHOLE).is_file()
}

/// Makes `to` a copy of `from`; no `from`, and there is nothing to be copied. Both are mount points of volumes.
pub(crate) async fn copy(from: Option<PathBuf>, to: PathBuf) -> Result<(), CopyError> {
    // Whoever does not wait any more has it ended.
    let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&stop.0);
    let copying = tokio::task::spawn_blocking(move || copy_now(from.as_deref(), &to, &flag));
    copying.await.unwrap_or(Err(CopyError::Interrupted))
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn copy_now(from: Option<&Path>, to: &Path, stop: &AtomicBool) -> Result<(), CopyError> {
    empty(to).map_err(CopyError::at(to))?;
    if let Some(from) = from {
        let needed = size::on_disk(from.to_owned()).map_err(CopyError::at(from))?;
        let needed = needed.saturating_add(SPARE);
        // Of the disk: the folder itself may be limited to less than the spare room.
        let disk = to.parent().unwrap_or(to);
        let free = cell_durable::free_room(disk).map_err(CopyError::at(disk))?;
        if needed > free {
            return Err(CopyError::NoRoom {
                needed: needed.div_ceil(1024 * 1024),
                free: free / (1024 * 1024),
            });
        }
        tree::copy(from, to, stop)?;
    }
    let disk = File::open(to).map_err(CopyError::at(to))?;
    syncfs(&disk).map_err(|error| CopyError::at(to)(error.into()))?;
    let mark = to.with_file_name(WHOLE);
    cell_durable::replace(&mark, b"", 0o600).map_err(CopyError::at(&mark))
}

/// Takes away what an interrupted copy has left.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}
