//! Who reaches what: each cell of the table in docs/security.md, tried.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Command, Stdio};

use cell_testkit::world::{CELL_WAN, HOME_GATEWAY, LAPTOP, OUTSIDE_WEB};
use cell_testkit::{Namespace, WgClient};
use cell_tests::VPN_ADDRESS;
use cell_tests::probe::{connects, serve_echo};
use cell_tests::services::ServiceHost;
use serde_json::json;

use super::{BEHIND, NEIGHBOUR, add_neighbours, address, start};

const SECURITY: &str = include_str!("../../../docs/security.md");
/// What stands above the table.
const HEADING: &str = "## Who reaches what\n";
/// Where an answer would be one's own.
const ITSELF: &str = "–";

/// Somebody who tries.
struct Origin<'a> {
    name: &'a str,
    /// What runs a program there.
    prefix: Vec<String>,
    /// Where the same thing is for them.
    places: [SocketAddrV4; 9],
    /// The places that are they themselves.
    itself: &'a [&'a str],
}

/// Rows and columns of the table as it is written.
fn table() -> (Vec<&'static str>, Vec<(&'static str, Vec<&'static str>)>) {
    let (_, behind) = SECURITY.split_once(HEADING).unwrap();
    let lines = behind.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim);
    let mut lines = lines.map(cells);
    let columns = lines.next().unwrap().skip(1).collect();
    let rows = lines.skip(1).map(|mut cells| {
        let name = cells.next().unwrap();
        (name, cells.collect())
    });
    (columns, rows.collect())
}

/// Which of the places they get a connection to; all are tried at once.
fn reached(origin: &Origin<'_>) -> Vec<bool> {
    let tries = origin.places.iter().enumerate().map(|(number, to)| {
        let open = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
        format!("(timeout 5 bash -c '{open}' 2>/dev/null && echo {number}) &\n")
    });
    let script = tries.collect::<String>() + "wait";
    let mut command = Command::new(&origin.prefix[0]);
    command
        .args(&origin.prefix[1..])
        .args(["bash", "-c", &script]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", origin.name);
    let said = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<usize> = said.lines().map(|line| line.parse().unwrap()).collect();
    let is_reached = |number| numbers.contains(&number);
    (0..origin.places.len()).map(is_reached).collect()
}

/// In the network of the container that has the address.
fn in_container(host: &ServiceHost, address: Ipv4Addr) -> Vec<String> {
    let process = host.process.process_at(address).unwrap().to_string();
    ["nsenter", "--net", "--target", &process]
        .map(str::to_owned)
        .into()
}

fn in_namespace(namespace: &Namespace) -> Vec<String> {
    ["ip", "netns", "exec", namespace.name()]
        .map(str::to_owned)
        .into()
}

#[test]
fn who_reaches_what_is_as_the_documentation_has_it() {
    let (mut host, _store) = start();
    let peer = host.cell.add_peer(&json!({ "name": "phone" }));
    let _tunnel = WgClient::up(&host.cell.world.phone, &peer.config).unwrap();
    add_neighbours(&host);
    let world = &host.cell.world;
    // Whoever is on the uplink's wire may send to any address by way of the box.
    world
        .internet
        .ip(&format!(
            "route add 172.16.0.0/12 via {CELL_WAN}
             route add 192.168.77.0/24 via {CELL_WAN}
             route add 10.31.7.0/24 via {CELL_WAN}"
        ))
        .unwrap();
    let at = SocketAddrV4::new;
    let others = [
        at(LAPTOP, 7000),
        at(peer.address, 7001),
        at(NEIGHBOUR, 7002),
        at(BEHIND, 7003),
    ];
    let theirs = [
        &world.laptop,
        &world.phone,
        &world.internet,
        &world.internet,
    ];
    for (namespace, address) in theirs.into_iter().zip(others) {
        serve_echo(namespace, address.into());
        assert!(connects(&world.cell, address.into()), "{address}");
    }
    let [hostile, victim, proxy] = ["cell.hostile.web", "cell.victim.web", "cell.proxy.caddy"]
        .map(|container| address(&host, container));
    let places = |service, cell| {
        let [home, device, neighbour, _] = others;
        [
            at(service, 8080),
            at(cell, 443),
            at(proxy, 2019),
            at(cell, 8443),
            at(cell, 53),
            home,
            device,
            neighbour,
            at(OUTSIDE_WEB, 80),
        ]
    };
    let container = |address| in_container(&host, address);
    let origins = [
        Origin {
            name: "a service with internet",
            prefix: container(hostile),
            places: places(victim, VPN_ADDRESS),
            itself: &[],
        },
        Origin {
            name: "a service without",
            prefix: container(victim),
            places: places(hostile, VPN_ADDRESS),
            itself: &[],
        },
        Origin {
            name: "the proxy",
            prefix: container(proxy),
            places: places(victim, VPN_ADDRESS),
            itself: &["control of the proxy"],
        },
        Origin {
            name: "a device at home",
            prefix: in_namespace(&world.laptop),
            places: places(victim, HOME_GATEWAY),
            itself: &["home"],
        },
        Origin {
            name: "a device of the VPN",
            prefix: in_namespace(&world.phone),
            places: places(victim, VPN_ADDRESS),
            itself: &["VPN"],
        },
        Origin {
            name: "the uplink",
            prefix: in_namespace(&world.internet),
            places: places(victim, CELL_WAN),
            itself: &["network of the uplink", "internet"],
        },
    ];
    let (columns, rows) = table();
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, origins.each_ref().map(|origin| origin.name));
    let mut wrong = Vec::new();
    for (origin, (name, expected)) in origins.iter().zip(&rows) {
        let found = reached(origin);
        assert_eq!(found.len(), columns.len());
        for ((column, expected), found) in columns.iter().zip(expected).zip(found) {
            let found = match found {
                _ if origin.itself.contains(column) => ITSELF,
                true => "yes",
                false => "no",
            };
            if found != *expected {
                wrong.push(format!("{name} → {column}: {found}, and not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
