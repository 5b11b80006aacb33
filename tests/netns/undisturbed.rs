//! Step 3, shows 3: while a whole version is taken, written and read back, the box serves as before.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cell_testkit::WgClient;
use cell_testkit::firmware::Version;
use cell_testkit::world::{OUTSIDE_NAME, OUTSIDE_WEB};
use cell_tests::probe::{pings, serve_echo};
use cell_tests::slots::{Appliance, Slots};
use cell_tests::traffic::{Question, ask_names, hold_flow};
use cell_tests::{DOMAIN, VPN_ADDRESS, expect_status, observe};
use cell_updates::boot_state::Slot;
use serde_json::json;

/// A little more than an image of a PC has on its boot partition and its root.
const BOOT: usize = 16 << 20;
const ROOT_BLOCKS: usize = (80 << 20) / 4096;
/// How long an upload may take on the slowest machine.
const LIMIT: Duration = Duration::from_secs(300);
const PORT: u16 = 53;

/// An own name, one from the cache, and one that has to be asked for outside, in turn.
fn question(own: std::net::Ipv4Addr, number: usize) -> Question {
    let (name, address) = match number % 3 {
        0 => (DOMAIN.to_owned(), Some(own)),
        1 => (OUTSIDE_NAME.to_owned(), Some(OUTSIDE_WEB)),
        _ => (format!("nobody-{number}.{OUTSIDE_NAME}"), None),
    };
    Question { name, address }
}

/// From the first byte of an upload that is needed whole until it is ready for its trial.
fn install(appliance: &Appliance, bundle: &[u8]) -> Duration {
    let before_and_after = Duration::from_secs(1);
    observe(before_and_after);
    let begun = Instant::now();
    let upload = appliance.request(bundle, "");
    let reply = appliance.cell.owner.send_within(&upload, LIMIT).unwrap();
    expect_status(&reply, 202);
    assert_eq!(reply.json()["update"]["fetched"], bundle.len());
    appliance.wait_update("ready");
    let lasted = begun.elapsed();
    observe(before_and_after);
    lasted
}

#[test]
fn full_install_loses_no_name_and_breaks_no_tunnel() {
    let old = Version::of_size(10, BOOT, ROOT_BLOCKS);
    let new = Version::of_size(11, BOOT, ROOT_BLOCKS);
    let mut appliance = Appliance::start(Slots::with(old));
    let bundle = new.bundle(&appliance.slots.keys);
    let peer = appliance.cell.add_peer(&json!({ "name": "phone" }));
    let world = &appliance.cell.world;
    let _tunnel = WgClient::up(&world.phone, &peer.config).unwrap();
    assert!(pings(&world.phone, VPN_ADDRESS.into()));
    let echo = SocketAddr::from((OUTSIDE_WEB, 7));
    serve_echo(&world.internet, echo);

    let stop = AtomicBool::new(false);
    let home = world.home_address();
    let (names, names_in_tunnel, flow, lasted) = std::thread::scope(|scope| {
        let names = scope.spawn(|| {
            let (server, pace) = (SocketAddr::from((home, PORT)), Duration::from_millis(10));
            ask_names(&world.laptop, server, pace, &stop, |number| {
                question(home, number)
            })
        });
        let names_in_tunnel = scope.spawn(|| {
            let (server, pace) = (
                SocketAddr::from((VPN_ADDRESS, PORT)),
                Duration::from_millis(50),
            );
            ask_names(&world.phone, server, pace, &stop, |number| {
                question(VPN_ADDRESS, number)
            })
        });
        let flow = scope.spawn(|| hold_flow(&world.phone, echo, Duration::from_millis(50), &stop));

        // Joined before anything is said of it: whoever waits for the end must be told.
        let lasted = scope.spawn(|| install(&appliance, &bundle)).join();
        stop.store(true, Ordering::Relaxed);
        (
            names.join().unwrap(),
            names_in_tunnel.join().unwrap(),
            flow.join().unwrap(),
            lasted.unwrap(),
        )
    });
    println!("{} MB installed in {lasted:.1?}", bundle.len() / 1_000_000);
    println!("names at home        {names}");
    println!("names in the tunnel  {names_in_tunnel}");
    println!("flow in the tunnel   {flow}");
    assert!(appliance.slots.hold(Slot::B, &new));
    for tally in [&names, &names_in_tunnel, &flow] {
        assert_eq!(tally.lost(), 0, "{tally}");
    }
    assert!(names.rate() > 95.0, "{names}");
}
