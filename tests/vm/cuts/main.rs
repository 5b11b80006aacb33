//! Shows 2 of updates: the power fails 45 times at random moments while a version is fetched, written, armed, tried and
//! committed. The loader always points to whole versions, the box comes up by itself with what was kept, and the update
//! can be finished.
//!
//! A machine is kept where a phase begins, and every cut goes on from there. The tests boot dozens of times:
//! `cargo xtask test --long vm_cuts`.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

mod left;
mod update;

use std::time::Duration;

use cell_testkit::vm::Frozen;
use cell_testkit::wait_for;
use cell_tests::expect_status;
use cell_tests::update::{UPLOAD, upload, wait_ready};
use cell_tests::vm::BOOTS;

use update::{Phase, Update, clock};

/// What is done in less than a second is looked for in so much processor time before and after it.
const AROUND: Duration = Duration::from_millis(1_500);

#[test]
#[ignore = "boots 23 times; run by `cargo xtask test --long vm_cuts`"]
fn vm_cuts_while_a_version_is_fetched_and_written_leave_a_box_that_comes_up() {
    let (mut update, idle) = Update::begin();
    let (fetched, fetching) = fetch(&mut update, &idle);
    let fetch = Phase {
        name: "fetched",
        begin: &|appliance| appliance.thaw(&idle),
        moments: Duration::ZERO..fetching,
        // It ends with the power.
        meanwhile: &|owner, new| drop(upload(owner, new)),
    };
    println!("fetching takes {fetching:.1?}\n{}", update.cut(&fetch));

    update.appliance.thaw(&fetched);
    wait_ready(&update.appliance);
    let writing = clock(&update.appliance.machine);
    update.appliance.machine.cut_power().unwrap();
    let write = Phase {
        name: "written",
        begin: &|appliance| appliance.thaw(&fetched),
        moments: Duration::ZERO..writing,
        meanwhile: &|_, _| {},
    };
    println!("writing takes {writing:.1?}\n{}", update.cut(&write));
}

#[test]
#[ignore = "boots 31 times; run by `cargo xtask test --long vm_cuts`"]
fn vm_cuts_while_a_version_is_armed_tried_and_committed_leave_a_box_that_comes_up() {
    let (mut update, idle) = Update::begin();
    let (fetched, _) = fetch(&mut update, &idle);
    update.appliance.thaw(&fetched);
    // Nearly read back: the root's hash tree is left to do before it is armed.
    let nearly = wait_for(UPLOAD, || {
        let update = &update.appliance.get("/api/firmware")["update"];
        let number = |name: &str| update[name].as_u64().unwrap_or_default();
        let is_near = number("done") * 100 > number("total") * 95;
        (update["state"] == "verifying" && is_near).then_some(())
    });
    assert!(
        nearly.is_some(),
        "{}",
        update.appliance.get("/api/firmware")
    );
    let verified = update.appliance.freeze();
    update.appliance.thaw(&verified);
    wait_ready(&update.appliance);
    let arming = clock(&update.appliance.machine);
    let armed = update.appliance.freeze();
    let arm = Phase {
        name: "armed",
        begin: &|appliance| appliance.thaw(&verified),
        moments: arming.saturating_sub(AROUND)..arming + AROUND,
        meanwhile: &|_, _| {},
    };
    println!("arming is done after {arming:.1?}\n{}", update.cut(&arm));

    update.appliance.power_on_from(&armed);
    update.appliance.wait_healthy();
    let trying = clock(&update.appliance.machine);
    let tried = update.appliance.freeze();
    update.appliance.thaw(&tried);
    update.appliance.wait_good(BOOTS);
    let committing = clock(&update.appliance.machine);
    update.expect_new();
    update.appliance.machine.cut_power().unwrap();
    let trial = Phase {
        name: "tried",
        begin: &|appliance| appliance.power_on_from(&armed),
        moments: Duration::ZERO..trying + committing.saturating_sub(AROUND),
        meanwhile: &|_, _| {},
    };
    println!(
        "the page answers after {trying:.1?}\n{}",
        update.cut(&trial)
    );
    let commit = Phase {
        name: "committed",
        begin: &|appliance| appliance.thaw(&tried),
        moments: committing.saturating_sub(AROUND)..committing + AROUND,
        meanwhile: &|_, _| {},
    };
    println!(
        "it is committed {committing:.1?} later\n{}",
        update.cut(&commit)
    );
}

/// Hands the bundle over; where the box is once all of it is there, and how long that takes.
fn fetch(update: &mut Update, idle: &Frozen) -> (Frozen, Duration) {
    update.appliance.thaw(idle);
    let sent = upload(&update.appliance.owner, &update.new);
    expect_status(&sent.unwrap(), 202);
    let fetching = clock(&update.appliance.machine);
    (update.appliance.freeze(), fetching)
}
