//! The power fails anywhere while a version is written and put on trial: never a slot that is neither the old version
//! nor the new and may be booted, and always a way on.
use crate::memory::Cell;
use cell_testkit::firmware::{Keys, Version};
use cell_updates::boot_state::{BootState, Health, Slot};

/// Cuts of the slot's writes; each comes at another byte.
const CUTS: usize = 200;

fn whole(cell: &Cell, old: &Version, new: &Version, told: &str) {
    assert!(cell.disk.holds(Slot::A, old), "{told}: the running slot");
    let is_whole = cell.disk.holds(Slot::B, old) || cell.disk.holds(Slot::B, new);
    assert!(!cell.may_boot(Slot::B) || is_whole, "{told}: a mixed slot");
}

#[test]
fn cut_while_the_slot_is_written_leaves_a_box_that_starts_and_goes_on() {
    let mut random = fastrand::Rng::with_seed(2026);
    let keys = Keys::new();
    let old = Version::new(10);
    // One that shares nothing with the old, so that all of it is written.
    let new = Version::new(11);
    let bundle = new.bundle(&keys);
    let all = {
        let cell = Cell::running(&old, &keys);
        cell.install(&bundle).unwrap();
        cell.disk.written()
    };
    for cut in 0..CUTS {
        let cell = Cell::running(&old, &keys);
        cell.disk.cut_after(1 + cut * (all - 2) / CUTS);
        let told = format!("cut {cut}");
        assert!(cell.install(&bundle).is_err(), "{told}");
        cell.disk.power_on(&mut random);
        whole(&cell, &old, &new, &told);
        assert_eq!(cell.boot.boot().unwrap().slot, Slot::A, "{told}");
        cell.boot.repair(Health::Starting).unwrap();
        cell.boot.repair(Health::Healthy).unwrap();
        whole(&cell, &old, &new, &told);

        let received = cell.install(&bundle).unwrap();
        let header = bundle.len() as u64 - new.manifest().chunk_bytes();
        assert_eq!(received.fetched, header, "{told}: fetched twice");
        assert!(cell.disk.holds(Slot::B, &new), "{told}");
        assert_eq!(cell.boot.boot().unwrap().slot, Slot::B, "{told}");
    }
}

#[test]
fn cut_while_the_loader_is_told_leaves_a_box_that_starts() {
    let keys = Keys::new();
    let old = Version::new(10);
    let new = Version::new(11);
    let bundle = new.bundle(&keys);
    let mut reached_the_end = false;
    // Each of the two changes writes four blocks of 1,024 bytes.
    for cut in (0..8_192).step_by(41) {
        let cell = Cell::running(&old, &keys);
        cell.boot.files().cut_after(cut);
        let told = format!("cut after {cut} bytes");
        let outcome = cell.install(&bundle);
        cell.boot.files().power_on();
        whole(&cell, &old, &new, &told);
        reached_the_end |= cell.disk.holds(Slot::B, &new);
        let start = cell.boot.boot().unwrap();
        assert!(
            start.slot == Slot::A || cell.disk.holds(Slot::B, &new),
            "{told}: {outcome:?}"
        );
        cell.boot.repair(Health::Starting).unwrap();
        if start.slot == Slot::B {
            cell.boot.commit().unwrap();
            cell.boot.repair(Health::Healthy).unwrap();
            assert_eq!(cell.boot.wanted().unwrap().primary, Slot::B, "{told}");
        } else {
            cell.boot.repair(Health::Healthy).unwrap();
            cell.install(&bundle).unwrap();
            assert_eq!(cell.boot.boot().unwrap().slot, Slot::B, "{told}");
        }
    }
    assert!(reached_the_end);
}
