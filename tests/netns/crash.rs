//! Shows 3: the daemon is killed at random moments under a stream of changes.
//!
//! Each round starts a stream of changes, ends the daemon in the middle of it as a power cut would, starts it again and
//! compares it with what was acknowledged. All the while, hosts that may not send through the box try to.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use cell_control::Control;
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::change::{Change, PeerForm};
use cell_control::query::{Peers, Range};
use cell_control::remote::Remote;
use cell_model::name::PeerName;
use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{LAPTOP, OUTSIDE_NAME, OUTSIDE_WEB};
use cell_testkit::{Namespace, World, wait_for};
use cell_tests::probe::lookup;
use cell_tests::{Cell, Process, observe};
use serde_json::json;

/// Devices there are at most: the VPN's /24 has room for some more.
const MOST_PEERS: usize = 40;
/// A stream is cut after at most so long; a start takes about half of it.
const LONGEST_STREAM: Duration = Duration::from_millis(800);

#[test]
fn ten_kills_lose_nothing_acknowledged_and_never_open_the_firewall() {
    survive(10);
}

#[test]
#[ignore = "kills 200 times; run by `cargo xtask test --long long_`"]
fn long_two_hundred_kills_lose_nothing_acknowledged_and_never_open_the_firewall() {
    survive(200);
}

fn survive(kills: usize) {
    let mut cell = Cell::start();
    let intruders = Intruders::start(&cell.world);
    let known = Arc::new(Mutex::new(Known::default()));
    for kill in 1..=kills {
        let stream = Stream::start(cell.celld.control_socket(), &known);
        observe(random_below(LONGEST_STREAM));
        cell.celld.kill9().unwrap();
        stream.join().unwrap();
        if kill % 3 == 0 {
            // Now and then the power fails again while the box starts.
            cell.celld.launch().unwrap();
            observe(random_below(LONGEST_STREAM / 2));
            cell.celld.kill9().unwrap();
        }
        cell.celld.restart().unwrap();
        known.lock().unwrap().compare(&cell, kill);
        assert_eq!(intruders.seen(), BTreeSet::from([ALLOWED]), "kill {kill}");
    }
    let acknowledged = known.lock().unwrap().acknowledged;
    assert!(
        acknowledged > kills,
        "the stream flowed: {acknowledged} changes"
    );
    assert_back(&mut cell);
    intruders.stop();
}

/// Roles, rules and names are there again, and the box takes changes.
fn assert_back(cell: &mut Cell) {
    cell.sign_in();
    let core = Process(cell.celld.process_id().unwrap());
    for part in ["firewall", "wireguard", "dns", "web"] {
        cell.wait_ok(part);
    }
    for word in ["dns", "web"] {
        assert!(core.role(word).is_some(), "{word}");
    }
    let resolver = format!("@{}", cell.world.home_address());
    let answer = lookup(&cell.world.laptop, &[&resolver, OUTSIDE_NAME]);
    assert_eq!(answer, OUTSIDE_WEB.to_string());
    cell.add_peer(&json!({ "name": "afterwards" }));
    assert_eq!(cell.get("/api/audit/verify")["ok"], true);
}

/// A moment that is another one each time.
fn random_below(limit: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let limit = u64::try_from(limit.as_micros()).unwrap();
    Duration::from_micros(random % limit)
}

/// What the box must know.
#[derive(Default)]
struct Known {
    /// Devices by number, and whether they are there: as acknowledged.
    peers: BTreeMap<usize, bool>,
    /// A change that was asked for and not answered: it may have happened or not.
    open: Option<usize>,
    revision: u64,
    next: usize,
    acknowledged: usize,
}

impl Known {
    /// The next change: more devices until there are enough, then the oldest goes, then a new one comes.
    fn next_change(&mut self) -> (usize, bool) {
        let mut there = self.peers.iter().filter(|(_, there)| **there);
        let oldest = there.next().map(|(number, _)| *number);
        let is_full = there.count() + 1 >= MOST_PEERS;
        let (number, is_there) = match oldest {
            Some(oldest) if is_full => (oldest, false),
            _ => {
                self.next += 1;
                (self.next, true)
            }
        };
        self.open = Some(number);
        (number, is_there)
    }

    fn acknowledge(&mut self, number: usize, is_there: bool, revision: u64) {
        assert!(revision > self.revision, "revisions rise");
        self.peers.insert(number, is_there);
        self.open = None;
        self.revision = revision;
        self.acknowledged += 1;
    }

    /// Compares the box with this, and learns what became of the open change.
    fn compare(&mut self, cell: &Cell, kill: usize) {
        let found = found_peers(cell.celld.control_socket());
        for (number, is_there) in &self.peers {
            if self.open != Some(*number) {
                assert_eq!(
                    found.contains(&name(*number)),
                    *is_there,
                    "device {number} after kill {kill}, as acknowledged"
                );
            }
        }
        if let Some(number) = self.open.take() {
            self.peers.insert(number, found.contains(&name(number)));
        }
        let expected = self.peers.values().filter(|there| **there).count();
        assert_eq!(
            found.len(),
            expected,
            "kill {kill}: nothing nobody asked for"
        );
    }
}

fn name(number: usize) -> String {
    format!("n{number}")
}

fn found_peers(socket: PathBuf) -> BTreeSet<String> {
    let range = Range {
        limit: Range::MAX_LIMIT,
        cursor: None,
    };
    block_on(async move {
        let remote = Remote::connect(&socket).await.unwrap();
        let page = ask(&remote, &Caller::local(), Peers { range })
            .await
            .unwrap();
        page.items
            .iter()
            .map(|peer| peer.name.to_string())
            .collect()
    })
}

/// One change after the other, until the daemon is gone.
struct Stream;

impl Stream {
    fn start(socket: PathBuf, known: &Arc<Mutex<Known>>) -> JoinHandle<()> {
        let known = Arc::clone(known);
        std::thread::spawn(move || block_on(Self::run(socket, &known)))
    }

    async fn run(socket: PathBuf, known: &Mutex<Known>) {
        let Ok(remote) = Remote::connect(&socket).await else {
            return;
        };
        loop {
            let (number, is_there) = known.lock().unwrap().next_change();
            match remote
                .submit(&Caller::local(), change(number, is_there))
                .await
            {
                Ok(receipt) => {
                    let mut known = known.lock().unwrap();
                    known.acknowledge(number, is_there, receipt.revision);
                }
                Err(problem) => {
                    assert_eq!(problem.code, "unavailable", "{problem:?}");
                    return;
                }
            }
        }
    }
}

fn change(number: usize, is_there: bool) -> Change {
    let name: PeerName = name(number).parse().unwrap();
    if !is_there {
        return Change::RemovePeer { name };
    }
    let form: PeerForm = serde_json::from_value(json!({ "name": name })).unwrap();
    Change::AddPeer(form)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// What the laptop sends, which may pass.
const ALLOWED: &str = "laptop";
/// A source at home that is not of the home network.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 9);
/// A source at home that belongs to a device that does not exist.
const NO_DEVICE: Ipv4Addr = Ipv4Addr::new(10, 31, 7, 250);
/// The port everything is sent to.
const DISCARD: u16 = 9;

/// Hosts that send through the box all the time, and what of it arrives on the other side.
struct Intruders {
    stopping: Arc<AtomicBool>,
    arrived: Arc<Mutex<BTreeSet<&'static str>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Intruders {
    /// Begins. Each datagram says who sent it, since a translated source would not.
    fn start(world: &World) -> Self {
        world
            .laptop
            .ip(&format!(
                "addr add {STRANGER}/32 dev lo\naddr add {NO_DEVICE}/32 dev lo"
            ))
            .unwrap();
        world
            .internet
            .ip(&format!(
                "route add 192.168.77.0/24 via {wan}\nroute add 10.31.7.0/24 via {wan}",
                wan = world.wan_address()
            ))
            .unwrap();
        let mut intruders = Self {
            stopping: Arc::default(),
            arrived: Arc::default(),
            threads: Vec::new(),
        };
        let outside = SocketAddr::from((OUTSIDE_WEB, DISCARD));
        let inside = SocketAddr::from((LAPTOP, DISCARD));
        intruders.watch(&world.internet, outside);
        intruders.watch(&world.laptop, inside);
        intruders.send(&world.laptop, LAPTOP, outside, ALLOWED);
        intruders.send(&world.laptop, STRANGER, outside, "stranger at home");
        intruders.send(&world.laptop, NO_DEVICE, outside, "no device");
        intruders.send(&world.internet, OUTSIDE_WEB, inside, "internet");
        let there = wait_for(PATIENCE, || {
            intruders.seen().contains(ALLOWED).then_some(())
        });
        assert!(there.is_some(), "what may pass does");
        intruders
    }

    /// Who got something through so far.
    fn seen(&self) -> BTreeSet<&'static str> {
        self.arrived.lock().unwrap().clone()
    }

    fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }

    fn send(&mut self, from: &Namespace, source: Ipv4Addr, to: SocketAddr, who: &'static str) {
        let socket = from.run(|| UdpSocket::bind((source, 0))).unwrap().unwrap();
        let stopping = Arc::clone(&self.stopping);
        self.threads.push(std::thread::spawn(move || {
            while !stopping.load(Ordering::Acquire) {
                // Refused or not: only what arrives counts.
                let _ = socket.send_to(who.as_bytes(), to);
                std::thread::sleep(Duration::from_millis(2));
            }
        }));
    }

    fn watch(&mut self, at: &Namespace, address: SocketAddr) {
        const ALL: [&str; 4] = [ALLOWED, "stranger at home", "no device", "internet"];
        let socket = at.run(|| UdpSocket::bind(address)).unwrap().unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let (stopping, arrived) = (Arc::clone(&self.stopping), Arc::clone(&self.arrived));
        self.threads.push(std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while !stopping.load(Ordering::Acquire) {
                if let Ok((length, _)) = socket.recv_from(&mut buffer) {
                    let who = ALL.iter().find(|who| who.as_bytes() == &buffer[..length]);
                    arrived.lock().unwrap().extend(who);
                }
            }
        }));
    }
}

#[test]
fn what_intruders_send_arrives_where_no_daemon_keeps_it_out() {
    let world = World::new().unwrap();
    world.cell.set_sysctl("net.ipv4.ip_forward", "1").unwrap();
    // Without translation and with sources of another side, only the way there is needed.
    for interface in ["all", "lan0", "wan0"] {
        let key = format!("net.ipv4.conf.{interface}.rp_filter");
        world.cell.set_sysctl(&key, "0").unwrap();
    }
    let intruders = Intruders::start(&world);
    let all = wait_for(PATIENCE, || (intruders.seen().len() == 4).then_some(()));
    assert!(all.is_some(), "{:?}", intruders.seen());
    intruders.stop();
}
