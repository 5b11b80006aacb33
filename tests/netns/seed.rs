//! A seed with the answers of the setup: `celld seed` as init calls it, then the real daemon on the same state.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::path::Path;
use std::process::Output;

use cell_testkit::{Celld, CelldOptions, World};
use cell_tests::probe::lookup;
use cell_tests::{Cell, DOMAIN, OWNER, expect_status, seed_answers, setup_form, start_fresh};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti anna@laptop";

fn seed() -> String {
    format!(
        "hostname = \"home\"\n[network]\nwan = \"wan0\"\nlan = \"lan0\"\nlan_addressing = {{ address = \"192.168.77.1/24\" }}\n[ssh]\nauthorized_keys = [\"{KEY}\"]\n{}",
        seed_answers()
    )
}

/// `celld seed` with a stick in this folder.
fn call(celld: &Celld, folder: &Path) -> Output {
    let mut command = std::process::Command::new(celld.binary());
    command.arg("seed");
    command.arg("--file").arg(folder.join("seed/cell.toml"));
    command.arg("--state-dir").arg(celld.state_dir());
    command.arg("--start-conf").arg(folder.join("start.conf"));
    let keys = folder.join("ssh/authorized_keys");
    command.arg("--authorized-keys").arg(keys);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn seeded_box_is_set_up_at_its_start_and_its_owner_signs_in() {
    let world = World::new().unwrap();
    // Started before, never set up.
    let mut celld = start_fresh(&world, CelldOptions::default());
    let late = setup_form(&celld);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seed/cell.toml");
    std::fs::create_dir_all(folder.path().join("seed")).unwrap();
    std::fs::write(&file, seed()).unwrap();

    // Not beside a daemon that runs.
    let refused = call(&celld, folder.path());
    assert!(!refused.status.success(), "{refused:?}");
    assert!(file.exists());
    celld.terminate().unwrap();
    let taken = call(&celld, folder.path());
    assert!(taken.status.success(), "{taken:?}");
    assert!(
        said(&taken).contains("the box is set up as home"),
        "{taken:?}"
    );
    assert_eq!(
        std::fs::read_dir(file.parent().unwrap()).unwrap().count(),
        0
    );
    let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("start.conf"), "WAN=wan0\nLAN=lan0\n");
    assert_eq!(read("ssh/authorized_keys"), format!("{KEY}\n"));

    celld.restart().unwrap();
    assert!(!celld.runtime_dir().join("setup-code").exists());
    let stranger = celld.client(&world.laptop).unwrap();
    expect_status(&stranger.post("/api/setup/complete", &late).unwrap(), 410);
    let mut cell = Cell {
        owner: celld.client(&world.laptop).unwrap(),
        celld,
        world,
    };
    cell.sign_in();
    cell.settle();
    let records = cell.get("/api/audit").to_string();
    assert!(records.contains("by a seed file, SHA-256"), "{records}");
    let resolver = format!("@{}", cell.world.home_address());
    let answer = lookup(&cell.world.laptop, &[&resolver, DOMAIN]);
    assert_eq!(answer, cell.world.home_address().to_string());

    // Nobody takes the box over with a stick.
    cell.celld.terminate().unwrap();
    std::fs::write(&file, seed().replace(OWNER, "mallory")).unwrap();
    let left = call(&cell.celld, folder.path());
    assert!(said(&left).contains("left alone"), "{left:?}");
    assert!(file.exists());
    cell.celld.restart().unwrap();
    cell.sign_in();
}
