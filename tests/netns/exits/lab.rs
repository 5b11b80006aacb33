//! What all kinds of ways have in common.

use std::net::SocketAddr;
use std::time::Duration;

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{OUTSIDE_DNS, OUTSIDE_NAME, OUTSIDE_WEB, OUTSIDE_WEB6, PHONE};
use cell_testkit::{Namespace, wait_for};
use cell_tests::probe::{connect, dig, fetch};
use cell_tests::{Cell, Peer, expect_status};
use serde_json::{Value, json};

/// A name that only name servers beyond a way know.
pub(crate) const ONLY_THERE: &str = "only-there.example.net";
/// Programs that send all the while are given this to send.
pub(crate) const A_WHILE: Duration = Duration::from_secs(2);

pub(crate) fn add(cell: &Cell, form: &Value) -> Value {
    let made = cell
        .owner
        .post("/api/connectivity/connections", form)
        .unwrap();
    expect_status(&made, 201);
    made.json()["connection"].clone()
}

pub(crate) fn path(id: &Value) -> String {
    format!("/api/connectivity/connections/{}", id.as_str().unwrap())
}

/// Waits until the way is so.
#[track_caller]
pub(crate) fn becomes(cell: &Cell, id: &Value, health: &str) -> Value {
    let health_of = || cell.get(&format!("{}/health", path(id)));
    let is = wait_for(PATIENCE, || {
        Some(health_of()).filter(|is| is["health"] == health)
    });
    is.unwrap_or_else(|| panic!("it does not become {health}: {}", health_of()))
}

/// Gives a device a way out.
pub(crate) fn assign(cell: &mut Cell, peer: &Peer, id: Option<&Value>) -> Value {
    let form = json!({ "exit_connection_id": id });
    let path = format!("/api/peers/{}/exit", peer.name);
    let given = cell.owner.put(&path, &form).unwrap();
    expect_status(&given, 200);
    cell.settle();
    given.json()["peer"].clone()
}

pub(crate) fn set_failopen(cell: &mut Cell, peer: &Peer, failopen: Value) {
    let path = format!("/api/connectivity/peers/{}/failopen", peer.name);
    let form = json!({ "failopen": failopen });
    expect_status(&cell.owner.put(&path, &form).unwrap(), 200);
    cell.settle();
}

/// Who asks for the page, as the web server sees it.
pub(crate) fn seen_as(phone: &Namespace) -> Option<Value> {
    fetch(phone, &format!("http://{OUTSIDE_NAME}/")).map(|answer| answer["source"].clone())
}

/// Counts all that the cell sends out by its uplink but what it speaks with the other end of a way, which is `but`, and with its
/// own devices.
pub(crate) struct Uplink<'a>(&'a Namespace);

impl<'a> Uplink<'a> {
    pub(crate) fn watch(internet: &'a Namespace, but: &str) -> Self {
        for line in [
            "add table inet uplink".to_owned(),
            "add chain inet uplink arrivals { type filter hook prerouting priority -300 ; }"
                .to_owned(),
            // The other ends of ways are out there as well.
            "add rule inet uplink arrivals iifname != cell0 accept".to_owned(),
            // Neighbours that look for each other are no traffic of anybody's.
            "add rule inet uplink arrivals ip6 saddr fe80::/10 accept".to_owned(),
            "add rule inet uplink arrivals ip6 saddr :: accept".to_owned(),
            "add rule inet uplink arrivals icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
                .to_owned(),
            format!("add rule inet uplink arrivals {but} accept"),
            // The tunnel's own packets, and that nobody is there for those of the phone while the daemon is away.
            format!("add rule inet uplink arrivals ip daddr {PHONE} accept"),
            "add set inet uplink seen { type ipv4_addr . inet_proto . inet_service ; flags dynamic ; }"
                .to_owned(),
            "add set inet uplink seen6 { type ipv6_addr . inet_proto . inet_service ; flags dynamic ; }"
                .to_owned(),
            "add rule inet uplink arrivals counter".to_owned(),
            "add rule inet uplink arrivals update @seen { ip daddr . meta l4proto . th dport }".to_owned(),
            "add rule inet uplink arrivals update @seen6 { ip6 daddr . meta l4proto . th dport }".to_owned(),
        ] {
            Self::nft(internet, &line);
        }
        Self(internet)
    }

    /// That nothing was seen.
    #[track_caller]
    pub(crate) fn is_silent(&self, what: &str) {
        if self.packets() != 0 {
            panic!("{what}: {}", Self::nft(self.0, "list table inet uplink"));
        }
    }

    pub(crate) fn packets(&self) -> u64 {
        let listing = Self::nft(self.0, "list chain inet uplink arrivals");
        let (_, after) = listing.split_once("counter packets ").unwrap();
        after.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn nft(internet: &Namespace, line: &str) -> String {
        let output = internet
            .command("nft")
            .args(line.split(' '))
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What programs on a phone send, over IPv4 and IPv6: to ports that are often treated in other ways, with each protocol.
pub(crate) fn send_all_kinds(phone: &Namespace) {
    for port in [53, 443, 123, 3478, 51820] {
        let _ = phone.run(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
            socket.send_to(b"hello", (OUTSIDE_WEB, port))
        });
    }
    for port in [22, 53, 80, 443, 853] {
        let limit = Duration::from_millis(500);
        let _ = connect(phone, SocketAddr::from((OUTSIDE_WEB, port)), limit);
        let _ = connect(phone, SocketAddr::from((OUTSIDE_WEB6, port)), limit);
        let _ = phone.run(|| {
            let socket = std::net::UdpSocket::bind("[::]:0")?;
            socket.send_to(b"hello", (OUTSIDE_WEB6, port))
        });
    }
    let _ = dig(
        phone,
        &[
            &format!("@{OUTSIDE_DNS}"),
            "+tries=1",
            "+time=1",
            OUTSIDE_NAME,
        ],
    );
    let _ = dig(phone, &["+tries=1", "+time=1", "unasked.example.net"]);
    for to in [OUTSIDE_WEB.to_string(), OUTSIDE_WEB6.to_string()] {
        let mut ping = phone.command("ping");
        ping.args(["-n", "-c", "2", "-i", "0.2", "-W", "1", &to]);
        let _ = ping.output();
    }
}

/// Kills the daemon while a phone's programs go on sending, until it is back.
pub(crate) fn crash_while_sending(cell: &mut Cell, phone: &Namespace) {
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for _ in 0..3 {
                send_all_kinds(phone);
            }
        });
        cell.celld.kill9().unwrap();
        std::thread::sleep(A_WHILE);
        cell.celld.launch().unwrap();
        cell.celld.wait_healthy().unwrap();
        sending.join().unwrap();
    });
    cell.sign_in();
    cell.settle();
}
