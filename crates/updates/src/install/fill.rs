//! Fills the slot that holds nothing to fall back to, from the running one (`docs/adr/0014-second-slot.md`).

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::InstallError;
use super::slots::{Access, SlotFile, SlotPartitions};
use crate::boot_state::{BootState, Slot};
use crate::bundle::Place;

/// Bytes copied at once.
const PIECE: usize = 1 << 20;
/// After so many of them they are on the disk.
const SYNC_EVERY: u64 = 16;

/// Keeps everybody else from writing the slot that does not run, until it is dropped.
#[derive(Debug)]
pub struct SlotLock {
    _file: File,
}

impl SlotLock {
    /// Waits until nobody else writes it. `path` is a file that all of them agree on; it is made.
    ///
    /// # Errors
    /// [`InstallError::Staging`], since nothing else is to be done about it either.
    pub fn wait(path: &Path) -> Result<Self, InstallError> {
        let failed = |source| InstallError::Staging {
            step: "lock",
            path: path.to_owned(),
            source,
        };
        let file = File::create(path).map_err(failed)?;
        flock(&file, FlockOperation::LockExclusive).map_err(|errno| failed(errno.into()))?;
        Ok(Self { _file: file })
    }
}

/// Copies the running slot to the opposite one if that holds nothing of use, and reads it back; then it may be fallen
/// back to. None: there was nothing to do. `root_size`: bytes of the running root with its hash tree.
///
/// # Errors
/// Nothing falls back to the slot; the next call begins anew.
pub fn fill(
    partitions: &dyn SlotPartitions,
    boot: &dyn BootState,
    root_size: u64,
    _lock: &SlotLock,
) -> Result<Option<Slot>, InstallError> {
    let running = boot.current()?;
    let Some(target) = boot.wanted()?.vacant(&running) else {
        return Ok(None);
    };
    for place in Place::ALL {
        let size = match place {
            Place::Boot => place.room(),
            Place::Root => root_size,
        };
        let failed = |step, slot| {
            move |source| InstallError::Partition {
                step,
                slot,
                place,
                source,
            }
        };
        let open = |slot, access| {
            let opened = partitions.open(slot, place, access);
            opened.map_err(failed("open", slot))
        };
        let from = open(running.slot, Access::Read)?;
        let to = open(target, Access::Write)?;
        pieces(&*from, size, |at, piece| {
            to.write_at(piece, at)?;
            if is_time_to_sync(at) {
                to.sync()?;
            }
            Ok(())
        })
        .map_err(failed("copy", target))?;
        to.sync().map_err(failed("write", target))?;
        let mut there = vec![0; PIECE];
        let mut is_same = true;
        pieces(&*from, size, |at, piece| {
            let read = to.read_at(&mut there[..piece.len()], at)?;
            is_same &= there[..read] == *piece;
            Ok(())
        })
        .map_err(failed("read back", target))?;
        if !is_same {
            return Err(InstallError::NotWritten(place));
        }
    }
    boot.restore_other()?;
    Ok(Some(target))
}

/// Neither what is written nor what was read fills the memory of a small box.
fn is_time_to_sync(at: u64) -> bool {
    (at / PIECE as u64 + 1).is_multiple_of(SYNC_EVERY)
}

/// The first `size` bytes piece by piece; fewer where the partition ends.
fn pieces(
    from: &dyn SlotFile,
    size: u64,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while at < size {
        let left = usize::try_from(size - at).unwrap_or(usize::MAX);
        let length = from.read_at(&mut buffer[..left.min(PIECE)], at)?;
        if length == 0 {
            break;
        }
        each(at, &buffer[..length])?;
        if is_time_to_sync(at) {
            from.sync()?;
        }
        at += length as u64;
    }
    from.sync()
}
