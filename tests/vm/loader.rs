//! Shows 3: what the loader does when systems fail, and when its own files are not whole, in the booted image. Every
//! combination of the files is tried under `grub-emu` by `crates/updates`; here are a dozen, with what follows.
//!
//! Each test boots many times: `cargo xtask test --long vm_long`.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cell_os::disk::{offset_of, size_of};
use cell_os::fat::FatFiles;
use cell_testkit::vm::PATIENCE;
use cell_tests::vm::{Appliance, emulator};
use cell_updates::boot_state::{
    BLOCK_SIZE, Loader, Selection, Slot, StateFile, Step, Tries, decode, encode, first_files,
};

#[test]
#[ignore = "boots eight times; run by `cargo xtask test --long vm_long`"]
fn vm_long_systems_that_never_get_well_lead_to_recovery_and_then_start_over() {
    let mut appliance = Appliance::start();
    appliance.wait_both_slots();
    appliance.power_cycle();
    for expected in ["a (normal)"; 3].into_iter().chain(["b (normal)"; 3]) {
        booting(&appliance, expected);
        appliance.power_cycle();
    }
    // Both have failed three times.
    booting(&appliance, "a (recovery)");
    let serial = appliance.machine.serial();
    serial
        .wait("system a is up, mode recovery", PATIENCE)
        .unwrap();
    serial.sees("RECOVERY MODE", PATIENCE).unwrap();
    // A recovery that came up has done its part, and all starts over.
    appliance.power_cycle();
    booting(&appliance, "a (normal)");
    appliance.wait_healthy();
    appliance.wait_good(PATIENCE);
}

fn booting(appliance: &Appliance, what: &str) {
    let wanted = format!("Booting slot {what}");
    appliance
        .machine
        .serial()
        .wait_drawn_after(0, &wanted, PATIENCE)
        .unwrap();
}

type Files = BTreeMap<StateFile, Vec<u8>>;

/// States of the files that a power cut or a bad medium could leave.
fn damaged() -> Vec<(&'static str, Files)> {
    let zeros = || vec![0; BLOCK_SIZE];
    let [sel0, sel1] = StateFile::SELECTIONS;
    let [tries0, tries1] = StateFile::TRIES;
    let selects_b = |trial| {
        let selection = Selection {
            number: 2,
            primary: if trial { Slot::A } else { Slot::B },
            other: None,
            trial: trial.then_some(Slot::B),
            last: None,
        };
        encode(&selection.to_string())
    };
    let tries = |step: Step| {
        let tries = Tries {
            count: 7,
            selection: 1,
            step,
            unreadable: Default::default(),
        };
        encode(&tries.to_string())
    };
    // A write that stopped in the middle.
    let torn = |new: Vec<u8>, at: usize| {
        let mut old = first_files(Some(Slot::B)).remove(&sel0).unwrap();
        old[..at].copy_from_slice(&new[..at]);
        old
    };
    let changed = |changes: &[(StateFile, Vec<u8>)]| {
        let mut files = first_files(Some(Slot::B));
        files.extend(changes.iter().cloned());
        files
    };
    let without = |names: &[StateFile]| {
        let mut files = first_files(Some(Slot::B));
        files.retain(|name, _| !names.contains(name));
        files
    };
    let near_end = BLOCK_SIZE - 30;
    vec![
        ("no file at all", without(&StateFile::ALL)),
        (
            "all zeros",
            changed(&StateFile::ALL.map(|file| (file, zeros()))),
        ),
        (
            "selections zeros",
            changed(&[(sel0, zeros()), (sel1, zeros())]),
        ),
        (
            "tries zeros",
            changed(&[(tries0, zeros()), (tries1, zeros())]),
        ),
        (
            "one copy of each zeros",
            changed(&[(sel0, zeros()), (tries1, zeros())]),
        ),
        (
            "empty files",
            changed(&StateFile::ALL.map(|file| (file, Vec::new()))),
        ),
        (
            "half a block",
            changed(&[
                (sel0, zeros()[..512].to_vec()),
                (tries0, zeros()[..512].to_vec()),
            ]),
        ),
        (
            "garbage",
            changed(&StateFile::ALL.map(|file| (file, vec![0xff; BLOCK_SIZE]))),
        ),
        (
            "first copy torn while slot b was chosen",
            changed(&[(sel0, torn(selects_b(false), near_end))]),
        ),
        (
            "slot b chosen, the second copy still to be written",
            changed(&[(sel0, selects_b(false))]),
        ),
        (
            "a trial whose tries were lost",
            changed(&[
                (sel0, selects_b(true)),
                (tries0, zeros()),
                (tries1, zeros()),
            ]),
        ),
        (
            "a trial that was just asked for",
            changed(&[(sel0, selects_b(true)), (sel1, selects_b(true))]),
        ),
        (
            "slot a spent, the second copy torn",
            changed(&[
                (tries0, tries(Step::parse("p3").unwrap())),
                (tries1, zeros()),
            ]),
        ),
    ]
}

/// The disk of a box that has both slots.
fn settled(folder: &Path) -> PathBuf {
    let mut appliance = Appliance::start();
    appliance.wait_both_slots();
    appliance.machine.cut_power().unwrap();
    let disk = folder.join("settled.img");
    emulator().flatten(appliance.machine.disk(), &disk).unwrap();
    disk
}

/// Gives the loader these files.
fn put_files(files: &Files, disk: &Path, folder: &Path) {
    let file = folder.join("file");
    let emulator = emulator();
    let select = FatFiles {
        toolbox: emulator.toolbox(),
        image: disk,
        at: offset_of("select"),
    };
    for name in StateFile::ALL {
        match files.get(&name) {
            Some(content) => {
                fs::write(&file, content).unwrap();
                select.put(&file, name.path()).unwrap();
            }
            // Not there any more either.
            None => drop(select.remove(name.path())),
        }
    }
}

#[test]
#[ignore = "boots thirteen times; run by `cargo xtask test --long vm_long`"]
fn vm_long_loaders_files_in_any_state_boot_something_and_are_mended() {
    let folder = tempfile::tempdir().unwrap();
    let disk = settled(folder.path());
    for (what, files) in damaged() {
        put_files(&files, &disk, folder.path());
        let mut appliance = Appliance::start_with(|options| options.disk.clone_from(&disk));
        // Where nothing can be counted in, a die is cast.
        let can_count = StateFile::TRIES
            .iter()
            .any(|file| files.get(file).is_some_and(|block| decode(block).is_some()));
        if can_count {
            let start = Loader::read(|file| files.get(&file).cloned()).next();
            booting(&appliance, &format!("{} ({})", start.slot, start.mode));
        }
        appliance
            .machine
            .serial()
            .wait("is up, mode ", PATIENCE)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        appliance.machine.cut_power().unwrap();

        let select = emulator()
            .read(
                appliance.machine.disk(),
                offset_of("select"),
                size_of("select"),
            )
            .unwrap();
        let copy = folder.path().join("select.fat");
        fs::write(&copy, select).unwrap();
        let emulator = emulator();
        let mended = FatFiles {
            toolbox: emulator.toolbox(),
            image: &copy,
            at: 0,
        };
        for file in StateFile::ALL {
            let block = mended.read(file.path()).ok();
            let text = block.and_then(|block| decode(block.as_bytes()));
            assert!(text.is_some(), "{what}: {file} is not mended");
        }
    }
}
