//! Versions that nobody sends: from the channel's server and from sticks, asked for or by itself.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::net::SocketAddr;

use cell_testkit::celld::PATIENCE;
use cell_testkit::firmware::Version;
use cell_testkit::world::{OUTSIDE_NAME, OUTSIDE_WEB};
use cell_testkit::{HttpsServer, Manner, Reply, World, wait_for};
use cell_tests::slots::Slots;
use cell_tests::{Cell, expect_status};
use cell_updates::boot_state::Slot;
use serde_json::{Value, json};

/// A cell that runs the old version from slot `a`, and a server on the internet.
struct Appliance {
    cell: Cell,
    slots: Slots,
    server: HttpsServer,
}

impl Appliance {
    fn start() -> Self {
        let slots = Slots::new();
        let cell = Cell::start_in(World::new().unwrap(), slots.options());
        let address = SocketAddr::from((OUTSIDE_WEB, 443));
        let server = HttpsServer::start_in(&cell.world.internet, address, OUTSIDE_NAME);
        Self {
            cell,
            slots,
            server,
        }
    }

    /// Settings that name the server by its name, with what else is wanted.
    fn set(&self, more: Value) -> Reply {
        let mut updates = json!({
            "source": format!("https://{OUTSIDE_NAME}/cell"),
            "authorities": self.server.authority,
        });
        let more = more.as_object().unwrap().clone();
        updates.as_object_mut().unwrap().extend(more);
        let owner = &self.cell.owner;
        owner
            .put("/api/config", &json!({ "updates": updates }))
            .unwrap()
    }

    fn put(&self, version: &Version) -> u64 {
        let bundle = version.bundle(&self.slots.keys);
        let size = bundle.len() as u64;
        self.server.put(bundle);
        size
    }

    fn check(&self) -> Reply {
        self.cell
            .owner
            .post("/api/firmware/check", &json!({}))
            .unwrap()
    }

    fn fetch(&self, from: &str) -> Reply {
        let form = json!({ "from": from });
        self.cell.owner.post("/api/firmware/fetch", &form).unwrap()
    }

    fn firmware(&self) -> Value {
        self.cell.get("/api/firmware")
    }

    fn wait(&self, what: impl Fn(&Value) -> bool) -> Value {
        let seen = wait_for(PATIENCE, || Some(self.firmware()).filter(&what));
        seen.unwrap_or_else(|| panic!("{}", self.firmware()))
    }

    fn wait_update(&self, state: &str) -> Value {
        self.wait(|firmware| firmware["update"]["state"] == state)
    }
}

fn expect_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.json()["code"], code, "{}", reply.text());
}

#[test]
fn newer_version_is_found_by_name_and_only_what_is_missing_is_fetched() {
    let appliance = Appliance::start();
    expect_problem(&appliance.check(), 409, "no_source");
    expect_problem(&appliance.fetch("channel"), 409, "no_source");
    expect_status(&appliance.set(json!({})), 200);
    let new = Version::new(11);
    let size = appliance.put(&appliance.slots.version);
    expect_status(&appliance.check(), 200);
    assert_eq!(
        appliance.firmware()["available"],
        Value::Null,
        "the same one is not newer"
    );

    let changed = appliance.slots.version.changed();
    appliance.put(&changed);
    let reply = appliance.check();
    assert_eq!(
        reply.json()["available"]["version"],
        changed.release.version
    );
    assert_eq!(reply.json()["available"]["notes"], "What is new.");
    assert_eq!(reply.json()["update"]["state"], "none", "it is only shown");
    let paths = appliance.server.paths();
    assert!(
        paths
            .iter()
            .all(|path| path.starts_with("/cell/stable/cell-")),
        "{paths:?}"
    );

    let before = appliance.server.bytes();
    let reply = appliance.fetch("channel");
    expect_status(&reply, 202);
    assert_eq!(reply.json()["update"]["version"], changed.release.version);
    let firmware = appliance.wait_update("ready");
    let (sent, fetched) = (
        appliance.server.bytes() - before,
        firmware["update"]["fetched"].as_u64().unwrap(),
    );
    println!("{sent} of {size} bytes were sent, {fetched} were missing");
    assert!(
        fetched < size / 2 && sent < size * 3 / 4,
        "{sent} and {fetched} of {size}"
    );
    assert_eq!(firmware["available"], Value::Null, "it is here");
    assert!(appliance.slots.hold(Slot::B, &changed));
    let audit = appliance.cell.get("/api/audit").to_string();
    assert!(audit.contains("firmware.fetch"), "{audit}");

    // One that gives whole files only serves as well.
    appliance.server.behave(Manner::WholeFiles);
    appliance.put(&new);
    expect_status(&appliance.fetch("channel"), 202);
    appliance.wait(|firmware| {
        let update = &firmware["update"];
        update["state"] == "ready" && update["version"] == new.release.version
    });
    assert!(appliance.slots.hold(Slot::B, &new));
}

#[test]
fn bad_servers_have_their_own_reasons_and_change_nothing() {
    let appliance = Appliance::start();
    expect_status(&appliance.set(json!({})), 200);
    let new = Version::new(11);
    let size = appliance.put(&new);
    for (manner, status, code) in [
        (
            Manner::Redirects("https://elsewhere.example/".to_owned()),
            502,
            "source_redirects",
        ),
        (Manner::Status(404), 502, "source_refuses"),
        (Manner::Garbage, 502, "source_garbled"),
        (Manner::WrongPart, 502, "source_garbled"),
        (Manner::NoSize, 502, "source_garbled"),
        (Manner::CutsAfter(0), 502, "bundle_incomplete"),
    ] {
        appliance.server.behave(manner.clone());
        expect_problem(&appliance.check(), status, code);
        let firmware = appliance.firmware();
        assert_eq!(firmware["checked"]["problem"]["code"], code, "{manner:?}");
        expect_problem(&appliance.fetch("channel"), status, code);
        let firmware = appliance.firmware();
        assert_eq!(firmware["update"]["state"], "failed", "{manner:?}");
        assert_eq!(firmware["slots"]["other"], "b", "{manner:?}");
    }
    // Once it has begun, what goes wrong is shown; what has arrived is kept.
    appliance
        .server
        .behave(Manner::CutsAfter(appliance.server.bytes() + size / 2));
    expect_status(&appliance.fetch("channel"), 202);
    let firmware = appliance.wait_update("failed");
    assert_eq!(firmware["update"]["problem"]["code"], "bundle_incomplete");
    assert!(appliance.slots.hold(Slot::B, &appliance.slots.version));

    // Somebody else in its place, and files that are no bundles of ours.
    appliance.server.behave(Manner::Good);
    let authority = HttpsServer::start_here().authority.clone();
    expect_status(&appliance.set(json!({ "authorities": authority })), 200);
    expect_problem(&appliance.check(), 502, "source_untrusted");
    expect_status(&appliance.set(json!({})), 200);
    appliance.server.put(Vec::new());
    expect_problem(&appliance.check(), 502, "not_a_bundle");
    appliance.server.put(vec![7; 400_000]);
    expect_problem(&appliance.check(), 502, "not_a_bundle");
    let mut manifest = new.manifest();
    manifest.channel = cell_model::config::ReleaseChannel::Testing;
    let testing = new.bundle_with(&manifest, &appliance.slots.keys, 2);
    appliance.server.put(testing);
    expect_problem(&appliance.check(), 422, "wrong_channel");
    expect_problem(&appliance.fetch("channel"), 422, "wrong_channel");

    // And then it goes on where it stopped.
    expect_status(&appliance.set(json!({ "channel": "testing" })), 200);
    expect_status(&appliance.fetch("channel"), 202);
    appliance.wait_update("ready");
    assert!(appliance.slots.hold(Slot::B, &new));
}

#[test]
fn box_that_shall_do_it_by_itself_does_so_in_its_window() {
    let appliance = Appliance::start();
    let refused = [
        json!({ "mode": "ask", "source": null }),
        json!({ "mode": "always" }),
        json!({ "source": "http://www.example.net/cell" }),
        json!({ "authorities": "no certificate" }),
        json!({ "window": { "from": "25:00", "until": "03:00" } }),
        json!({ "colour": "blue" }),
    ];
    for settings in refused {
        let reply = appliance.set(settings.clone());
        expect_problem(&reply, 400, "invalid_field");
    }
    let new = Version::new(11);
    appliance.put(&new);
    expect_status(&appliance.set(json!({ "mode": "ask" })), 200);
    let firmware = appliance.wait(|firmware| !firmware["available"].is_null());
    assert_eq!(firmware["available"]["version"], new.release.version);
    assert_eq!(firmware["update"]["state"], "none", "it is asked first");

    // A window that is closed now and for hours.
    let (from, until) = window_after_hours();
    let closed = json!({ "mode": "automatic", "window": { "from": from, "until": until } });
    expect_status(&appliance.set(closed), 200);
    appliance.wait_update("ready");
    assert!(appliance.slots.hold(Slot::B, &new));
    assert!(!appliance.slots.was_restarted(), "the window is closed");
    let open = json!({ "mode": "automatic", "window": { "from": "00:00", "until": "00:00" } });
    expect_status(&appliance.set(open), 200);
    let restarted = wait_for(PATIENCE, || appliance.slots.was_restarted().then_some(()));
    assert!(restarted.is_some(), "{}", appliance.firmware());
}

/// Two minutes of the day, some hours from now in any time zone near that of the tests' box.
fn window_after_hours() -> (String, String) {
    let now = cell_model::Timestamp::now().as_second();
    let minute = (now / 60 + 8 * 60) % (24 * 60);
    let text = |minute: i64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    (text(minute), text(minute + 2))
}

#[test]
fn version_that_did_not_get_well_is_not_taken_again_by_itself() {
    let mut appliance = Appliance::start();
    let new = Version::new(11);
    appliance.put(&new);
    let automatic = json!({ "mode": "automatic", "window": { "from": "00:00", "until": "00:00" } });
    expect_status(&appliance.set(automatic), 200);
    let restarted = wait_for(PATIENCE, || appliance.slots.was_restarted().then_some(()));
    assert!(restarted.is_some(), "{}", appliance.firmware());
    // The loader tried it, and the box came back.
    appliance.cell.celld.terminate().unwrap();
    appliance.slots.give_up();
    appliance.cell.celld.launch().unwrap();
    appliance.cell.celld.wait_healthy().unwrap();
    appliance.cell.sign_in();
    let firmware = appliance.firmware();
    assert_eq!(firmware["last_trial"]["passed"], false, "{firmware}");
    assert_eq!(firmware["last_trial"]["version"], new.release.version);
    // Looked at anew, as after a change of the settings.
    expect_status(&appliance.set(json!({ "mode": "ask" })), 200);
    expect_status(&appliance.set(json!({ "mode": "automatic" })), 200);
    let firmware = appliance.wait(|firmware| !firmware["available"].is_null());
    assert_eq!(firmware["available"]["version"], new.release.version);
    cell_tests::observe(std::time::Duration::from_secs(2));
    assert_eq!(appliance.firmware()["update"]["state"], "none");
    // The owner may still try it.
    expect_status(&appliance.fetch("channel"), 202);
    appliance.wait_update("ready");
}

#[test]
fn stick_is_read_and_what_is_wrong_with_it_said() {
    let appliance = Appliance::start();
    expect_problem(&appliance.fetch("stick"), 409, "no_stick");
    let stick = appliance.slots.stick();
    fs::create_dir(&stick).unwrap();
    expect_problem(&appliance.fetch("stick"), 409, "no_bundle_on_stick");
    let new = Version::new(11);
    let bundle = new.bundle(&appliance.slots.keys);
    let path = stick.join(format!("cell-{}.bundle", new.release.board));
    fs::write(&path, &bundle[..bundle.len() - 1]).unwrap();
    expect_status(&appliance.fetch("stick"), 202);
    let firmware = appliance.wait_update("failed");
    assert_eq!(firmware["update"]["problem"]["code"], "bundle_incomplete");
    assert!(appliance.slots.hold(Slot::B, &appliance.slots.version));
    fs::write(&path, &bundle).unwrap();
    expect_status(&appliance.fetch("stick"), 202);
    appliance.wait_update("ready");
    assert!(appliance.slots.hold(Slot::B, &new));
    expect_problem(
        &appliance
            .cell
            .owner
            .post("/api/firmware/fetch", &json!({ "from": "moon" }))
            .unwrap(),
        400,
        "invalid_field",
    );
}

#[test]
fn what_is_still_being_fetched_can_be_stopped() {
    let appliance = Appliance::start();
    expect_status(&appliance.set(json!({})), 200);
    let new = Version::new(11);
    let size = appliance.put(&new);
    appliance.server.behave(Manner::StallsAfter(size / 2));
    expect_status(&appliance.fetch("channel"), 202);
    appliance.wait_update("receiving");
    expect_problem(&appliance.fetch("channel"), 409, "update_running");
    expect_status(
        &appliance.cell.owner.delete("/api/firmware/bundle").unwrap(),
        204,
    );
    let firmware = appliance.wait_update("none");
    assert_eq!(firmware["slots"]["trial"], Value::Null);
    assert!(appliance.slots.hold(Slot::B, &appliance.slots.version));
    appliance.server.behave(Manner::Good);
    expect_status(&appliance.fetch("channel"), 202);
    appliance.wait_update("ready");
}
