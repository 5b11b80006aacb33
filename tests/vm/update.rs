//! Shows 1 of updates: from the old version to the new and back, with what was kept; and versions that never get well.
//!
//! Each test boots several times: `cargo xtask test --long vm_long`.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use cell_testkit::Request;
use cell_tests::expect_status;
use cell_tests::version::Version;
use cell_tests::vm::{Appliance, BOOTS};
use serde_json::{Value, json};

/// How long a bundle of 80 MB may be on its way into an emulated machine.
const UPLOAD: Duration = Duration::from_secs(900);
/// How long a version on trial of these tests has.
const DEADLINE_S: u32 = 150;

/// Takes the version in, and waits until it is to be tried.
fn install(appliance: &Appliance, version: &Version) -> Value {
    appliance.prove_password();
    let token = appliance.owner.csrf_token().unwrap().unwrap_or_default();
    let request = Request::new("POST", "/api/firmware/bundle")
        .header("content-type", "application/octet-stream")
        .header("x-csrf-token", token)
        .body(version.bundle());
    let reply = appliance.owner.send_within(&request, UPLOAD).unwrap();
    expect_status(&reply, 202);
    let limit = Instant::now() + UPLOAD;
    loop {
        let firmware = appliance.get("/api/firmware");
        let state = firmware["update"]["state"].as_str().unwrap().to_owned();
        if state == "ready" {
            return firmware;
        }
        assert!(state != "failed" && Instant::now() < limit, "{firmware}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Restarts the box by its page, and waits for what the loader and the system say then.
fn restart(appliance: &mut Appliance, said: &[&str]) {
    let mark = appliance.machine.serial().mark();
    let reply = appliance.owner.post("/api/firmware/restart", &json!({}));
    expect_status(&reply.unwrap(), 204);
    for text in said {
        let serial = appliance.machine.serial();
        serial.wait_after(mark, text, BOOTS).unwrap();
    }
    appliance.wait_healthy();
}

fn names(appliance: &Appliance) -> Vec<String> {
    let peers = appliance.get("/api/peers");
    let items = peers["items"].as_array().unwrap().iter();
    items
        .map(|peer| peer["name"].as_str().unwrap().to_owned())
        .collect()
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
    restart(
        &mut appliance,
        &["Booting slot b (trial)", "system b is up, mode trial"],
    );
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
    let kept = names(&appliance);
    for name in ["before", "during", "after"] {
        assert!(kept.iter().any(|kept| kept == name), "{name}: {kept:?}");
    }

    // Back to the old one, on trial too.
    let mark = appliance.machine.serial().mark();
    appliance.prove_password();
    let reply = appliance.owner.post("/api/firmware/other", &json!({}));
    expect_status(&reply.unwrap(), 204);
    restart(
        &mut appliance,
        &["Booting slot a (trial)", "system a is up, mode trial"],
    );
    let serial = appliance.machine.serial();
    serial.wait_after(mark, "slot a is good", BOOTS).unwrap();
    let firmware = appliance.get("/api/firmware");
    assert_eq!(firmware["version"], old, "{firmware}");
    assert_eq!(names(&appliance), kept);
    appliance.add_peer("back");
    appliance.power_cycle();
    appliance.wait_healthy();
    assert!(names(&appliance).contains(&"back".to_owned()));
}

/// A version whose trial ends early, so that a test need not wait ten minutes.
fn impatient(root: &Path) -> io::Result<()> {
    let path = root.join("usr/libexec/cell/trial");
    let text = fs::read_to_string(&path)?;
    let short = text.replace("-lt 600", &format!("-lt {DEADLINE_S}"));
    assert_ne!(short, text);
    fs::write(&path, short)
}

fn put_program(root: &Path, name: &str, script: &str) -> io::Result<()> {
    let path = root.join("usr/bin").join(name);
    let kept = root.join("usr/bin").join(format!("{name}-kept"));
    fs::rename(&path, kept)?;
    fs::write(&path, script)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&path, mode)
}

#[test]
#[ignore = "boots seven times; run by `cargo xtask test --long vm_long`"]
fn vm_long_versions_that_hang_end_or_answer_no_names_are_left_by_themselves() {
    let mut appliance = Appliance::start();
    appliance.set_up();
    appliance.add_peer("phone");
    // Other words than the daemon's own go to the real program.
    let daemon = |instead: &str| {
        format!("#!/bin/sh\ncase $1 in --state-dir) {instead} ;; esac\nexec celld-kept \"$@\"\n")
    };
    let hangs = daemon("exec sleep 100000");
    let ends = daemon("exit 134");
    let mute = daemon("busybox nc -u -l -p 53 -s 0.0.0.0 >/dev/null </dev/null &");
    for (step, script) in [(1, hangs), (2, ends), (3, mute)] {
        let version = Version::after(step, |root| {
            impatient(root)?;
            put_program(root, "celld", &script)
        });
        install(&appliance, &version);
        let begun = Instant::now();
        let mark = appliance.machine.serial().mark();
        let reply = appliance.owner.post("/api/firmware/restart", &json!({}));
        expect_status(&reply.unwrap(), 204);
        let serial = appliance.machine.serial();
        serial
            .wait_after(mark, "Booting slot b (trial)", BOOTS)
            .unwrap();
        serial
            .wait_after(mark, "system a is up, mode normal", BOOTS)
            .unwrap();
        println!("version {step} was left after {:?}", begun.elapsed());
        appliance.wait_healthy();
        let firmware = appliance.get("/api/firmware");
        assert_eq!(firmware["slots"]["running"], "a", "{firmware}");
        assert_eq!(firmware["last_trial"]["passed"], false, "{firmware}");
        assert_eq!(names(&appliance), ["phone"]);
    }
}
