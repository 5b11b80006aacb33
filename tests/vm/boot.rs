//! Shows 1 and 2: the image, from power-on to a phone in its VPN.
use std::time::Duration;

use cell_testkit::{WgClient, wait_for};
use cell_tests::probe::lookup;
use cell_tests::vm::{Appliance, HOST};
use cell_tests::{DOMAIN, VPN_ADDRESS};

/// How long a handshake may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn box_is_set_up_and_a_phone_finds_names_through_the_kernels_tunnel() {
    let mut appliance = Appliance::start();
    appliance.set_up();
    let wireguard = appliance.get("/api/wireguard/status");
    assert_eq!(wireguard["backend"], "kernel", "{wireguard}");

    let peer = appliance.add_peer("phone");
    let config = peer["config"].as_str().unwrap();
    assert!(
        config.contains(&format!("Endpoint = {HOST}:51820")),
        "{config}"
    );
    let tunnel = WgClient::up(&appliance.phone, config).unwrap();
    let shaken = wait_for(PATIENCE, || {
        let answer = lookup(&appliance.phone, &[&format!("admin.{DOMAIN}")]);
        (answer == VPN_ADDRESS.to_string()).then_some(())
    });
    assert!(shaken.is_some(), "no name through the tunnel");
    assert!(tunnel.has_handshake().unwrap());

    // What was acknowledged outlives the power.
    appliance.power_cycle();
    appliance.sign_in();
    let peers = appliance.get("/api/peers");
    assert_eq!(peers["items"][0]["name"], "phone", "{peers}");
    appliance.wait_good(PATIENCE * 5);
}
