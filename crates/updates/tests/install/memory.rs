//! A box in memory: two slots on a disk whose power can be cut, and a loader.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cell_model::Timestamp;
use cell_signed::KeyList;
use cell_testkit::firmware::{Keys, Version};
use cell_updates::boot_state::fake::FakeBootState;
use cell_updates::boot_state::{BootState, Health, Slot};
use cell_updates::bundle::Place;
use cell_updates::install::{
    Access, Allowances, Index, InstallError, Installed, Offer, Received, SlotFile, SlotLock,
    SlotPartitions, Source, Staging, Stream, receive, write,
};

/// The box.
pub(crate) struct Cell {
    pub(crate) disk: Disk,
    pub(crate) boot: FakeBootState,
    pub(crate) staging: Staging,
    pub(crate) keys: KeyList,
    pub(crate) installed: Installed,
    pub(crate) now: Timestamp,
    pub(crate) allow: Allowances,
    pub(crate) lock: PathBuf,
    _folder: tempfile::TempDir,
}

impl Cell {
    /// One that runs this version in slot `a`, and holds it in slot `b` too.
    pub(crate) fn running(version: &Version, keys: &Keys) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        for slot in Slot::ALL {
            disk.put(slot, version);
        }
        let boot = FakeBootState::new();
        boot.repair(Health::Starting).unwrap();
        boot.repair(Health::Healthy).unwrap();
        Self {
            disk,
            boot,
            staging: Staging::new(folder.path().join("firmware")),
            keys: keys.list.clone(),
            installed: Installed {
                release: version.release.clone(),
                kept_schema: version.release.schema,
            },
            now: at("2026-06-01T00:00:00Z"),
            allow: Allowances::default(),
            lock: folder.path().join("lock"),
            _folder: folder,
        }
    }

    pub(crate) fn install(&self, bundle: &[u8]) -> Result<Received, InstallError> {
        self.install_from(&mut Stream(bundle))
    }

    pub(crate) fn install_from(&self, bundle: &mut dyn Source) -> Result<Received, InstallError> {
        let report = &mut |_| {};
        let offer = Offer::read(bundle, &self.keys)?;
        offer.check(&self.installed, self.allow, self.now)?;
        let running = self.boot.current()?.slot;
        let index = Index::of(&self.disk, running, None, report)?;
        let received = receive(&offer, bundle, &self.staging, &index, report)?;
        let staging = &self.staging;
        let lock = SlotLock::wait(&self.lock)?;
        write(
            &offer, staging, &index, &self.disk, &self.boot, &lock, report,
        )?;
        Ok(received)
    }

    /// Whether the loader may go to a slot, by itself or on trial.
    pub(crate) fn may_boot(&self, slot: Slot) -> bool {
        let wanted = self.boot.wanted().unwrap();
        wanted.primary == slot || wanted.other == Some(slot) || wanted.trial == Some(slot)
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The four partitions. What was written is on the disk only once it was synced; when the power fails, any of the rest
/// may be.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    partitions: BTreeMap<(Slot, Place), Vec<u8>>,
    synced: BTreeMap<(Slot, Place), Vec<u8>>,
    open_writes: Vec<((Slot, Place), usize, Vec<u8>)>,
    /// Bytes until the power fails; none when it stays.
    left: Option<usize>,
    written: usize,
}

impl Disk {
    fn put(&self, slot: Slot, version: &Version) {
        let mut memory = self.lock();
        for place in Place::ALL {
            let mut content = version.content(place).to_vec();
            content.resize(content.len() + 100_000, 0);
            memory.partitions.insert((slot, place), content.clone());
            memory.synced.insert((slot, place), content);
        }
    }

    /// Whether a slot holds all of a version.
    pub(crate) fn holds(&self, slot: Slot, version: &Version) -> bool {
        let memory = self.lock();
        Place::ALL
            .into_iter()
            .all(|place| memory.partitions[&(slot, place)].starts_with(version.content(place)))
    }

    /// Changes a byte, as a failing disk does.
    pub(crate) fn damage(&self, slot: Slot, place: Place, at: usize) {
        self.lock().partitions.get_mut(&(slot, place)).unwrap()[at] ^= 1;
    }

    /// The power fails after so many more bytes.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.lock().left = Some(bytes);
    }

    /// After the power came back: of what was not synced yet some is there, some is not.
    pub(crate) fn power_on(&self, random: &mut fastrand::Rng) {
        let mut memory = self.lock();
        memory.left = None;
        let mut partitions = memory.synced.clone();
        for (partition, at, bytes) in std::mem::take(&mut memory.open_writes) {
            if random.bool() {
                let from = &mut partitions.get_mut(&partition).unwrap()[at..];
                from[..bytes.len()].copy_from_slice(&bytes);
            }
        }
        memory.synced = partitions.clone();
        memory.partitions = partitions;
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> usize {
        self.lock().written
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotPartitions for Disk {
    fn open(&self, slot: Slot, place: Place, access: Access) -> io::Result<Box<dyn SlotFile>> {
        Ok(Box::new(OpenPartition {
            disk: self.clone(),
            partition: (slot, place),
            access,
        }))
    }
}

struct OpenPartition {
    disk: Disk,
    partition: (Slot, Place),
    access: Access,
}

fn no_power() -> io::Error {
    io::Error::other("the power failed")
}

impl SlotFile for OpenPartition {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let memory = self.disk.lock();
        if memory.left == Some(0) {
            return Err(no_power());
        }
        let content = &memory.partitions[&self.partition];
        let from = content.len().min(at as usize);
        let length = buffer.len().min(content.len() - from);
        buffer[..length].copy_from_slice(&content[from..from + length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        assert_eq!(self.access, Access::Write);
        let mut memory = self.disk.lock();
        let goes_in = memory.left.unwrap_or(bytes.len()).min(bytes.len());
        if let Some(left) = &mut memory.left {
            *left -= goes_in;
        }
        memory.written += goes_in;
        let at = at as usize;
        let content = memory.partitions.get_mut(&self.partition).unwrap();
        content
            .get_mut(at..at + goes_in)
            .ok_or(io::ErrorKind::StorageFull)?
            .copy_from_slice(&bytes[..goes_in]);
        // A disk writes sectors in any order.
        for (number, sector) in bytes[..goes_in].chunks(512).enumerate() {
            let write = (self.partition, at + number * 512, sector.to_vec());
            memory.open_writes.push(write);
        }
        if memory.left == Some(0) {
            return Err(no_power());
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut memory = self.disk.lock();
        if memory.left == Some(0) {
            return Err(no_power());
        }
        let content = memory.partitions[&self.partition].clone();
        memory.synced.insert(self.partition, content);
        let partition = self.partition;
        memory.open_writes.retain(|(other, ..)| *other != partition);
        Ok(())
    }
}
