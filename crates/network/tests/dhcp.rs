//! DHCP against a real server, BusyBox's `udhcpd`, each test with box and server in network namespaces of their own.
//! The facts are made to a spec by the planner, as in the daemon.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should say so at once"
)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use cell_model::config::{AddressingConfig, InitialConfig};
use cell_model::facts::{DhcpFacts, NetworkFacts, StartOptions};
use cell_model::name::InterfaceName;
use cell_model::step::NetworkStep;
use cell_network::{DhcpOptions, KernelNetwork, Network};
use cell_plan::resolve::{Input, Keys, resolve};
use cell_testkit::Namespace;
use tempfile::TempDir;

/// Long enough for any machine; only a failing test waits it out. The fallback alone takes 30 s.
const PATIENCE: Duration = Duration::from_secs(120);

/// A box whose uplink `wan` leads to a server, and whose `lan` has an address of its own.
struct World {
    cell: Namespace,
    server: Namespace,
    folder: TempDir,
    running: Option<Child>,
}

impl World {
    fn new() -> Self {
        let cell = Namespace::create("dhcp-cell").unwrap();
        let server = Namespace::create("dhcp-server").unwrap();
        let lines = format!(
            "link add wan type veth peer name home netns {}
             link add lan type veth peer name away
             addr add 10.31.7.1/24 dev lan
             link set lan up",
            server.name()
        );
        cell.ip(&lines).unwrap();
        let lines = "addr add 192.168.9.1/24 dev home\nlink set home up";
        server.ip(lines).unwrap();
        Self {
            cell,
            server,
            folder: tempfile::tempdir().unwrap(),
            running: None,
        }
    }

    /// Starts a server that grants one address, with these more lines, in place of the one before. It knows of no
    /// earlier grants.
    fn serve(&mut self, address: &str, lines: &str) {
        self.stop_server();
        let folder = self.folder.path().display();
        let text = format!(
            "start {address}\nend {address}\ninterface home\nmax_leases 1\nmin_lease 5\n\
             lease_file {folder}/leases\npidfile {folder}/server.pid\n{lines}\n"
        );
        let file = self.folder.path().join("udhcpd.conf");
        std::fs::write(&file, text).unwrap();
        std::fs::write(self.folder.path().join("leases"), "").unwrap();
        let mut command = self.server.command("busybox");
        command.args(["udhcpd", "-f"]).arg(file);
        self.running = Some(command.spawn().unwrap());
    }

    fn stop_server(&mut self) {
        if let Some(mut server) = self.running.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Runs a future inside the box with its network. What it leaves running ends with it.
    fn inside<T: Send>(&self, work: impl AsyncFnOnce(&Cell) -> T + Send) -> T {
        let folder = self.folder.path().join("kept");
        let body = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(work(&Cell::new(&folder)))
        };
        self.cell.run(body).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop_server();
    }
}

/// The box as the reconciler has it.
struct Cell {
    network: KernelNetwork,
    options: StartOptions,
}

impl Cell {
    fn new(folder: &Path) -> Self {
        let dhcp = DhcpOptions {
            folder: folder.to_owned(),
            hook: env!("CARGO_BIN_EXE_cell-dhcp-hook").into(),
        };
        let mut initial = InitialConfig::default();
        initial.network.wan.addressing = AddressingConfig::Dhcp;
        Self {
            network: KernelNetwork::new(wan(), "/nonexistent/resolv.conf", dhcp),
            options: StartOptions {
                wan: wan(),
                lan: Some("lan".parse().unwrap()),
                admin: None,
                dns_port: 53,
                wireguard_port: 51820,
                containers: false,
                initial,
            },
        }
    }

    /// One round: look, plan, carry out, read back.
    async fn round(&self) -> NetworkFacts {
        let facts = self.network.observe().await.unwrap();
        let keys = Keys::default();
        let spec = resolve(&Input {
            options: &self.options,
            facts: &facts,
            config: None,
            keys: &keys,
            now: cell_model::Timestamp::UNIX_EPOCH,
            serial: 0,
            proxy_image: None,
            opened_after: Duration::ZERO,
            pairing: None,
            places: &BTreeMap::new(),
            exits: &BTreeMap::new(),
        });
        let spec = spec.network;
        self.network
            .apply(&NetworkStep { spec: spec.clone() })
            .await
            .unwrap();
        let rest = self.network.verify(&spec).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
        self.network.observe().await.unwrap()
    }

    /// Goes on until this holds, a round for every change.
    async fn until(&self, holds: impl Fn(&NetworkFacts) -> bool) -> NetworkFacts {
        let mut changes = self.network.watch().unwrap();
        let going = async {
            loop {
                let facts = self.round().await;
                if holds(&facts) {
                    return facts;
                }
                changes.recv().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, going).await {
            Ok(facts) => facts,
            Err(_) => panic!("not so: {:?}", self.network.observe().await),
        }
    }

    async fn until_address(&self, address: &str) -> NetworkFacts {
        self.until(|facts| addresses(facts) == [address]).await
    }
}

fn wan() -> InterfaceName {
    "wan".parse().unwrap()
}

fn addresses(facts: &NetworkFacts) -> Vec<String> {
    let wan = wan();
    let found = facts.addresses(&wan).filter(|net| net.addr().is_ipv4());
    found.map(|net| net.to_string()).collect()
}

/// Clients at work in the box.
fn clients(cell: &Namespace) -> Vec<i32> {
    let mut ids = cell.process_ids().unwrap();
    ids.retain(|id| {
        let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        command
            .split(|byte| *byte == 0)
            .any(|word| word == b"udhcpc")
    });
    ids
}

fn known(facts: &NetworkFacts) -> DhcpFacts {
    facts.dhcp[&wan()].clone()
}

const SANE: &str = "opt subnet 255.255.255.0\nopt router 192.168.9.1\nopt dns 192.168.9.1 9.9.9.9";

#[test]
fn lease_brings_address_route_and_servers_and_is_renewed() {
    let mut world = World::new();
    world.serve("192.168.9.50", &format!("{SANE}\nopt lease 20"));
    world.inside(async |cell| {
        let facts = cell.until_address("192.168.9.50/24").await;
        assert_eq!(facts.gateway, Some(Ipv4Addr::new(192, 168, 9, 1)));
        let servers: Vec<String> = facts.resolvers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.168.9.1:53", "9.9.9.9:53"]);
        let first = known(&facts).lease.unwrap();
        assert_eq!(first.server, Some(Ipv4Addr::new(192, 168, 9, 1)));
        let renewed = |facts: &NetworkFacts| {
            assert_eq!(addresses(facts), ["192.168.9.50/24"]);
            known(facts).lease.unwrap().until > first.until
        };
        cell.until(renewed).await;
    });
}

#[test]
fn client_has_no_power_but_raw_sockets_and_low_ports() {
    let mut world = World::new();
    world.serve("192.168.9.50", SANE);
    let statuses = world.inside(async |cell| {
        cell.until_address("192.168.9.50/24").await;
        let read = |id| std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        clients(&world.cell)
            .into_iter()
            .map(read)
            .collect::<Vec<_>>()
    });
    let [status] = &statuses[..] else {
        panic!("one process: {statuses:?}");
    };
    for line in [
        "Uid:\t60804\t60804\t60804\t60804",
        "Gid:\t60804\t60804\t60804\t60804",
        // Bits 10 and 13: CAP_NET_BIND_SERVICE and CAP_NET_RAW.
        "CapPrm:\t0000000000002400",
        "CapEff:\t0000000000002400",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
}

#[test]
fn other_network_behind_the_cable_gives_another_address_before_the_old_one_goes() {
    let mut world = World::new();
    world.serve("192.168.9.50", SANE);
    let mut changed = world.cell.command("ip");
    changed.args(["-4", "monitor", "address"]);
    changed.stdout(std::process::Stdio::piped());
    let mut monitor = changed.spawn().unwrap();
    world.inside(async |cell| {
        cell.until_address("192.168.9.50/24").await;
    });
    world.serve("192.168.9.60", SANE);
    world.server.ip("link set home down").unwrap();
    world.server.ip("link set home up").unwrap();
    world.inside(async |cell| {
        cell.until_address("192.168.9.60/24").await;
    });
    monitor.kill().unwrap();
    let seen = String::from_utf8(monitor.wait_with_output().unwrap().stdout).unwrap();
    let gone = seen
        .lines()
        .position(|line| line.contains("Deleted") && line.contains("192.168.9.50"));
    let come = seen.lines().position(|line| line.contains("192.168.9.60"));
    assert!(come.is_some() && come < gone, "{seen}");
}

#[test]
fn link_that_comes_back_is_asked_on_anew() {
    let mut world = World::new();
    world.serve("192.168.9.50", SANE);
    let server = world.server.clone();
    world.inside(async |cell| {
        let first = cell.until_address("192.168.9.50/24").await;
        server.ip("link set home down").unwrap();
        cell.until(|facts| !facts.interfaces[&wan()].carrier).await;
        server.ip("link set home up").unwrap();
        let until = |facts: &NetworkFacts| known(facts).lease.map(|lease| lease.until);
        // The lease is for days: without the link it would not have been renewed today.
        cell.until(|facts| until(facts) > until(&first)).await;
    });
}

#[test]
fn lease_that_runs_out_takes_the_address_and_a_fallback_takes_its_place_until_a_server_is_back() {
    let mut world = World::new();
    world.serve("192.168.9.50", &format!("{SANE}\nopt lease 20"));
    world.inside(async |cell| {
        cell.until_address("192.168.9.50/24").await;
    });
    world.stop_server();
    let fallback = world.inside(async |cell| {
        // Kept by the daemon before, so it is there at once.
        assert_eq!(addresses(&cell.round().await), ["192.168.9.50/24"]);
        let facts = cell
            .until(|facts| {
                addresses(facts)
                    .iter()
                    .all(|net| net.starts_with("169.254."))
                    && known(facts).fallback.is_some()
            })
            .await;
        assert_eq!(known(&facts).lease, None);
        assert_eq!(facts.gateway, None);
        addresses(&facts)
    });
    assert_eq!(fallback.len(), 1, "{fallback:?}");
    world
        .server
        .ip("addr add 169.254.250.250/16 dev home")
        .unwrap();
    let address = fallback[0].trim_end_matches("/16");
    let mut ping = world.server.command("ping");
    let reached = ping.args(["-c", "1", "-W", "5", address]).output().unwrap();
    assert!(
        reached.status.success(),
        "a computer on the cable reaches {address}"
    );
    world.serve("192.168.9.50", SANE);
    world.inside(async |cell| {
        cell.until_address("192.168.9.50/24").await;
    });
}

#[test]
fn taken_fallback_address_is_left_to_its_owner() {
    let world = World::new();
    let first = world.inside(async |cell| {
        let facts = cell.until(|facts| !addresses(facts).is_empty()).await;
        addresses(&facts).remove(0)
    });
    world.cell.ip("addr flush dev wan").unwrap();
    world
        .server
        .ip(&format!("addr add {first} dev home"))
        .unwrap();
    let second = world.inside(async |cell| {
        let facts = cell.until(|facts| !addresses(facts).is_empty()).await;
        addresses(&facts).remove(0)
    });
    assert_ne!(first, second);
    assert!(second.starts_with("169.254."));
}

#[test]
fn garbage_is_refused_and_shown() {
    let mut world = World::new();
    for (address, lines, reason) in [
        ("192.168.9.50", "opt subnet 0.0.0.0", "/0 does not exist"),
        ("192.168.9.50", "opt dns 9.9.9.9", "no netmask"),
        (
            "10.31.7.50",
            "opt subnet 255.255.255.0\nopt router 10.31.7.9",
            "overlaps 10.31.7.0/24",
        ),
    ] {
        world.serve(address, lines);
        world.inside(async |cell| {
            let complained = |facts: &NetworkFacts| {
                let complaint = known(facts).complaint;
                complaint.is_some_and(|complaint| complaint.contains(reason))
            };
            let facts = cell.until(complained).await;
            assert_eq!(addresses(&facts), [""; 0]);
            assert_eq!((known(&facts).lease, facts.gateway), (None, None));
        });
    }
    world.serve(
        "192.168.9.50",
        "opt subnet 255.255.255.0\nopt router 10.99.0.1",
    );
    world.inside(async |cell| {
        let facts = cell.until_address("192.168.9.50/24").await;
        assert_eq!(facts.gateway, None);
        assert!(known(&facts).complaint.unwrap().contains("10.99.0.1"));
    });
}

#[test]
fn client_ends_and_is_forgotten_when_nobody_asks_for_it_any_more() {
    let mut world = World::new();
    world.serve("192.168.9.50", SANE);
    let kept = world.folder.path().join("kept/wan.lease");
    world.inside(async |cell| {
        cell.until_address("192.168.9.50/24").await;
        assert!(kept.exists());
        let nothing = cell_model::spec::NetworkSpec {
            interfaces: BTreeMap::new(),
            dhcp: BTreeMap::new(),
            forwarding: false,
        };
        let step = NetworkStep { spec: nothing };
        cell.network.apply(&step).await.unwrap();
        let facts = cell.network.observe().await.unwrap();
        assert!(facts.dhcp.is_empty());
        // Somebody else looks after it now.
        assert_eq!(addresses(&facts), ["192.168.9.50/24"]);
        assert!(!kept.exists());
        let ended = async {
            while !clients(&world.cell).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap();
    });
}
