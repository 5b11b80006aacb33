//! Forgetting everything from the console, also when what is to be forgotten cannot be read any more.
//!
//! Each test boots several times: `cargo xtask test --long vm_long`.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::time::Duration;

use cell_testkit::wait_for;
use cell_tests::observe;
use cell_tests::vm::{Appliance, BOOTS, CODE};

/// What the box says when it begins to wipe.
const WIPES: &str = "factory reset: state and data are wiped";

/// Asks for a factory reset in the full-screen menu on the serial port, and waits until the box has started anew.
fn reset(appliance: &mut Appliance) {
    let serial = appliance.machine.serial();
    serial.sees("7  Factory reset", BOOTS).unwrap();
    let mark = serial.mark();
    appliance.leads("7", "to erase everything");
    serial.send("RESET\r").unwrap();
    serial.wait_after(mark, WIPES, BOOTS).unwrap();
    serial.wait_after(mark, CODE, BOOTS).unwrap();
    appliance.wait_healthy();
    // Nobody is set up: everything but the setup is closed.
    assert_eq!(appliance.owner.get("/api/peers").unwrap().status, 428);
}

#[test]
#[ignore = "boots three times; run by `cargo xtask test --long vm_long`"]
fn vm_long_factory_reset_forgets_everything_and_the_box_can_be_set_up_again() {
    let mut appliance = Appliance::start();
    appliance.set_up();
    appliance.add_peer("phone");
    reset(&mut appliance);
    appliance.set_up();
    assert_eq!(
        appliance.get("/api/peers")["items"][0]["name"],
        serde_json::Value::Null
    );
}

#[test]
#[ignore = "boots five times; run by `cargo xtask test --long vm_long`"]
fn vm_long_factory_reset_goes_on_after_each_of_two_power_cuts() {
    let mut appliance = Appliance::start();
    appliance.set_up();
    let serial = appliance.machine.serial();
    serial.sees("7  Factory reset", BOOTS).unwrap();
    appliance.leads("7", "to erase everything");
    serial.send("RESET\r").unwrap();
    appliance.machine.serial().wait(WIPES, BOOTS).unwrap();
    appliance.power_cycle();
    // A fast machine has nothing left to wipe then.
    let goes_on = wipes_on(&appliance);
    println!("after the first cut the wipe goes on: {goes_on}");
    if goes_on {
        observe(Duration::from_millis(150));
        appliance.power_cycle();
    }
    appliance.wait_healthy();
    assert_eq!(appliance.owner.get("/api/peers").unwrap().status, 428);
    appliance.set_up();
}

/// Waits until a box that was just switched on says that it wipes, or shows the code of one that has forgotten all.
fn wipes_on(appliance: &Appliance) -> bool {
    let serial = appliance.machine.serial();
    let said = wait_for(BOOTS, || {
        let wipes = serial.text().contains(WIPES);
        (wipes || appliance.has_shown_code()).then_some(wipes)
    });
    said.expect("the box neither wipes nor starts anew")
}

#[test]
#[ignore = "boots three times; run by `cargo xtask test --long vm_long`"]
fn vm_long_state_beyond_repair_leads_to_recovery_and_a_reset_starts_anew() {
    let mut appliance = Appliance::start();
    appliance.wait_healthy();
    appliance.machine.cut_power().unwrap();
    appliance.damage("state", 0, cell_os::disk::size_of("state"));
    appliance.power_on();
    let serial = appliance.machine.serial();
    serial
        .wait("a factory reset at the console starts anew", BOOTS)
        .unwrap();
    serial.wait("recovery mode", BOOTS).unwrap();
    serial.sees("RECOVERY MODE", BOOTS).unwrap();
    reset(&mut appliance);
}
