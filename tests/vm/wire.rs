//! Shows 2: two boxes on one wire reach each other.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use cell_testkit::vm::{Nic, PATIENCE};
use cell_tests::vm::{Appliance, seeded_image};
use cell_tests::{DOMAIN, seed_answers};

/// The box between the wire and the internet.
const ROUTER: &str = "192.168.77.1";
/// The box behind it.
const INNER: &str = "192.168.77.2";

fn router() -> String {
    format!(
        "hostname = \"router\"\n[network]\nwan = \"eth0\"\nlan = \"eth1\"\nlan_addressing = {{ address = \"{ROUTER}/24\" }}\n{}",
        seed_answers()
    )
}

fn inner() -> String {
    format!(
        "hostname = \"inner\"\n[network]\nwan = \"eth0\"\nwan_addressing = {{ address = \"{INNER}/24\", gateway = \"{ROUTER}\" }}\n"
    )
}

#[test]
#[ignore = "boots two boxes; run by `cargo xtask test --long vm_long`"]
fn vm_long_two_boxes_on_one_wire_reach_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let wire = folder.path().join("wire");
    let cable = |listens| Nic::Cable {
        path: wire.clone(),
        listens,
        number: if listens { 1 } else { 2 },
    };
    let first = Appliance::start_with(|options| {
        options.disk = seeded_image(folder.path(), &router());
        options.nics.push(cable(true));
    });
    let second_folder = tempfile::tempdir().unwrap();
    let second = Appliance::start_with(|options| {
        options.disk = seeded_image(second_folder.path(), &inner());
        options.nics = vec![cable(false)];
    });
    // No admin page towards the internet, where this test is.
    first.leads("", "router - recovery console");
    first.open_shell_as_owner();
    second.open_shell_before_setup();
    // The menu is there before the addresses are, and the first packets are lost to the search for the neighbour.
    reaches(&second, &format!("ping -c 1 {ROUTER}"));
    reaches(&second, &admin_page(ROUTER));
    reaches(&second, &name("", &format!("admin.{DOMAIN}"), ROUTER));
    // And the other way: its admin page is open to the wire, and it answers for the name of a box that is not set up.
    reaches(&first, &format!("ping -c 1 {INNER}"));
    reaches(&first, &admin_page(INNER));
    reaches(&first, &name("-port=5353", "cell.local", INNER));
}

/// Says something to the admin page of a box that is no TLS, and has it answer so with an alert: BusyBox cannot read what
/// comes in one record of TLS with something else, so it fetches no page.
fn admin_page(address: &str) -> String {
    format!("printf GET | nc -w 5 {address} 8443 | hexdump -C | grep '15 03 03 00 02'")
}

/// Asks a box for a name that leads to itself.
fn name(port: &str, name: &str, address: &str) -> String {
    format!("nslookup {port} {name} {address} | grep -x 'Address: {address}'")
}

/// Has the shell of a box try this until it succeeds.
fn reaches(appliance: &Appliance, command: &str) {
    let serial = appliance.machine.serial();
    let mark = serial.mark();
    // In two pieces, so that what is typed is not taken for what is answered; twice, since the port doubles a character
    // now and then.
    serial
        .send(&format!(
            "until {command}; do sleep 1; done; echo reach''ed reach''ed\r"
        ))
        .unwrap();
    serial
        .wait_drawn_after(mark, "reached", PATIENCE)
        .unwrap_or_else(|error| panic!("{command}: {error}"));
}
