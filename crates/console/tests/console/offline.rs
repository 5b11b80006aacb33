//! What the console writes without the daemon, seen by the daemon that comes after.

use cell_console::cell::{Applied, Cell as _, OfflineCell, reach};
use cell_console::effect::Side;
use cell_model::config::AddressingConfig;
use cell_model::secret::Secret;
use cell_tests::authenticator::Authenticator;
use cell_tests::passkey;
use cell_tests::{Cell, OWNER, PASSWORD, expect_status};
use serde_json::{Value, json};

use crate::entries::{cell, signs_in};
use crate::sitting::EmptyBox;

const NEW_PASSWORD: &str = "a short and noisy brook";

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn open(cell: &Cell) -> OfflineCell {
    let code = cell.celld.runtime_dir().join("setup-code");
    OfflineCell::open(cell.celld.state_dir(), &code).unwrap()
}

fn lan(address: &str) -> AddressingConfig {
    AddressingConfig::Static {
        address: address.parse().unwrap(),
        gateway: None,
    }
}

/// The audit's actions, newest first, and that its chain holds.
fn audited(cell: &Cell) -> Vec<Value> {
    assert_eq!(cell.get("/api/audit/verify")["ok"], true);
    cell.get("/api/audit")["items"].as_array().unwrap().clone()
}

#[test]
fn owner_signs_in_with_the_new_password_and_old_sessions_are_gone() {
    let (_partition, mut cell) = cell();
    let session = cell.celld.client(&cell.world.laptop).unwrap();
    expect_status(&session.login(OWNER, PASSWORD).unwrap(), 200);
    let device = json!({"device": "phone"});
    expect_status(&session.post("/api/app-passwords", &device).unwrap(), 201);
    let token = json!({ "label": "backup", "scopes": ["peers:read"] });
    expect_status(&session.post("/api/auth/tokens", &token).unwrap(), 201);
    let invite = json!({ "username": "ben", "role": "member" });
    expect_status(&session.post("/api/auth/invites", &invite).unwrap(), 201);
    let _ = passkey::add(&session, "phone");
    let _app = Authenticator::set_up(&session);
    cell.celld.terminate().unwrap();

    let mut offline = open(&cell);
    let owner = OWNER.parse().unwrap();
    assert_eq!(offline.stored().unwrap().owners, [owner]);
    let owner = OWNER.parse().unwrap();
    assert!(offline.set_password(&owner, secret("short")).is_err());
    assert!(
        offline
            .set_password(&"nobody".parse().unwrap(), secret(NEW_PASSWORD))
            .is_err()
    );
    offline.set_password(&owner, secret(NEW_PASSWORD)).unwrap();
    assert!(offline.check_owner(&owner, secret(PASSWORD)).is_err());
    offline.check_owner(&owner, secret(NEW_PASSWORD)).unwrap();
    drop(offline);

    cell.celld.restart().unwrap();
    expect_status(&session.get("/api/peers").unwrap(), 401);
    assert!(!signs_in(&cell, PASSWORD));
    cell.owner = cell.celld.client(&cell.world.laptop).unwrap();
    let reply = cell.owner.login(OWNER, NEW_PASSWORD).unwrap();
    expect_status(&reply, 200);
    assert_eq!(
        reply.json()["must_change_password"],
        true,
        "{}",
        reply.text()
    );
    for ended in [
        "app-passwords",
        "auth/tokens",
        "auth/invites",
        "auth/passkeys",
    ] {
        let left = cell.get(&format!("/api/{ended}"));
        assert_eq!(left["items"], json!([]), "{ended}");
    }
    let records = audited(&cell);
    let reset = records
        .iter()
        .find(|record| record["action"] == "auth.password.reset")
        .unwrap();
    assert_eq!(reset["actor"], "root@console");
    assert_eq!(reset["object"], OWNER);
}

#[test]
fn addresses_are_a_revision_the_daemon_brings_into_force() {
    let (_partition, mut cell) = cell();
    let before = cell.get("/api/status")["revision"].as_u64().unwrap();
    cell.celld.terminate().unwrap();

    let mut offline = open(&cell);
    // The VPN has this network.
    assert!(
        offline
            .set_addressing(Side::Lan, lan("10.31.7.5/24"))
            .is_err()
    );
    assert!(
        offline
            .set_addressing(Side::Lan, lan("192.168.77.0/24"))
            .is_err()
    );
    let applied = offline
        .set_addressing(Side::Lan, lan("192.168.77.1/25"))
        .unwrap();
    assert_eq!(applied, Applied::AtStart { settled: false });
    drop(offline);

    cell.celld.restart().unwrap();
    cell.sign_in();
    let config = cell.get("/api/config");
    assert_eq!(config["revision"], before + 1);
    assert_eq!(
        config["network"]["lan"]["addressing"]["address"],
        "192.168.77.1/25"
    );
    cell.celld.wait_applied(before + 1).unwrap();
    cell.wait_ok("network");
    let addresses = cell
        .world
        .cell
        .command("ip")
        .args(["-o", "address", "show", "dev", "lan0"])
        .output()
        .unwrap();
    let addresses = String::from_utf8(addresses.stdout).unwrap();
    assert!(addresses.contains("192.168.77.1/25"), "{addresses}");
    assert!(audited(&cell).iter().any(|record| {
        record["action"] == "config.change" && record["actor"] == "root@console"
    }));
}

#[test]
fn change_that_waited_counts_as_kept_and_stands_in_nobodys_way() {
    let (_partition, mut cell) = cell();
    let update = json!({"network": {
        "wan": {"addressing": {"mode": "adopt"}},
        "lan": {"addressing": {"mode": "static", "address": "192.168.77.1/26"}},
    }});
    let reply = cell.owner.put("/api/config", &update).unwrap();
    expect_status(&reply, 202);
    assert!(!reply.json()["confirm"].is_null(), "{}", reply.text());
    cell.celld.kill9().unwrap();

    let mut offline = open(&cell);
    let applied = offline
        .set_addressing(Side::Lan, lan("192.168.77.1/25"))
        .unwrap();
    assert_eq!(applied, Applied::AtStart { settled: true });
    drop(offline);

    cell.celld.restart().unwrap();
    cell.sign_in();
    let network = cell.get("/api/config")["network"].clone();
    assert_eq!(network["lan"]["addressing"]["address"], "192.168.77.1/25");
    assert!(cell.get("/api/status")["pending"].is_null());
}

#[test]
fn store_that_the_daemon_has_open_is_left_alone() {
    let (_partition, cell) = cell();
    // Nobody listens in this runtime directory, but the daemon runs.
    let elsewhere = EmptyBox::new();
    let refusal = reach(&elsewhere.runtime_dir, cell.celld.state_dir())
        .err()
        .unwrap();
    assert!(refusal.what.contains("in use"), "{refusal}");
    assert!(refusal.todo.contains("Try again"), "{refusal}");
    // Through its socket everything works.
    let mut online = reach(&cell.celld.runtime_dir(), cell.celld.state_dir()).unwrap();
    assert_eq!(online.stored().unwrap().cell_name.as_deref(), Some("home"));
}

#[test]
fn box_that_lost_its_owners_gets_one() {
    let (_partition, mut cell) = cell();
    cell.celld.terminate().unwrap();
    let mut offline = open(&cell);
    let carla = "carla".parse().unwrap();
    offline.add_owner(&carla, secret(NEW_PASSWORD)).unwrap();
    assert!(offline.add_owner(&carla, secret(NEW_PASSWORD)).is_err());
    drop(offline);
    cell.celld.restart().unwrap();
    let client = cell.celld.client(&cell.world.laptop).unwrap();
    expect_status(&client.login("carla", NEW_PASSWORD).unwrap(), 200);
    let me = client.get("/api/auth/me").unwrap().json();
    assert_eq!(me["role"], "owner", "{me}");
}

#[test]
fn guessing_is_slowed_and_audited() {
    let (_partition, mut cell) = cell();
    cell.celld.terminate().unwrap();
    let mut offline = open(&cell);
    // Another name than in the other tests: tries are counted for the whole process.
    let name = "berta".parse().unwrap();
    for _ in 0..5 {
        let refusal = offline
            .check_owner(&name, secret("a guess at it"))
            .unwrap_err();
        assert_eq!(refusal.what, "The password is wrong.");
    }
    let refusal = offline
        .check_owner(&name, secret("a guess at it"))
        .unwrap_err();
    assert_eq!(refusal.what, "Too many wrong passwords.");
    drop(offline);
    cell.celld.restart().unwrap();
    cell.sign_in();
    let refused = audited(&cell)
        .iter()
        .filter(|record| record["action"] == "auth.login" && record["outcome"] == "refused")
        .count();
    assert_eq!(refused, 5);
}

#[test]
fn nothing_is_made_where_nothing_was() {
    let empty = EmptyBox::new();
    let refusal = reach(&empty.runtime_dir, &empty.state_dir).err().unwrap();
    assert!(refusal.todo.contains("set it up"), "{refusal}");
    assert_eq!(std::fs::read_dir(&empty.state_dir).unwrap().count(), 0);
}
