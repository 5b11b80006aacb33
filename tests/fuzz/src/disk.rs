//! The slot that does not run, in memory, with nothing in it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cell_updates::boot_state::Slot;
use cell_updates::bundle::Place;
use cell_updates::install::{Access, SlotFile, SlotPartitions};

type Contents = Arc<Mutex<BTreeMap<Place, Vec<u8>>>>;

/// Both partitions of it; each ends with the last byte written.
#[derive(Debug, Clone, Default)]
pub(crate) struct EmptySlot(Contents);

impl EmptySlot {
    pub(crate) fn content(&self, place: Place) -> Vec<u8> {
        lock(&self.0).get(&place).cloned().unwrap_or_default()
    }
}

impl SlotPartitions for EmptySlot {
    fn open(&self, slot: Slot, place: Place, _: Access) -> io::Result<Box<dyn SlotFile>> {
        assert_eq!(slot, Slot::B, "slot a runs, and holds nothing of use");
        let contents = Arc::clone(&self.0);
        Ok(Box::new(Open { contents, place }))
    }
}

struct Open {
    contents: Contents,
    place: Place,
}

impl SlotFile for Open {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let contents = lock(&self.contents);
        let content = contents.get(&self.place).map_or(&[][..], Vec::as_slice);
        let at = usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
        let length = buffer.len().min(content.len() - at);
        buffer[..length].copy_from_slice(&content[at..at + length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let end = at + bytes.len() as u64;
        assert!(end <= self.place.room(), "beyond the partition");
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let mut contents = lock(&self.contents);
        let content = contents.entry(self.place).or_default();
        content.resize(content.len().max(at + bytes.len()), 0);
        content[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn lock(contents: &Contents) -> MutexGuard<'_, BTreeMap<Place, Vec<u8>>> {
    contents.lock().unwrap_or_else(PoisonError::into_inner)
}
