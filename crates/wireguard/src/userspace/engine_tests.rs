//! Two engines back to back, without a network between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cell_model::Timestamp;
use cell_model::key::{PresharedKey, PrivateKey, PublicKey};
use cell_model::spec::{WireGuardPeerSpec, WireGuardSpec};
use cell_model::status::WireGuardPeerStatus;
use proptest::prelude::*;

use super::{Command, Engine, Outlet, Reply};

#[derive(Default)]
struct Out {
    network: Vec<(SocketAddr, Vec<u8>)>,
    tunnel: Vec<Vec<u8>>,
}

impl Outlet for Out {
    fn to_network(&mut self, destination: SocketAddr, datagram: &[u8]) {
        self.network.push((destination, datagram.to_vec()));
    }

    fn to_tunnel(&mut self, packet: &[u8]) {
        self.tunnel.push(packet.to_vec());
    }
}

/// One end: an engine, where it is on the network, and what came out for its host.
struct End {
    engine: Engine,
    place: SocketAddr,
    received: Vec<Vec<u8>>,
}

fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_bytes([byte; 32])
}

fn place(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 51820))
}

fn peer(networks: &[&str], endpoint: Option<SocketAddr>) -> WireGuardPeerSpec {
    WireGuardPeerSpec {
        preshared_key: None,
        allowed_ips: networks.iter().map(|text| text.parse().unwrap()).collect(),
        endpoint,
        keepalive: None,
    }
}

fn spec(own: u8, peers: impl IntoIterator<Item = (u8, WireGuardPeerSpec)>) -> WireGuardSpec {
    WireGuardSpec {
        interface: "wg0".parse().unwrap(),
        private_key: key(own),
        listen_port: 51820,
        mtu: 1420,
        addresses: BTreeSet::new(),
        peers: peers
            .into_iter()
            .map(|(byte, peer)| (key(byte).public_key(), Arc::new(peer)))
            .collect(),
    }
}

fn patch(remove: &[PublicKey], set: impl IntoIterator<Item = (u8, WireGuardPeerSpec)>) -> Command {
    Command::PatchPeers {
        remove: remove.iter().copied().collect(),
        set: set
            .into_iter()
            .map(|(byte, peer)| (key(byte).public_key(), Arc::new(peer)))
            .collect(),
    }
}

fn packet(source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    let length = u16::try_from(payload.len()).unwrap();
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
            header[2..4].copy_from_slice(&(length + 20).to_be_bytes());
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
            header[4..6].copy_from_slice(&length.to_be_bytes());
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        _ => panic!("{source} and {destination} are of two families"),
    };
    packet.extend(payload);
    packet
}

impl End {
    fn new(place: SocketAddr, spec: WireGuardSpec) -> Self {
        let mut engine = Engine::new(Instant::now(), Timestamp::UNIX_EPOCH);
        let peers = spec.peers.len();
        let reply = engine.command(Command::Ensure(Arc::new(spec)));
        assert_eq!(reply, Reply::Done { peers });
        Self {
            engine,
            place,
            received: Vec::new(),
        }
    }

    fn apply(&mut self, command: Command) -> usize {
        match self.engine.command(command) {
            Reply::Done { peers } => peers,
            other => panic!("{other:?}"),
        }
    }

    fn status(&mut self) -> Vec<WireGuardPeerStatus> {
        match self.engine.command(Command::Status) {
            Reply::Status(Some(status)) => status.peers,
            other => panic!("{other:?}"),
        }
    }
}

/// Lets both ends talk until neither has anything more to say. Returns how many datagrams went over.
fn deliver(out: Out, from: &mut End, to: &mut End) -> usize {
    from.received.extend(out.tunnel);
    let mut count = 0;
    for (destination, datagram) in out.network {
        count += 1;
        if destination != to.place {
            continue;
        }
        let mut answer = Out::default();
        to.engine.from_network(&datagram, from.place, &mut answer);
        count += deliver(answer, to, from);
    }
    count
}

fn send(packet: &[u8], from: &mut End, to: &mut End) -> usize {
    let mut out = Out::default();
    from.engine.from_tunnel(packet, &mut out);
    deliver(out, from, to)
}

/// A phone (key 1) that knows where the box (key 2) is, and the box that does not know where the phone is.
fn phone_and_box() -> (End, End) {
    let phone = spec(1, [(2, peer(&["0.0.0.0/0", "::/0"], Some(place(2))))]);
    let home = spec(2, [(1, peer(&["10.8.0.2/32", "fd00:8::2/128"], None))]);
    (End::new(place(1), phone), End::new(place(2), home))
}

#[test]
fn first_packet_shakes_hands_and_packets_go_both_ways() {
    let (mut phone, mut home) = phone_and_box();
    let ask = packet("10.8.0.2", "10.8.0.1", b"ask");
    let ask6 = packet("fd00:8::2", "fd00:8::1", b"ask");
    send(&ask, &mut phone, &mut home);
    send(&ask6, &mut phone, &mut home);
    assert_eq!(home.received, [ask, ask6]);

    let answer = packet("10.8.0.1", "10.8.0.2", b"answer");
    assert_eq!(send(&answer, &mut home, &mut phone), 1);
    assert_eq!(phone.received, [answer]);

    for (end, other) in [(&mut phone, place(2)), (&mut home, place(1))] {
        let status = end.status().remove(0);
        assert_eq!(status.endpoint, Some(other));
        assert_eq!(status.latest_handshake, Some(Timestamp::UNIX_EPOCH));
        assert!(status.received_bytes > 0 && status.sent_bytes > 0);
    }
}

#[test]
fn packets_that_waited_for_the_handshake_arrive_in_order() {
    let (mut phone, mut home) = phone_and_box();
    let packets: Vec<_> = (0..5)
        .map(|n| packet("10.8.0.2", "10.8.0.1", &[n]))
        .collect();
    let mut out = Out::default();
    for packet in &packets {
        phone.engine.from_tunnel(packet, &mut out);
    }
    assert_eq!(out.network.len(), 1, "one first message for all of them");
    deliver(out, &mut phone, &mut home);
    assert_eq!(home.received, packets);
}

#[test]
fn packet_with_a_source_that_is_not_allowed_is_dropped() {
    let (mut phone, mut home) = phone_and_box();
    send(&packet("10.8.0.3", "10.8.0.1", b"x"), &mut phone, &mut home);
    send(
        &packet("fd00:8::3", "fd00:8::1", b"x"),
        &mut phone,
        &mut home,
    );
    assert!(home.received.is_empty());
    assert!(home.status()[0].received_bytes > 0, "it was authentic");
}

#[test]
fn packet_to_nobody_is_dropped() {
    let (_, mut home) = phone_and_box();
    let mut out = Out::default();
    for stray in [
        packet("10.8.0.1", "10.8.0.9", b"x"),
        packet("10.8.0.1", "10.8.0.2", b"nowhere to send it yet"),
        Vec::new(),
        vec![0x45; 19],
        vec![0xff; 100],
    ] {
        home.engine.from_tunnel(&stray, &mut out);
    }
    assert!(out.network.is_empty());
    assert_eq!(home.engine.active_peers(), 0);
}

#[test]
fn handshake_of_an_unknown_key_gets_no_answer() {
    let (_, mut home) = phone_and_box();
    let stranger = spec(9, [(2, peer(&["0.0.0.0/0"], Some(place(2))))]);
    let mut stranger = End::new(place(9), stranger);
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    assert_eq!(send(&ask, &mut stranger, &mut home), 1);
    assert!(home.received.is_empty());
}

#[test]
fn removed_peer_is_cut_at_once() {
    let (mut phone, mut home) = phone_and_box();
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    send(&ask, &mut phone, &mut home);
    assert_eq!(home.apply(patch(&[key(1).public_key()], [])), 1);
    assert_eq!(send(&ask, &mut phone, &mut home), 1);
    assert_eq!(home.received.len(), 1, "only what came before");
    let mut out = Out::default();
    let answer = packet("10.8.0.1", "10.8.0.2", b"x");
    home.engine.from_tunnel(&answer, &mut out);
    assert!(out.network.is_empty());
    assert!(home.status().is_empty());
}

#[test]
fn different_preshared_keys_never_agree() {
    let (mut phone, mut home) = phone_and_box();
    let with_key = |byte| WireGuardPeerSpec {
        preshared_key: Some(PresharedKey::from_bytes([byte; 32])),
        ..peer(&["10.8.0.2/32"], None)
    };
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    home.apply(patch(&[], [(1, with_key(7))]));
    send(&ask, &mut phone, &mut home);
    assert!(home.received.is_empty());
    assert_eq!(phone.status()[0].latest_handshake, None);

    let phone_side = |byte| WireGuardPeerSpec {
        allowed_ips: ["0.0.0.0/0".parse().unwrap()].into(),
        endpoint: Some(place(2)),
        ..with_key(byte)
    };
    // The new key takes effect without a restart; a new Noise state starts at once.
    phone.apply(patch(&[], [(2, phone_side(7))]));
    send(&ask, &mut phone, &mut home);
    assert_eq!(home.received, [ask]);
}

#[test]
fn endpoint_follows_authentic_packets_only() {
    let (mut phone, mut home) = phone_and_box();
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    send(&ask, &mut phone, &mut home);
    let mut out = Out::default();
    phone.engine.from_tunnel(&ask, &mut out);
    let (_, datagram) = out.network.remove(0);

    let mut forged = datagram.clone();
    *forged.last_mut().unwrap() ^= 1;
    home.engine
        .from_network(&forged, place(66), &mut Out::default());
    assert_eq!(home.status()[0].endpoint, Some(place(1)));

    home.engine
        .from_network(&datagram, place(77), &mut Out::default());
    assert_eq!(home.status()[0].endpoint, Some(place(77)));

    // A copy of the same datagram from elsewhere is a replay.
    home.engine
        .from_network(&datagram, place(66), &mut Out::default());
    assert_eq!(home.status()[0].endpoint, Some(place(77)));
}

#[test]
fn replayed_first_message_does_not_move_the_endpoint() {
    let (mut phone, mut home) = phone_and_box();
    let mut first = Out::default();
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    phone.engine.from_tunnel(&ask, &mut first);
    let (_, initiation) = first.network[0].clone();
    deliver(first, &mut phone, &mut home);

    let mut out = Out::default();
    home.engine.from_network(&initiation, place(66), &mut out);
    assert!(out.network.is_empty());

    // A box that was restarted cannot know that it is a replay, and still does not send there.
    let mut fresh = End::new(
        place(2),
        spec(2, [(1, peer(&["10.8.0.2/32"], Some(place(1))))]),
    );
    fresh.engine.from_network(&initiation, place(66), &mut out);
    assert_eq!(out.network.len(), 1, "an answer that leads nowhere");
    assert_eq!(fresh.status()[0].endpoint, Some(place(1)));
    assert_eq!(fresh.status()[0].latest_handshake, None);
}

#[test]
fn changed_networks_keep_the_session() {
    let (mut phone, mut home) = phone_and_box();
    send(&packet("10.8.0.2", "10.8.0.1", b"x"), &mut phone, &mut home);
    home.apply(patch(&[], [(1, peer(&["10.8.0.5/32"], None))]));
    let old = packet("10.8.0.2", "10.8.0.1", b"old");
    let new = packet("10.8.0.5", "10.8.0.1", b"new");
    assert_eq!(send(&old, &mut phone, &mut home), 1, "no new handshake");
    assert_eq!(send(&new, &mut phone, &mut home), 1, "no new handshake");
    assert_eq!(home.received[1..], [new]);
    assert_eq!(home.status()[0].endpoint, Some(place(1)));
}

#[test]
fn two_peers_can_swap_their_networks_in_one_patch() {
    let one = || peer(&["10.8.0.2/32"], None);
    let two = || peer(&["10.8.0.3/32"], None);
    let mut home = End::new(place(2), spec(2, [(1, one()), (3, two())]));
    assert_eq!(home.apply(patch(&[], [(1, two()), (3, one())])), 2);
    let seen: BTreeMap<_, _> = home
        .status()
        .into_iter()
        .map(|peer| (peer.public_key, peer.allowed_ips))
        .collect();
    assert_eq!(seen[&key(1).public_key()], ["10.8.0.3/32".parse().unwrap()]);
    assert_eq!(seen[&key(3).public_key()], ["10.8.0.2/32".parse().unwrap()]);
}

#[test]
fn patch_among_ten_thousand_peers_touches_one() {
    let many: BTreeMap<_, _> = (0..10_000_u32)
        .map(|n| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            let [_, _, high, low] = n.to_be_bytes();
            let network = format!("10.9.{high}.{low}/32");
            (
                PublicKey::from_bytes(bytes),
                Arc::new(peer(&[&network], None)),
            )
        })
        .collect();
    let everyone = Arc::new(WireGuardSpec {
        peers: many,
        ..spec(2, [])
    });
    let mut home = End::new(place(2), spec(2, []));
    assert_eq!(home.apply(Command::Ensure(Arc::clone(&everyone))), 10_000);
    assert_eq!(home.apply(Command::Ensure(everyone)), 0);
    assert_eq!(home.engine.active_peers(), 0, "idle peers cost nothing");

    let (mut phone, _) = phone_and_box();
    let newcomer = || [(1, peer(&["10.8.0.2/32"], None))];
    assert_eq!(home.apply(patch(&[], newcomer())), 1);
    assert_eq!(home.apply(patch(&[], newcomer())), 0);
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    send(&ask, &mut phone, &mut home);
    assert_eq!(home.received, [ask]);
    assert_eq!(home.engine.active_peers(), 1);
    let asked = Command::Peers([key(1).public_key(), key(7).public_key()].into());
    match home.engine.command(asked) {
        Reply::Peers(peers) => assert_eq!(peers.len(), 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keepalive_calls_until_answered_and_then_fills_silence() {
    let home = spec(2, [(1, peer(&["10.8.0.2/32"], None))]);
    let mut home = End::new(place(2), home);
    let calling = WireGuardPeerSpec {
        keepalive: Some(25),
        ..peer(&["0.0.0.0/0"], Some(place(2)))
    };
    let mut phone = End::new(place(1), spec(1, [(2, calling.clone())]));
    assert_eq!(phone.engine.active_peers(), 1);
    let start = Instant::now();
    let tick = |phone: &mut End, home: &mut End, seconds| {
        let mut out = Out::default();
        let now = start + Duration::from_secs(seconds);
        phone.engine.tick(now, Timestamp::UNIX_EPOCH, &mut out);
        deliver(out, phone, home)
    };
    assert_eq!(tick(&mut phone, &mut home, 1), 3, "a whole handshake");
    assert_eq!(tick(&mut phone, &mut home, 20), 0);
    assert_eq!(tick(&mut phone, &mut home, 27), 1, "one empty packet");
    assert_eq!(tick(&mut phone, &mut home, 28), 0);

    let silent = WireGuardPeerSpec {
        keepalive: None,
        ..calling
    };
    phone.apply(patch(&[], [(2, silent)]));
    assert_eq!(tick(&mut phone, &mut home, 90), 0);
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    assert_eq!(send(&ask, &mut phone, &mut home), 1, "the session stayed");
}

#[test]
fn new_interface_key_ends_all_sessions() {
    let (mut phone, mut home) = phone_and_box();
    let ask = packet("10.8.0.2", "10.8.0.1", b"x");
    send(&ask, &mut phone, &mut home);
    let other = spec(5, [(1, peer(&["10.8.0.2/32"], None))]);
    assert_eq!(home.apply(Command::Ensure(Arc::new(other))), 1);
    assert_eq!(send(&ask, &mut phone, &mut home), 1);
    assert_eq!(home.received.len(), 1);
}

#[test]
fn flood_of_handshakes_is_answered_with_cookies() {
    let (_, mut home) = phone_and_box();
    let mut cookies = 0;
    for _ in 0..300 {
        let (mut phone, _) = phone_and_box();
        let mut out = Out::default();
        phone
            .engine
            .from_tunnel(&packet("10.8.0.2", "10.8.0.1", b"x"), &mut out);
        let mut answer = Out::default();
        home.engine
            .from_network(&out.network[0].1, place(1), &mut answer);
        cookies += answer
            .network
            .iter()
            .filter(|(_, datagram)| datagram[0] == 3)
            .count();
    }
    assert!(cookies > 0);
}

#[test]
fn engine_without_a_spec_drops_everything() {
    let mut engine = Engine::new(Instant::now(), Timestamp::UNIX_EPOCH);
    let mut out = Out::default();
    engine.from_network(&[1; 148], place(1), &mut out);
    engine.from_tunnel(&packet("10.8.0.1", "10.8.0.2", b"x"), &mut out);
    engine.tick(Instant::now(), Timestamp::UNIX_EPOCH, &mut out);
    assert!(out.network.is_empty() && out.tunnel.is_empty());
    assert_eq!(engine.command(patch(&[], [])), Reply::NotReady);
    assert_eq!(engine.command(Command::Status), Reply::Status(None));
}

#[test]
fn commands_survive_the_way_between_processes() {
    let with_key = WireGuardPeerSpec {
        preshared_key: Some(PresharedKey::from_bytes([7; 32])),
        keepalive: Some(25),
        ..peer(&["10.8.0.2/32"], Some(place(1)))
    };
    for command in [
        Command::Ensure(Arc::new(spec(2, [(1, with_key.clone())]))),
        patch(&[key(3).public_key()], [(1, with_key)]),
        Command::Status,
        Command::Peers([key(1).public_key()].into()),
    ] {
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
    }
}

proptest! {
    #[test]
    fn garbage_from_the_network_stops_nothing(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
        kinds in prop::collection::vec(1_u8..5, 20),
    ) {
        let (mut phone, mut home) = phone_and_box();
        let ask = packet("10.8.0.2", "10.8.0.1", b"x");
        send(&ask, &mut phone, &mut home);
        let mut out = Out::default();
        for (mut datagram, kind) in datagrams.into_iter().zip(kinds) {
            home.engine.from_network(&datagram, place(66), &mut out);
            // Again with a valid type, and the length that belongs to it.
            let length = [0, 148, 92, 64, datagram.len().max(32)][usize::from(kind)];
            datagram.resize(length, 0);
            datagram[..4].copy_from_slice(&[kind, 0, 0, 0]);
            home.engine.from_network(&datagram, place(66), &mut out);
        }
        prop_assert!(out.network.is_empty() && out.tunnel.is_empty());
        send(&ask, &mut phone, &mut home);
        prop_assert_eq!(home.received.len(), 2);
    }

    #[test]
    fn garbled_datagrams_stop_nothing(place_of_error in 0_usize..148, flip in 1_u8..=255) {
        let (mut phone, mut home) = phone_and_box();
        let ask = packet("10.8.0.2", "10.8.0.1", b"x");
        let mut out = Out::default();
        phone.engine.from_tunnel(&ask, &mut out);
        let mut garbled = out.network[0].1.clone();
        garbled[place_of_error] ^= flip;
        let mut answer = Out::default();
        home.engine.from_network(&garbled, place(1), &mut answer);
        // The second MAC, which only counts under load, is not looked at.
        prop_assert!(answer.network.is_empty() || place_of_error >= 132);
    }

    #[test]
    fn garbage_from_the_tunnel_stops_nothing(packet in prop::collection::vec(any::<u8>(), 0..100)) {
        let (mut phone, _) = phone_and_box();
        phone.engine.from_tunnel(&packet, &mut Out::default());
    }
}
