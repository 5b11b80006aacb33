//! Who reaches whom, with real packets through the kernel's own filter.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use crate::lab::{
    ADMIN, CELL_LAN, CELL_VPN, CELL_WAN, LAN_HOST, Lab, PATIENCE, SILENCE, WAN_HOST, device,
    device6, echoes, plain, spec,
};
use cell_firewall::{Firewall, closed_boot_spec};
use cell_model::config::ServiceToggle;
use cell_model::spec::{FirewallSpec, PeerAccess, Phase, ServiceAddress, WayOut};
use cell_model::step::FirewallStep;

async fn load(lab: &Lab, spec: FirewallSpec) {
    let step = FirewallStep::Replace(Arc::new(spec));
    lab.nft().apply(&step).await.unwrap();
    lab.nft().verify(&step).await.unwrap();
}

async fn patch(lab: &Lab, remove: Option<(u8, PeerAccess)>, add: Option<(u8, PeerAccess)>) {
    let peers = |peer: Option<(u8, PeerAccess)>| -> BTreeMap<_, _> {
        peer.into_iter()
            .map(|(n, access)| (device(n), access))
            .collect()
    };
    let step = FirewallStep::PatchPeers {
        remove: peers(remove),
        add: peers(add),
    };
    lab.nft().apply(&step).await.unwrap();
    lab.nft().verify(&step).await.unwrap();
}

fn full(number: u8) -> PeerAccess {
    PeerAccess {
        internet: WayOut::Uplink,
        ..plain(number)
    }
}

fn social(number: u8) -> PeerAccess {
    PeerAccess {
        peer_to_peer: true,
        ..plain(number)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn home_reaches_the_internet_only_when_open_and_keeps_its_flows_when_closed() {
    let lab = Lab::with_devices(&[]);
    let server = lab.serve("wan", WAN_HOST, 7000);
    load(&lab, spec(Phase::Closed)).await;
    assert!(!lab.answers("lan", (WAN_HOST, 7000), SILENCE));
    assert!(lab.answers("lan", (CELL_LAN, ADMIN), PATIENCE));

    load(&lab, spec(Phase::Open)).await;
    let (mut flow, seen) = lab.connect("lan", server);
    assert_eq!(
        seen,
        IpAddr::V4(CELL_WAN),
        "translated to the uplink's address"
    );
    assert!(echoes(&mut flow, "open", PATIENCE));

    load(&lab, spec(Phase::Closed)).await;
    assert!(
        echoes(&mut flow, "closed", PATIENCE),
        "established flows stay"
    );
    assert!(!lab.answers("lan", (WAN_HOST, 7000), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn uplink_reaches_nothing_of_box_or_home() {
    let lab = Lab::with_devices(&[2]);
    lab.serve("lan", LAN_HOST, 7000);
    let mut open = spec(Phase::Open);
    open.peers.insert(device(2), full(2));
    load(&lab, open).await;
    for port in [ADMIN, 53, 22] {
        assert!(
            lab.answers("lan", (CELL_LAN, port), PATIENCE),
            "{port} from home"
        );
        assert!(
            !lab.answers("wan", (CELL_WAN, port), SILENCE),
            "{port} from the uplink"
        );
        assert!(
            !lab.answers("wan", (CELL_LAN, port), SILENCE),
            "{port} at the LAN address"
        );
    }
    assert!(!lab.answers("wan", (LAN_HOST, 7000), SILENCE));
    assert!(!lab.answers("wan", (device(2), 7000), SILENCE));
    assert!(
        !lab.answers("lan", (CELL_LAN, 9), SILENCE),
        "a port that is not offered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wireguard_port_answers_the_uplink_only_when_open() {
    let lab = Lab::with_devices(&[]);
    let socket = lab
        .inside("cell", || UdpSocket::bind(("0.0.0.0", 51820)))
        .unwrap();
    let to = |address| SocketAddr::new(IpAddr::V4(address), 51820);
    let mut buffer = [0; 16];

    load(&lab, spec(Phase::Closed)).await;
    lab.send("wan", WAN_HOST, to(CELL_WAN), "wan closed");
    lab.send("lan", LAN_HOST, to(CELL_LAN), "lan closed");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (length, _) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"lan closed");
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(socket.recv_from(&mut buffer).is_err());

    load(&lab, spec(Phase::Open)).await;
    lab.send("wan", WAN_HOST, to(CELL_WAN), "wan open");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (length, _) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"wan open");
}

#[tokio::test(flavor = "multi_thread")]
async fn full_tunnel_device_leaves_translated_and_reaches_home_but_split_one_does_neither() {
    let lab = Lab::with_devices(&[2, 3]);
    let server = lab.serve("wan", WAN_HOST, 7000);
    let server6 = lab.serve("wan", "fd99::2".parse::<IpAddr>().unwrap(), 7000);
    let home = lab.serve("lan", LAN_HOST, 7000);
    let mut open = spec(Phase::Open);
    open.peers = [(device(2), full(2)), (device(3), plain(3))].into();
    load(&lab, open.clone()).await;

    assert_eq!(lab.connect("device2", server).1, IpAddr::V4(CELL_WAN));
    assert_eq!(
        lab.connect("device2", server6).1,
        "fd99::1".parse::<IpAddr>().unwrap()
    );
    assert_eq!(lab.connect("device2", home).1, IpAddr::V4(device(2)));
    for closed in [server, server6, home] {
        assert!(!lab.answers("device3", (closed.ip(), closed.port()), SILENCE));
    }
    assert!(lab.answers("device3", (CELL_VPN, ADMIN), PATIENCE));
    assert!(lab.answers("device3", (CELL_VPN, 53), PATIENCE));
    assert!(lab.answers("device3", (CELL_VPN, 22), PATIENCE));
    assert!(!lab.answers("lan", (device(2), 7000), SILENCE));

    open.phase = Phase::Closed;
    load(&lab, open).await;
    assert!(!lab.answers("device2", (WAN_HOST, 7000), SILENCE));
    assert!(lab.answers("device2", (CELL_VPN, ADMIN), PATIENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_talk_only_when_both_may() {
    let lab = Lab::with_devices(&[2, 3, 4]);
    let mut open = spec(Phase::Open);
    open.peers = [
        (device(2), social(2)),
        (device(3), social(3)),
        (device(4), full(4)),
    ]
    .into();
    load(&lab, open).await;
    assert!(lab.answers("device2", (device(3), 7000), PATIENCE));
    assert!(lab.answers("device3", (device6(2), 7000), PATIENCE));
    assert!(!lab.answers("device2", (device(4), 7000), SILENCE));
    assert!(!lab.answers("device4", (device(2), 7000), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn service_is_open_to_devices_with_its_toggle_alone() {
    let lab = Lab::with_devices(&[2, 3]);
    let files = lab.serve("lan", LAN_HOST, 8080);
    let mut open = spec(Phase::Open);
    open.services.insert(ServiceAddress {
        toggle: ServiceToggle::Files,
        address: files.ip(),
        port: files.port(),
    });
    let mut with_files = plain(2);
    with_files.services.insert(ServiceToggle::Files);
    let mut with_mail = plain(3);
    with_mail.services.insert(ServiceToggle::Mail);
    open.peers = [(device(2), with_files), (device(3), with_mail)].into();
    load(&lab, open).await;
    lab.connect("device2", files);
    assert!(!lab.answers("device2", (files.ip(), 8081), SILENCE));
    assert!(!lab.answers("device3", (files.ip(), files.port()), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_device_loses_its_flows_at_once_and_others_keep_theirs() {
    let lab = Lab::with_devices(&[2, 3]);
    let server = lab.serve("wan", WAN_HOST, 7000);
    let mut open = spec(Phase::Open);
    open.peers = [(device(2), full(2)), (device(3), full(3))].into();
    load(&lab, open).await;
    let (mut removed, _) = lab.connect("device2", server);
    let (mut stays, _) = lab.connect("device3", server);
    assert!(echoes(&mut removed, "before", PATIENCE));

    patch(&lab, Some((2, full(2))), None).await;
    assert!(!echoes(&mut removed, "after", SILENCE));
    assert!(!lab.answers("device2", (CELL_VPN, ADMIN), SILENCE));
    assert!(echoes(&mut stays, "after", PATIENCE));

    patch(&lab, None, Some((2, full(2)))).await;
    removed.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = [0; 5];
    std::io::Read::read_exact(&mut removed, &mut heard).unwrap();
    assert_eq!(&heard, b"after", "the filter alone had stopped it");
}

#[tokio::test(flavor = "multi_thread")]
async fn device_that_loses_the_internet_loses_its_flows_too() {
    let lab = Lab::with_devices(&[2]);
    let server = lab.serve("wan", WAN_HOST, 7000);
    let mut open = spec(Phase::Open);
    open.peers = [(device(2), full(2))].into();
    load(&lab, open).await;
    let (mut flow, _) = lab.connect("device2", server);
    assert!(echoes(&mut flow, "before", PATIENCE));
    patch(&lab, Some((2, full(2))), Some((2, plain(2)))).await;
    assert!(!echoes(&mut flow, "after", SILENCE));
    assert!(lab.answers("device2", (CELL_VPN, ADMIN), PATIENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_sources_are_dropped() {
    let lab = Lab::with_devices(&[2]);
    let mut open = spec(Phase::Open);
    open.peers = [(device(2), full(2))].into();
    load(&lab, open).await;
    let sink = SocketAddr::new(IpAddr::V4(WAN_HOST), 7001);
    let socket = lab.inside("wan", || UdpSocket::bind(sink)).unwrap();
    lab.run("lan", "ip addr add 10.77.0.2/32 dev lo");
    lab.run("device2", "ip addr add 192.168.50.2/32 dev lo");
    lab.run("device2", "ip addr add 10.77.0.9/32 dev lo");

    lab.send("lan", device(2), sink, "device at home");
    lab.send("device2", LAN_HOST, sink, "home at device");
    lab.send("device2", device(9), sink, "unknown device");
    lab.send("lan", LAN_HOST, sink, "honest");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 32];
    let (length, _) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"honest");
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(socket.recv_from(&mut buffer).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_armed_box_answers_its_own_network_and_translates_devices() {
    let lab = Lab::with_devices(&[2]);
    let server = lab.serve("wan", WAN_HOST, 7000);
    let mut open = spec(Phase::Open);
    open.lan = None;
    open.local_sources = ["203.0.113.0/24".parse().unwrap()].into();
    open.peers = [(device(2), full(2))].into();
    load(&lab, open).await;
    assert!(lab.answers("wan", (CELL_WAN, ADMIN), PATIENCE));
    lab.run("wan", "ip addr add 198.51.100.7/32 dev lo");
    lab.run(
        "wan",
        "ip route change 203.0.113.0/24 dev eth0 src 198.51.100.7",
    );
    assert!(
        !lab.answers("wan", (CELL_WAN, ADMIN), SILENCE),
        "not on-link"
    );
    lab.run(
        "wan",
        "ip route change 203.0.113.0/24 dev eth0 src 203.0.113.2",
    );
    assert_eq!(lab.connect("device2", server).1, IpAddr::V4(CELL_WAN));
    assert!(!lab.answers("lan", (WAN_HOST, 7000), SILENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn boot_rules_answer_nobody() {
    let lab = Lab::with_devices(&[]);
    let boot = closed_boot_spec("wan0".parse().unwrap(), Some("lan0".parse().unwrap()));
    load(&lab, boot).await;
    assert!(!lab.answers("lan", (CELL_LAN, ADMIN), SILENCE));
    assert!(!lab.answers("wan", (CELL_WAN, ADMIN), SILENCE));
    assert!(!lab.answers("lan", (WAN_HOST, 7000), SILENCE));
    lab.run("cell", "ping -c 1 -W 10 127.0.0.1");
}
