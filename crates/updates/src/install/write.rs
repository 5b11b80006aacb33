//! Fills the other slot, and puts it on trial.

use super::fill::SlotLock;
use super::index::Index;
use super::slots::{Access, Reading, SlotFile, SlotPartitions};
use super::staging::{Staged, Staging};
use super::{InstallError, Offer, Progress, Step};
use crate::boot_state::{BootState, Slot};
use crate::bundle::{BLOCK, Digester, Place, Planned, root_hash};

/// Writes the version that was received to the slot that does not run, reads it back, and has it tried at the next
/// start. What is there already is not written again.
///
/// # Errors
/// Nothing falls back to the slot from the first write on, nor is it tried; calling this again goes on.
pub fn write(
    offer: &Offer,
    staging: &Staging,
    index: &Index,
    partitions: &dyn SlotPartitions,
    boot: &dyn BootState,
    _lock: &SlotLock,
    report: &mut dyn FnMut(Progress),
) -> Result<Slot, InstallError> {
    let running = boot.current()?.slot;
    let target = running.opposite();
    let job = Job {
        offer,
        staged: staging.open(offer)?,
        index,
        partitions,
        running,
    };
    job.fill(boot, report)?;
    for place in Place::ALL {
        job.verify(place, report)?;
    }
    job.verify_root()?;
    boot.begin_trial(target)?;
    // Not before: it would seem to be the one of an earlier trial.
    if let Err(error) = staging.note_tried(&offer.manifest.release, target) {
        tracing::warn!(%error, "should it not get well, nobody will know which version it was");
    }
    // It is written and armed: what was fetched for it is only in the way.
    if let Err(error) = staging.clear() {
        tracing::warn!(%error, "what was fetched stays on the data partition");
    }
    Ok(target)
}

struct Job<'a> {
    offer: &'a Offer,
    staged: Staged,
    index: &'a Index,
    partitions: &'a dyn SlotPartitions,
    running: Slot,
}

impl Job<'_> {
    fn fill(
        &self,
        boot: &dyn BootState,
        report: &mut dyn FnMut(Progress),
    ) -> Result<(), InstallError> {
        let target = self.running.opposite();
        let total = self.total();
        let mut done = 0;
        let mut is_withdrawn = false;
        for place in Place::ALL {
            let failed = |step| move |source| partition(step, target, place, source);
            let file = self.open(target, place, Access::Write)?;
            let plan = self.offer.manifest.plan().into_iter();
            for planned in plan.filter(|planned| planned.place == place) {
                report(Progress {
                    step: Step::Writing,
                    done,
                    total,
                });
                done += u64::from(planned.chunk.1);
                let there = read(&*file, planned.at, &planned).map_err(failed("read"))?;
                if planned.chunk.is(&there) {
                    continue;
                }
                let bytes = self.bytes(&planned)?;
                if !is_withdrawn {
                    boot.withdraw_other()?;
                    is_withdrawn = true;
                }
                file.write_at(&bytes, planned.at).map_err(failed("write"))?;
            }
            file.sync().map_err(failed("write"))?;
        }
        Ok(())
    }

    /// A chunk, from where it is.
    fn bytes(&self, planned: &Planned) -> Result<Vec<u8>, InstallError> {
        if let Some(bytes) = self.staged.chunk(planned) {
            return Ok(bytes);
        }
        let (place, at) = self.index.find(&planned.chunk).ok_or(InstallError::Lost)?;
        let file = self.open(self.running, place, Access::Read)?;
        let bytes = read(&*file, at, planned)
            .map_err(|source| partition("read", self.running, place, source))?;
        if planned.chunk.is(&bytes) {
            Ok(bytes)
        } else {
            Err(InstallError::Lost)
        }
    }

    fn verify(&self, place: Place, report: &mut dyn FnMut(Progress)) -> Result<(), InstallError> {
        let target = self.running.opposite();
        let content = self.offer.manifest.content(place);
        let before = match place {
            Place::Boot => 0,
            Place::Root => self.offer.manifest.boot.size,
        };
        let file = self.open(target, place, Access::Read)?;
        let mut digester = Digester::default();
        let mut buffer = vec![0; 256 << 10];
        let mut at = 0;
        while at < content.size {
            report(Progress {
                step: Step::Verifying,
                done: before + at,
                total: self.total(),
            });
            let left = usize::try_from(content.size - at).unwrap_or(usize::MAX);
            let length = buffer.len().min(left);
            let read = file
                .read_at(&mut buffer[..length], at)
                .map_err(|source| partition("read back", target, place, source))?;
            if read == 0 {
                return Err(InstallError::NotWritten(place));
            }
            digester.update(&buffer[..read]);
            at += read as u64;
        }
        if digester.finish() == content.digest {
            Ok(())
        } else {
            Err(InstallError::NotWritten(place))
        }
    }

    /// The kernel will go by the root hash, and so do we.
    fn verify_root(&self) -> Result<(), InstallError> {
        let target = self.running.opposite();
        let verity = &self.offer.manifest.verity;
        let file = self.open(target, Place::Root, Access::Read)?;
        let data = Reading::first(&*file, verity.data_blocks * BLOCK);
        let found = root_hash(std::io::BufReader::with_capacity(256 << 10, data), verity)
            .map_err(|source| partition("read back", target, Place::Root, source))?;
        if found == verity.root_hash {
            Ok(())
        } else {
            Err(InstallError::RootHash)
        }
    }

    fn total(&self) -> u64 {
        self.offer.manifest.boot.size + self.offer.manifest.root.size
    }

    fn open(
        &self,
        slot: Slot,
        place: Place,
        access: Access,
    ) -> Result<Box<dyn SlotFile>, InstallError> {
        self.partitions
            .open(slot, place, access)
            .map_err(|source| partition("open", slot, place, source))
    }
}

/// As many bytes as the chunk has, from there on; fewer at the partition's end.
fn read(file: &dyn SlotFile, at: u64, planned: &Planned) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; planned.chunk.length()];
    let length = file.read_at(&mut bytes, at)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn partition(step: &'static str, slot: Slot, place: Place, source: std::io::Error) -> InstallError {
    InstallError::Partition {
        step,
        slot,
        place,
        source,
    }
}
