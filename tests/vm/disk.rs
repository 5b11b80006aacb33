//! A disk that is not as the box left it: larger, damaged, or there twice.
//!
//! Each test boots three times: `cargo xtask test --long vm_long`.
use cell_os::disk::{offset_of, size_of};
use cell_testkit::vm::PATIENCE;
use cell_tests::vm::{Appliance, emulator, image};

const MIB: u64 = 1 << 20;
/// How much larger the disk gets.
const MORE: u64 = 1 << 30;

/// Where `data` begins: behind the last partition of the layout.
fn data() -> u64 {
    offset_of("state") + size_of("state")
}

/// MiB that `data` has room for, as its file system says.
fn room(appliance: &Appliance) -> u64 {
    let said = appliance.answer("df -Pm /data | awk 'NR==2{print $2}'");
    said.parse().expect("a number of MiB")
}

#[test]
#[ignore = "boots three times; run by `cargo xtask test --long vm_long`"]
fn vm_long_data_grows_with_the_disk_and_is_left_alone_when_damaged() {
    let mut appliance = Appliance::start();
    appliance.open_shell_before_setup();
    let before = room(&appliance);
    let kept = appliance.answer("echo kept >/data/kept; sync; cat /data/kept");
    assert_eq!(kept, "kept");
    appliance.machine.cut_power().unwrap();

    emulator().enlarge(appliance.machine.disk(), MORE).unwrap();
    appliance.power_on();
    let serial = appliance.machine.serial();
    serial.wait("data grows by ", PATIENCE).unwrap();
    appliance.open_shell_before_setup();
    // Some of what is new is for the file system itself.
    let (after, least) = (room(&appliance), before + MORE / MIB * 9 / 10);
    assert!(after > least, "{before} MiB became {after} MiB");
    assert_eq!(appliance.answer("cat /data/kept"), "kept");
    appliance.machine.cut_power().unwrap();

    // Its first MiB: nobody can tell any more that it is a file system of this box.
    let disk = appliance.machine.disk().to_owned();
    emulator().overwrite(&disk, data(), MIB).unwrap();
    let damaged = emulator().read(&disk, data(), 2 * MIB).unwrap();
    appliance.power_on();
    let serial = appliance.machine.serial();
    serial.wait("it is left alone", PATIENCE).unwrap();
    serial.sees("RECOVERY MODE", PATIENCE).unwrap();
    appliance.machine.cut_power().unwrap();
    let left = emulator().read(&disk, data(), 2 * MIB).unwrap();
    assert!(left == damaged, "the damaged partition was written to");
}

#[test]
#[ignore = "boots three times; run by `cargo xtask test --long vm_long`"]
fn vm_long_two_disks_of_one_image_are_refused_until_the_first_start_made_one_its_own() {
    let mut appliance = Appliance::start_with(|options| options.twin = Some(image()));
    let serial = appliance.machine.serial();
    let refusal = "two disks have the same identity";
    serial.wait(refusal, PATIENCE).unwrap();
    // It looks for a while whether one of them is taken away.
    serial.wait("starting over", PATIENCE).unwrap();
    let text = serial.text();
    assert!(!text.contains("is up, mode "), "it started nevertheless");
    appliance.machine.cut_power().unwrap();

    appliance.change(|options| options.twin = None);
    appliance.power_on();
    appliance.set_up();
    appliance.machine.cut_power().unwrap();

    appliance.change(|options| options.twin = Some(image()));
    appliance.power_on();
    appliance.sign_in();
    let text = appliance.machine.serial().text();
    assert!(!text.contains(refusal), "they are told apart");
}
