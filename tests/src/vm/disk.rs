//! What is on a box's disk while the box is off: the loader's files, and what the slots hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cell_os::disk::{offset_of, size_of};
use cell_os::fat::FatFiles;
use cell_updates::boot_state::{
    BLOCK_SIZE, BootState, Folder, GrubBootState, Mode, Running, Slot, StateFile,
};
use cell_updates::bundle::{Digest, Place};

use super::Appliance;
use crate::version::{Contents, Version};

/// The loader's files; one that is not there is not in it.
pub type BootFiles = BTreeMap<StateFile, Vec<u8>>;

impl Appliance {
    /// The loader's files.
    #[must_use]
    pub fn boot_files(&self) -> BootFiles {
        let folder = tempfile::tempdir().unwrap();
        let copy = self.copy_select(folder.path());
        let to = folder.path().join("file");
        let mut files = BootFiles::new();
        for file in StateFile::ALL {
            if self.select(&copy).get(file.path(), &to).is_ok() {
                files.insert(file, fs::read(&to).unwrap());
            }
        }
        files
    }

    /// What a slot holds in as many bytes as `like` has.
    #[must_use]
    pub fn contents(&self, slot: Slot, like: Contents) -> Contents {
        let mut places = Place::ALL.into_iter();
        Contents(like.0.map(|(size, _)| {
            let partition = partition(places.next().unwrap(), slot);
            // In whole MiB.
            let room = size.next_multiple_of(1 << 20);
            let disk = self.machine.disk();
            let bytes = self.emulator.read(disk, offset_of(&partition), room);
            let bytes = bytes.unwrap();
            (size, Digest::of(&bytes[..usize::try_from(size).unwrap()]))
        }))
    }

    /// Puts a version into slot `b`, to be tried at the next start, as if slot `a` had taken it in.
    pub fn put_on_trial(&self, version: &Version) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("content");
        for place in Place::ALL {
            fs::write(&file, version.content(place)).unwrap();
            self.write(&partition(place, Slot::B), &file);
        }
        let select = folder.path().join("select");
        fs::create_dir_all(select.join("cell")).unwrap();
        for (name, block) in self.boot_files() {
            fs::write(select.join(name.path()), block).unwrap();
        }
        let running = Running {
            slot: Slot::A,
            mode: Mode::Normal,
            select: String::new(),
        };
        let state = GrubBootState::with_running(Folder::new(&select), running);
        state.begin_trial(Slot::B).unwrap();
        let copy = self.copy_select(folder.path());
        for name in StateFile::ALL {
            let block = select.join(name.path());
            assert_eq!(fs::metadata(&block).unwrap().len(), BLOCK_SIZE as u64);
            self.select(&copy).put(&block, name.path()).unwrap();
        }
        self.write("select", &copy);
    }

    fn write(&self, partition: &str, content: &Path) {
        let disk = self.machine.disk();
        self.emulator
            .write(disk, offset_of(partition), content)
            .unwrap();
    }

    fn copy_select(&self, folder: &Path) -> std::path::PathBuf {
        let disk = self.machine.disk();
        let select = self
            .emulator
            .read(disk, offset_of("select"), size_of("select"));
        let copy = folder.join("select.fat");
        fs::write(&copy, select.unwrap()).unwrap();
        copy
    }

    fn select<'a>(&'a self, copy: &'a Path) -> FatFiles<'a> {
        FatFiles {
            toolbox: self.emulator.toolbox(),
            image: copy,
            at: 0,
        }
    }
}

fn partition(place: Place, slot: Slot) -> String {
    format!("{}-{slot}", place.as_str())
}
