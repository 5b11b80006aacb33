//! Our data plane against another implementation, wireguard-go, over a real TUN interface and real sockets,
//! each in a network namespace of its own. Needs root, `ip`, `ping`, `wg` and `wireguard-go`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by stopping"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use cell_model::config::ExitSlot;
use cell_model::key::{PresharedKey, PrivateKey};
use cell_model::spec::{TunnelsSpec, WireGuardPeerSpec, WireGuardSpec};
use cell_model::step::WireGuardStep;
use cell_testkit::{Namespace, WgClient};
use cell_wireguard::client::ClientFile;
use cell_wireguard::userspace::{EngineLink, LocalLink, Userspace, UserspaceError};
use cell_wireguard::{Mismatch, SystemTunnels, Tunnels, WireGuard, WireGuardError};

const PORT: u16 = 51820;

/// A box and a phone with one wire between them: 192.0.2.1 and 192.0.2.2.
struct Wire {
    home: Namespace,
    phone: Namespace,
}

impl Wire {
    fn new() -> Self {
        let home = Namespace::create("home").unwrap();
        let phone = Namespace::create("phone").unwrap();
        let other = phone.name();
        let pair = format!("link add wire type veth peer name wire netns {other}");
        home.ip(&format!(
            "{pair}\nlink set wire up\naddr add 192.0.2.1/24 dev wire"
        ))
        .unwrap();
        phone
            .ip("link set wire up\naddr add 192.0.2.2/24 dev wire")
            .unwrap();
        Self { home, phone }
    }

    /// Runs the box's side: everything of the daemon's is done inside its namespace.
    fn at_home(&self, work: impl Future<Output = ()> + Send) {
        self.home
            .run(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(work);
            })
            .unwrap();
    }
}

fn phone_key() -> PrivateKey {
    PrivateKey::from_bytes([11; 32])
}

fn home_key() -> PrivateKey {
    PrivateKey::from_bytes([12; 32])
}

fn shared_key() -> PresharedKey {
    PresharedKey::from_bytes([13; 32])
}

fn home_spec() -> WireGuardSpec {
    let phone = WireGuardPeerSpec {
        preshared_key: Some(shared_key()),
        allowed_ips: ["10.8.0.2/32", "fd00:8::2/128"]
            .map(|text| text.parse().unwrap())
            .into(),
        endpoint: None,
        keepalive: None,
    };
    WireGuardSpec {
        interface: "wg0".parse().unwrap(),
        private_key: home_key(),
        listen_port: PORT,
        mtu: 1420,
        addresses: ["10.8.0.1/24", "fd00:8::1/64"]
            .map(|text| text.parse().unwrap())
            .into(),
        routes: BTreeSet::new(),
        exit: None,
        peers: [(phone_key().public_key(), Arc::new(phone))].into(),
    }
}

fn ensure(spec: WireGuardSpec) -> WireGuardStep {
    WireGuardStep::Ensure(Arc::new(spec))
}

fn userspace() -> (Arc<LocalLink>, Userspace<Arc<LocalLink>>) {
    let link = Arc::new(LocalLink::default());
    let userspace = Userspace::new("wg0".parse().unwrap(), Arc::clone(&link));
    (link, userspace)
}

/// The phone's tunnel, made from the file that the box would hand out.
async fn connect(phone: &Namespace) -> WgClient {
    let file = ClientFile {
        private_key: Some(phone_key()),
        address: "10.8.0.2".parse().unwrap(),
        address6: Some("fd00:8::2".parse().unwrap()),
        dns_servers: Vec::new(),
        search_domain: None,
        server_public_key: home_key().public_key(),
        preshared_key: Some(shared_key()),
        allowed_ips: ["10.8.0.0/24", "fd00:8::/64"]
            .map(|text| text.parse().unwrap())
            .into(),
        endpoint: format!("192.0.2.1:{PORT}"),
        keepalive: Some(ClientFile::KEEPALIVE),
    };
    let phone = phone.clone();
    tokio::task::spawn_blocking(move || WgClient::up(&phone, file.render().expose()).unwrap())
        .await
        .unwrap()
}

/// Whether an answer comes before the deadline, which is long: only a failing test waits for it.
async fn answers(from: &Namespace, arguments: &str) -> bool {
    ping(from, &format!("-c 1 -w 60 {arguments}")).await
}

async fn ping(from: &Namespace, arguments: &str) -> bool {
    let mut command = from.command("ping");
    command.args(arguments.split(' '));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    output.status.success()
}

#[test]
fn packets_pass_between_the_engine_and_wireguard_go() {
    let wire = Wire::new();
    wire.at_home(async {
        let (_, userspace) = userspace();
        let step = ensure(home_spec());
        userspace.apply(&step).await.unwrap();
        userspace.verify(&step).await.unwrap();

        let _client = connect(&wire.phone).await;
        assert!(answers(&wire.phone, "10.8.0.1").await, "from the phone");
        assert!(answers(&wire.phone, "fd00:8::1").await, "IPv6");
        assert!(answers(&wire.home, "10.8.0.2").await, "to the phone");
        // With 28 bytes of headers these fill the tunnel's MTU exactly.
        let full = "-M do -s 1392";
        assert!(answers(&wire.phone, &format!("{full} 10.8.0.1")).await);
        assert!(answers(&wire.home, &format!("{full} 10.8.0.2")).await);

        let status = userspace.observe().await.unwrap().unwrap();
        let peer = &status.peers[0];
        assert_eq!(
            peer.endpoint.unwrap().ip().to_string(),
            "192.0.2.2",
            "not as an IPv4-mapped address"
        );
        assert!(peer.latest_handshake.is_some());
        assert!(peer.received_bytes > 2 * 1420 && peer.sent_bytes > 2 * 1420);

        let removal = WireGuardStep::PatchPeers {
            remove: [phone_key().public_key()].into(),
            set: BTreeMap::new(),
        };
        userspace.apply(&removal).await.unwrap();
        userspace.verify(&removal).await.unwrap();
        assert!(!ping(&wire.phone, "-c 2 -w 3 10.8.0.1").await, "cut");
        assert!(matches!(
            userspace.verify(&step).await,
            Err(WireGuardError::Mismatch(Mismatch::PeerMissing(_)))
        ));
    });
}

#[test]
fn restarted_engine_is_given_everything_again() {
    let wire = Wire::new();
    wire.at_home(async {
        let (link, userspace) = userspace();
        userspace.replay().await.unwrap();
        let without_peers = WireGuardSpec {
            peers: BTreeMap::new(),
            ..home_spec()
        };
        userspace.apply(&ensure(without_peers)).await.unwrap();
        let patch = WireGuardStep::PatchPeers {
            remove: BTreeSet::new(),
            set: home_spec().peers,
        };
        userspace.apply(&patch).await.unwrap();

        link.stop().await.unwrap();
        assert!(userspace.observe().await.is_err(), "the engine is gone");
        userspace.replay().await.unwrap();
        userspace.verify(&ensure(home_spec())).await.unwrap();
        let _client = connect(&wire.phone).await;
        assert!(answers(&wire.phone, "10.8.0.1").await);

        // A step finds out by itself, too.
        link.stop().await.unwrap();
        let step = ensure(home_spec());
        userspace.apply(&step).await.unwrap();
        userspace.verify(&step).await.unwrap();
    });
}

#[test]
fn interface_follows_its_spec_and_goes_with_its_removal() {
    let wire = Wire::new();
    wire.at_home(async {
        let (_, userspace) = userspace();
        assert_eq!(userspace.observe().await.unwrap(), None);
        userspace.apply(&ensure(home_spec())).await.unwrap();

        let moved = WireGuardSpec {
            listen_port: PORT + 1,
            mtu: 1400,
            addresses: ["10.9.0.1/24".parse().unwrap()].into(),
            ..home_spec()
        };
        assert!(userspace.verify(&ensure(moved.clone())).await.is_err());
        let step = ensure(moved);
        for _ in 0..2 {
            userspace.apply(&step).await.unwrap();
            userspace.verify(&step).await.unwrap();
        }

        let (_, second) = self::userspace();
        let refusal = second.apply(&ensure(home_spec())).await;
        assert!(
            matches!(
                refusal,
                Err(WireGuardError::Userspace(UserspaceError::Tun(_)))
            ),
            "an interface that somebody holds is not taken over"
        );

        userspace.apply(&WireGuardStep::Remove).await.unwrap();
        userspace.verify(&WireGuardStep::Remove).await.unwrap();
        assert_eq!(userspace.observe().await.unwrap(), None);
        second.apply(&ensure(home_spec())).await.unwrap();
    });
}

#[test]
fn interface_that_somebody_removed_comes_back() {
    let wire = Wire::new();
    wire.at_home(async {
        let (_, userspace) = userspace();
        let step = ensure(home_spec());
        userspace.apply(&step).await.unwrap();

        wire.home.ip("link del wg0").unwrap();
        assert!(userspace.verify(&step).await.is_err());
        userspace.apply(&step).await.unwrap();
        userspace.verify(&step).await.unwrap();

        wire.home.ip("link del wg0").unwrap();
        userspace.replay().await.unwrap();
        userspace.verify(&step).await.unwrap();
        let _client = connect(&wire.phone).await;
        assert!(answers(&wire.phone, "10.8.0.1").await);
    });
}

/// The box of another cell: our own program too, at the phone's end of the wire.
fn cabin_spec() -> WireGuardSpec {
    let home = WireGuardPeerSpec {
        preshared_key: None,
        allowed_ips: ["10.8.0.0/24", "fd00:8::/64"]
            .map(|text| text.parse().unwrap())
            .into(),
        endpoint: Some(format!("192.0.2.1:{PORT}").parse().unwrap()),
        keepalive: Some(25),
    };
    WireGuardSpec {
        private_key: phone_key(),
        addresses: ["10.40.0.1/24", "fd00:40::1/64"]
            .map(|text| text.parse().unwrap())
            .into(),
        routes: home.allowed_ips.clone(),
        peers: [(home_key().public_key(), Arc::new(home))].into(),
        ..home_spec()
    }
}

/// Ours, linked with it.
fn linked_spec() -> WireGuardSpec {
    let cabin = WireGuardPeerSpec {
        preshared_key: None,
        allowed_ips: ["10.40.0.0/24", "fd00:40::/64"]
            .map(|text| text.parse().unwrap())
            .into(),
        endpoint: None,
        keepalive: Some(25),
    };
    WireGuardSpec {
        routes: cabin.allowed_ips.clone(),
        peers: [(phone_key().public_key(), Arc::new(cabin))].into(),
        ..home_spec()
    }
}

#[test]
fn another_cell_is_reached_while_it_is_linked() {
    let wire = Wire::new();
    wire.at_home(async {
        let (_, userspace) = userspace();
        let step = ensure(linked_spec());
        userspace.apply(&step).await.unwrap();
        userspace.verify(&step).await.unwrap();
        let cabin = wire.phone.clone();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            let work = async {
                let (_, userspace) = self::userspace();
                userspace.apply(&ensure(cabin_spec())).await.unwrap();
                userspace.verify(&ensure(cabin_spec())).await.unwrap();
                // Its engine runs on this runtime.
                let wait = tokio::task::spawn_blocking(move || stopped.recv());
                let _ = wait.await.unwrap();
            };
            let runtime = || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
            };
            cabin.run(|| runtime().block_on(work)).unwrap();
        });
        assert!(answers(&wire.home, "10.40.0.1").await);
        assert!(answers(&wire.home, "fd00:40::1").await, "IPv6");
        let from = "-I 10.40.0.1 10.8.0.1";
        assert!(answers(&wire.phone, from).await, "the other way");

        // Somebody takes the route away, and has one that is none of ours.
        wire.home
            .ip("route del 10.40.0.0/24 dev wg0\nroute add 10.50.0.0/24 dev wg0")
            .unwrap();
        assert!(matches!(
            userspace.verify(&step).await,
            Err(WireGuardError::Mismatch(Mismatch::RouteMissing(_)))
        ));
        for _ in 0..2 {
            userspace.apply(&step).await.unwrap();
            userspace.verify(&step).await.unwrap();
        }
        assert!(answers(&wire.home, "10.40.0.1").await);

        let alone = ensure(home_spec());
        assert!(userspace.verify(&alone).await.is_err());
        userspace.apply(&alone).await.unwrap();
        userspace.verify(&alone).await.unwrap();
        let routes = wire.home.command("ip").arg("route").output().unwrap();
        let routes = String::from_utf8(routes.stdout).unwrap();
        assert!(!routes.contains("10.40.0.0/24"), "{routes}");
        assert!(routes.contains("10.50.0.0/24"), "{routes}");
        drop(stop);
        other.join().unwrap();
    });
}

#[test]
fn step_for_another_interface_is_refused() {
    let wire = Wire::new();
    wire.at_home(async {
        let (_, userspace) = userspace();
        let other = WireGuardSpec {
            interface: "wg1".parse().unwrap(),
            ..home_spec()
        };
        assert!(matches!(
            userspace.apply(&ensure(other)).await,
            Err(WireGuardError::OtherInterface { .. })
        ));
    });
}

/// Tunnels to the phone, which is a provider here, each with its interface.
fn tunnels(slots: &[usize]) -> TunnelsSpec {
    let provider = |port| WireGuardPeerSpec {
        preshared_key: Some(shared_key()),
        allowed_ips: ["0.0.0.0/0", "::/0"]
            .map(|text| text.parse().unwrap())
            .into(),
        endpoint: Some(([192, 0, 2, 2], port).into()),
        keepalive: None,
    };
    let tunnels = slots.iter().map(|number| {
        let slot = ExitSlot::all().nth(*number).unwrap();
        let tunnel = WireGuardSpec {
            interface: slot.interface(),
            private_key: home_key(),
            listen_port: 0,
            mtu: 1420,
            // Providers give all their customers the same.
            addresses: ["10.2.0.2/32", "fd00:2::2/128"]
                .map(|text| text.parse().unwrap())
                .into(),
            routes: ["0.0.0.0/0", "::/0"]
                .map(|text| text.parse().unwrap())
                .into(),
            exit: Some(slot),
            peers: [(phone_key().public_key(), Arc::new(provider(PORT)))].into(),
        };
        (slot.interface(), Arc::new(tunnel))
    });
    TunnelsSpec(tunnels.collect())
}

fn shown(at: &Namespace, words: &str) -> String {
    let output = at.command("ip").args(words.split(' ')).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tunnels_that_lead_out_are_for_what_bears_their_mark_or_names_them_alone() {
    let wire = Wire::new();
    wire.phone.ip("addr add 198.51.100.9/32 dev lo").unwrap();
    // Who goes by no tunnel finds the same address by the wire, and nobody there takes it on.
    wire.home.ip("route add 198.51.100.9/32 dev wire").unwrap();
    let config = format!(
        "[Interface]\nPrivateKey = {}\nAddress = 10.2.0.1/24\nListenPort = {PORT}\n[Peer]\nPublicKey = {}\n\
         PresharedKey = {}\nAllowedIPs = 10.2.0.2/32\n",
        phone_key().expose_text().expose(),
        home_key().public_key(),
        shared_key().expose_text().expose(),
    );
    wire.at_home(async {
        let exits = SystemTunnels::new(|interface| {
            Ok(Arc::new(Userspace::new(interface, LocalLink::default())))
        });
        let phone = wire.phone.clone();
        let _provider = tokio::task::spawn_blocking(move || WgClient::up(&phone, &config).unwrap())
            .await
            .unwrap();
        let before = (shown(&wire.home, "route"), shown(&wire.home, "rule"));
        let two = tunnels(&[0, 7]);
        exits.apply(&two).await.unwrap();
        exits.verify(&two).await.unwrap();
        assert_eq!(
            shown(&wire.home, "route"),
            before.0,
            "the main table is as it was"
        );
        let rules = shown(&wire.home, "rule");
        for rule in [
            "fwmark 0x1070/0x1ff0 lookup 1007",
            "fwmark 0x1070/0x1ff0 unreachable",
            "oif wgext_7 lookup 1007",
            "fwmark 0x1000/0x1ff0 lookup 1000",
        ] {
            assert!(rules.contains(rule), "{rule}: {rules}");
        }
        let sixes = shown(&wire.home, "-6 rule");
        assert!(
            sixes.contains("fwmark 0x1070/0x1ff0 lookup 1007"),
            "{sixes}"
        );
        // One after the other: the provider knows one customer of this key.
        exits.apply(&tunnels(&[7])).await.unwrap();
        assert!(
            answers(&wire.home, "-m 4208 198.51.100.9").await,
            "by the mark"
        );
        assert!(
            answers(&wire.home, "-I wgext_7 198.51.100.9").await,
            "by the name"
        );
        assert!(!shown(&wire.home, "link").contains("wgext_0"));
        assert!(!shown(&wire.home, "rule").contains("0x1000"));

        // A mark without a tunnel leads nowhere, and not to the wire.
        wire.home.ip("route flush table 1007").unwrap();
        assert!(!ping(&wire.home, "-m 4208 -c 1 -W 1 198.51.100.9").await);
        let missing = exits.verify(&tunnels(&[7])).await.unwrap_err();
        let WireGuardError::Tunnel { source, .. } = missing else {
            panic!("{missing}");
        };
        assert!(matches!(
            *source,
            WireGuardError::Mismatch(Mismatch::RouteMissing(_))
        ));
        wire.home.ip("rule del oif wgext_7").unwrap();
        exits.apply(&tunnels(&[7])).await.unwrap();
        exits.verify(&tunnels(&[7])).await.unwrap();
        assert!(answers(&wire.home, "-m 4208 198.51.100.9").await, "mended");
        wire.home.ip("rule del oif wgext_7").unwrap();
        assert!(matches!(
            exits.verify(&tunnels(&[7])).await,
            Err(WireGuardError::Mismatch(Mismatch::Rules))
        ));

        exits.apply(&TunnelsSpec::default()).await.unwrap();
        exits.verify(&TunnelsSpec::default()).await.unwrap();
        assert_eq!(
            before,
            (shown(&wire.home, "route"), shown(&wire.home, "rule"))
        );
        assert!(!shown(&wire.home, "link").contains("wgext"));
    });
}
