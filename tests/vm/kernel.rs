//! Shows 3: the daemon dies, and a transfer through the kernel's tunnel does not notice.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cell_testkit::vm::PATIENCE;
use cell_testkit::{WgClient, wait_for};
use cell_tests::observe;
use cell_tests::probe::connect;
use cell_tests::vm::Appliance;

/// A host on the internet, as far as the box can tell: the machine that QEMU runs on has it.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 8080);
/// How long the transfer goes on before the daemon ends, and after it is back.
const BEFORE: Duration = Duration::from_secs(5);
const AFTERWARDS: Duration = Duration::from_secs(5);
/// Bytes that are read at once.
const BLOCK: usize = 1024;

/// Sends numbers to whoever comes, for ever.
fn serve_numbers(appliance: &Appliance) {
    appliance.host.ip("addr add 192.0.2.1/32 dev lo").unwrap();
    let listener = appliance
        .host
        .run(|| TcpListener::bind(SERVER))
        .unwrap()
        .unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let mut number = 0_u64;
            while stream.write_all(&number.to_be_bytes()).is_ok() {
                number += 1;
            }
        }
    });
}

#[test]
#[ignore = "boots once; run by `cargo xtask test --long vm_long`"]
fn vm_long_transfer_through_the_kernels_tunnel_does_not_notice_that_the_daemon_was_killed() {
    let mut appliance = Appliance::start();
    serve_numbers(&appliance);
    appliance.set_up();
    let peer = appliance.add_peer("phone");
    let _tunnel = WgClient::up(&appliance.phone, peer["config"].as_str().unwrap()).unwrap();
    let flow = connect(&appliance.phone, SERVER, PATIENCE).expect("the transfer begins");

    appliance.open_shell_as_owner();
    let made = interface(&appliance);
    let reader = Reader::start(flow);
    let begun = Instant::now();
    observe(BEFORE);
    let serial = appliance.machine.serial();
    let (mark, killed) = (serial.mark(), Instant::now());
    serial.send("kill -9 $(pidof celld)\r").unwrap();
    // Init says that it ended, then it starts anew.
    serial
        .wait_drawn_after(mark, "celld ended", PATIENCE)
        .unwrap();
    let (ended, mut away_until) = (Instant::now(), Instant::now());
    let back = wait_for(PATIENCE, || {
        let asked = Instant::now();
        if appliance.is_healthy() {
            return Some(asked);
        }
        // Whoever was asked then was not there yet.
        away_until = asked;
        None
    });
    assert!(back.is_some(), "the daemon does not come back");
    observe(AFTERWARDS);
    let arrivals = reader.end();

    let away = away_until - ended;
    let blocks = count(&arrivals, ended, away_until);
    let pause_before = longest_pause(&arrivals, begun, killed);
    let pause_away = longest_pause(&arrivals, killed, away_until);
    println!(
        "{} KiB before, {blocks} KiB in {away:?} while the daemon was away, {} KiB in all; longest pause \
         {pause_before:?} before, {pause_away:?} while it was away, {:?} since",
        count(&arrivals, begun, killed),
        arrivals.len(),
        longest_pause(&arrivals, away_until, Instant::now()),
    );
    assert!(blocks > 0, "it stood still while the daemon was away");
    // Whatever slows the machine down lengthens both; a transfer that needs the daemon waits for all of that time.
    assert!(
        pause_away <= pause_before + away / 3,
        "it stood still for {pause_away:?} of {away:?}"
    );
    assert_eq!(interface(&appliance), made, "the interface was made anew");
    let log = appliance.answer("[ -p /run/log/celld.fifo ] && pidof syslogd | wc -w");
    assert_eq!(log, "1", "one keeps the log of both");
    appliance.sign_in();
    assert_eq!(appliance.get("/api/wireguard/status")["backend"], "kernel");
}

/// The kernel's number of the tunnel's interface: another one when it is made anew.
fn interface(appliance: &Appliance) -> u32 {
    let said = appliance.answer("cat /sys/class/net/wg0/ifindex");
    said.parse().expect("the interface has a number")
}

/// Reads the numbers all the time, whatever else the test waits for.
struct Reader {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Instant>>,
}

impl Reader {
    fn start(mut flow: TcpStream) -> Self {
        flow.set_read_timeout(Some(PATIENCE)).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let (mut arrivals, mut next) = (Vec::new(), 0_u64);
            let mut block = [0; BLOCK];
            while !seen.load(Ordering::Relaxed) {
                flow.read_exact(&mut block).expect("the transfer goes on");
                arrivals.push(Instant::now());
                for number in block.chunks_exact(8) {
                    assert_eq!(number, next.to_be_bytes());
                    next += 1;
                }
            }
            arrivals
        });
        Self { is_over, thread }
    }

    /// When each block came.
    fn end(self) -> Vec<Instant> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("every number follows the last")
    }
}

/// How many blocks came between the two.
fn count(arrivals: &[Instant], from: Instant, to: Instant) -> usize {
    let within = |at: &&Instant| (from..to).contains(*at);
    arrivals.iter().filter(within).count()
}

/// The longest time without a block that lies at least partly between the two.
fn longest_pause(arrivals: &[Instant], from: Instant, to: Instant) -> Duration {
    let pauses = arrivals.windows(2).map(|pair| (pair[0], pair[1]));
    let touching = pauses.filter(|(last, next)| *next >= from && *last <= to);
    touching
        .map(|(last, next)| next - last)
        .max()
        .unwrap_or_default()
}
