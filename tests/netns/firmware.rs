//! A firmware bundle on its way into a box whose slots are files: taken, refused, dropped.

use std::fs;

use cell_testkit::celld::PATIENCE;
use cell_testkit::firmware::{Keys, Version};
use cell_testkit::wait_for;
use cell_tests::expect_status;
use cell_tests::slots::{Appliance, Slots};
use cell_updates::boot_state::Slot;
use serde_json::{Value, json};

#[test]
fn bundle_is_taken_and_can_be_dropped_again() {
    let appliance = Appliance::start(Slots::new());
    let firmware = appliance.firmware();
    assert_eq!(firmware["version"], "1.10.0");
    assert_eq!(firmware["slots"]["running"], "a");
    assert_eq!(firmware["update"]["state"], "none");

    let new = Version::new(11);
    let reply = appliance.send(&new.bundle(&appliance.slots.keys));
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert_eq!(reply.json()["update"]["version"], "1.11.0");
    let firmware = appliance.wait_update("ready");
    assert_eq!(firmware["slots"]["trial"], "b");
    assert_eq!(firmware["update"]["notes"], "What is new.");
    assert!(
        appliance.slots.hold(Slot::A, &appliance.slots.version)
            && appliance.slots.hold(Slot::B, &new)
    );

    // What waits for the restart can be dropped; nothing is left to be dropped then.
    expect_status(
        &appliance.cell.owner.delete("/api/firmware/bundle").unwrap(),
        204,
    );
    let firmware = appliance.firmware();
    assert_eq!(firmware["update"]["state"], "none");
    assert_eq!(firmware["slots"]["trial"], Value::Null);
    let reply = appliance.cell.owner.delete("/api/firmware/bundle").unwrap();
    assert_eq!(
        (reply.status, reply.json()["code"].clone()),
        (409, json!("no_other_version"))
    );
    let reply = appliance
        .cell
        .owner
        .post("/api/firmware/other", &json!({}))
        .unwrap();
    assert_eq!(reply.status, 409, "what was given up is not gone back to");

    // Sent again, nothing has to be written; then the box restarts into it.
    expect_status(&appliance.send(&new.bundle(&appliance.slots.keys)), 202);
    appliance.wait_update("ready");
    assert!(!appliance.slots.was_restarted());
    expect_status(
        &appliance
            .cell
            .owner
            .post("/api/firmware/restart", &json!({}))
            .unwrap(),
        204,
    );
    assert!(appliance.slots.was_restarted());
    let audit = appliance.cell.get("/api/audit").to_string();
    for action in ["firmware.receive", "firmware.drop", "box.restart"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

#[test]
fn bundles_that_are_not_taken_are_answered_with_a_reason_and_change_nothing() {
    let appliance = Appliance::start(Slots::new());
    let new = Version::new(11);
    let keys = &appliance.slots.keys;
    let bundle = new.bundle(keys);
    let mut flipped = bundle.clone();
    flipped[bundle.len() - 100_000] ^= 1;
    let changed = |change: &dyn Fn(&mut cell_updates::bundle::Manifest)| {
        let mut manifest = new.manifest();
        change(&mut manifest);
        new.bundle_with(&manifest, keys, 2)
    };
    let past = cell_model::Timestamp::UNIX_EPOCH;
    let cases: [(&str, Vec<u8>, u16, &str); 10] = [
        ("nothing", Vec::new(), 400, "not_a_bundle"),
        ("garbage", vec![7; 300_000], 400, "not_a_bundle"),
        // Before the next one, which leaves chunks behind that need not be sent again.
        ("flipped", flipped, 400, "bundle_damaged"),
        (
            "cut",
            bundle[..bundle.len() - 1].to_vec(),
            400,
            "bundle_incomplete",
        ),
        (
            "longer",
            [&bundle[..], b"x"].concat(),
            400,
            "bundle_too_long",
        ),
        (
            "one key",
            new.bundle_with(&new.manifest(), keys, 1),
            422,
            "bundle_not_trusted",
        ),
        (
            "strangers",
            new.bundle(&Keys::new()),
            422,
            "bundle_not_trusted",
        ),
        (
            "board",
            changed(&|it| it.release.board = "pi".to_owned()),
            422,
            "wrong_board",
        ),
        (
            "expired",
            changed(&|it| it.expires = past),
            422,
            "bundle_expired",
        ),
        (
            "older",
            changed(&|it| it.release.sequence = 10),
            409,
            "not_newer",
        ),
    ];
    for (name, bytes, status, code) in cases {
        let reply = appliance.send(&bytes);
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        assert_eq!(reply.json()["code"], code, "{name}: {}", reply.text());
        let firmware = appliance.firmware();
        assert_eq!(firmware["update"]["problem"]["code"], code, "{name}");
        assert_eq!(firmware["slots"]["other"], "b", "{name}");
        assert!(
            appliance.slots.hold(Slot::B, &appliance.slots.version),
            "{name}"
        );
    }
    let older = changed(&|it| it.release.sequence = 10);
    expect_status(&appliance.send_with(&older, "?allow_older=yes"), 400);
    expect_status(&appliance.send_with(&older, "?allow_older=true"), 202);
    appliance.wait_update("ready");
    assert!(appliance.slots.hold(Slot::B, &new));
}

#[test]
fn changes_wait_while_a_version_is_on_trial() {
    let mut appliance = Appliance::start(Slots::new());
    let new = Version::new(11);
    expect_status(&appliance.send(&new.bundle(&appliance.slots.keys)), 202);
    appliance.wait_update("ready");
    // The restart: the loader goes to slot b, which is on trial now.
    appliance.cell.celld.terminate().unwrap();
    appliance.slots.boot("b", "trial");
    appliance.cell.celld.launch().unwrap();
    appliance.cell.celld.wait_healthy().unwrap();
    appliance.cell.sign_in();
    assert_eq!(appliance.firmware()["update"]["state"], "on_trial");
    let owner = &appliance.cell.owner;
    let refused = [
        owner.post("/api/peers", &json!({"name": "phone"})).unwrap(),
        owner
            .post(
                "/api/auth/users",
                &json!({"username": "ben", "password": "a long and quiet river", "role": "member"}),
            )
            .unwrap(),
        owner
            .post("/api/app-passwords", &json!({"device": "phone"}))
            .unwrap(),
        appliance.send(&Version::new(12).bundle(&appliance.slots.keys)),
    ];
    for reply in refused {
        assert_eq!(
            (reply.status, reply.json()["code"].clone()),
            (409, json!("trial_running"))
        );
    }
    // It has proven itself.
    fs::write(appliance.cell.celld.runtime_dir().join("committed"), "").unwrap();
    expect_status(
        &appliance
            .cell
            .owner
            .post("/api/peers", &json!({"name": "phone"}))
            .unwrap(),
        201,
    );
}

#[test]
fn second_bundle_waits_for_the_first_and_one_that_breaks_off_is_gone_on_with() {
    let appliance = Appliance::start(Slots::new());
    let new = Version::new(11);
    let bundle = new.bundle(&appliance.slots.keys);
    std::thread::scope(|scope| {
        // A few seconds at this rate.
        let slow = appliance.request(&bundle, "").at_rate(400_000);
        let owner = &appliance.cell.owner;
        let slow = scope.spawn(move || expect_status(&owner.send(&slow).unwrap(), 202));
        appliance.wait_upload(&slow);
        let second = appliance.send(&bundle);
        assert_eq!(second.json()["code"], "update_running", "{}", second.text());
        for (path, form) in [
            ("/api/firmware/restart", json!({})),
            ("/api/firmware/other", json!({})),
        ] {
            let reply = owner.post(path, &form).unwrap();
            assert_eq!(reply.json()["code"], "update_running", "{path}");
        }
        slow.join().unwrap();
    });
    appliance.wait_update("ready");
    assert!(!appliance.slots.was_restarted());

    // The sender goes away in the middle.
    let next = Version::new(12).bundle(&appliance.slots.keys);
    let broken = appliance.request(&next, "").at_rate(200_000);
    let limit = std::time::Duration::from_secs(3);
    assert!(appliance.cell.owner.send_within(&broken, limit).is_err());
    let seen = wait_for(PATIENCE, || {
        let firmware = appliance.firmware();
        (firmware["update"]["problem"]["code"] == "bundle_incomplete").then_some(firmware)
    });
    let firmware = seen.expect("it is seen that it broke off");
    assert_eq!(
        firmware["update"]["state"], "ready",
        "the one before still waits: {firmware}"
    );
    expect_status(&appliance.send(&next), 202);
    let firmware = appliance.firmware();
    let (fetched, all) = (&firmware["update"]["fetched"], next.len() as u64);
    assert!(
        fetched.as_u64().unwrap() < all * 9 / 10,
        "{fetched} of {all}"
    );
}
