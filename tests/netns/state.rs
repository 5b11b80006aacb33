//! The state directory: one owner, no version of the future, a full disk; and starting and stopping on it.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use cell_testkit::celld::PATIENCE;
use cell_testkit::{CelldOptions, World};
use cell_tests::probe::{lookup, nft};
use cell_tests::{Cell, DOMAIN, Process, expect_status, start_fresh};
use serde_json::json;
use tempfile::TempDir;

/// DESIGN 6: what an init waits for before it ends the daemon itself.
const STOP: Duration = Duration::from_secs(10);

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Runs `celld check` on a directory.
fn check(cell: &Cell) -> Output {
    let mut check = Command::new(cell.celld.binary());
    check
        .args(["check", "--state-dir"])
        .arg(cell.celld.state_dir());
    check.output().unwrap()
}

/// Every file below a folder with its bytes, every folder without.
fn content(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
            found.insert(path, None);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

#[test]
fn second_daemon_on_the_same_state_is_refused_and_disturbs_nobody() {
    let mut cell = Cell::start();
    let core = Process(cell.celld.process_id().unwrap());
    let roles = core.roles();
    let rules = nft(&cell.world.cell, &["list", "table", "inet", "cell"]);

    // The same command once more: same state, same runtime directory.
    let second = cell.celld.command().output().unwrap();
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    let text = said(&second);
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("celld: "), "{text}");
    assert!(last.contains("in use by another process"), "{text}");
    assert!(
        last.contains(&cell.celld.state_dir().display().to_string()),
        "{text}"
    );

    assert_eq!(core.roles(), roles);
    assert!(cell.celld.is_running().unwrap());
    assert!(cell.celld.applied_revision().is_some());
    assert!(cell.celld.ca_pem().exists() && cell.celld.control_socket().exists());
    assert_eq!(
        nft(&cell.world.cell, &["list", "table", "inet", "cell"]),
        rules
    );
    cell.add_peer(&json!({ "name": "phone" }));
}

#[test]
fn state_of_a_newer_version_is_refused_and_untouched() {
    let mut cell = Cell::start();
    cell.add_peer(&json!({ "name": "phone" }));
    cell.celld.terminate().unwrap();
    let schema = cell.celld.state_dir().join("store/schema");
    let known: u32 = std::fs::read_to_string(&schema)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    std::fs::write(&schema, format!("{}\n", known + 1)).unwrap();
    let before = content(cell.celld.state_dir());

    for output in [cell.celld.command().output().unwrap(), check(&cell)] {
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let expected = format!(
            "schema {}, this version knows only up to {known}",
            known + 1
        );
        assert!(said(&output).contains(&expected), "{}", said(&output));
        assert!(
            content(cell.celld.state_dir()) == before,
            "something was written"
        );
    }

    std::fs::write(&schema, format!("{known}\n")).unwrap();
    cell.celld.restart().unwrap();
    cell.sign_in();
    assert_eq!(cell.get("/api/peers")["items"][0]["name"], "phone");
}

#[test]
fn daemon_stops_in_order_and_finds_everything_again() {
    let mut cell = Cell::start();
    cell.add_peer(&json!({ "name": "phone" }));
    let core = Process(cell.celld.process_id().unwrap());
    let roles = core.roles();
    assert!(!roles.is_empty());
    assert!(cell.celld.runtime_dir().join("ready").exists());
    let rules = nft(&cell.world.cell, &["list", "table", "inet", "cell"]);

    let start = Instant::now();
    let status = cell.celld.terminate().unwrap();
    assert!(start.elapsed() < STOP, "{:?}", start.elapsed());
    assert_eq!(status.code(), Some(0));
    assert!(!cell.celld.runtime_dir().join("ready").exists());
    for role in roles {
        assert!(role.ends_within(PATIENCE), "{}", role.command_line());
    }
    assert_eq!(
        nft(&cell.world.cell, &["list", "table", "inet", "cell"]),
        rules,
        "an ended daemon leaves no open box"
    );

    let root = std::fs::read(cell.celld.ca_pem()).unwrap();
    let checked = check(&cell);
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(said(&checked).contains("1 devices"), "{}", said(&checked));
    cell.celld.restart().unwrap();
    assert_eq!(std::fs::read(cell.celld.ca_pem()).unwrap(), root);
    assert!(!cell.celld.runtime_dir().join("setup-code").exists());
    cell.sign_in();
    cell.settle();
    assert_eq!(cell.get("/api/peers")["items"][0]["name"], "phone");
    // A setup that was done stays done.
    let again = cell.owner.post("/api/setup/complete", &json!({})).unwrap();
    expect_status(&again, 410);
}

#[test]
fn daemon_says_its_version_and_checks_a_directory_without_starting() {
    let world = World::new().unwrap();
    let mut celld = start_fresh(&world, CelldOptions::default());
    let version = Command::new(celld.binary()).arg("--version").output();
    let version = said(&version.unwrap());
    let (name, number) = version.trim().split_once(' ').unwrap();
    assert_eq!(name, "celld");
    assert_eq!(number.split('.').count(), 3, "{version}");

    let check = |state_dir: &Path| {
        let mut check = Command::new(celld.binary());
        check.args(["check", "--state-dir"]).arg(state_dir);
        check.output().unwrap()
    };
    let busy = check(celld.state_dir());
    assert_eq!(busy.status.code(), Some(1));
    assert!(said(&busy).contains("in use"), "{}", said(&busy));
    let state_dir = celld.state_dir().to_owned();
    celld.terminate().unwrap();

    let mut check = Command::new(celld.binary());
    check.args(["check", "--state-dir"]).arg(&state_dir);
    let idle = check.output().unwrap();
    assert!(idle.status.success(), "{}", said(&idle));
    assert!(said(&idle).contains("not set up yet"), "{}", said(&idle));

    celld.restart().unwrap();
    assert_eq!(celld.setup_code().unwrap().len(), 8);
}

/// A small file system of its own, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// Room for the daemon's reserve, a few segments of its database, and little else.
    const SIZE: &str = "size=24m,mode=0700";

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", Self::SIZE, "tmpfs"]);
        let mounted = mount.arg(folder.path()).status().unwrap();
        assert!(
            mounted.success(),
            "a tmpfs can be mounted; run the tests as root"
        );
        Self(folder)
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Writes until nothing fits any more.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .status();
    }
}

/// A cell whose state is on a small disk.
fn cell_on(disk: &SmallDisk) -> Cell {
    let options = CelldOptions {
        state_dir: Some(disk.0.path().join("state")),
        ..CelldOptions::default()
    };
    Cell::start_in(World::new().unwrap(), options)
}

#[test]
fn box_starts_on_a_full_disk_with_what_is_stored() {
    let disk = SmallDisk::new();
    let mut cell = cell_on(&disk);
    let phone = cell.add_peer(&json!({ "name": "phone" }));
    let revision = cell.get("/api/status")["revision"].clone();
    cell.celld.kill9().unwrap();
    disk.fill();
    // Twice: a start on a full disk leaves nothing that keeps the next from starting.
    for _ in 0..2 {
        cell.celld.restart().unwrap();
        cell.settle();
        assert_eq!(cell.get("/api/status")["revision"], revision);
        assert_eq!(cell.get("/api/peers")["items"][0]["name"], "phone");
        let home = cell.world.home_address();
        let resolver = format!("@{home}");
        assert_eq!(
            lookup(&cell.world.laptop, &[&resolver, DOMAIN]),
            home.to_string()
        );
        let tunnel = cell.get("/api/wireguard/status");
        assert_eq!(
            tunnel["peers"][0]["public_key"],
            phone.answer["peer"]["public_key"]
        );
        for reply in [
            cell.owner
                .post("/api/peers", &json!({ "name": "other" }))
                .unwrap(),
            cell.owner.delete("/api/peers/phone").unwrap(),
        ] {
            expect_status(&reply, 503);
            assert_eq!(reply.json()["code"], "disk_full", "{}", reply.text());
        }
        cell.celld.terminate().unwrap();
    }
    cell.celld.restart().unwrap();
    cell.settle();
    disk.free();
    // Without another start: the disk is looked at with each change.
    expect_status(&cell.owner.delete("/api/peers/phone").unwrap(), 204);
    cell.add_peer(&json!({ "name": "after" }));
    cell.celld.kill9().unwrap();
    cell.celld.restart().unwrap();
    cell.settle();
    let items = cell.get("/api/peers")["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1, "{items}");
    assert_eq!(items[0]["name"], "after");
    cell.celld.kill9().unwrap();
}

#[test]
fn full_disk_refuses_changes_and_the_box_works_on() {
    let disk = SmallDisk::new();
    let mut cell = cell_on(&disk);
    cell.add_peer(&json!({ "name": "before" }));
    let revision = cell.get("/api/status")["revision"].clone();

    disk.fill();
    for (name, status) in [("first", 503), ("second", 503)] {
        let reply = cell
            .owner
            .post("/api/peers", &json!({ "name": name }))
            .unwrap();
        expect_status(&reply, status);
        assert_eq!(reply.json()["code"], "disk_full", "{}", reply.text());
    }
    expect_status(&cell.owner.delete("/api/peers/before").unwrap(), 503);
    assert_eq!(cell.get("/api/status")["revision"], revision);
    let items = cell.get("/api/peers")["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1, "{items}");
    expect_status(&cell.owner.get("/health").unwrap(), 200);
    let home = cell.world.home_address();
    let resolver = format!("@{home}");
    assert_eq!(
        lookup(&cell.world.laptop, &[&resolver, DOMAIN]),
        home.to_string()
    );

    disk.free();
    cell.add_peer(&json!({ "name": "after" }));

    // A crash on a full disk loses nothing either.
    disk.fill();
    cell.celld.kill9().unwrap();
    disk.free();
    cell.celld.restart().unwrap();
    cell.sign_in();
    let items = cell.get("/api/peers")["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 2, "{items}");
    cell.celld.kill9().unwrap();
}
