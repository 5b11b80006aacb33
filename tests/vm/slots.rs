//! Shows 3 and 4: a slot that is damaged is left, and the box comes up from the other.
//!
//! Each test boots several times: `cargo xtask test --long vm_long`.

use cell_tests::vm::{Appliance, BOOTS};

#[test]
#[ignore = "boots five times; run by `cargo xtask test --long vm_long`"]
fn vm_long_flipped_byte_in_a_block_that_nobody_needs_leads_to_the_other_slot() {
    let mut appliance = Appliance::start();
    appliance.wait_both_slots();
    appliance.machine.cut_power().unwrap();

    // Far behind what a start reads, and in data rather than in the hash tree.
    appliance.damage("root-a", 37 << 20, 1);
    appliance.power_on();
    let serial = appliance.machine.serial();
    serial.wait("is corrupted", BOOTS).unwrap();
    serial.wait("slot b is good", BOOTS).unwrap();
    appliance.wait_healthy();
    let text = appliance.machine.serial().text();
    // The firmware shows the loader's lines on the serial port too, so each may be there twice; the kernel's are not.
    let tries = text.matches("dm-verity device corrupted").count();
    assert_eq!(tries, 3, "the damaged slot is tried three times");
}

#[test]
#[ignore = "boots several times; run by `cargo xtask test --long vm_long`"]
fn vm_long_boot_partition_that_cannot_be_read_is_passed_over_at_once() {
    let mut appliance = Appliance::start();
    appliance.wait_both_slots();
    appliance.machine.cut_power().unwrap();
    // The first sectors of the FAT: nothing on it can be found any more.
    appliance.damage("boot-a", 0, 64 << 10);
    appliance.power_on();
    appliance
        .machine
        .serial()
        .wait("slot b is good", BOOTS)
        .unwrap();
    let text = appliance.machine.serial().text();
    assert!(
        text.contains("Slot a cannot be loaded"),
        "the loader says why"
    );
}
