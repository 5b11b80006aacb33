//! The box is found by name at home, by clients that are not ours, and nowhere else.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::process::{Child, Stdio};
use std::time::Duration;

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::LAPTOP;
use cell_testkit::{
    Celld, CelldOptions, Layout, Namespace, WgClient, World, WorldOptions, wait_for,
};
use cell_tests::probe::{answers_dns, capture, dig, output};
use cell_tests::{Cell, VPN_ADDRESS, expect_status, observe, set_up, start_fresh};
use serde_json::json;

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/netns/zeroconf_client.py");
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// The client of python3-zeroconf at the laptop.
fn client(laptop: &Namespace, arguments: &[&str]) -> std::process::Command {
    // Debian's, which has the module; others may come first in PATH.
    let mut command = laptop.command("/usr/bin/python3");
    command.args([CLIENT, &LAPTOP.to_string()]).args(arguments);
    command
}

fn resolve(laptop: &Namespace, name: &str) -> String {
    output(&mut client(laptop, &["resolve", name]))
        .trim()
        .to_owned()
}

/// Waits until the laptop finds this address under a name.
fn found(laptop: &Namespace, name: &str, address: Ipv4Addr) {
    shows(|| resolve(laptop, name), &address.to_string());
}

/// Looks again until there is what should be: each look is short, and the machine may be busy.
fn shows(look: impl Fn() -> String, wanted: &str) {
    let mut last = String::new();
    let shown = wait_for(PATIENCE, || {
        last = look();
        (last == wanted).then_some(())
    });
    assert!(shown.is_some(), "{last:?} instead of {wanted:?}");
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another device with a name, in the laptop's place.
fn hold(laptop: &Namespace, name: &str) -> Running {
    let mut command = client(laptop, &["hold", name]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "holds");
    Running(child)
}

/// What the box says of being found.
fn part(cell: &Cell) -> (String, String) {
    let view = cell.get("/api/parts/mdns");
    let text = |key: &str| view[key].as_str().unwrap().to_owned();
    (text("state"), text("detail"))
}

/// `curl` to the admin page by a name, whose address is known, trusting the box's certificate only.
fn opens(from: &Namespace, celld: &Celld, name: &str) -> bool {
    let (address, port) = (celld.admin().ip(), celld.admin().port());
    let mut curl = from.command("curl");
    curl.args(["-sS", "--fail", "--noproxy", "*", "--max-time", "10"])
        .args(["--resolve", &format!("{name}:{port}:{address}"), "--cacert"])
        .arg(celld.ca_pem())
        .arg(format!("https://{name}:{port}/health"));
    output(&mut curl).contains("status")
}

#[test]
fn box_is_found_by_name_before_and_after_setup_and_its_page_opens_by_it() {
    let world = World::new().unwrap();
    let mut celld = start_fresh(&world, CelldOptions::default());
    let (laptop, home) = (&world.laptop, world.home_address());
    found(laptop, "cell.local", home);
    assert!(opens(laptop, &celld, "cell.local"));
    assert!(!opens(laptop, &celld, "evil.local"));

    // A device that remembers the name from before forgets it at once, not after two minutes.
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("memory");
    let remembers = || std::fs::read_to_string(&memory).unwrap_or_default();
    let _keeper = Running(
        client(laptop, &["keep", "cell.local", memory.to_str().unwrap()])
            .spawn()
            .unwrap(),
    );
    let known = || (remembers().trim() == home.to_string()).then_some(());
    assert!(wait_for(PATIENCE, known).is_some());

    let owner = set_up(&celld, laptop);
    expect_status(&owner.get("/api/status").unwrap(), 200);
    found(laptop, "home.local", home);
    assert!(wait_for(PATIENCE, || remembers().trim().is_empty().then_some(())).is_some());
    assert_eq!(resolve(laptop, "cell.local"), "");
    assert!(opens(laptop, &celld, "home.local"));

    let service = format!("home._https._tcp.local. home.local. 8443 {home}");
    let browse = || output(&mut client(laptop, &["browse"])).trim().to_owned();
    shows(browse, &service);
    celld.terminate().unwrap();
    assert_eq!(resolve(laptop, "home.local"), "");
}

/// What comes back to a resolver that speaks plain DNS and asks everybody on a wire; `dig` takes answers only from the
/// address that it asked.
fn ask(from: &Namespace, interface: &str, group: IpAddr, name: &str, record_type: u8) -> Vec<u8> {
    let mut question = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len().try_into().unwrap());
        question.extend(label.bytes());
    }
    question.extend([0, 0, record_type, 0, 1]);
    let answer = from.run(|| {
        let any: IpAddr = match group {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).unwrap();
        let index = rustix::net::netdevice::name_to_index(&socket, interface).unwrap();
        let to: SocketAddr = match group {
            IpAddr::V4(v4) => (v4, 5353).into(),
            IpAddr::V6(v6) => SocketAddrV6::new(v6, 5353, 0, index).into(),
        };
        let mut buffer = [0; 1_500];
        socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        // Nothing may be lost on a wire of its own, but whoever is asked may be busy.
        let mut tries = (0..3).map(|_| {
            socket.send_to(&question, to).unwrap();
            socket.recv(&mut buffer).ok()
        });
        let length = tries.find_map(|length| length).unwrap_or_default();
        buffer[..length].to_vec()
    });
    answer.unwrap()
}

fn has(message: &[u8], address: IpAddr) -> bool {
    let bytes = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    message.windows(bytes.len()).any(|part| part == bytes)
}

#[test]
fn plain_resolver_finds_the_box_over_both_protocols_with_addresses_of_that_wire() {
    const ANY: u8 = 255;
    let world = World::build(WorldOptions {
        layout: Layout::Router,
        ipv6: true,
    })
    .unwrap();
    let cell = Cell::start_in(world, CelldOptions::default());
    cell.wait_ok("mdns");
    let laptop = &cell.world.laptop;
    for group in [GROUP.into(), GROUP6.into()] {
        let answer = ask(laptop, "eth0", group, "home.local", ANY);
        for own in ["192.168.77.1", "fd77:77:77::1"] {
            assert!(has(&answer, own.parse().unwrap()), "{group}: {answer:?}");
        }
        for other in ["203.0.113.2", "2001:db8:1::2", "10.31.7.1"] {
            assert!(!has(&answer, other.parse().unwrap()), "{group}: {answer:?}");
        }
    }
    let server = format!("@{}", cell.world.home_address());
    let reverse = dig(laptop, &[&server, "-p", "5353", "-x", "192.168.77.1"]);
    assert!(reverse.contains("home.local."), "{reverse}");
}

#[test]
fn neither_internet_nor_tunnel_hears_of_the_name() {
    let mut cell = Cell::start();
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let _tunnel = WgClient::up(&cell.world.phone, &peer.config).unwrap();
    cell.wait_ok("mdns");
    let world = &cell.world;
    let route = "route add 224.0.0.0/4 dev cell0";
    world.internet.ip(route).unwrap();
    let asked = |from, interface, group| ask(from, interface, group, "home.local", 1);
    // Whoever is asked like this on the right wire answers.
    assert!(!asked(&world.laptop, "eth0", GROUP.into()).is_empty());
    assert!(asked(&world.internet, "cell0", GROUP.into()).is_empty());
    assert!(asked(&world.internet, "cell0", GROUP6.into()).is_empty());
    let plain = ["-p", "5353", "home.local"];
    for (from, address) in [
        (&world.internet, world.wan_address()),
        (&world.phone, world.wan_address()),
        (&world.phone, VPN_ADDRESS),
        (&world.phone, world.home_address()),
    ] {
        assert!(!answers_dns(from, address.into(), &plain), "{address}");
    }
    // Nor does the box say it there by itself, when it begins.
    let heard = capture(&world.internet, "cell0", "udp port 5353", || {
        let restart = cell.owner.post("/api/parts/mdns/restart", &json!({}));
        assert!(restart.unwrap().status < 300);
        observe(Duration::from_secs(3));
    });
    assert_eq!(heard, "");
}

#[test]
fn name_that_another_device_has_is_left_to_it_and_the_next_one_works() {
    let world = World::new().unwrap();
    let celld = start_fresh(&world, CelldOptions::default());
    found(&world.laptop, "cell.local", world.home_address());
    let _other = hold(&world.laptop, "home.local");
    let owner = set_up(&celld, &world.laptop);
    let mut cell = Cell {
        owner,
        celld,
        world,
    };
    cell.settle();
    let detail =
        "Another device at home is called home.local, so the box is found as home-2.local.";
    let told = wait_for(PATIENCE, || {
        let (state, said) = part(&cell);
        (state == "ok" && said == detail).then_some(())
    });
    assert!(told.is_some(), "{:?}", part(&cell));
    let (laptop, home) = (&cell.world.laptop, cell.world.home_address());
    found(laptop, "home-2.local", home);
    found(laptop, "home.local", LAPTOP);
    let opens = || opens(laptop, &cell.celld, "home-2.local").then_some(());
    assert!(wait_for(PATIENCE, opens).is_some());
}

#[test]
fn two_fresh_boxes_at_one_home_get_different_names() {
    let one_armed = WorldOptions {
        layout: Layout::OneArmed,
        ipv6: false,
    };
    let (world, second) = (
        World::build(one_armed).unwrap(),
        World::build(one_armed).unwrap(),
    );
    // One wire for both; the second box has the next address but one, and no laptop or router of its own.
    let lines = format!(
        "link add wire0 type veth peer name wire0 netns {}\nlink set wire0 master home0 up",
        second.internet.name()
    );
    world.internet.ip(&lines).unwrap();
    second
        .internet
        .ip("addr flush dev home0\nlink set laptop0 down\nlink set wire0 master home0 up")
        .unwrap();
    let own = Ipv4Addr::new(192, 168, 77, 3);
    second
        .cell
        .ip(&format!(
            "addr flush dev wan0\naddr add {own}/24 dev wan0\nroute add default via 192.168.77.1"
        ))
        .unwrap();
    let _first = start_fresh(&world, CelldOptions::default());
    let laptop = &world.laptop;
    found(laptop, "cell.local", world.home_address());
    let options = CelldOptions {
        admin: Some((own, 8443).into()),
        ..CelldOptions::default()
    };
    let mut celld = start_fresh(&second, options);
    found(laptop, "cell-2.local", own);
    found(laptop, "cell.local", world.home_address());
    let opened = || opens(laptop, &celld, "cell-2.local").then_some(());
    assert!(wait_for(PATIENCE, opened).is_some());
    celld.terminate().unwrap();
    assert_eq!(resolve(laptop, "cell-2.local"), "");
    found(laptop, "cell.local", world.home_address());
}

#[test]
fn program_that_has_the_port_to_itself_is_named_and_stops_nothing_else() {
    let world = World::new().unwrap();
    let taken = world.cell.run(|| UdpSocket::bind(("0.0.0.0", 5353)));
    let taken = taken.unwrap().unwrap();
    let cell = Cell::start_in(world, CelldOptions::default());
    let (state, detail) = part(&cell);
    assert_eq!(state, "failed");
    assert!(detail.contains("UDP port 5353"), "{detail}");
    cell.wait_ok("dns");
    assert_eq!(resolve(&cell.world.laptop, "home.local"), "");
    drop(taken);
    cell.wait_ok("mdns");
    found(&cell.world.laptop, "home.local", cell.world.home_address());
}
