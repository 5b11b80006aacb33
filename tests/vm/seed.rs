//! A seed on the box's own disk and on a stick: applied once, wiped, explained where it is wrong.
//!
//! Each test boots several times: `cargo xtask test --long vm_long`.
use cell_os::disk::{offset_of, size_of};
use cell_testkit::vm::{PATIENCE, Stick};
use cell_tests::vm::{Appliance, emulator, seeded_image};
use cell_tests::{PASSWORD_HASH, seed_answers};

/// A code that its owner chose.
const CHOSEN: &str = "Q4ZT9V2C";

/// Answers of the whole setup.
fn answers() -> String {
    format!("hostname = \"hut\"\n{}", seed_answers())
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
#[ignore = "boots twice; run by `cargo xtask test --long vm_long`"]
fn vm_long_seed_on_the_disk_sets_the_box_up_and_is_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance =
        Appliance::start_with(|options| options.disk = seeded_image(folder.path(), &answers()));
    let said = appliance
        .machine
        .serial()
        .wait("the disk's own seed: ", PATIENCE)
        .unwrap();
    // As hard as it gets: right after it was said.
    appliance.machine.cut_power().unwrap();
    assert_eq!(
        said,
        "the seed was applied; the box is set up as hut; its file was wiped"
    );
    let select = emulator()
        .read(
            appliance.machine.disk(),
            offset_of("select"),
            size_of("select"),
        )
        .unwrap();
    assert!(holds(&select, "README"), "the partition was read");
    assert!(!holds(&select, PASSWORD_HASH), "the hash is still there");

    appliance.power_on();
    appliance.sign_in();
    assert_eq!(appliance.get("/api/config")["cell"]["name"], "hut");
    let audit = appliance.get("/api/audit").to_string();
    assert!(audit.contains("by a seed file, SHA-256"), "{audit}");
    let text = appliance.machine.serial().text();
    assert!(!text.contains("seed: "), "nothing is left to be said");
}

#[test]
#[ignore = "boots three times; run by `cargo xtask test --long vm_long`"]
fn vm_long_seed_on_a_stick_is_explained_when_wrong_and_taken_once_when_right() {
    let folder = tempfile::tempdir().unwrap();
    let stick = Stick::new(emulator().toolbox(), &folder.path().join("stick.img")).unwrap();
    stick
        .put(
            "cell.toml",
            "hostname = \"hut\"\n[setup]\ncode = \"short\"\n",
        )
        .unwrap();
    let mut appliance =
        Appliance::start_with(|options| options.stick = Some(stick.path().to_owned()));
    let serial = appliance.machine.serial();
    let said = serial.wait("the seed was not applied: ", PATIENCE).unwrap();
    assert!(said.starts_with("line 3, column 8: "), "{said}");
    let random = appliance.setup_code();
    appliance.wait_healthy();
    appliance.machine.cut_power().unwrap();
    let explained = stick.read("cell-error.txt").unwrap();
    assert!(explained.contains("line 3, column 8: "), "{explained}");

    stick
        .put(
            "cell.toml",
            &format!("hostname = \"hut\"\n[setup]\ncode = \"{CHOSEN}\"\n"),
        )
        .unwrap();
    appliance.power_on();
    let serial = appliance.machine.serial();
    serial.wait("the seed was applied", PATIENCE).unwrap();
    appliance.machine.cut_power().unwrap();
    assert!(!holds(&stick.bytes().unwrap(), CHOSEN), "the code is wiped");
    assert_eq!(stick.read("cell.toml"), None);
    assert_eq!(stick.read("cell-error.txt"), None);

    appliance.power_on();
    assert_ne!(random, CHOSEN);
    assert_eq!(appliance.setup_code(), CHOSEN);
    appliance.set_up();
}
