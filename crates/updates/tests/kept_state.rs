//! What a box keeps, through trials that pass and trials that fail.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::path::Path;

use cell_updates::boot_state::fake::FakeBootState;
use cell_updates::boot_state::{BootState, Health, Mode, Slot};
use cell_updates::kept_state::{Chosen, Reader, mark_committed, prepare};

/// A box whose slots hold versions of these schemas. What it keeps is one text, and its schema.
struct Cell {
    folder: tempfile::TempDir,
    boot: FakeBootState,
    schemas: [u32; 2],
}

fn schema_of(folder: &Path) -> Option<u32> {
    fs::read_to_string(folder.join("store/schema"))
        .ok()?
        .parse()
        .ok()
}

impl Cell {
    fn new(schemas: [u32; 2]) -> Self {
        let cell = Self {
            folder: tempfile::tempdir().unwrap(),
            boot: FakeBootState::new(),
            schemas,
        };
        cell.boot.repair(Health::Starting).unwrap();
        cell.boot.repair(Health::Healthy).unwrap();
        cell.make_folder();
        let chosen = cell.choose();
        cell.keep(&chosen, "first");
        cell
    }

    fn state(&self) -> &Path {
        self.folder.path()
    }

    /// As the script does at every start that mounts the disks.
    fn make_folder(&self) {
        fs::create_dir_all(self.state().join("cell")).unwrap();
    }

    fn schema(&self) -> u32 {
        self.schemas[usize::from(self.boot.current().unwrap().slot == Slot::B)]
    }

    fn choose(&self) -> Chosen {
        let reader = Reader {
            schema: self.schema(),
            schema_of: &schema_of,
        };
        let running = self.boot.current().unwrap();
        prepare(self.state(), &running, &self.boot.wanted().unwrap(), reader).unwrap()
    }

    /// The next power-on.
    fn start(&self, slot: Slot, mode: Mode) -> Chosen {
        let start = self.boot.boot().unwrap();
        assert_eq!((start.slot, start.mode), (slot, mode));
        self.boot.repair(Health::Starting).unwrap();
        self.make_folder();
        let chosen = self.choose();
        let found = schema_of(&chosen.path);
        assert!(found.is_none_or(|found| found <= self.schema()), "readable");
        chosen
    }

    /// Somebody changes something; the version writes it in its own form.
    fn keep(&self, chosen: &Chosen, text: &str) {
        let store = chosen.path.join("store");
        fs::create_dir_all(&store).unwrap();
        fs::write(store.join("text"), text).unwrap();
        fs::write(store.join("schema"), self.schema().to_string()).unwrap();
    }

    fn commit(&self) {
        mark_committed(self.state(), self.boot.current().unwrap().slot).unwrap();
        self.boot.commit().unwrap();
        self.boot.repair(Health::Healthy).unwrap();
    }
}

fn text(chosen: &Chosen) -> String {
    fs::read_to_string(chosen.path.join("store/text")).unwrap()
}

#[test]
fn trial_that_fails_leaves_what_was_there() {
    let cell = Cell::new([1, 2]);
    cell.boot.begin_trial(Slot::B).unwrap();
    for _ in 0..3 {
        let chosen = cell.start(Slot::B, Mode::Trial);
        assert_eq!(text(&chosen), "first");
        cell.keep(&chosen, "of the trial");
    }
    let chosen = cell.start(Slot::A, Mode::Normal);
    assert_eq!(text(&chosen), "first");
    assert!(!cell.state().join("cell.trial").exists());
}

#[test]
fn what_is_done_after_the_trial_has_passed_stays_and_the_old_is_kept_for_its_slot() {
    let cell = Cell::new([1, 2]);
    cell.boot.begin_trial(Slot::B).unwrap();
    let chosen = cell.start(Slot::B, Mode::Trial);
    cell.keep(&chosen, "migrated");
    cell.commit();
    // The daemon ends and is started again within the same run.
    let chosen = cell.choose();
    assert_eq!(text(&chosen), "migrated");
    cell.keep(&chosen, "used");
    for _ in 0..2 {
        let chosen = cell.start(Slot::B, Mode::Normal);
        assert_eq!(text(&chosen), "used");
        assert_eq!(chosen.path, cell.state().join("cell"));
        cell.boot.repair(Health::Healthy).unwrap();
    }
    assert_eq!(
        fs::read_to_string(cell.state().join("cell.a/store/text")).unwrap(),
        "first"
    );
}

#[test]
fn old_version_that_has_to_come_back_reads_what_it_left_or_what_counts_if_it_can() {
    for (schemas, expected) in [([1, 2], "first"), ([2, 2], "used")] {
        let cell = Cell::new(schemas);
        cell.boot.begin_trial(Slot::B).unwrap();
        let chosen = cell.start(Slot::B, Mode::Trial);
        cell.keep(&chosen, "migrated");
        cell.commit();
        let chosen = cell.start(Slot::B, Mode::Normal);
        cell.keep(&chosen, "used");
        // The new one never gets well again.
        for _ in 0..2 {
            cell.start(Slot::B, Mode::Normal);
        }
        let chosen = cell.start(Slot::A, Mode::Normal);
        assert_eq!(text(&chosen), expected);
        assert_eq!(chosen.is_earlier, expected == "first");
        // What the new one had is kept for it.
        let kept = fs::read_to_string(cell.state().join("cell.b/store/text"));
        assert_eq!(kept.ok().as_deref(), chosen.is_earlier.then_some("used"));
    }
}

#[test]
fn committed_version_that_fails_before_its_first_restart_loses_nothing() {
    let cell = Cell::new([1, 1]);
    cell.boot.begin_trial(Slot::B).unwrap();
    let chosen = cell.start(Slot::B, Mode::Trial);
    cell.commit();
    cell.keep(&chosen, "acknowledged");
    cell.boot.set_loadable([Slot::A]);
    let chosen = cell.start(Slot::A, Mode::Normal);
    assert_eq!(text(&chosen), "acknowledged");
}

#[test]
fn next_version_and_the_way_back_find_what_was_done_though_nothing_was_restarted_between() {
    for passes in [true, false] {
        let cell = Cell::new([1, 1]);
        cell.boot.begin_trial(Slot::B).unwrap();
        let chosen = cell.start(Slot::B, Mode::Trial);
        cell.commit();
        cell.keep(&chosen, "used for weeks");
        cell.boot.begin_trial(Slot::A).unwrap();
        let chosen = cell.start(Slot::A, Mode::Trial);
        assert_eq!(text(&chosen), "used for weeks");
        if passes {
            cell.commit();
            cell.keep(&chosen, "and more");
            assert_eq!(text(&cell.start(Slot::A, Mode::Normal)), "and more");
        } else {
            cell.keep(&chosen, "lost with the trial");
            cell.boot.rollback().unwrap();
            let chosen = cell.start(Slot::B, Mode::Normal);
            assert_eq!(text(&chosen), "used for weeks");
        }
    }
}

#[test]
fn cut_between_the_two_words_of_a_commit_is_no_commit() {
    let cell = Cell::new([1, 2]);
    cell.boot.begin_trial(Slot::B).unwrap();
    let chosen = cell.start(Slot::B, Mode::Trial);
    cell.keep(&chosen, "of the trial");
    mark_committed(cell.state(), Slot::B).unwrap();
    for _ in 0..2 {
        cell.start(Slot::B, Mode::Trial);
    }
    let chosen = cell.start(Slot::A, Mode::Normal);
    assert_eq!(text(&chosen), "first");
}

#[test]
fn swap_that_was_cut_is_finished() {
    for cut in 0..3 {
        let cell = Cell::new([1, 2]);
        cell.boot.begin_trial(Slot::B).unwrap();
        let chosen = cell.start(Slot::B, Mode::Trial);
        cell.keep(&chosen, "migrated");
        cell.commit();
        let path = |name: &str| cell.state().join(name);
        if cut > 0 {
            fs::rename(path("cell"), path("cell.a")).unwrap();
        }
        if cut > 1 {
            fs::rename(path("cell.trial"), path("cell")).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(
                text(&cell.start(Slot::B, Mode::Normal)),
                "migrated",
                "{cut}"
            );
        }
        let left = fs::read_to_string(path("cell.a/store/text")).unwrap();
        assert_eq!(left, "first", "{cut}");
    }
}

#[test]
fn box_that_was_never_set_up_is_tried_too() {
    let cell = Cell::new([1, 1]);
    fs::remove_dir_all(cell.state().join("cell")).unwrap();
    cell.make_folder();
    cell.boot.begin_trial(Slot::B).unwrap();
    let chosen = cell.start(Slot::B, Mode::Trial);
    assert_eq!(fs::read_dir(&chosen.path).unwrap().count(), 0);
    cell.commit();
    let chosen = cell.start(Slot::B, Mode::Normal);
    assert_eq!(chosen.path, cell.state().join("cell"));
}
