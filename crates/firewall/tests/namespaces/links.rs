//! Another cell: what it reaches here and who reaches it, with real packets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

use crate::lab::{
    ADMIN, CELL_LAN, CELL_VPN, CELL_WAN, LAN_HOST, Lab, PATIENCE, SILENCE, WAN_HOST, container,
    device, device6, echoes, plain, spec,
};
use cell_firewall::Firewall;
use cell_model::container::Protocol;
use cell_model::spec::{FirewallLink, FirewallSpec, Phase, PortSpec};
use cell_model::step::FirewallStep;

/// Where containers answer.
const PORT: u16 = 8080;
/// Somebody in the other cell.
const CABIN: Ipv4Addr = Ipv4Addr::new(10, 40, 0, 9);
const CABIN6: Ipv6Addr = Ipv6Addr::new(0xfd40, 0, 0, 0, 0, 0, 0, 9);
/// Somebody in a third one.
const BOAT: Ipv4Addr = Ipv4Addr::new(10, 41, 0, 9);
const BOAT6: Ipv6Addr = Ipv6Addr::new(0xfd41, 0, 0, 0, 0, 0, 0, 9);

fn port(port: u16, number: u8) -> PortSpec {
    PortSpec {
        protocol: Protocol::Tcp,
        port,
        backend: SocketAddrV4::new(container(number), PORT),
    }
}

/// The box's ports 443 and 993 lead to a container each; the first is shared with the cabin, and nothing with the boat.
fn linked(phase: Phase) -> FirewallSpec {
    let mut spec = spec(phase);
    spec.containers.networks = BTreeMap::from([1, 2].map(|number| {
        let network = format!("172.20.{number}.0/27");
        let bridge = format!("svc{number}");
        (bridge.parse().unwrap(), network.parse().unwrap())
    }));
    spec.containers.ports = [port(443, 1), port(993, 2)].into();
    let link = |subnet: &str, subnet6: &str, ports: &[PortSpec]| FirewallLink {
        subnet: subnet.parse().unwrap(),
        subnet6: subnet6.parse().unwrap(),
        ports: ports.iter().cloned().collect(),
    };
    spec.links = vec![
        link("10.40.0.0/24", "fd40::/64", &[port(443, 1)]),
        link("10.41.0.0/24", "fd41::/64", &[]),
    ];
    spec.peers = [(device(2), plain(2))].into();
    spec
}

async fn load(lab: &Lab, spec: FirewallSpec) {
    let step = FirewallStep::Replace(Arc::new(spec));
    lab.nft().apply(&step).await.unwrap();
    lab.nft().verify(&step).await.unwrap();
}

async fn lab(phase: Phase) -> Lab {
    let mut lab = Lab::with_devices(&[2]);
    lab.container("one", 1);
    lab.container("two", 2);
    lab.other_cell("cabin", 40, (CABIN, CABIN6));
    lab.other_cell("boat", 41, (BOAT, BOAT6));
    for (at, address, port) in [
        ("one", container(1), PORT),
        ("two", container(2), PORT),
        ("wan", WAN_HOST, 7000),
        ("lan", LAN_HOST, 7000),
        ("device2", device(2), 7000),
        ("boat", BOAT, 7000),
        ("cabin", CABIN, 7000),
        ("cell", CELL_VPN, ADMIN),
        ("cell", CELL_VPN, 53),
        ("cell", CELL_VPN, 22),
        ("cell", CELL_LAN, 53),
        ("cell", CELL_LAN, ADMIN),
    ] {
        lab.serve(at, address, port);
    }
    lab.serve("cabin", CABIN6, 7000);
    load(&lab, linked(phase)).await;
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn other_cell_reaches_names_and_what_is_shared_with_it_and_nothing_else() {
    let lab = lab(Phase::Open).await;
    for (from, to, port, may) in [
        ("cabin", CELL_VPN, 53, true),
        ("boat", CELL_VPN, 53, true),
        ("cabin", CELL_VPN, 443, true),
        ("boat", CELL_VPN, 443, false),
        ("cabin", CELL_VPN, 993, false),
        // Nobody gets around the port.
        ("cabin", container(1), PORT, false),
        ("cabin", container(2), PORT, false),
        // The box, by all its addresses; the home; devices; each other; the internet.
        ("cabin", CELL_VPN, ADMIN, false),
        ("cabin", CELL_VPN, 22, false),
        ("cabin", CELL_LAN, 53, false),
        ("cabin", CELL_LAN, ADMIN, false),
        ("cabin", CELL_WAN, 53, false),
        ("cabin", LAN_HOST, 7000, false),
        ("cabin", device(2), 7000, false),
        ("cabin", BOAT, 7000, false),
        ("cabin", WAN_HOST, 7000, false),
    ] {
        let wait = if may { PATIENCE } else { SILENCE };
        assert_eq!(
            lab.answers(from, (to, port), wait),
            may,
            "{from} to {to}:{port}"
        );
    }
    let (_, seen) = lab.connect("cabin", SocketAddr::new(CELL_VPN.into(), 443));
    assert_eq!(seen, CABIN, "the proxy has to know who asks");
    lab.run("cabin", "ping -c 1 -W 10 10.77.0.1");
    lab.run("cabin", "ping -c 1 -W 10 fd77::1");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_cell_finds_no_admin_page_where_no_service_has_its_port() {
    let lab = lab(Phase::Open).await;
    let mut page = linked(Phase::Open);
    page.containers.ports.clear();
    page.links[0].ports.clear();
    page.https = Some(ADMIN);
    load(&lab, page).await;
    assert!(lab.answers("device2", (CELL_VPN, 443), PATIENCE));
    for to in [CELL_VPN, CELL_LAN, CELL_WAN] {
        assert!(!lab.answers("cabin", (to, 443), SILENCE), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn home_and_devices_reach_another_cell_and_containers_and_uplink_do_not() {
    let lab = lab(Phase::Open).await;
    let cabin = SocketAddr::new(CABIN.into(), 7000);
    let cabin6 = SocketAddr::new(CABIN6.into(), 7000);
    assert_eq!(lab.connect("lan", cabin).1, CELL_VPN, "as the box");
    let vpn6: IpAddr = "fd77::1".parse().unwrap();
    assert_eq!(lab.connect("lan", cabin6).1, vpn6);
    assert_eq!(lab.connect("device2", cabin).1, device(2));
    assert_eq!(lab.connect("device2", cabin6).1, device6(2));
    assert!(lab.answers("cell", (CABIN, 7000), PATIENCE));
    for from in ["one", "two", "wan", "boat"] {
        assert!(!lab.answers(from, (CABIN, 7000), SILENCE), "{from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn home_of_a_one_armed_box_reaches_another_cell_and_is_not_reached() {
    let lab = lab(Phase::Open).await;
    let mut one_armed = linked(Phase::Open);
    one_armed.lan = None;
    one_armed.local_sources = ["203.0.113.0/24".parse().unwrap()].into();
    load(&lab, one_armed).await;
    let cabin = SocketAddr::new(CABIN.into(), 7000);
    assert_eq!(lab.connect("wan", cabin).1, CELL_VPN, "as the box");
    assert!(!lab.answers("lan", (CABIN, 7000), SILENCE));
    assert!(!lab.answers("cabin", (WAN_HOST, 7000), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_addresses_of_another_cell_are_dropped() {
    let lab = lab(Phase::Open).await;
    let sink = SocketAddr::new(CELL_VPN.into(), 53);
    let socket = lab.inside("cell", || UdpSocket::bind(sink)).unwrap();
    for at in ["lan", "wan", "one"] {
        lab.run(at, &format!("ip addr add {CABIN}/32 dev lo"));
        lab.send(at, CABIN, sink, at);
    }
    lab.run("cabin", &format!("ip addr add {LAN_HOST}/32 dev lo"));
    lab.run("cabin", "ip addr add 10.77.0.7/32 dev lo");
    lab.send("cabin", LAN_HOST, sink, "home at another cell");
    lab.send("cabin", device(7), sink, "device at another cell");
    lab.send("cabin", CABIN, sink, "honest");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 32];
    let (length, _) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"honest");
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(socket.recv_from(&mut buffer).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn flow_ends_with_what_was_shared_and_with_the_link() {
    let lab = lab(Phase::Open).await;
    let (mut shared, _) = lab.connect("cabin", SocketAddr::new(CELL_VPN.into(), 443));
    let (mut opened, _) = lab.connect("lan", SocketAddr::new(CABIN.into(), 7000));
    assert!(echoes(&mut shared, "before", PATIENCE));
    let mut withdrawn = linked(Phase::Open);
    withdrawn.links[0].ports.clear();
    load(&lab, withdrawn).await;
    assert!(!echoes(&mut shared, "after", SILENCE));
    assert!(echoes(&mut opened, "still", PATIENCE));

    let mut apart = linked(Phase::Open);
    apart.links.remove(0);
    load(&lab, apart).await;
    assert!(!echoes(&mut opened, "after", SILENCE));
    assert!(!lab.answers("cabin", (CELL_VPN, 53), SILENCE));
    assert!(!lab.answers("device2", (CABIN, 7000), SILENCE));
    assert!(!lab.answers("lan", (CABIN, 7000), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_box_lets_nobody_begin_anything_with_another_cell() {
    let lab = lab(Phase::Open).await;
    let (mut shared, _) = lab.connect("cabin", SocketAddr::new(CELL_VPN.into(), 443));
    let (mut opened, _) = lab.connect("device2", SocketAddr::new(CABIN.into(), 7000));
    load(&lab, linked(Phase::Closed)).await;
    assert!(echoes(&mut opened, "closed", PATIENCE));
    assert!(echoes(&mut shared, "closed", PATIENCE));
    for (from, to, port) in [
        ("cabin", CELL_VPN, 53),
        ("cabin", CELL_VPN, 443),
        ("lan", CABIN, 7000),
        ("device2", CABIN, 7000),
    ] {
        assert!(
            !lab.answers(from, (to, port), SILENCE),
            "{from} to {to}:{port}"
        );
    }
}
