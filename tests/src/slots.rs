//! A disk with two slots that is made of files, and a cell that runs from it although it is not on an appliance.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

use cell_testkit::celld::PATIENCE;
use cell_testkit::firmware::{Keys, Version};
use cell_testkit::{CelldOptions, Reply, Request, World, wait_for};
use cell_updates::boot_state::{BootState, Folder, GrubBootState, Health, Slot, first_files};
use cell_updates::bundle::Place;
use serde_json::Value;
use tempfile::TempDir;

use crate::Cell;

/// Room behind what a partition holds.
const ROOM: usize = 1 << 20;

/// Two slots with the same version, of which `a` runs.
#[derive(Debug)]
pub struct Slots {
    /// Whose bundles are taken.
    pub keys: Keys,
    /// What both slots hold.
    pub version: Version,
    folder: TempDir,
}

impl Slots {
    /// With a first version, of number 10.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Version::new(10))
    }

    /// With this version.
    #[must_use]
    pub fn with(version: Version) -> Self {
        let slots = Self {
            keys: Keys::new(),
            version,
            folder: tempfile::tempdir().unwrap(),
        };
        for slot in Slot::ALL {
            for place in Place::ALL {
                let mut content = slots.version.content(place).to_vec();
                content.resize(content.len() + ROOM, 0);
                fs::write(slots.partition(slot, place), content).unwrap();
            }
        }
        fs::create_dir_all(slots.path("select/cell")).unwrap();
        for (file, block) in first_files(Some(Slot::B)) {
            fs::write(slots.path("select").join(file.path()), block).unwrap();
        }
        let release = serde_json::to_vec(&slots.version.release).unwrap();
        fs::write(slots.path("release.json"), release).unwrap();
        let keys = serde_json::to_vec(&slots.keys.chain).unwrap();
        fs::write(slots.path("keys.json"), keys).unwrap();
        slots.boot("a", "normal");
        let files = Folder::new(slots.path("select"));
        let boot_state = GrubBootState::with_command_line(files, &slots.path("cmdline"));
        boot_state.repair(Health::Healthy).unwrap();
        slots
    }

    /// What the loader would tell the kernel at the next start.
    pub fn boot(&self, slot: &str, mode: &str) {
        let words = format!("cell.slot={slot} cell.mode={mode} cell.select=1\n");
        fs::write(self.path("cmdline"), words).unwrap();
    }

    /// A daemon on this disk.
    #[must_use]
    pub fn options(&self) -> CelldOptions {
        let folder = self.folder.path().display().to_string();
        CelldOptions {
            arguments: vec!["--slots".to_owned(), folder],
            ..CelldOptions::default()
        }
    }

    /// Whether a slot holds all of a version.
    #[must_use]
    pub fn hold(&self, slot: Slot, version: &Version) -> bool {
        Place::ALL.into_iter().all(|place| {
            let content = fs::read(self.partition(slot, place)).unwrap();
            content.starts_with(version.content(place))
        })
    }

    /// What stands for a USB stick, once somebody has made it.
    #[must_use]
    pub fn stick(&self) -> PathBuf {
        self.path("stick")
    }

    /// The version in slot `b` was tried in vain, and `a` runs again.
    pub fn give_up(&self) {
        self.boot("b", "trial");
        let files = Folder::new(self.path("select"));
        let boot_state = GrubBootState::with_command_line(files, &self.path("cmdline"));
        boot_state.rollback().unwrap();
        self.boot("a", "normal");
    }

    /// Whether the box was to restart.
    #[must_use]
    pub fn was_restarted(&self) -> bool {
        self.path("restart").exists()
    }

    /// What the last version on trial said, as init would have kept it.
    pub fn keep_trial_log(&self, text: impl AsRef<[u8]>) {
        fs::write(self.path("last-trial.log"), text).unwrap();
    }

    /// The bundle of a version as a file.
    #[must_use]
    pub fn bundle_file(&self, version: &Version) -> PathBuf {
        let path = self.path("next.bundle");
        fs::write(&path, version.bundle(&self.keys)).unwrap();
        path
    }

    fn partition(&self, slot: Slot, place: Place) -> PathBuf {
        self.path(&format!("{}-{slot}", place.as_str()))
    }

    fn path(&self, name: &str) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join(name)
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

/// A cell that runs the old version from slot `a`.
#[derive(Debug)]
pub struct Appliance {
    /// The cell, set up.
    pub cell: Cell,
    /// Its disk.
    pub slots: Slots,
}

impl Appliance {
    /// On this disk.
    #[must_use]
    pub fn start(slots: Slots) -> Self {
        Self {
            cell: Cell::start_in(World::new().unwrap(), slots.options()),
            slots,
        }
    }

    /// Uploads a bundle as the owner.
    #[must_use]
    pub fn send(&self, bundle: &[u8]) -> Reply {
        self.send_with(bundle, "")
    }

    /// The same with a query such as `?allow_older=true`.
    #[must_use]
    pub fn send_with(&self, bundle: &[u8], query: &str) -> Reply {
        self.cell.owner.send(&self.request(bundle, query)).unwrap()
    }

    /// An upload as the owner.
    #[must_use]
    pub fn request(&self, bundle: &[u8], query: &str) -> Request {
        let token = self.cell.owner.csrf_token().unwrap().unwrap_or_default();
        Request::new("POST", format!("/api/firmware/bundle{query}"))
            .header("content-type", "application/octet-stream")
            .header("x-csrf-token", token)
            .over_http1()
            .body(bundle)
    }

    /// What the box says of its versions.
    #[must_use]
    pub fn firmware(&self) -> Value {
        self.cell.get("/api/firmware")
    }

    /// What it says of one that is in a state.
    fn firmware_in(&self, state: &str) -> Option<Value> {
        let firmware = self.firmware();
        (firmware["update"]["state"] == state).then_some(firmware)
    }

    /// Waits until an upload that another thread sends has begun to arrive.
    pub fn wait_upload(&self, sender: &ScopedJoinHandle<'_, ()>) {
        let begun = wait_for(PATIENCE, || {
            (self.firmware_in("receiving").is_some() || sender.is_finished()).then_some(())
        });
        let firmware = self.firmware();
        assert!(begun.is_some(), "nothing arrives: {firmware}");
        assert!(!sender.is_finished(), "it is over already: {firmware}");
    }

    /// Waits until an update has come so far.
    pub fn wait_update(&self, state: &str) -> Value {
        let seen = wait_for(PATIENCE, || self.firmware_in(state));
        seen.unwrap_or_else(|| {
            let firmware = self.firmware();
            assert_eq!(firmware["update"]["state"], state, "{firmware}");
            firmware
        })
    }
}
