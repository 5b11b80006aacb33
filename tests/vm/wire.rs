//! Shows 2: two boxes on one wire reach each other.
use cell_testkit::vm::Nic;
use cell_tests::vm::{Appliance, seeded_image};
use cell_tests::{DOMAIN, OWNER, PASSWORD_HASH, VPN_SUBNET};

/// The box between the wire and the internet.
const ROUTER: &str = "192.168.77.1";
/// The box behind it.
const INNER: &str = "192.168.77.2";

fn router() -> String {
    format!(
        "hostname = \"router\"\n[network]\nwan = \"eth0\"\nlan = \"eth1\"\nlan_addressing = {{ address = \"{ROUTER}/24\" }}\n\
         [setup.answers]\ndomain_mode = \"lan\"\ndomain = \"{DOMAIN}\"\nvpn_subnet = \"{VPN_SUBNET}\"\n\
         admin_username = \"{OWNER}\"\nadmin_password_hash = \"{PASSWORD_HASH}\"\ntimezone = \"Europe/Vienna\"\n"
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
    second.leads(
        &format!("until ping -c 1 {ROUTER}; do sleep 1; done; echo do''ne\r"),
        "done",
    );
    // And the other way: its admin page is open to the wire.
    first.leads(
        &format!("until nc -w 5 {INNER} 8443 </dev/null; do sleep 1; done; echo do''ne\r"),
        "done",
    );
    // The router's name server answers the other box.
    second.leads(
        &format!("nslookup admin.{DOMAIN} {ROUTER}\r"),
        &format!("Address: {ROUTER}"),
    );
}
