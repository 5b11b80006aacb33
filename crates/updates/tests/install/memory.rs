//! A box in memory: two slots on a disk whose power can be cut, a loader, keys, and versions of its system as bundles.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cell_model::Timestamp;
use cell_signed::{Envelope, KeyList, Purpose, SigningKey};
use cell_updates::boot_state::fake::FakeBootState;
use cell_updates::boot_state::{BootState, Health, Slot};
use cell_updates::bundle::{
    self, BLOCK, Content, Digest, Header, Manifest, Place, Release, ReleaseChannel, Sbom, Verity,
};
use cell_updates::install::{
    Access, Allowances, Index, InstallError, Installed, Offer, Received, SlotFile, SlotPartitions,
    Source, Staging, Stream, receive, write,
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
        write(&offer, staging, &index, &self.disk, &self.boot, report)?;
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

/// Who signs.
pub(crate) struct Keys {
    pub(crate) signers: Vec<SigningKey>,
    pub(crate) list: KeyList,
    pub(crate) chain: Vec<Envelope>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let signers = signers();
        let list = KeyList {
            version: 1,
            purpose: Purpose::Release,
            threshold: 2,
            keys: signers.iter().map(SigningKey::public).collect(),
        };
        let chain = vec![list.seal(&signers).unwrap()];
        Self {
            signers,
            list,
            chain,
        }
    }

    /// New keys, brought in by these.
    pub(crate) fn replaced(&self) -> Self {
        let signers = signers();
        let list = KeyList {
            version: self.list.version + 1,
            keys: signers.iter().map(SigningKey::public).collect(),
            ..self.list.clone()
        };
        let mut chain = self.chain.clone();
        chain.push(list.seal(&self.signers[..2]).unwrap());
        Self {
            signers,
            list,
            chain,
        }
    }
}

fn signers() -> Vec<SigningKey> {
    let key = || SigningKey::from_pkcs8(SigningKey::generate().unwrap().expose()).unwrap();
    std::iter::repeat_with(key).take(3).collect()
}

/// A version of the system: what its partitions hold.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) release: Release,
    pub(crate) boot: Vec<u8>,
    pub(crate) root: Vec<u8>,
    pub(crate) verity: Verity,
}

impl Version {
    /// Of noise; `sequence` is its seed too.
    pub(crate) fn new(sequence: u64) -> Self {
        let data = noise(sequence, 250 * BLOCK as usize);
        Self::of(sequence, noise(sequence + 1_000, 300_000), data)
    }

    /// The next one, in which some bytes in the middle of the root are others and the rest has moved.
    pub(crate) fn changed(&self) -> Self {
        let sequence = self.release.sequence + 1;
        let mut data = self.root[..250 * BLOCK as usize].to_vec();
        data.splice(500_000..500_100, noise(sequence, 200));
        data.truncate(250 * BLOCK as usize);
        Self::of(sequence, self.boot.clone(), data)
    }

    fn of(sequence: u64, boot: Vec<u8>, data: Vec<u8>) -> Self {
        let blocks = data.len() as u64 / BLOCK;
        let mut verity = Verity {
            root_hash: Digest::of(b""),
            salt: "5a".repeat(32),
            data_blocks: blocks,
        };
        verity.root_hash = bundle::root_hash(&data[..], &verity).unwrap();
        let mut root = data;
        let tree = bundle::size_with_tree(blocks) as usize - root.len();
        root.extend(noise(sequence + 2_000, tree));
        Self {
            release: Release {
                board: "pc".to_owned(),
                version: format!("1.{sequence}.0"),
                sequence,
                schema: 3,
            },
            boot,
            root,
            verity,
        }
    }

    pub(crate) fn content(&self, place: Place) -> &[u8] {
        match place {
            Place::Boot => &self.boot,
            Place::Root => &self.root,
        }
    }

    pub(crate) fn manifest(&self) -> Manifest {
        Manifest {
            release: self.release.clone(),
            channel: ReleaseChannel::Stable,
            expires: at("2026-07-01T00:00:00Z"),
            notes: "What is new.".to_owned(),
            sbom: Sbom {
                name: "cell-pc.spdx.json".to_owned(),
                digest: Digest::of(b"list"),
            },
            boot: Content::of(&self.boot[..]).unwrap(),
            root: Content::of(&self.root[..]).unwrap(),
            verity: self.verity.clone(),
        }
    }

    pub(crate) fn bundle(&self, keys: &Keys) -> Vec<u8> {
        self.bundle_with(&self.manifest(), keys, 2)
    }

    pub(crate) fn bundle_with(&self, manifest: &Manifest, keys: &Keys, signers: usize) -> Vec<u8> {
        let header = header(manifest, keys, signers);
        let mut bytes = Vec::new();
        let open = |place| Ok(self.content(place));
        bundle::write(&header, manifest, open, &mut bytes).unwrap();
        bytes
    }
}

pub(crate) fn header(manifest: &Manifest, keys: &Keys, signers: usize) -> Header {
    let payload = serde_json::to_vec(manifest).unwrap();
    Header {
        keys: keys.chain.clone(),
        manifest: Envelope::seal(Manifest::TYPE, payload, &keys.signers[..signers]),
    }
}

pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
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
