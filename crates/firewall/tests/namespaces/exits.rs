//! Devices that were given a way out of their own: what leaves, by which way, and what does not.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

use cell_firewall::Firewall;
use cell_model::config::{ExitSlot, RelayPort};
use cell_model::spec::{FirewallExit, FirewallSpec, LeavesBy, PeerAccess, Phase, WayOut};
use cell_model::step::FirewallStep;

use crate::lab::{
    ADMIN, CELL_LAN, CELL_VPN, CELL_WAN, LAN_HOST, Lab, PATIENCE, SILENCE, WAN_HOST, device,
    echoes, plain, spec,
};

/// Who is out there.
const OUT_THERE: [&str; 2] = ["203.0.113.2", "fd99::2"];

fn slot(number: usize) -> ExitSlot {
    ExitSlot::all().nth(number).unwrap()
}

fn port(number: u16) -> RelayPort {
    RelayPort::try_from(9100 + number).unwrap()
}

fn by(number: u8, out: WayOut) -> PeerAccess {
    PeerAccess {
        internet: out,
        ..plain(number)
    }
}

/// A box with two ways, the second of which is switched off. Device 2 has the first, 3 the uplink, 4 the second.
fn ways() -> FirewallSpec {
    let mut open = spec(Phase::Open);
    open.exits = vec![
        FirewallExit {
            slot: slot(0),
            by: Some(LeavesBy::Port(port(0))),
        },
        FirewallExit {
            slot: slot(1),
            by: None,
        },
    ];
    open.peers = [
        (device(2), by(2, WayOut::Exit(slot(0)))),
        (device(3), by(3, WayOut::Uplink)),
        (device(4), by(4, WayOut::Exit(slot(1)))),
    ]
    .into();
    open
}

async fn load(lab: &Lab, spec: &FirewallSpec) {
    let step = FirewallStep::Replace(Arc::new(spec.clone()));
    lab.nft().apply(&step).await.unwrap();
    lab.nft().verify(&step).await.unwrap();
}

async fn changes(lab: &Lab, number: u8, from: WayOut, to: WayOut) {
    let step = FirewallStep::PatchPeers {
        remove: [(device(number), by(number, from))].into(),
        add: [(device(number), by(number, to))].into(),
    };
    lab.nft().apply(&step).await.unwrap();
    lab.nft().verify(&step).await.unwrap();
}

/// Counts what arrives out there.
struct Counter<'a>(&'a Lab);

impl<'a> Counter<'a> {
    fn start(lab: &'a Lab) -> Self {
        lab.run("wan", "nft add table inet seen");
        lab.run(
            "wan",
            "nft add chain inet seen arrivals { type filter hook prerouting priority -300 ; }",
        );
        for address in OUT_THERE {
            let family = if address.contains(':') { "ip6" } else { "ip" };
            // Neighbours that look for each other are no traffic of anybody's.
            let rule = format!(
                "nft add rule inet seen arrivals {family} daddr {address} meta l4proto != ipv6-icmp counter"
            );
            lab.run("wan", &rule);
        }
        lab.run(
            "wan",
            "nft add rule inet seen arrivals icmpv6 type echo-request counter",
        );
        Self(lab)
    }

    fn packets(&self) -> u64 {
        let listing = self.0.run("wan", "nft list table inet seen");
        let mut words = listing.split_whitespace();
        let mut sum = 0;
        while let Some(word) = words.next() {
            if word == "packets" {
                sum += words.next().unwrap().parse::<u64>().unwrap();
            }
        }
        sum
    }
}

/// How an attempt to connect ends.
fn attempt(lab: &Lab, from: &str, to: (impl Into<IpAddr>, u16)) -> Result<(), ErrorKind> {
    let to = SocketAddr::new(to.0.into(), to.1);
    let connected = lab.inside(from, || TcpStream::connect_timeout(&to, SILENCE));
    connected.map(drop).map_err(|error| error.kind())
}

/// What becomes of a datagram, as far as whoever sent it learns.
fn datagram(lab: &Lab, from: &str, to: SocketAddr) -> std::io::Result<()> {
    lab.inside(from, || {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(b"hello")?;
        socket.recv(&mut [0; 8]).map(drop)
    })
}

/// Whether the flow ends, and does not merely fall silent.
fn is_torn_down(flow: &mut TcpStream) -> bool {
    flow.set_read_timeout(Some(PATIENCE)).unwrap();
    // What is sent meets the answer, if not at once.
    let _ = flow.write_all(b"still there?");
    let mut heard = [0; 16];
    loop {
        match flow.read(&mut heard) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_sends_out_is_led_to_its_way_or_turned_away_and_nothing_of_it_leaves() {
    let lab = Lab::with_devices(&[2, 3, 4]);
    let target = lab.serve("wan", WAN_HOST, 7000);
    let target6: SocketAddr = lab.serve("wan", "fd99::2".parse::<IpAddr>().unwrap(), 7000);
    let home = lab.serve("lan", LAN_HOST, 7000);
    lab.serve("cell", CELL_VPN, port(0).get());
    load(&lab, &ways()).await;
    let counter = Counter::start(&lab);

    // TCP is led to the program, whatever the port, and home is reached without leaving.
    for port in [target.port(), 443, 53, 853] {
        let (mut flow, seen) = lab.connect("device2", SocketAddr::new(WAN_HOST.into(), port));
        assert_eq!(seen, IpAddr::V4(device(2)), "{port}");
        assert!(echoes(&mut flow, "led", PATIENCE));
    }
    assert_eq!(lab.connect("device2", home).1, IpAddr::V4(device(2)));
    // All else is turned away, and its program learns that.
    assert_eq!(
        attempt(&lab, "device2", (target6.ip(), 7000)),
        Err(ErrorKind::ConnectionRefused)
    );
    for to in [target, target6] {
        let kind = datagram(&lab, "device2", SocketAddr::new(to.ip(), 443))
            .unwrap_err()
            .kind();
        let is_told = ![ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&kind);
        assert!(is_told, "{to}: {kind:?}");
    }
    let pings = |to: &str| {
        let ping = ["ping", "-c", "1", "-W", "2", to];
        lab.inside("device2", || {
            std::process::Command::new(ping[0])
                .args(&ping[1..])
                .output()
        })
    };
    for to in OUT_THERE {
        assert!(!pings(to).unwrap().status.success(), "{to}");
    }
    // A way that is switched off leads nowhere.
    assert_eq!(
        attempt(&lab, "device4", (WAN_HOST, 7000)),
        Err(ErrorKind::ConnectionRefused)
    );
    assert!(datagram(&lab, "device4", SocketAddr::new(WAN_HOST.into(), 53)).is_err());
    assert_eq!(counter.packets(), 0);

    // The counter counts, and who has the uplink goes as before.
    assert_eq!(lab.connect("device3", target).1, IpAddr::V4(CELL_WAN));
    assert!(counter.packets() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn port_of_a_way_is_only_for_those_who_were_led_there() {
    let lab = Lab::with_devices(&[2, 3]);
    lab.serve("cell", CELL_VPN, port(0).get());
    load(&lab, &ways()).await;
    for from in ["device2", "device3"] {
        let direct = attempt(&lab, from, (CELL_VPN, port(0).get()));
        assert_eq!(direct, Err(ErrorKind::ConnectionRefused), "{from}");
    }
    for (from, to) in [
        ("lan", CELL_VPN),
        ("lan", CELL_LAN),
        ("wan", CELL_VPN),
        ("wan", CELL_WAN),
    ] {
        assert!(
            attempt(&lab, from, (to, port(0).get())).is_err(),
            "{from} {to}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flow_ends_when_its_device_is_given_another_way() {
    let lab = Lab::with_devices(&[2]);
    let target = lab.serve("wan", WAN_HOST, 7000);
    for number in [0, 1] {
        lab.serve("cell", CELL_VPN, port(number).get());
    }
    let mut both = ways();
    both.exits[1].by = Some(LeavesBy::Port(port(1)));
    load(&lab, &both).await;
    let [first, second] = [0, 1].map(|number| WayOut::Exit(slot(number)));
    let mut before = first;
    for after in [
        second,
        WayOut::Uplink,
        first,
        WayOut::None,
        WayOut::Uplink,
        second,
    ] {
        let mut flow = match before {
            WayOut::None => None,
            _ => Some(lab.connect("device2", target).0),
        };
        assert!(
            flow.as_mut()
                .is_none_or(|flow| echoes(flow, "before", PATIENCE))
        );
        changes(&lab, 2, before, after).await;
        if let Some(flow) = &mut flow {
            match after {
                // Nobody says anything to who may not go out at all.
                WayOut::None => assert!(!echoes(flow, "after", SILENCE)),
                _ => assert!(is_torn_down(flow), "{before:?} to {after:?}"),
            }
        }
        if after != WayOut::None {
            let seen = lab.connect("device2", target).1;
            let is_led = seen == IpAddr::V4(device(2));
            assert_eq!(is_led, after != WayOut::Uplink, "{after:?}");
        }
        before = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flow_stays_while_others_change_and_while_the_box_is_closed() {
    let lab = Lab::with_devices(&[2, 3]);
    lab.serve("wan", WAN_HOST, 7000);
    lab.serve("cell", CELL_VPN, port(0).get());
    load(&lab, &ways()).await;
    let (mut flow, _) = lab.connect("device2", SocketAddr::new(WAN_HOST.into(), 7000));
    changes(&lab, 3, WayOut::Uplink, WayOut::Exit(slot(0))).await;
    assert!(echoes(&mut flow, "one", PATIENCE));
    let mut more = ways();
    more.exits[1].by = Some(LeavesBy::Port(port(1)));
    load(&lab, &more).await;
    assert!(echoes(&mut flow, "two", PATIENCE));
    let mut closed = more.clone();
    closed.phase = Phase::Closed;
    load(&lab, &closed).await;
    assert!(attempt(&lab, "device2", (WAN_HOST, 7000)).is_err());
    load(&lab, &more).await;
    assert!(echoes(&mut flow, "three", PATIENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_armed_box_lets_nobody_with_a_way_of_their_own_to_the_wire_it_is_at() {
    let lab = Lab::with_devices(&[2]);
    lab.serve("wan", WAN_HOST, 7000);
    lab.serve("cell", CELL_VPN, port(0).get());
    let mut one_armed = ways();
    one_armed.lan = None;
    one_armed.local_sources = ["203.0.113.0/24".parse().unwrap()].into();
    load(&lab, &one_armed).await;
    let counter = Counter::start(&lab);
    // What is meant for home is nothing for whoever is at the other end of a way.
    assert_eq!(
        attempt(&lab, "device2", (WAN_HOST, 7000)),
        Err(ErrorKind::ConnectionRefused)
    );
    let (_, seen) = lab.connect("device2", SocketAddr::from((ANYWHERE, 7000)));
    assert_eq!(seen, IpAddr::V4(device(2)));
    assert!(datagram(&lab, "device2", SocketAddr::new(WAN_HOST.into(), 53)).is_err());
    assert_eq!(counter.packets(), 0);
}

/// Reached by the uplink and by the tunnel, each time another machine.
const ANYWHERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
const ANYWHERE6: Ipv6Addr = Ipv6Addr::new(0xfd97, 0, 0, 0, 0, 0, 0, 9);
/// The box in the tunnel.
const TUNNELLED: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);
const TUNNELLED6: Ipv6Addr = Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, 2);

/// A lab in which the second way is an interface, which leads abroad.
fn tunnelled() -> Lab {
    let mut lab = Lab::with_devices(&[2, 3, 4]);
    lab.host(
        "abroad",
        "wgext_1",
        [(TUNNELLED.into(), 24), (TUNNELLED6.into(), 64)],
    );
    for line in [
        "ip addr add 10.2.0.1/24 dev eth0",
        "ip addr add fd98::1/64 dev eth0 nodad",
        "ip route add default via 10.2.0.2",
        "ip -6 route add default via fd98::2",
    ] {
        lab.run("abroad", line);
    }
    // A tunnel knows no neighbour discovery, and the filter lets none in.
    lab.run("abroad", "ip link set eth0 address 02:00:00:00:02:01");
    lab.run("cell", "ip link set wgext_1 address 02:00:00:00:02:02");
    for (at, link, address, mac) in [
        ("abroad", "eth0", "fd98::2", "02:00:00:00:02:02"),
        ("cell", "wgext_1", "fd98::1", "02:00:00:00:02:01"),
    ] {
        lab.run(
            at,
            &format!("ip neigh add {address} lladdr {mac} dev {link}"),
        );
    }
    for at in ["abroad", "wan"] {
        lab.run(at, &format!("ip addr add {ANYWHERE}/32 dev lo"));
        lab.run(at, &format!("ip addr add {ANYWHERE6}/128 dev lo nodad"));
        lab.serve(at, ANYWHERE, 7000);
        lab.serve(at, ANYWHERE6, 7000);
    }
    for line in [
        "sysctl -qw net.ipv4.conf.wgext_1.rp_filter=0",
        "ip route add default via 203.0.113.2",
        "ip -6 route add default via fd99::2",
        "ip rule add fwmark 0x1010/0x1ff0 lookup 1001",
        "ip -6 rule add fwmark 0x1010/0x1ff0 lookup 1001",
        "ip route add default via 10.2.0.1 table 1001",
        "ip -6 route add default via fd98::1 dev wgext_1 table 1001",
    ] {
        lab.run("cell", line);
    }
    lab
}

/// The ways of [`ways`], the second of which is an interface.
fn with_tunnel(ipv6: bool) -> FirewallSpec {
    let mut open = ways();
    let interface = "wgext_1".parse().unwrap();
    open.exits[1].by = Some(LeavesBy::Interface { interface, ipv6 });
    open
}

/// Counts what of a device goes by the uplink.
fn watch_uplink(lab: &Lab) -> Counter<'_> {
    let counter = Counter::start(lab);
    for (family, address) in [
        ("ip", IpAddr::from(ANYWHERE)),
        ("ip6", IpAddr::from(ANYWHERE6)),
    ] {
        let rule = format!("nft add rule inet seen arrivals {family} daddr {address} counter");
        lab.run("wan", &rule);
    }
    counter
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_sends_out_leaves_by_the_interface_of_its_way_and_by_nothing_else() {
    let lab = tunnelled();
    let pings = |to: IpAddr| {
        let to = to.to_string();
        let ping = || {
            std::process::Command::new("ping")
                .args(["-c", "1", "-W", "2", &to])
                .output()
        };
        lab.inside("device4", ping).unwrap().status.success()
    };
    for ipv6 in [true, false] {
        load(&lab, &with_tunnel(ipv6)).await;
        let counter = watch_uplink(&lab);
        let (mut flow, seen) = lab.connect("device4", SocketAddr::from((ANYWHERE, 7000)));
        assert_eq!(seen, IpAddr::V4(TUNNELLED));
        assert!(echoes(&mut flow, "by it", PATIENCE));
        assert!(pings(ANYWHERE.into()));
        // Nobody is there, and that is told from over there.
        let udp = datagram(&lab, "device4", SocketAddr::from((ANYWHERE, 443)));
        assert_eq!(udp.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(pings(ANYWHERE6.into()), ipv6);
        match ipv6 {
            true => {
                let (_, seen) = lab.connect("device4", SocketAddr::from((ANYWHERE6, 7000)));
                assert_eq!(seen, IpAddr::V6(TUNNELLED6));
            }
            false => assert_eq!(
                attempt(&lab, "device4", (ANYWHERE6, 7000)),
                Err(ErrorKind::ConnectionRefused)
            ),
        }
        assert_eq!(counter.packets(), 0);
        // Others go as before.
        assert_eq!(
            lab.connect("device3", SocketAddr::from((ANYWHERE, 7000))).1,
            IpAddr::V4(CELL_WAN)
        );
        assert!(counter.packets() > 0);
        lab.run("wan", "nft delete table inet seen");
    }

    // Without the interface, without a route, and with neither, they are kept in.
    let counter = watch_uplink(&lab);
    for line in [
        "ip route flush table 1001",
        "ip link del wgext_1",
        "ip rule del fwmark 0x1010/0x1ff0 lookup 1001",
    ] {
        lab.run("cell", line);
        assert!(
            attempt(&lab, "device4", (ANYWHERE, 7000)).is_err(),
            "{line}"
        );
        assert!(
            attempt(&lab, "device4", (ANYWHERE6, 7000)).is_err(),
            "{line}"
        );
        assert!(
            datagram(&lab, "device4", SocketAddr::from((ANYWHERE, 53))).is_err(),
            "{line}"
        );
        assert!(!pings(ANYWHERE.into()), "{line}");
        assert_eq!(counter.packets(), 0, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flow_by_an_interface_ends_when_its_device_is_given_another_way() {
    let lab = tunnelled();
    lab.serve("cell", CELL_VPN, port(0).get());
    load(&lab, &with_tunnel(true)).await;
    let [relayed, tunnel] = [0, 1].map(|number| WayOut::Exit(slot(number)));
    let anywhere = SocketAddr::from((ANYWHERE, 7000));
    let mut before = tunnel;
    for after in [WayOut::Uplink, tunnel, relayed, tunnel, WayOut::None] {
        let (mut flow, seen) = lab.connect("device4", anywhere);
        let expected = match before {
            WayOut::Uplink => CELL_WAN,
            way if way == tunnel => TUNNELLED,
            _ => device(4),
        };
        assert_eq!(seen, IpAddr::V4(expected), "{before:?}");
        changes(&lab, 4, before, after).await;
        assert!(
            !echoes(&mut flow, "after", SILENCE),
            "{before:?} to {after:?}"
        );
        before = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_for_the_home_of_a_one_armed_box_leaves_by_no_tunnel() {
    let lab = tunnelled();
    let mut one_armed = with_tunnel(true);
    one_armed.lan = None;
    one_armed.local_sources = ["198.51.100.0/24", "fd97::/64"]
        .map(|net| net.parse().unwrap())
        .into();
    load(&lab, &one_armed).await;
    for to in [IpAddr::from(ANYWHERE), ANYWHERE6.into()] {
        let refused = attempt(&lab, "device4", (to, 7000));
        assert_eq!(refused, Err(ErrorKind::ConnectionRefused), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_from_out_there_are_for_those_who_have_that_way() {
    let lab = tunnelled();
    load(&lab, &with_tunnel(true)).await;
    let talks = SocketAddr::from((ANYWHERE, 7003));
    let listener = lab.inside("abroad", || TcpListener::bind(talks)).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(b"on and on").is_ok() {
            std::thread::sleep(SILENCE / 20);
        }
    });
    let flow = lab.inside("device4", || TcpStream::connect_timeout(&talks, PATIENCE));
    let mut flow = flow.unwrap();
    flow.set_read_timeout(Some(SILENCE)).unwrap();
    let mut hears = || flow.read(&mut [0; 64]).is_ok_and(|heard| heard > 0);
    assert!(hears() && hears());
    // Whoever listens and says nothing hears nothing more either.
    let tunnel = WayOut::Exit(slot(1));
    changes(&lab, 4, tunnel, WayOut::Exit(slot(0))).await;
    let falls_silent = (0..1_000).any(|_| !hears());
    assert!(falls_silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_out_there_nobody_comes_in_by_the_interface_of_a_way() {
    let lab = tunnelled();
    lab.serve("cell", TUNNELLED, ADMIN);
    lab.serve("cell", CELL_WAN, ADMIN);
    lab.serve("device4", device(4), 7000);
    lab.serve("device3", device(3), 7000);
    lab.serve("lan", LAN_HOST, 7000);
    lab.run("abroad", "ip route add 10.77.0.0/24 via 10.2.0.2");
    load(&lab, &with_tunnel(true)).await;
    for to in [
        (TUNNELLED, ADMIN),
        (CELL_WAN, ADMIN),
        (device(4), 7000),
        (device(3), 7000),
        (LAN_HOST, 7000),
    ] {
        assert!(!lab.answers("abroad", to, SILENCE), "{to:?}");
    }
    // Nor on to the internet by the box.
    lab.run("abroad", "ip addr del 198.51.100.9/32 dev lo");
    assert!(!lab.answers("abroad", (ANYWHERE, 7000), SILENCE));
}
