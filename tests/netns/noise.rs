//! Noise on every open port: whatever arrives, the processes stay the same and answer.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use cell_testkit::world::{OUTSIDE_NAME, OUTSIDE_WEB};
use cell_testkit::{Namespace, WgClient};
use cell_tests::probe::{connect, lookup, pings};
use cell_tests::{Cell, DOMAIN, Process, expect_status};
use serde_json::json;

/// How many messages of each kind are sent.
const MESSAGES: usize = 2_000;
/// The largest message: what fits an Ethernet frame.
const LARGEST: u64 = 1_400;

/// Bytes that look random and are the same each time: xorshift64 (Marsaglia, 2003).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn message(&mut self) -> Vec<u8> {
        let length = self.below(LARGEST);
        self.bytes(length.try_into().unwrap())
    }

    /// A right message with a few wrong bytes, often cut short.
    fn damaged(&mut self, message: &[u8]) -> Vec<u8> {
        let mut message = message.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(message.len() as u64);
            message[usize::try_from(at).unwrap()] = self.next().to_le_bytes()[0];
        }
        if self.below(2) == 0 {
            let length = self.below(message.len() as u64 + 1);
            message.truncate(usize::try_from(length).unwrap());
        }
        message
    }
}

/// The core and its roles.
fn processes(cell: &Cell) -> Vec<Process> {
    let core = Process(cell.celld.process_id().unwrap());
    let mut processes = core.roles();
    processes.push(core);
    processes
}

/// Everything that answers answers as before.
fn assert_works(cell: &Cell) {
    let (laptop, home) = (&cell.world.laptop, cell.world.home_address());
    let resolver = format!("@{home}");
    assert_eq!(lookup(laptop, &[&resolver, DOMAIN]), home.to_string());
    assert_eq!(
        lookup(laptop, &[&resolver, "+tcp", OUTSIDE_NAME]),
        OUTSIDE_WEB.to_string()
    );
    let page = cell.celld.client(laptop).unwrap();
    expect_status(&page.get("/health").unwrap(), 200);
}

/// Runs `work`, after which the same processes must be there and answer.
fn unshaken(cell: &Cell, work: impl FnOnce()) {
    assert_works(cell);
    let before = processes(cell);
    work();
    assert_works(cell);
    assert_eq!(processes(cell), before);
}

fn send_all(from: &Namespace, to: SocketAddr, messages: impl Iterator<Item = Vec<u8>> + Send) {
    let sent = from.run(|| {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        for message in messages {
            // An ICMP error for an earlier one is reported here and means nothing.
            let _ = socket.send_to(&message, to);
        }
    });
    sent.unwrap();
}

/// Sends bytes on a connection of its own and reads whatever comes back, no longer than a moment.
fn say(from: &Namespace, to: SocketAddr, bytes: &[u8]) {
    let Some(mut stream) = connect(from, to, Duration::from_secs(5)) else {
        return;
    };
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.read(&mut [0; 512]);
}

/// A question for the apex, type A.
fn question() -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in DOMAIN.split('.') {
        bytes.push(label.len().try_into().unwrap());
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// Messages that parsers have stumbled over.
fn hard_questions() -> Vec<Vec<u8>> {
    let header = |counts: [u8; 8]| [&[0x12, 0x34, 1, 0][..], &counts].concat();
    let one = header([0, 1, 0, 0, 0, 0, 0, 0]);
    let mut hard = vec![
        Vec::new(),
        vec![0],
        one.clone(),
        // Counts of records that are not there.
        header([0xff; 8]),
        // A name that points to itself, one that points ahead, and a label of a reserved kind (RFC 1035, 4.1.4).
        [&one[..], &[0xc0, 12, 0, 1, 0, 1]].concat(),
        [&one[..], &[0xc0, 0xff, 0, 1, 0, 1]].concat(),
        [&one[..], &[0x80, 1, 0, 0, 1, 0, 1]].concat(),
        // A name of 300 bytes.
        [&one[..], &[1, b'a'].repeat(150), &[0, 0, 1, 0, 1]].concat(),
        // An answer instead of a question, to its sender's port.
        [&[0x12, 0x34, 0x84, 0][..], &question()[4..]].concat(),
    ];
    // Every operation and every type.
    for code in 0..=15 {
        let mut message = question();
        message[2] = code << 3;
        hard.push(message);
    }
    for kind in 0..=255 {
        let mut message = question();
        let at = message.len() - 3;
        message[at] = kind;
        hard.push(message);
    }
    hard
}

#[test]
fn malformed_questions_do_not_stop_the_name_server() {
    let cell = Cell::start();
    let resolver = SocketAddr::from((cell.world.home_address(), 53));
    let laptop = &cell.world.laptop;
    unshaken(&cell, || {
        let mut noise = Noise(0x5eed);
        let damaged: Vec<_> = (0..MESSAGES).map(|_| noise.damaged(&question())).collect();
        let random: Vec<_> = (0..MESSAGES).map(|_| noise.message()).collect();
        let all = hard_questions().into_iter().chain(damaged).chain(random);
        let all: Vec<Vec<u8>> = all.collect();
        // The same process answers to the box's name on the home side's wire.
        for port in [resolver.port(), 5353] {
            let messages = all.iter().cloned();
            send_all(laptop, (resolver.ip(), port).into(), messages);
        }
    });
    unshaken(&cell, || {
        let mut noise = Noise(0x5eed);
        for message in hard_questions().iter().take(20) {
            let length = u16::try_from(message.len()).unwrap().to_be_bytes();
            say(laptop, resolver, &[&length[..], message].concat());
            // A length that promises more than comes.
            say(laptop, resolver, &[&[0xff, 0xff][..], message].concat());
            say(laptop, resolver, &noise.message());
        }
    });
}

#[test]
fn one_device_with_silent_connections_keeps_no_other_waiting() {
    let cell = Cell::start();
    let (world, home) = (&cell.world, cell.world.home_address());
    for port in [53, 8443] {
        unshaken(&cell, || {
            let limit = Duration::from_secs(5);
            let opened = (0..200).map(|_| connect(&world.laptop, (home, port).into(), limit));
            let _silent: Vec<Option<TcpStream>> = opened.collect();
            // The laptop has taken more than its share; the box asks itself with another address.
            let resolver = format!("@{home}");
            for transport in ["+notcp", "+tcp"] {
                let answer = lookup(&world.cell, &[&resolver, transport, DOMAIN]);
                assert_eq!(answer, home.to_string(), "{port} {transport}");
            }
            assert!(cell.celld.is_healthy().unwrap(), "{port}");
        });
    }
}

#[test]
fn noise_on_the_vpn_port_does_not_stop_the_tunnels() {
    let mut cell = Cell::start();
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let port = SocketAddr::from((cell.world.wan_address(), 51820));
    let internet = cell.world.internet.clone();
    // Type and the lengths of the four messages (WireGuard paper, 5.4): initiation, response, cookie, data.
    let kinds = [
        (1_u8, 148),
        (2, 92),
        (3, 64),
        (4, 32),
        (4, 160),
        (0, 32),
        (5, 148),
    ];
    unshaken(&cell, || {
        let mut noise = Noise(0x5eed);
        let random: Vec<_> = (0..MESSAGES).map(|_| noise.message()).collect();
        let typed: Vec<_> = (0..MESSAGES)
            .map(|number| {
                let (kind, length) = kinds[number % kinds.len()];
                let mut message = noise.bytes(length);
                message[..4].copy_from_slice(&[kind, 0, 0, 0]);
                if number % 3 == 0 {
                    message.truncate(length - 1 - number % 30);
                }
                message
            })
            .collect();
        send_all(&internet, port, random.into_iter().chain(typed));
    });
    let _tunnel = WgClient::up(&cell.world.phone, &peer.config).unwrap();
    assert!(pings(&cell.world.phone, IpAddr::from(OUTSIDE_WEB)));
}

#[test]
fn noise_on_the_admin_port_does_not_stop_the_pages() {
    let cell = Cell::start();
    let page = cell.celld.admin();
    let laptop = &cell.world.laptop;
    // A record of handshake type that says how long it is, and is cut or goes on with noise (RFC 8446, 5.1).
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 600]].concat();
    unshaken(&cell, || {
        let mut noise = Noise(0x5eed);
        say(laptop, page, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        say(laptop, page, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        say(laptop, page, &hello);
        for _ in 0..40 {
            say(laptop, page, &noise.damaged(&hello));
            say(laptop, page, &noise.message());
        }
    });
}
