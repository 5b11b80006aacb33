//! Shows 3: power cuts under the store, thousands of them.
//!
//! The real store with the audit log runs on a disk that records every operation (`cell_testkit::cut_disk`, which says
//! what a power cut may leave there). For moments all over the recording, what may be left is opened and compared with
//! what was acknowledged by then; one of these remains is where the store lives on, so that recoveries are cut too.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "code of tests: what goes wrong ends the test"
)]

mod judge;
mod life;
mod owner;
mod script;

use std::path::Path;

use cell_model::Timestamp;
use cell_store::{Extent, Store};
use cell_testkit::cut_disk::in_own_mounts;
use fastrand::Rng;

use self::life::{Life, Plan, STATE};
use self::owner::{Act, Task};
use self::script::Mix;

/// Changes of every kind.
const MIXED: Plan = Plan {
    mix: Mix::Everything,
    starts: 4,
    changes: 12,
    cuts: 15,
};

/// Few changes, or the store would get so large that looking at what was left takes long.
const LARGE: Plan = Plan {
    mix: Mix::Large,
    starts: 2,
    changes: 4,
    cuts: 15,
};

#[test]
fn some_hundred_power_cuts_lose_nothing_acknowledged() {
    in_own_mounts(
        "some_hundred_power_cuts_lose_nothing_acknowledged",
        |folder| {
            survive(folder, 5, MIXED);
        },
    );
}

#[test]
fn power_cut_in_a_large_change_loses_nothing_acknowledged() {
    in_own_mounts(
        "power_cut_in_a_large_change_loses_nothing_acknowledged",
        |folder| {
            survive(folder, 3, LARGE);
        },
    );
}

#[test]
#[ignore = "cuts the power 5,100 times; run by `cargo xtask test --long long_`"]
fn long_thousands_of_power_cuts_lose_nothing_acknowledged() {
    in_own_mounts(
        "long_thousands_of_power_cuts_lose_nothing_acknowledged",
        |folder| {
            survive(folder, 70, MIXED);
            survive(folder, 30, LARGE);
        },
    );
}

#[test]
fn power_cut_during_a_migration_loses_nothing() {
    in_own_mounts("power_cut_during_a_migration_loses_nothing", |folder| {
        let mut life = Life::new(folder, new_seed(), MIXED.mix);
        (life.remains, life.known) = life.start(100, Act::Change(6)).end();
        // Schema 0 is schema 1 without the count of its history, which its migration overwrites.
        life.remains
            .set_file(Path::new(STATE).join("store/schema"), b"0\n".to_vec());
        let plan = Plan {
            starts: 3,
            changes: 0,
            cuts: 10,
            ..MIXED
        };
        assert_unharmed(&[life.run(plan)]);
    });
}

#[test]
fn power_cut_during_a_restore_leaves_the_store_or_the_export() {
    in_own_mounts(
        "power_cut_during_a_restore_leaves_the_store_or_the_export",
        |folder| {
            let mut life = Life::new(folder, new_seed(), MIXED.mix);
            (life.remains, life.known) = life.start(100, Act::Change(6)).end();
            let (early, export) = (life.known, folder.join("export"));
            life.remains.write_to(&folder.join("early")).unwrap();
            let store = Store::open(&folder.join("early").join(STATE)).unwrap();
            let mut file = std::fs::File::create(&export).unwrap();
            let time = Timestamp::UNIX_EPOCH;
            store.export(&mut file, Extent::WithHistory, time).unwrap();

            (life.remains, life.known) = life.start(101, Act::Change(4)).end();
            let known = life.known;
            // Snapshots are beside the store and stay.
            let then = judge::Known {
                kept: early.kept,
                ..known
            };
            let start = life.start(102, Act::Restore { export, then });
            let mut random = Rng::with_seed(life.cuts as u64);
            let mut replay = start.recording().replay();
            let stride = start.recording().len().div_ceil(40);
            for moment in (0..=start.recording().len()).step_by(stride) {
                replay.advance_to(moment);
                let left = replay.cut(&mut random);
                let possible = match start.known_at(moment) {
                    Some(then) => vec![then],
                    None => vec![known, then],
                };
                life.look(&left, &possible, || {
                    format!("cut after {moment} operations")
                });
            }
            assert_unharmed(&[life]);
        },
    );
}

/// Not a test of its own: the process that writes to the disk.
#[test]
fn owner_of_a_store() {
    if let Some(task) = Task::from_env() {
        task.perform().unwrap();
    }
}

/// Another one each time; said when something goes wrong. Threads write as they come, so it repeats the changes and the
/// kinds of cuts, and not every operation.
fn new_seed() -> u64 {
    fastrand::u64(..1 << 48)
}

fn survive(folder: &Path, lives: u64, plan: Plan) {
    let first = new_seed();
    let lives = first..first + lives;
    let lives: Vec<_> = lives
        .map(|seed| Life::new(folder, seed, plan.mix).run(plan))
        .collect();
    assert_unharmed(&lives);
}

fn assert_unharmed(lives: &[Life<'_>]) {
    let cuts: usize = lives.iter().map(|life| life.cuts).sum();
    let faults: Vec<_> = lives.iter().flat_map(|life| &life.faults).collect();
    assert!(
        faults.is_empty(),
        "{} of {cuts} power cuts did harm: {:#?}",
        faults.len(),
        &faults[..faults.len().min(10)]
    );
    println!("{cuts} power cuts did no harm");
}
