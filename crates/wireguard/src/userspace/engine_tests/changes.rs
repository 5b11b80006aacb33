//! Commands, and what they do to sessions.

use super::*;

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
