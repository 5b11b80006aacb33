//! Which chunks the running system holds.

use std::collections::HashMap;

use super::slots::{Access, Reading, SlotPartitions};
use super::{InstallError, Progress, Step};
use crate::boot_state::Slot;
use crate::bundle::{Chunk, Chunks, Place};

/// Where the running slot holds which chunks.
#[derive(Debug, Default)]
pub struct Index {
    places: HashMap<Chunk, (Place, u64)>,
}

impl Index {
    /// Reads the running slot through. `root_size`: bytes of its root with the hash tree, where that is known; behind
    /// it is nothing of use.
    ///
    /// # Errors
    /// [`InstallError::Partition`].
    pub fn of(
        partitions: &dyn SlotPartitions,
        running: Slot,
        root_size: Option<u64>,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Self, InstallError> {
        let size = |place| match place {
            Place::Boot => Place::Boot.room(),
            Place::Root => root_size.unwrap_or(Place::Root.room()),
        };
        let total = Place::ALL.map(size).iter().sum();
        let mut index = Self::default();
        let mut done = 0;
        for place in Place::ALL {
            let unreadable = |source| InstallError::Partition {
                step: "read",
                slot: running,
                place,
                source,
            };
            let file = partitions
                .open(running, place, Access::Read)
                .map_err(unreadable)?;
            for chunk in Chunks::new(Reading::first(&*file, size(place))) {
                let (at, bytes) = chunk.map_err(unreadable)?;
                report(Progress {
                    step: Step::Comparing,
                    done: done + at,
                    total,
                });
                index.places.entry(Chunk::of(&bytes)).or_insert((place, at));
            }
            done += size(place);
        }
        Ok(index)
    }

    /// Where a chunk is.
    pub(super) fn find(&self, chunk: &Chunk) -> Option<(Place, u64)> {
        self.places.get(chunk).copied()
    }
}
