//! Shows 3: the daemon dies, and a transfer through the kernel's tunnel does not notice.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use cell_testkit::WgClient;
use cell_testkit::vm::PATIENCE;
use cell_tests::probe::connect;
use cell_tests::vm::Appliance;

/// A host on the internet, as far as the box can tell: the machine that QEMU runs on has it.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 8080);
/// How long the transfer goes on after the daemon is back.
const AFTERWARDS: Duration = Duration::from_secs(5);

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
    let mut flow = connect(&appliance.phone, SERVER, PATIENCE).expect("the transfer begins");
    flow.set_read_timeout(Some(PATIENCE)).unwrap();

    appliance.open_shell_as_owner();
    let interface = |appliance: &Appliance| {
        let serial = appliance.machine.serial();
        let mark = serial.mark();
        serial
            .send("echo \"index\"-of-it=$(cat /sys/class/net/wg0/ifindex)\r")
            .unwrap();
        serial.wait_after(mark, "index-of-it=", PATIENCE).unwrap()
    };
    let made = interface(&appliance);
    let before = read_for(&mut flow, 0, Duration::from_secs(3));
    let serial = appliance.machine.serial();
    let mark = serial.mark();
    serial.send("kill -9 $(pidof celld)\r").unwrap();
    let (mut next, mut longest) = (before.next, Duration::ZERO);
    let mut away = 0;
    let limit = Instant::now() + PATIENCE;
    // Init says that it ended, then it starts anew.
    loop {
        let part = read_for(&mut flow, next, Duration::from_millis(200));
        let has_ended = serial.text()[mark..].contains("celld ended");
        let is_back = has_ended && appliance.is_healthy();
        if has_ended && !is_back {
            away += part.next - next;
        }
        (next, longest) = (part.next, longest.max(part.longest_pause));
        if is_back {
            break;
        }
        assert!(Instant::now() < limit, "the daemon does not come back");
    }
    let after = read_for(&mut flow, next, AFTERWARDS);
    longest = longest.max(after.longest_pause);
    let kib = |numbers: u64| numbers * 8 / 1024;
    println!(
        "{} KiB before, {} KiB while the daemon was away, {} KiB after; longest pause {:?} before, {longest:?} since",
        kib(before.next),
        kib(away),
        kib(after.next - next),
        before.longest_pause,
    );
    assert!(away > 0, "it stood still while the daemon was away");
    assert_eq!(interface(&appliance), made, "the interface was made anew");
    appliance.sign_in();
    assert_eq!(appliance.get("/api/wireguard/status")["backend"], "kernel");
}

struct Part {
    next: u64,
    longest_pause: Duration,
}

/// Reads for so long; every number must follow the one before.
fn read_for(flow: &mut TcpStream, mut next: u64, time: Duration) -> Part {
    let (begun, mut last) = (Instant::now(), Instant::now());
    let mut longest_pause = Duration::ZERO;
    let mut block = [0; 8 * 128];
    while begun.elapsed() < time {
        flow.read_exact(&mut block).expect("the transfer goes on");
        longest_pause = longest_pause.max(last.elapsed());
        last = Instant::now();
        for number in block.chunks_exact(8) {
            assert_eq!(number, next.to_be_bytes());
            next += 1;
        }
    }
    Part {
        next,
        longest_pause,
    }
}
