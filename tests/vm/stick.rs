//! A service that comes on a USB stick: read from a file system that the box mounts by itself, and kept when the stick is
//! gone.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::path::Path;

use cell_model::Timestamp;
use cell_model::config::Purpose;
use cell_os::keyring::Keyring;
use cell_os::service::{Issue, publish};
use cell_testkit::vm::Stick;
use cell_testkit::{oci, wait_for};
use cell_tests::expect_status;
use cell_tests::vm::{Appliance, BOOTS, emulator, services};
use serde_json::{Value, json};

const RELEASE: u64 = 1_000;
const FOLDER: &str = "services";

/// Makes a source with one service: the box's calendar, as somebody else could have made it. Its image is one that the box
/// does not have.
fn make_source(to: &Path) {
    let own = services();
    let images: Value =
        serde_json::from_slice(&fs::read(own.join("images.json")).unwrap()).unwrap();
    let digest = images["images"]["radicale"].as_str().unwrap();
    let blob = |folder: &Path, digest: &str| folder.join("blobs").join(digest.replace(':', "/"));
    let manifest = fs::read(blob(&own, digest)).unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    fs::create_dir_all(to.join("blobs/sha256")).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    for part in layers.chain([&manifest["config"]]) {
        let part = part["digest"].as_str().unwrap();
        fs::copy(blob(&own, part), blob(to, part)).unwrap();
    }
    manifest["annotations"] = json!({ "org.opencontainers.image.vendor": "a friend" });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let other = oci::digest(&manifest);
    fs::write(blob(to, &other), manifest).unwrap();
    let list = json!({ "images": { "radicale": other } });
    fs::write(to.join("images.json"), list.to_string()).unwrap();
    let text = fs::read_to_string(own.join("calendar/service.toml")).unwrap();
    let text = text.replace(digest, &other);
    let text = text.replace("release = 1\n", &format!("release = {RELEASE}\n"));
    fs::create_dir(to.join("calendar")).unwrap();
    fs::write(to.join("calendar/service.toml"), text).unwrap();
}

fn wait_well(appliance: &Appliance) -> Value {
    let path = "/api/services/active/calendar";
    let well = wait_for(BOOTS, || {
        let service = appliance.get(path)["service"].clone();
        (service["state"] == "ok").then_some(service)
    });
    assert!(well.is_some(), "{}", appliance.get(path));
    well.unwrap()
}

#[test]
#[ignore = "boots twice and starts a container; run by `cargo xtask test --long vm_long`"]
fn vm_long_services_come_from_a_stick_and_outlive_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join(FOLDER);
    make_source(&source);
    let keys = folder.path().join("keys");
    Keyring::create(&keys, Purpose::Release).unwrap();
    let keys = Keyring::read(&keys).unwrap();
    let issue = Issue {
        version: 1,
        expires: Timestamp::now() + std::time::Duration::from_secs(86_400),
        registry: None,
    };
    publish(&source, &issue, &keys).unwrap();
    let stick = Stick::new(emulator().toolbox(), &folder.path().join("stick.img")).unwrap();
    stick.put_folder(&source).unwrap();

    let mut appliance =
        Appliance::start_with(|options| options.stick = Some(stick.path().to_owned()));
    appliance.set_up();
    let friend = json!({ "url": format!("usb:{FOLDER}"), "keys": keys.list });
    let network = appliance.get("/api/config")["services"]["network"].clone();
    let services = json!({ "network": network, "sources": { "friend": friend } });
    let settings = json!({ "services": services });
    expect_status(&appliance.owner.put("/api/config", &settings).unwrap(), 200);
    let asked = appliance.owner.post("/api/store/refresh", &json!({}));
    let asked = asked.unwrap().json()["items"][0].clone();
    assert_eq!(asked["state"], "ok", "{asked}");
    assert_eq!(asked["services"], 1, "{asked}");
    let offers = appliance.get("/api/store");
    let of_friend = |offer: &&Value| offer["source"] == "friend";
    let offered = offers["items"].as_array().unwrap().iter().find(of_friend);
    assert_eq!(offered.unwrap()["id"], "calendar", "{offers}");

    let installed = appliance
        .owner
        .post("/api/store/calendar/install", &json!({}));
    expect_status(&installed.unwrap(), 201);
    assert_eq!(wait_well(&appliance)["release"], RELEASE);

    // It is pulled out while the box is off, and nobody misses it.
    appliance.change(|options| options.stick = None);
    appliance.power_cycle();
    appliance.sign_in();
    wait_well(&appliance);
    let asked = appliance.owner.post("/api/store/refresh", &json!({}));
    let asked = asked.unwrap().json()["items"][0].clone();
    assert_eq!(asked["code"], "no_stick", "{asked}");
    assert_eq!(asked["version"], 1, "what was known stays: {asked}");
}
