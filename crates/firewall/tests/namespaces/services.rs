//! What containers reach, and who reaches them: every pair, with real packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;

use crate::lab::{
    ADMIN, CELL_LAN, CELL_VPN, CELL_WAN, LAN_HOST, Lab, PATIENCE, SILENCE, WAN_HOST, container,
    device, echoes, plain, second_container, spec,
};
use cell_firewall::Firewall;
use cell_model::container::Protocol;
use cell_model::spec::{FirewallContainers, FirewallSpec, FlowSpec, Phase, PortSpec};
use cell_model::step::FirewallStep;

/// Where containers answer.
const PORT: u16 = 8080;
/// Addresses that are of the internet in these tests, and of no network anybody has.
const FAR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// Two services: the first may ask the second, and the internet; the box's port 443 leads to the second.
fn with_services(phase: Phase) -> FirewallSpec {
    let mut spec = spec(phase);
    spec.containers = FirewallContainers {
        networks: BTreeMap::from([1, 2].map(|number| {
            let network = format!("172.20.{number}.0/27");
            (
                format!("svc{number}").parse().unwrap(),
                network.parse().unwrap(),
            )
        })),
        flows: BTreeSet::from([FlowSpec {
            from: container(1),
            to: SocketAddrV4::new(container(2), PORT),
        }]),
        internet: BTreeSet::from([container(1)]),
        resolver: Some(CELL_VPN),
        ports: BTreeSet::from([PortSpec {
            protocol: Protocol::Tcp,
            port: 443,
            backend: SocketAddrV4::new(container(2), PORT),
        }]),
        public: BTreeSet::new(),
    };
    spec.peers = [(device(2), plain(2))].into();
    spec
}

async fn lab(phase: Phase) -> Lab {
    let mut lab = Lab::with_devices(&[2]);
    lab.container("one", 1);
    lab.container("two", 2);
    for (at, address) in [("one", container(1)), ("two", container(2))] {
        for port in [PORT, PORT + 1] {
            lab.serve(at, address, port);
        }
    }
    lab.serve("wan", WAN_HOST, 7000);
    lab.serve("lan", LAN_HOST, 7000);
    lab.serve("device2", device(2), 7000);
    for (address, port) in [
        (CELL_LAN, ADMIN),
        (CELL_VPN, ADMIN),
        (CELL_VPN, 53),
        (CELL_LAN, 53),
        (CELL_WAN, 22),
    ] {
        lab.serve("cell", address, port);
    }
    load(&lab, with_services(phase)).await;
    lab
}

async fn load(lab: &Lab, spec: FirewallSpec) {
    let step = FirewallStep::Replace(Arc::new(spec));
    lab.nft().apply(&step).await.unwrap();
    lab.nft().verify(&step).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn container_reaches_what_it_was_given_and_nothing_else() {
    let lab = lab(Phase::Open).await;
    let gateway = |number| Ipv4Addr::new(172, 20, number, 1);
    for (from, to, port, may) in [
        ("one", container(2), PORT, true),
        ("one", container(2), PORT + 1, false),
        ("two", container(1), PORT, false),
        ("one", FAR, 7000, true),
        ("two", FAR, 7000, false),
        // Names, for whom the internet is.
        ("one", CELL_VPN, 53, true),
        ("two", CELL_VPN, 53, false),
        ("one", CELL_LAN, 53, false),
        // The box, by all its addresses; the home; devices.
        ("one", CELL_VPN, ADMIN, false),
        ("one", CELL_LAN, ADMIN, false),
        ("two", CELL_LAN, ADMIN, false),
        ("one", gateway(1), ADMIN, false),
        ("one", gateway(2), ADMIN, false),
        ("one", CELL_WAN, 22, false),
        ("one", CELL_LAN, 443, false),
        ("one", LAN_HOST, 7000, false),
        ("two", LAN_HOST, 7000, false),
        ("one", device(2), 7000, false),
    ] {
        let wait = if may { PATIENCE } else { SILENCE };
        assert_eq!(
            lab.answers(from, (to, port), wait),
            may,
            "{from} to {to}:{port}"
        );
    }
    let (_, seen) = lab.connect("one", SocketAddr::new(FAR.into(), 7000));
    assert_eq!(seen, CELL_WAN, "the uplink knows the box alone");
}

/// Where the kernel has br_netfilter, the filter sees what stays on the wire of a service too.
#[tokio::test(flavor = "multi_thread")]
async fn containers_of_one_service_reach_each_other() {
    for phase in [Phase::Open, Phase::Closed] {
        let mut lab = lab(phase).await;
        if Path::new("/proc/sys/net/bridge").exists() {
            lab.run("cell", "sysctl -qw net.bridge.bridge-nf-call-iptables=1");
        }
        lab.second_container("mate", 1);
        lab.serve("mate", second_container(1), PORT);
        assert!(lab.answers("one", (second_container(1), PORT), PATIENCE));
        assert!(lab.answers("mate", (container(1), PORT + 1), PATIENCE));
        // What the other one may, this one may not.
        assert!(!lab.answers("mate", (container(2), PORT), SILENCE));
        assert!(!lab.answers("two", (second_container(1), PORT), SILENCE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn internet_of_a_container_ends_where_the_neighbours_of_the_uplink_begin() {
    let lab = lab(Phase::Open).await;
    // Behind the uplink there is somebody's home.
    lab.run("wan", "ip addr add 192.168.1.7/24 dev eth0");
    lab.run("cell", "ip addr add 192.168.1.2/24 dev wan0");
    let neighbour = Ipv4Addr::new(192, 168, 1, 7);
    lab.serve("wan", neighbour, 7001);
    assert!(lab.answers("cell", (neighbour, 7001), PATIENCE));
    assert!(!lab.answers("one", (neighbour, 7001), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn container_is_reached_by_its_port_of_the_box_with_the_callers_own_address() {
    let lab = lab(Phase::Open).await;
    for (from, to, own) in [
        ("lan", CELL_LAN, LAN_HOST),
        ("device2", CELL_VPN, device(2)),
    ] {
        let (_, seen) = lab.connect(from, SocketAddr::new(to.into(), 443));
        assert_eq!(seen, own, "{from}");
    }
    // The box looks after its containers by their own addresses; nobody else gets around the port.
    assert!(lab.answers("cell", (container(1), PORT), PATIENCE));
    for (from, to, port) in [
        ("wan", CELL_WAN, 443),
        ("wan", container(2), PORT),
        ("lan", container(1), PORT),
        ("lan", container(2), PORT + 1),
        ("device2", container(1), PORT),
    ] {
        assert!(
            !lab.answers(from, (to, port), SILENCE),
            "{from} to {to}:{port}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn internet_reaches_a_public_port_with_its_own_address_and_nothing_behind_it() {
    let lab = lab(Phase::Open).await;
    let mut public = with_services(Phase::Open);
    public.containers.public = public.containers.ports.clone();
    load(&lab, public).await;
    let (_, seen) = lab.connect("wan", SocketAddr::new(CELL_WAN.into(), 443));
    assert_eq!(seen, WAN_HOST);
    for (to, port) in [
        (CELL_WAN, PORT),
        (CELL_WAN, 80),
        (CELL_WAN, ADMIN),
        (container(2), PORT),
        (container(1), PORT),
    ] {
        assert!(!lab.answers("wan", (to, port), SILENCE), "{to}:{port}");
    }
    let (_, seen) = lab.connect("lan", SocketAddr::new(CELL_LAN.into(), 443));
    assert_eq!(seen, LAN_HOST, "as before");
    load(&lab, with_services(Phase::Open)).await;
    assert!(!lab.answers("wan", (CELL_WAN, 443), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn https_without_a_port_is_the_page_for_home_and_devices_alone() {
    let lab = lab(Phase::Open).await;
    let mut page = with_services(Phase::Open);
    page.containers.ports.clear();
    page.https = Some(ADMIN);
    for phase in [Phase::Open, Phase::Closed] {
        page.phase = phase;
        load(&lab, page.clone()).await;
        for (from, to, own) in [
            ("lan", CELL_LAN, LAN_HOST),
            ("device2", CELL_VPN, device(2)),
        ] {
            let (_, seen) = lab.connect(from, SocketAddr::new(to.into(), 443));
            assert_eq!(seen, own, "{from}");
        }
        assert!(!lab.answers("wan", (CELL_WAN, 443), SILENCE));
        for to in [CELL_LAN, CELL_VPN] {
            assert!(!lab.answers("one", (to, 443), SILENCE));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn container_cannot_pass_for_somebody_else() {
    let mut lab = lab(Phase::Open).await;
    lab.container("three", 3);
    let mut open = with_services(Phase::Open);
    let third = ("svc3".parse().unwrap(), "172.20.3.0/27".parse().unwrap());
    open.containers.networks.extend([third]);
    load(&lab, open).await;
    // The third one gives itself the address of the first, and of somebody at home.
    for other in [container(1), LAN_HOST, device(2)] {
        lab.run("three", &format!("ip addr add {other}/32 dev eth0"));
        lab.run(
            "three",
            &format!("ip route replace 172.20.2.2/32 via 172.20.3.1 src {other}"),
        );
        assert!(
            !lab.answers("three", (container(2), PORT), SILENCE),
            "{other}"
        );
    }
    // Nor does it get out by IPv6, which nobody gave it.
    lab.run("three", "ip addr add fd99::7/64 dev eth0 nodad");
    lab.run("three", "ip -6 route replace default dev eth0");
    let far = std::net::Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 2);
    assert!(!lab.answers("three", (far, 7000), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_box_lets_services_do_nothing_but_what_they_had_begun() {
    let lab = lab(Phase::Open).await;
    let to = SocketAddr::new(CELL_LAN.into(), 443);
    let (mut flow, _) = lab.connect("lan", to);
    load(&lab, with_services(Phase::Closed)).await;
    assert!(
        echoes(&mut flow, "closed", PATIENCE),
        "established flows stay"
    );
    for (from, to, port) in [
        ("one", container(2), PORT),
        ("one", FAR, 7000),
        ("one", CELL_VPN, 53),
        ("lan", CELL_LAN, 443),
        ("device2", CELL_VPN, 443),
    ] {
        assert!(
            !lab.answers(from, (to, port), SILENCE),
            "{from} to {to}:{port}"
        );
    }
}
