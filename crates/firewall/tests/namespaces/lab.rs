//! A small neighbourhood of network namespaces around a cell. The VPN interface is a bridge named like it: what the
//! packet filter sees of a device (source, interface) is the same.
//!
//! ```text
//! lan 192.168.50.2 ── lan0 ┐
//! wan 203.0.113.2 ─── wan0 ┼ cell
//! device n 10.77.0.n ─ wg0 ┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use cell_firewall::Nft;
use cell_model::spec::{FirewallContainers, FirewallSpec, FirewallVpn, PeerAccess, Phase, WayOut};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Time enough for a packet that is let through, on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Time after which a packet counts as dropped. Too short can only hide a fault, never make one up.
pub(crate) const SILENCE: Duration = Duration::from_millis(800);

pub(crate) const CELL_WAN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(crate) const WAN_HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
pub(crate) const CELL_LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 1);
pub(crate) const LAN_HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 2);
pub(crate) const CELL_VPN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(crate) const ADMIN: u16 = 8443;

/// IPv4 address of device `number`.
pub(crate) fn device(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, number)
}

/// IPv6 address of device `number`.
pub(crate) fn device6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, u16::from(number))
}

/// Address of the container behind `svcN`.
pub(crate) fn container(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 20, number, 2)
}

/// Address of one more container behind `svcN`.
pub(crate) fn second_container(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 20, number, 3)
}

/// A device that may do nothing beyond DNS and the admin page.
pub(crate) fn plain(number: u8) -> PeerAccess {
    PeerAccess {
        address6: device6(number),
        internet: WayOut::None,
        peer_to_peer: false,
        services: BTreeSet::new(),
    }
}

/// What the tests start from: no devices, no services.
pub(crate) fn spec(phase: Phase) -> FirewallSpec {
    FirewallSpec {
        phase,
        wan: "wan0".parse().unwrap(),
        lan: Some("lan0".parse().unwrap()),
        vpn: Some(FirewallVpn {
            interface: "wg0".parse().unwrap(),
            subnet: "10.77.0.0/24".parse().unwrap(),
            subnet6: "fd77::/64".parse().unwrap(),
            listen_port: 51820,
            pairing: false,
            sync: None,
        }),
        local_sources: ["192.168.50.0/24", "fd50::/64", "fe80::/10"]
            .map(|net| net.parse().unwrap())
            .into(),
        admin_ports: [ADMIN].into(),
        https: None,
        dns_port: 53,
        peers: BTreeMap::new(),
        services: BTreeSet::new(),
        containers: FirewallContainers::default(),
        links: Vec::new(),
        exits: Vec::new(),
    }
}

/// The namespaces; gone when dropped.
pub(crate) struct Lab {
    prefix: String,
    names: Vec<String>,
}

impl Lab {
    /// An empty namespace, named `cell`.
    pub(crate) fn bare() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut lab = Self {
            prefix: format!("fw{}x{count}", std::process::id()),
            names: Vec::new(),
        };
        lab.namespace("cell");
        lab
    }

    /// The whole neighbourhood, with devices of these numbers.
    pub(crate) fn with_devices(devices: &[u8]) -> Self {
        let mut lab = Self::bare();
        for forwarding in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
            lab.run("cell", &format!("sysctl -qw {forwarding}=1"));
        }
        lab.host(
            "wan",
            "wan0",
            [(CELL_WAN.into(), 24), (address6(0xfd99, 1), 64)],
        );
        lab.host(
            "lan",
            "lan0",
            [(CELL_LAN.into(), 24), (address6(0xfd50, 1), 64)],
        );
        lab.run("wan", "ip addr add 203.0.113.2/24 dev eth0");
        lab.run("wan", "ip addr add fd99::2/64 dev eth0 nodad");
        lab.run("lan", "ip addr add 192.168.50.2/24 dev eth0");
        lab.run("lan", "ip addr add fd50::2/64 dev eth0 nodad");
        lab.run("lan", "ip route add default via 192.168.50.1");
        lab.run("lan", "ip -6 route add default via fd50::1");
        // Without translation a reply would find its way too: what stops a packet is the filter alone.
        lab.run("wan", "ip route add default via 203.0.113.1");
        lab.run("wan", "ip -6 route add default via fd99::1");

        lab.run(
            "cell",
            "ip link add wg0 address 02:00:00:00:00:01 type bridge",
        );
        lab.run("cell", "ip addr add 10.77.0.1/24 dev wg0");
        lab.run("cell", "ip addr add fd77::1/64 dev wg0 nodad");
        lab.run("cell", "ip link set wg0 up");
        lab.run(
            "cell",
            "sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.wg0.send_redirects=0",
        );
        lab.run(
            "cell",
            "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.lan0.rp_filter=0",
        );
        for number in devices {
            lab.device(*number);
        }
        lab
    }

    /// Adds a container: a namespace of this name behind `svcN`, at [`container`] of N.
    pub(crate) fn container(&mut self, name: &str, number: u8) {
        let bridge = format!("svc{number}");
        self.run("cell", &format!("ip link add {bridge} type bridge"));
        let gateway = format!("172.20.{number}.1");
        self.run("cell", &format!("ip addr add {gateway}/27 dev {bridge}"));
        self.run("cell", &format!("ip link set {bridge} up"));
        self.attach(name, number, container(number));
    }

    /// Adds one more container of the same service.
    pub(crate) fn second_container(&mut self, name: &str, number: u8) {
        self.attach(name, number, second_container(number));
    }

    fn attach(&mut self, name: &str, number: u8, address: Ipv4Addr) {
        self.namespace(name);
        let port = format!("c{number}-{}", address.octets()[3]);
        self.link(name, &port);
        self.run("cell", &format!("ip link set {port} master svc{number}"));
        self.run(name, &format!("ip addr add {address}/27 dev eth0"));
        let gateway = format!("172.20.{number}.1");
        self.run(name, &format!("ip route add default via {gateway}"));
    }

    /// Adds somebody of another cell: a namespace of this name at the VPN, with an address out of 10.N.0.0/24 and one out
    /// of fdN::/64.
    pub(crate) fn other_cell(&mut self, name: &str, number: u8, at: (Ipv4Addr, Ipv6Addr)) {
        self.attach_to_vpn(name, at, number);
        let networks = format!("10.{number}.0.0/24");
        self.run("cell", &format!("ip route add {networks} dev wg0"));
        let networks = format!("fd{number}::/64");
        self.run("cell", &format!("ip -6 route add {networks} dev wg0"));
    }

    /// The packet filter of the cell.
    pub(crate) fn nft(&self) -> Nft {
        Nft::in_namespace(&self.name("cell"))
    }

    /// Runs a command line, split at spaces, and returns what it prints.
    pub(crate) fn run(&self, at: &str, line: &str) -> String {
        let name = self.name(at);
        let words = ["netns", "exec", &name].into_iter().chain(line.split(' '));
        ip(&words.collect::<Vec<_>>())
    }

    /// Runs code inside a namespace.
    pub(crate) fn inside<T: Send>(&self, at: &str, code: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name(at));
        thread::scope(|scope| {
            let run = scope.spawn(move || {
                let namespace = File::open(path).unwrap();
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&namespace),
                    Some(LinkNameSpaceType::Network),
                )
                .unwrap();
                code()
            });
            run.join().unwrap()
        })
    }

    /// A server that first tells the client's address in a line, then repeats what it hears.
    pub(crate) fn serve(&self, at: &str, address: impl Into<IpAddr>, port: u16) -> SocketAddr {
        let address = SocketAddr::new(address.into(), port);
        let listener = self.inside(at, || TcpListener::bind(address)).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || repeat(stream));
            }
        });
        address
    }

    /// Whether a connection attempt gets any answer: taken or refused.
    pub(crate) fn answers(&self, from: &str, to: (impl Into<IpAddr>, u16), wait: Duration) -> bool {
        let to = SocketAddr::new(to.0.into(), to.1);
        match self.inside(from, || TcpStream::connect_timeout(&to, wait)) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        }
    }

    /// A connection to a server of [`serve`](Self::serve), and the address the server saw.
    pub(crate) fn connect(&self, from: &str, to: SocketAddr) -> (TcpStream, IpAddr) {
        let mut stream = self
            .inside(from, || TcpStream::connect_timeout(&to, PATIENCE))
            .unwrap_or_else(|error| panic!("{from} cannot reach {to}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = Vec::new();
        let mut byte = [0];
        while stream.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        let seen = String::from_utf8(line).unwrap().parse().unwrap();
        (stream, seen)
    }

    /// Sends a datagram, from any address the namespace has.
    pub(crate) fn send(&self, at: &str, from: Ipv4Addr, to: SocketAddr, text: &str) {
        let socket = self.inside(at, || UdpSocket::bind((from, 0))).unwrap();
        socket.send_to(text.as_bytes(), to).unwrap();
    }

    /// A host behind an interface of the cell that has these addresses.
    pub(crate) fn host(&mut self, name: &str, interface: &str, addresses: [(IpAddr, u8); 2]) {
        self.namespace(name);
        self.link(name, interface);
        for (address, length) in addresses {
            let nodad = if address.is_ipv6() { " nodad" } else { "" };
            self.run(
                "cell",
                &format!("ip addr add {address}/{length} dev {interface}{nodad}"),
            );
        }
    }

    fn device(&mut self, number: u8) {
        let name = format!("device{number}");
        self.attach_to_vpn(&name, (device(number), device6(number)), number);
    }

    fn attach_to_vpn(&mut self, name: &str, (v4, v6): (Ipv4Addr, Ipv6Addr), number: u8) {
        self.namespace(name);
        self.link(name, name);
        self.run("cell", &format!("ip link set {name} master wg0"));
        self.run(name, &format!("ip addr add {v4}/32 dev eth0"));
        self.run(name, &format!("ip addr add {v6}/128 dev eth0 nodad"));
        self.run(name, "ip route add 10.77.0.1/32 dev eth0");
        self.run(name, "ip route add default via 10.77.0.1");
        self.run(name, "ip -6 route add fd77::1/128 dev eth0");
        self.run(name, "ip -6 route add default via fd77::1 dev eth0");
        // WireGuard knows no neighbour discovery, and the filter lets none in.
        let mac = format!("02:00:00:00:01:{number:02x}");
        self.run(name, &format!("ip link set eth0 address {mac}"));
        self.run("cell", &format!("ip neigh add {v6} lladdr {mac} dev wg0"));
        self.run(
            name,
            "ip neigh add fd77::1 lladdr 02:00:00:00:00:01 dev eth0",
        );
    }

    /// A cable from `eth0` there to `interface` at the cell.
    fn link(&self, name: &str, interface: &str) {
        let there = self.name(name);
        self.run(
            "cell",
            &format!("ip link add {interface} type veth peer name eth0 netns {there}"),
        );
        self.run("cell", &format!("ip link set {interface} up"));
        self.run(name, "ip link set eth0 up");
    }

    fn namespace(&mut self, name: &str) {
        ip(&["netns", "add", &self.name(name)]);
        self.names.push(name.to_owned());
        self.run(name, "ip link set lo up");
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(name)])
                .status();
        }
    }
}

/// Whether the far end repeats what is said within the time.
pub(crate) fn echoes(stream: &mut TcpStream, text: &str, wait: Duration) -> bool {
    stream.set_read_timeout(Some(wait)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).is_ok() && heard == text.as_bytes()
}

fn repeat(mut stream: TcpStream) {
    let client = stream.peer_addr().unwrap().ip();
    let _ = stream.write_all(format!("{client}\n").as_bytes());
    let mut buffer = [0; 512];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

fn address6(first: u16, last: u16) -> IpAddr {
    Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last).into()
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "`ip {}` failed (these tests need root and network namespaces): {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
