//! What the box does not answer: to the internet nothing but WireGuard, to anybody nothing but setup before setup.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs::Permissions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{LAPTOP, OUTSIDE_NAME};
use cell_testkit::{
    Celld, CelldOptions, Layout, Namespace, WgClient, World, WorldOptions, wait_for,
};
use cell_tests::probe::{answers_dns, capture, connects, dig, fetch, lookup, nft, pings, send_udp};
use cell_tests::{Cell, DOMAIN, expect_status, setup_form, start_fresh};
use serde_json::json;

const ADMIN: u16 = 8443;
const SSH: u16 = 22;
const DNS: u16 = 53;
const WIREGUARD: u16 = 51820;

/// Something that listens on the wildcard address, as an SSH server or a service would.
fn listen_on_every_address(cell: &Namespace, port: u16) -> TcpListener {
    let listener = cell.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)));
    listener.unwrap().unwrap()
}

fn assert_closed(from: &Namespace, to: IpAddr) {
    const QUESTIONS: [&[&str]; 4] = [
        &[DOMAIN],
        &[OUTSIDE_NAME],
        &["+tcp", DOMAIN],
        &["version.bind", "CH", "TXT"],
    ];
    // Each probe waits for an answer that does not come, so they wait together.
    std::thread::scope(|scope| {
        for port in [ADMIN, DNS, SSH, 80, 443, WIREGUARD] {
            scope.spawn(move || assert!(!connects(from, (to, port).into()), "{to}:{port} is open"));
        }
        for question in QUESTIONS {
            scope.spawn(move || assert!(!answers_dns(from, to, question), "{to} {question:?}"));
        }
    });
}

#[test]
fn internet_reaches_nothing_of_a_router_but_wireguard() {
    let mut cell = Cell::start();
    let _ssh = listen_on_every_address(&cell.world.cell, SSH);
    let wan = IpAddr::from(cell.world.wan_address());
    let home = IpAddr::from(cell.world.home_address());
    // They listen: the home side reaches them.
    for port in [ADMIN, DNS, SSH] {
        assert!(connects(&cell.world.laptop, (home, port).into()), "{port}");
    }
    assert_closed(&cell.world.internet, wan);
    assert_closed(&cell.world.phone, wan);
    // Nor the addresses of the other side, by a packet that says it wants them.
    cell.world
        .internet
        .ip(&format!(
            "route add {home}/32 via {wan}\nroute add 10.31.7.0/24 via {wan}"
        ))
        .unwrap();
    assert_closed(&cell.world.internet, home);
    assert_closed(&cell.world.internet, IpAddr::from([10, 31, 7, 1]));

    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let _tunnel = WgClient::up(&cell.world.phone, &peer.config).unwrap();
    assert!(pings(&cell.world.phone, IpAddr::from([10, 31, 7, 1])));
}

#[test]
fn internet_cannot_pass_through_the_box_into_the_home() {
    let cell = Cell::start();
    let wan = cell.world.wan_address();
    let _page = cell
        .world
        .laptop
        .run(|| TcpListener::bind("0.0.0.0:80"))
        .unwrap()
        .unwrap();
    let laptop = SocketAddr::from((LAPTOP, 80));
    assert!(connects(&cell.world.cell, laptop));
    cell.world
        .internet
        .ip(&format!("route add 192.168.77.0/24 via {wan}"))
        .unwrap();
    assert!(!connects(&cell.world.internet, laptop));
    // The home side goes out.
    let answer = fetch(&cell.world.laptop, "http://192.0.2.10/").unwrap();
    assert_eq!(answer["source"], wan.to_string());
}

#[test]
fn packets_with_a_source_of_the_other_side_are_dropped() {
    let cell = Cell::start();
    let (world, home) = (&cell.world, cell.world.home_address());
    let resolver = SocketAddr::from((home, DNS));
    let asked = |from: &Namespace| {
        capture(&world.laptop, "eth0", "src port 53", || {
            send_udp(from, (LAPTOP, 4242).into(), resolver, &question());
        })
    };
    assert_ne!(asked(&world.laptop), "");
    // From the internet, but with the laptop's address: the answer would go to the laptop.
    let routes = format!(
        "addr add {LAPTOP}/32 dev lo\nroute add {home}/32 via {}",
        world.wan_address()
    );
    world.internet.ip(&routes).unwrap();
    assert_eq!(asked(&world.internet), "");
}

/// A question for the apex.
fn question() -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in DOMAIN.split('.') {
        bytes.push(label.len().try_into().unwrap());
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

#[test]
fn one_armed_box_answers_its_private_neighbours_only() {
    let world = World::build(WorldOptions {
        layout: Layout::OneArmed,
        ipv6: false,
    })
    .unwrap();
    let mut cell = Cell::start_in(world, CelldOptions::default());
    let address = IpAddr::from(cell.world.wan_address());
    let _ssh = listen_on_every_address(&cell.world.cell, SSH);
    for port in [ADMIN, DNS, SSH] {
        assert!(
            connects(&cell.world.laptop, (address, port).into()),
            "{port}"
        );
    }
    let resolver = format!("@{address}");
    assert_eq!(
        lookup(&cell.world.laptop, &[&resolver, DOMAIN]),
        address.to_string()
    );
    // The phone's packets come by the same interface, with a source that is not of the home network.
    assert!(pings(&cell.world.cell, IpAddr::from([198, 51, 100, 2])));
    assert_closed(&cell.world.phone, address);
    // A private source behind another router is no neighbour.
    cell.world
        .phone
        .ip("addr add 10.99.0.2/32 dev lo\nroute add 192.168.77.0/24 via 198.51.100.1 src 10.99.0.2")
        .unwrap();
    cell.world
        .internet
        .ip("route add 10.99.0.2/32 via 198.51.100.2")
        .unwrap();
    assert!(fetch(&cell.world.phone, "http://192.0.2.10/").is_some());
    assert_closed(&cell.world.phone, address);
    cell.world
        .phone
        .ip("route del 192.168.77.0/24 via 198.51.100.1")
        .unwrap();

    // A forwarded UDP port is all that a device outside needs.
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let _tunnel = WgClient::up(&cell.world.phone, &peer.config).unwrap();
    assert!(pings(&cell.world.phone, IpAddr::from([10, 31, 7, 1])));
    let answer = fetch(&cell.world.phone, "http://192.0.2.10/").unwrap();
    assert_eq!(answer["source"], address.to_string());
}

#[test]
fn before_setup_nothing_but_setup_answers() {
    let world = World::new().unwrap();
    let celld = start_fresh(&world, CelldOptions::default());
    let laptop = celld.client(&world.laptop).unwrap();
    expect_status(&laptop.get("/health").unwrap(), 200);
    expect_status(&laptop.get("/api/setup/status").unwrap(), 200);
    for path in [
        "/api/status",
        "/api/peers",
        "/api/config",
        "/api/nothing",
        "/api/openapi.json",
    ] {
        expect_status(&laptop.get(path).unwrap(), 428);
    }
    let reply = laptop.login("anna", "a long and quiet river").unwrap();
    expect_status(&reply, 428);

    // First on the LAN does not own the box.
    let mut wrong = setup_form(&celld);
    wrong["setup_code"] = json!("00000000");
    expect_status(&laptop.post("/api/setup/complete", &wrong).unwrap(), 403);
    expect_status(&laptop.get("/api/status").unwrap(), 428);

    assert_closed(&world.internet, world.wan_address().into());
    let mode = std::fs::metadata(celld.control_socket()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn firewall_is_there_and_closed_before_anything_listens() {
    let world = World::new().unwrap();
    // An `nft` that takes its time, so that whoever does not wait for it is seen.
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    let script = format!("#!/bin/sh\nsleep 0.5\nPATH='{path}' exec nft \"$@\"\n");
    let program = folder.path().join("nft");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{path}", folder.path().display());
    let options = CelldOptions {
        environment: vec![("PATH".to_owned(), path)],
        ..CelldOptions::default()
    };
    let _celld = Celld::spawn(&world, options).unwrap();
    let found = wait_for(PATIENCE, || {
        let listens = listens(&world.cell);
        let rules = nft(&world.cell, &["list", "table", "inet", "cell"]);
        let closed = rules.matches("policy drop").count() >= 2;
        assert!(closed || !listens, "something listens without rules");
        listens.then_some(rules)
    });
    let rules = found.expect("it listens in the end");
    assert!(
        rules.contains("hook input") && rules.contains("hook forward"),
        "{rules}"
    );
}

/// Whether any TCP or UDP socket is bound.
fn listens(cell: &Namespace) -> bool {
    let bound = cell.run(|| {
        ["tcp", "udp", "tcp6", "udp6"].iter().any(|protocol| {
            let table = std::fs::read_to_string(format!("/proc/thread-self/net/{protocol}"));
            table.unwrap().lines().count() > 1
        })
    });
    bound.unwrap()
}

#[test]
fn resolver_is_not_open_to_sources_that_are_routed_in() {
    let cell = Cell::start();
    let home = cell.world.home_address();
    // The laptop's side, but a source that is not of the home network.
    cell.world
        .laptop
        .ip("addr add 10.99.0.9/32 dev lo")
        .unwrap();
    cell.world
        .cell
        .ip("route add 10.99.0.9/32 via 192.168.77.10")
        .unwrap();
    assert!(pings(&cell.world.cell, IpAddr::from([10, 99, 0, 9])));
    assert!(!answers_dns(
        &cell.world.laptop,
        home.into(),
        &["-b", "10.99.0.9", OUTSIDE_NAME]
    ));
    let answer = dig(&cell.world.laptop, &[&format!("@{home}"), OUTSIDE_NAME]);
    assert!(answer.contains("NOERROR"), "{answer}");
}
