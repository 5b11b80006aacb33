//! The image's way to its first address: the real daemon, never set up, with an uplink that has nothing but a DHCP
//! server behind it.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::process::{Child, Stdio};

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{OUTSIDE_DNS, OUTSIDE_NAME, OUTSIDE_WEB};
use cell_testkit::{Celld, CelldOptions, Namespace, World, wait_for};
use cell_tests::probe::lookup;
use cell_tests::{Cell, set_up};
use tempfile::TempDir;

const GRANTED: &str = "203.0.113.50";
const INITIAL: &str = r#"{"network":{"wan":{"addressing":{"mode":"dhcp"}}}}"#;

/// BusyBox's server on the internet's side of the uplink.
struct Server {
    child: Child,
    _folder: TempDir,
}

impl Server {
    fn start(internet: &Namespace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let text = format!(
            "start {GRANTED}\nend {GRANTED}\ninterface cell0\nmax_leases 1\nlease_file {path}/leases\n\
             pidfile {path}/pid\nopt subnet 255.255.255.0\nopt router 203.0.113.1\nopt dns {OUTSIDE_DNS}\n"
        );
        let file = folder.path().join("udhcpd.conf");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("leases"), "").unwrap();
        let mut command = internet.command("busybox");
        command.args(["udhcpd", "-f"]).arg(file);
        Self {
            child: command.stderr(Stdio::null()).spawn().unwrap(),
            _folder: folder,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// IPv4 addresses and default routes of the uplink, as `ip` shows them.
fn uplink(cell: &Namespace) -> String {
    let show = |words: &[&str]| {
        let output = cell.command("ip").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    show(&["-4", "-brief", "address", "show", "wan0"]) + &show(&["-4", "route", "show", "default"])
}

/// Clients at work in the box.
fn clients(cell: &Namespace) -> usize {
    let ids = cell.process_ids().unwrap();
    let is_client = |id: &i32| {
        let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        command
            .split(|byte| *byte == 0)
            .any(|word| word == b"udhcpc")
    };
    ids.iter().filter(|id| is_client(id)).count()
}

#[test]
fn box_fresh_from_the_image_asks_for_its_address_and_keeps_it_through_a_crash() {
    let world = World::new().unwrap();
    world
        .cell
        .ip("addr flush dev wan0\nlink set wan0 down")
        .unwrap();
    let _server = Server::start(&world.internet);
    let folder = tempfile::tempdir().unwrap();
    let initial = folder.path().join("initial.json");
    std::fs::write(&initial, INITIAL).unwrap();
    let options = CelldOptions {
        arguments: vec!["--initial-config".into(), initial.display().to_string()],
        ..CelldOptions::default()
    };
    let celld = Celld::start_with(&world, options).unwrap();
    let arrived = || {
        let seen = uplink(&world.cell);
        let whole = seen.contains("203.0.113.50/24") && seen.contains("via 203.0.113.1");
        whole.then_some(())
    };
    assert!(
        wait_for(PATIENCE, arrived).is_some(),
        "{}",
        uplink(&world.cell)
    );

    // Setup takes over what the box was started with, and its name server is the one that came with the lease.
    let owner = set_up(&celld, &world.laptop);
    let mut cell = Cell {
        owner,
        celld,
        world,
    };
    cell.settle();
    let config = cell.get("/api/config");
    assert_eq!(config["network"]["wan"]["addressing"]["mode"], "dhcp");
    let part = cell.get("/api/parts/network").to_string();
    for shown in [
        "203.0.113.50/24",
        "203.0.113.1",
        "192.0.2.53",
        "Lease until",
    ] {
        assert!(part.contains(shown), "{shown}: {part}");
    }
    let resolver = format!("@{}", cell.world.home_address());
    let answer = lookup(&cell.world.laptop, &[&resolver, OUTSIDE_NAME]);
    assert_eq!(answer, OUTSIDE_WEB.to_string());

    // From here on nothing may be taken from the uplink.
    let mut monitor = cell.world.cell.command("ip");
    monitor.args(["-4", "monitor", "address", "route"]);
    let mut monitor = monitor.stdout(Stdio::piped()).spawn().unwrap();
    let before = uplink(&cell.world.cell);
    for _ in 0..2 {
        cell.celld.kill9().unwrap();
        assert_eq!(uplink(&cell.world.cell), before);
        cell.celld.restart().unwrap();
        cell.sign_in();
        cell.settle();
        cell.wait_ok("network");
        assert_eq!(uplink(&cell.world.cell), before);
    }
    let one = wait_for(PATIENCE, || (clients(&cell.world.cell) == 1).then_some(()));
    assert!(one.is_some(), "{} clients", clients(&cell.world.cell));
    monitor.kill().unwrap();
    let seen = String::from_utf8(monitor.wait_with_output().unwrap().stdout).unwrap();
    let mut lines = seen.lines();
    assert!(
        !lines.any(|line| line.contains("Deleted") && line.contains("wan0")),
        "{seen}"
    );

    // A box that is stopped leaves no client behind, and its address where it is.
    cell.celld.terminate().unwrap();
    assert_eq!(clients(&cell.world.cell), 0);
    assert_eq!(uplink(&cell.world.cell), before);
}
