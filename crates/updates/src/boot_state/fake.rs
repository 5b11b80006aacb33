//! A box in memory: the four files, a loader that behaves like the script, and a power switch.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::block::{self, SIGNATURE};
use super::loader::{Loader, Start};
use super::{
    BootState, BootStateError, GrubBootState, Health, Mode, OpenFiles, Repaired, Running, Slot,
    StateFile, StateFiles, Wanted, first_files,
};

/// The boot state of a box that exists in memory only. [`boot`](Self::boot) is the next power-on.
#[derive(Debug)]
pub struct FakeBootState {
    files: MemoryFiles,
    running: Mutex<Running>,
    loadable: Mutex<BTreeSet<Slot>>,
}

impl FakeBootState {
    /// Slot `a` of a fresh image runs in mode `normal`; both slots can be loaded.
    pub fn new() -> Self {
        Self {
            files: MemoryFiles::new(first_files(Some(Slot::B))),
            running: Mutex::new(Running {
                slot: Slot::A,
                mode: Mode::Normal,
                select: "00000000-0000-0000-0000-000000000001".to_owned(),
            }),
            loadable: Mutex::new(Slot::ALL.into()),
        }
    }

    /// From now on the loader can read kernel and slot file of these slots only.
    pub fn set_loadable(&self, slots: impl IntoIterator<Item = Slot>) {
        *lock(&self.loadable) = slots.into_iter().collect();
    }

    /// Restarts the box. None when no slot can be loaded; then what ran before is said to run on.
    pub fn boot(&self) -> Option<Start> {
        let loadable = lock(&self.loadable).clone();
        let start = self
            .files
            .load(0, |slot| loadable.contains(&slot), usize::MAX)?;
        let mut running = lock(&self.running);
        running.slot = start.slot;
        running.mode = start.mode;
        Some(start)
    }

    /// The files, for damaging them.
    pub fn files(&self) -> &MemoryFiles {
        &self.files
    }

    fn grub(&self) -> GrubBootState<&MemoryFiles> {
        GrubBootState::with_running(&self.files, lock(&self.running).clone())
    }
}

impl Default for FakeBootState {
    fn default() -> Self {
        Self::new()
    }
}

impl BootState for FakeBootState {
    fn current(&self) -> Result<Running, BootStateError> {
        self.grub().current()
    }

    fn wanted(&self) -> Result<Wanted, BootStateError> {
        self.grub().wanted()
    }

    fn withdraw_other(&self) -> Result<(), BootStateError> {
        self.grub().withdraw_other()
    }

    fn restore_other(&self) -> Result<(), BootStateError> {
        self.grub().restore_other()
    }

    fn begin_trial(&self, slot: Slot) -> Result<(), BootStateError> {
        self.grub().begin_trial(slot)
    }

    fn commit(&self) -> Result<(), BootStateError> {
        self.grub().commit()
    }

    fn rollback(&self) -> Result<(), BootStateError> {
        self.grub().rollback()
    }

    fn repair(&self, health: Health) -> Result<Repaired, BootStateError> {
        self.grub().repair(health)
    }
}

/// The four files in memory. Power can be made to fail after any byte written.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    inner: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    content: BTreeMap<StateFile, Vec<u8>>,
    /// Bytes until the power fails; none when it stays.
    left: Option<usize>,
}

impl MemoryFiles {
    /// Files with this content; those left out are missing.
    pub fn new(content: BTreeMap<StateFile, Vec<u8>>) -> Self {
        let left = None;
        Self {
            inner: Mutex::new(Memory { content, left }),
        }
    }

    /// What the files hold.
    pub fn content(&self) -> BTreeMap<StateFile, Vec<u8>> {
        lock(&self.inner).content.clone()
    }

    /// Puts bytes into a file, or takes it away.
    pub fn put(&self, file: StateFile, content: Option<Vec<u8>>) {
        let files = &mut lock(&self.inner).content;
        match content {
            Some(content) => drop(files.insert(file, content)),
            None => drop(files.remove(&file)),
        }
    }

    /// Cuts the power after so many more bytes written: everything later fails.
    pub fn cut_after(&self, bytes: usize) {
        lock(&self.inner).left = Some(bytes);
    }

    /// Turns the power on again.
    pub fn power_on(&self) {
        lock(&self.inner).left = None;
    }

    /// Does what the loader does at a power-on, with the power failing after `bytes` more bytes written. None when
    /// nothing loads, or the power fails before something is booted.
    pub fn load(&self, dice: u8, loads: impl Fn(Slot) -> bool, bytes: usize) -> Option<Start> {
        let files = self.content();
        let loader = Loader::read(|file| files.get(&file).cloned());
        self.cut_after(bytes);
        let mut is_on = true;
        let start = loader.start(dice, loads, |tries| {
            let mut order = StateFile::TRIES;
            if loader.tries_copy == Some(order[0]) {
                order.reverse();
            }
            let text = tries.to_string();
            let mut took = false;
            for file in order {
                let Some(next) = self
                    .content()
                    .get(&file)
                    .and_then(|old| save_env(old, &text))
                else {
                    continue;
                };
                match self.write_now(file, &next) {
                    Ok(()) => took |= block::decode(&next) == Some(text.clone()),
                    Err(_) => is_on = false,
                }
            }
            took
        });
        self.power_on();
        start.filter(|_| is_on)
    }

    fn write_now(&self, file: StateFile, block: &[u8]) -> io::Result<()> {
        let mut memory = lock(&self.inner);
        let goes_in = memory
            .left
            .map_or(block.len(), |left| left.min(block.len()));
        if let Some(left) = &mut memory.left {
            *left -= goes_in;
        }
        let is_cut = goes_in < block.len();
        // A file that is not there appears with its first byte.
        if goes_in > 0 || !is_cut {
            let content = memory.content.entry(file).or_default();
            content.resize(content.len().max(goes_in), 0);
            content[..goes_in].copy_from_slice(&block[..goes_in]);
            if !is_cut {
                content.truncate(block.len());
            }
        }
        match is_cut {
            true => Err(io::Error::other("the power failed")),
            false => Ok(()),
        }
    }
}

impl StateFiles for MemoryFiles {
    fn open(&self) -> Result<Box<dyn OpenFiles + '_>, BootStateError> {
        Ok(Box::new(self))
    }
}

impl StateFiles for &MemoryFiles {
    fn open(&self) -> Result<Box<dyn OpenFiles + '_>, BootStateError> {
        Ok(Box::new(*self))
    }
}

impl OpenFiles for &MemoryFiles {
    fn read(&self, file: StateFile) -> io::Result<Option<Vec<u8>>> {
        Ok(lock(&self.inner).content.get(&file).cloned())
    }

    fn write(&self, file: StateFile, block: &[u8]) -> io::Result<()> {
        self.write_now(file, block)
    }

    fn close(self: Box<Self>) -> Result<(), BootStateError> {
        Ok(())
    }
}

/// What GRUB's `save_env` makes of a file when it sets `one` and `two`; none when it refuses to write
/// (`grub_envblk_set`, grub-core/lib/envblk.c).
pub fn save_env(old: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut block = old.to_vec();
    let body = SIGNATURE.len();
    block.starts_with(SIGNATURE).then_some(())?;
    for name in ["one", "two"] {
        set(&mut block, body, name, text)?;
    }
    Some(block)
}

fn set(block: &mut [u8], body: usize, name: &str, value: &str) -> Option<()> {
    let end = block.len();
    let space = block.iter().rposition(|byte| *byte != b'#')? + 1;
    (block[space - 1] == b'\n').then_some(())?;
    let mut at = body;
    while at + name.len() + 1 < space {
        let rest = &block[at..];
        if rest.starts_with(name.as_bytes()) && rest.get(name.len()) == Some(&b'=') {
            let from = at + name.len() + 1;
            let mut length = 0;
            while *block.get(from + length)? != b'\n' {
                length += if block[from + length] == b'\\' { 2 } else { 1 };
            }
            (end + length >= space + value.len()).then_some(())?;
            let tail = block[from + length..].to_vec();
            let room = end - (from + value.len());
            let kept = tail.len().min(room);
            block[from + value.len()..][..kept].copy_from_slice(&tail[..kept]);
            if value.len() < length {
                block[end - (length - value.len())..].fill(b'#');
            }
            block[from..][..value.len()].copy_from_slice(value.as_bytes());
            return Some(());
        }
        at += rest.iter().position(|byte| *byte == b'\n')? + 1;
    }
    let line = format!("{name}={value}\n");
    block
        .get_mut(space..space + line.len())?
        .copy_from_slice(line.as_bytes());
    Some(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
