//! Shows 1 of updates: from the old version to the new and back, with what was kept.
//!
//! The test boots several times: `cargo xtask test --long vm_long`.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::time::Duration;

use cell_tests::expect_status;
use cell_tests::update::{install, peers, restart};
use cell_tests::version::Version;
use cell_tests::vm::{Appliance, BOOTS};
use serde_json::json;

/// Restarts the box by its page, and waits for what the loader and the system say then. Answers how long names were not
/// answered meanwhile.
fn try_next(appliance: &mut Appliance, said: &[&str]) -> Duration {
    let silence = appliance.watch_names();
    let mark = appliance.machine.serial().mark();
    restart(appliance);
    for text in said {
        let serial = appliance.machine.serial();
        serial.wait_after(mark, text, BOOTS).unwrap();
    }
    appliance.wait_healthy();
    silence.longest()
}

#[test]
#[ignore = "boots five times; run by `cargo xtask test --long vm_long`"]
fn vm_long_update_is_tried_kept_and_gone_back_from_with_all_that_was_done() {
    let mut appliance = Appliance::start();
    appliance.set_up();
    appliance.add_peer("before");
    let old = appliance.get("/api/firmware")["version"].clone();
    let new = Version::after(1, |root| fs::write(root.join("etc/cell/new"), "new"));
    let firmware = install(&appliance, &new);
    let (fetched, total) = (&firmware["update"]["fetched"], &firmware["update"]["total"]);
    println!("{fetched} bytes had to be fetched, {total} were written");

    let mark = appliance.machine.serial().mark();
    let gap = try_next(
        &mut appliance,
        &["Booting slot b (trial)", "system b is up, mode trial"],
    );
    println!("reboot gap: {gap:.1?} (emulated)");
    let firmware = appliance.get("/api/firmware");
    assert_eq!(firmware["version"], new.release.version, "{firmware}");
    // Nothing is changed before it has proven itself; the owner of before is signed in.
    if firmware["update"]["state"] == "on_trial" {
        let reply = appliance
            .owner
            .post("/api/peers", &json!({"name": "early"}));
        let reply = reply.unwrap();
        assert!(
            reply.status == 409 && reply.json()["code"] == "trial_running" || reply.status == 201,
            "{}",
            reply.text()
        );
    }
    let serial = appliance.machine.serial();
    serial.wait_after(mark, "slot b is good", BOOTS).unwrap();
    let firmware = appliance.get("/api/firmware");
    assert_eq!(firmware["slots"]["primary"], "b", "{firmware}");
    assert_eq!(firmware["last_trial"]["passed"], true, "{firmware}");
    appliance.add_peer("during");

    appliance.power_cycle();
    appliance.wait_healthy();
    appliance.add_peer("after");
    let kept = peers(&appliance);
    for name in ["before", "during", "after"] {
        assert!(kept.iter().any(|kept| kept == name), "{name}: {kept:?}");
    }

    // Back to the old one, on trial too.
    let mark = appliance.machine.serial().mark();
    appliance.prove_password();
    let reply = appliance.owner.post("/api/firmware/other", &json!({}));
    expect_status(&reply.unwrap(), 204);
    let gap = try_next(
        &mut appliance,
        &["Booting slot a (trial)", "system a is up, mode trial"],
    );
    println!("reboot gap: {gap:.1?} (emulated)");
    let serial = appliance.machine.serial();
    serial.wait_after(mark, "slot a is good", BOOTS).unwrap();
    let firmware = appliance.get("/api/firmware");
    assert_eq!(firmware["version"], old, "{firmware}");
    assert_eq!(peers(&appliance), kept);
    appliance.add_peer("back");
    appliance.power_cycle();
    appliance.wait_healthy();
    assert!(peers(&appliance).contains(&"back".to_owned()));
}
