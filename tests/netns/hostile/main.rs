//! A service that was taken over tries everything around it: the core, other services, the home, devices, what is
//! behind the uplink. In the real podman, behind the filter that the daemon loads.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

mod matrix;

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};

use cell_testkit::world::{CELL_WAN, HOME_GATEWAY, LAPTOP, OUTSIDE_DNS, OUTSIDE_WEB};
use cell_testkit::{WgClient, oci};
use cell_tests::probe::{connects, serve_echo};
use cell_tests::services::{ServiceHost, add_proxy};
use cell_tests::{DOMAIN, OWNER, VPN_ADDRESS};
use serde_json::json;

/// Two services that are the same, but that the first may use the internet.
const MANIFEST: &str = r#"
schema = 1
id = "ID"
name = "The ID"
summary = "Serves a page"
version = "1.0"
release = 1
HEAD

[[container]]
name = "web"
image = "IMAGE"
memory_mib = 64
cpu_percent = 50
processes = 64
scratch = ["/tmp"]
health = { port = 8080, start_s = 60, timeout_s = 20 }

[[route]]
host = "ID"
backend = "web:8080"

[accounts]
header = "X-Remote-User"
"#;

/// A neighbour on the uplink's wire, and a host of somebody's behind it.
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 7);
const BEHIND: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

fn start() -> (ServiceHost, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let host = ServiceHost::start(|process| {
        fs::create_dir(&store).unwrap();
        let serve = "trap 'exit 0' TERM; httpd -f -p 8080 -h /data & wait";
        let image = oci::busybox(&process.program("busybox"), &["sh", "-c", serve]).unwrap();
        oci::package_folder(&store, &[("web", &image)]).unwrap();
        add_proxy(&store);
        for (id, head) in [("hostile", "internet = \"It says so\""), ("victim", "")] {
            let text = MANIFEST
                .replace("ID", id)
                .replace("HEAD", head)
                .replace("IMAGE", &format!("web@{}", image.digest));
            fs::create_dir(store.join(id)).unwrap();
            fs::write(store.join(id).join("service.toml"), text).unwrap();
        }
        store.clone()
    });
    for id in ["hostile", "victim"] {
        host.install(id);
    }
    for id in ["hostile", "victim"] {
        host.wait(id, "ok");
        host.wait_answer(id, 401);
    }
    (host, folder)
}

/// Which of these a container opens a connection to; all are tried at once.
fn reached(host: &ServiceHost, container: &str, to: &[SocketAddrV4]) -> BTreeSet<SocketAddrV4> {
    // It ends with 1 when there is no connection, and by the clock when nobody closes the one there is.
    let tries = to.iter().map(|to| {
        let (ip, port) = (to.ip(), to.port());
        format!("(busybox timeout 8 nc -w 4 {ip} {port} </dev/null >/dev/null 2>&1; [ $? = 1 ] || echo {to}) &")
    });
    let script = format!("{} wait", tries.collect::<String>());
    let said = host.podman(&["exec", container, "sh", "-c", &script]);
    said.lines().map(|line| line.parse().unwrap()).collect()
}

/// A neighbour on the uplink's wire, whom the box reaches, and a host behind the uplink.
fn add_neighbours(host: &ServiceHost) {
    let world = &host.cell.world;
    world
        .internet
        .ip(&format!(
            "addr add {NEIGHBOUR}/24 dev cell0
             addr add {BEHIND}/32 dev lo"
        ))
        .unwrap();
    world.cell.ip("addr add 192.168.1.2/24 dev wan0").unwrap();
}

/// The address of a container.
fn address(host: &ServiceHost, container: &str) -> Ipv4Addr {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let said = host.podman(&["inspect", "--format", format, container]);
    said.parse().unwrap()
}

#[test]
fn service_that_was_taken_over_reaches_the_internet_it_was_given_and_nothing_else() {
    let (mut host, _store) = start();
    let peer = host.cell.add_peer(&json!({ "name": "phone" }));
    let _tunnel = WgClient::up(&host.cell.world.phone, &peer.config).unwrap();
    add_neighbours(&host);
    let world = &host.cell.world;
    let at = |ip, port| SocketAddrV4::new(ip, port);
    let here = [
        (&world.laptop, at(LAPTOP, 7000)),
        (&world.phone, at(peer.address, 7001)),
        (&world.internet, at(NEIGHBOUR, 7002)),
        (&world.internet, at(BEHIND, 7003)),
    ];
    for (namespace, address) in here {
        serve_echo(namespace, address.into());
        // Somebody is there, and the box gets to them.
        assert!(connects(&world.cell, address.into()), "{address}");
    }
    let [hostile, victim, proxy] = ["cell.hostile.web", "cell.victim.web", "cell.proxy.caddy"]
        .map(|container| address(&host, container));
    let gateways = [hostile, victim, proxy].map(|address| {
        let [a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d & 0b1110_0000 | 1)
    });

    let given = [
        at(OUTSIDE_WEB, 80),
        at(OUTSIDE_DNS, 53),
        // Names, for whom the internet is.
        at(VPN_ADDRESS, 53),
    ];
    let mut all: Vec<SocketAddrV4> = given.into();
    all.extend(here.map(|(_, address)| address));
    // Other services, who believe whoever reaches them; the proxy, and what tells it what to do.
    all.extend([
        at(victim, 8080),
        at(proxy, 8080),
        at(proxy, 8443),
        at(proxy, 2019),
    ]);
    // The core and what it runs, by every address that the box has.
    for ip in [HOME_GATEWAY, CELL_WAN, VPN_ADDRESS]
        .into_iter()
        .chain(gateways)
    {
        all.extend([22, 80, 443, 8443].map(|port| at(ip, port)));
    }
    all.extend(
        [HOME_GATEWAY, CELL_WAN]
            .into_iter()
            .chain(gateways)
            .map(|ip| at(ip, 53)),
    );
    assert_eq!(reached(&host, "cell.hostile.web", &all), given.into());
    // The same without internet: nothing at all, and not the first one either.
    all.push(at(hostile, 8080));
    all.retain(|to| *to != at(victim, 8080));
    assert_eq!(reached(&host, "cell.victim.web", &all), BTreeSet::new());

    // Nothing of the box is in it that could be spoken to.
    let sockets = "busybox find / -type s 2>/dev/null; cat /proc/net/unix";
    let sockets = host.podman(&["exec", "cell.hostile.web", "sh", "-c", sockets]);
    assert_eq!(sockets.lines().count(), 1, "{sockets}");
}

#[test]
fn service_does_not_speak_in_somebodys_name_to_another() {
    let (host, _store) = start();
    let victim = address(&host, "cell.victim.web");
    let host_header = format!("Host: victim.{DOMAIN}");
    for (to, header) in [
        (victim, "X-Remote-User: anna"),
        (HOME_GATEWAY, &host_header),
        (VPN_ADDRESS, &host_header),
    ] {
        for url in [format!("http://{to}/"), format!("http://{to}:8080/")] {
            let line = format!("wget -T 3 -q -O - --header '{header}' {url}");
            let said = host.podman(&["exec", "cell.hostile.web", "sh", "-c", &line]);
            let is_silent = said.contains("timed out") || said.contains("can't connect");
            assert!(is_silent, "{url}: {said}");
        }
    }
    // It would be believed: the service answers whoever the proxy lets through.
    let user = format!("{OWNER}:{}", host.app_password("laptop").text);
    let (status, text) = host.ask("victim", "/", &["--user", &user]);
    assert_eq!(status, 404, "there is no page: {text}");
}
