use std::io::Cursor;

use super::*;
use crate::kernel::device::Device;

fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_bytes([byte; 32])
}

fn public(byte: u8) -> PublicKey {
    PublicKey::from_bytes([byte; 32])
}

fn wg0() -> InterfaceName {
    "wg0".parse().unwrap()
}

fn peer_spec(networks: &[&str]) -> WireGuardPeerSpec {
    WireGuardPeerSpec {
        preshared_key: None,
        allowed_ips: networks.iter().map(|text| text.parse().unwrap()).collect(),
        endpoint: None,
        keepalive: None,
    }
}

fn spec(peers: impl IntoIterator<Item = (PublicKey, WireGuardPeerSpec)>) -> WireGuardSpec {
    WireGuardSpec {
        interface: wg0(),
        private_key: key(8),
        listen_port: 51820,
        mtu: 1420,
        addresses: BTreeSet::new(),
        routes: BTreeSet::new(),
        exit: None,
        peers: peers
            .into_iter()
            .map(|(key, peer)| (key, Arc::new(peer)))
            .collect(),
    }
}

fn bytes(message: &GenlBuffer<u16, Buffer>) -> Vec<u8> {
    let mut cursor = Cursor::new(Vec::new());
    message.to_bytes(&mut cursor).unwrap();
    cursor.into_inner()
}

/// What the kernel would hold after these messages, but for flags: device and dump share their numbers.
fn told(messages: &[GenlBuffer<u16, Buffer>], public_key: Option<PublicKey>) -> Device {
    let mut device = Device::default();
    for message in messages {
        device.read(message);
    }
    Device {
        public_key,
        ..device
    }
}

/// Attribute header: length with itself, type with the nesting bit (0x8000), both little endian here.
fn header(length: u16, kind: u16) -> Vec<u8> {
    [length.to_le_bytes(), kind.to_le_bytes()].concat()
}

#[test]
fn new_device_with_one_peer_is_these_bytes() {
    let peer = WireGuardPeerSpec {
        preshared_key: Some(PresharedKey::from_bytes([3; 32])),
        endpoint: Some("192.0.2.7:51820".parse().unwrap()),
        keepalive: Some(25),
        ..peer_spec(&["10.8.0.2/32", "fd00:8::/64"])
    };
    let spec = spec([(public(2), peer)]);
    let messages = DevicePatch::between(&Device::default(), &spec, &Places::new()).messages(&wg0());
    assert_eq!(messages.len(), 1);

    let v6 = [0xfd, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let expected = [
        header(8, 2), // WGDEVICE_A_IFNAME
        b"wg0\0".to_vec(),
        header(36, 3), // WGDEVICE_A_PRIVATE_KEY
        key(8).expose().to_vec(),
        header(6, 6), // WGDEVICE_A_LISTEN_PORT, padded
        vec![0x6c, 0xca, 0, 0],
        header(188, 0x8008), // WGDEVICE_A_PEERS
        header(184, 0x8000),
        header(36, 1), // WGPEER_A_PUBLIC_KEY
        vec![2; 32],
        header(36, 2), // WGPEER_A_PRESHARED_KEY
        vec![3; 32],
        header(8, 3), // WGPEER_A_FLAGS: REPLACE_ALLOWEDIPS
        vec![2, 0, 0, 0],
        header(20, 4), // WGPEER_A_ENDPOINT: struct sockaddr_in
        vec![2, 0, 0xca, 0x6c, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0],
        header(6, 5), // WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, padded
        vec![25, 0, 0, 0],
        header(72, 0x8009), // WGPEER_A_ALLOWEDIPS
        header(28, 0x8000),
        header(6, 1), // WGALLOWEDIP_A_FAMILY: AF_INET, padded
        vec![2, 0, 0, 0],
        header(8, 2), // WGALLOWEDIP_A_IPADDR
        vec![10, 8, 0, 2],
        header(5, 3), // WGALLOWEDIP_A_CIDR_MASK, padded
        vec![32, 0, 0, 0],
        header(40, 0x8000),
        header(6, 1), // AF_INET6
        vec![10, 0, 0, 0],
        header(20, 2),
        v6.to_vec(),
        header(5, 3),
        vec![64, 0, 0, 0],
    ]
    .concat();
    assert_eq!(bytes(&messages[0]), expected);
}

#[test]
fn removal_is_these_bytes() {
    let patch = DevicePatch::of_peers(&[public(2)].into(), &BTreeMap::new(), &Places::new());
    let messages = patch.messages(&wg0());
    let expected = [
        header(8, 2),
        b"wg0\0".to_vec(),
        header(52, 0x8008),
        header(48, 0x8000),
        header(36, 1),
        vec![2; 32],
        header(8, 3), // WGPEER_A_FLAGS: REMOVE_ME
        vec![1, 0, 0, 0],
    ]
    .concat();
    assert_eq!(messages.iter().map(bytes).collect::<Vec<_>>(), [expected]);
}

#[test]
fn ipv6_endpoint_is_a_sockaddr_in6() {
    let address = "[2001:db8::7]:51820".parse().unwrap();
    let mut expected = vec![10, 0, 0xca, 0x6c, 0, 0, 0, 0];
    expected.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    expected.extend([0; 4]);
    assert_eq!(socket_address(address), expected);
}

#[test]
fn ten_thousand_peers_go_in_several_messages_and_none_is_lost() {
    let peers = (0..10_000_u32).map(|n| {
        let mut bytes = [1; 32];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        let [_, _, high, low] = n.to_be_bytes();
        let networks = [
            format!("10.9.{high}.{low}/32"),
            format!("fd00:8::{n:x}/128"),
        ];
        let peer = peer_spec(&[&networks[0], &networks[1]]);
        (PublicKey::from_bytes(bytes), peer)
    });
    let spec = spec(peers);
    let messages = DevicePatch::between(&Device::default(), &spec, &Places::new()).messages(&wg0());
    assert!(messages.len() > 50);
    for message in &messages {
        let length = bytes(message).len();
        assert!(length < 2 * MESSAGE_LIMIT, "{length}");
    }
    let told = told(&messages, Some(spec.private_key.public_key()));
    assert_eq!(told.peers.len(), 10_000);
    assert!(DevicePatch::between(&told, &spec, &Places::new()).is_empty());
}

#[test]
fn peer_with_many_networks_is_split_and_replaces_only_once() {
    let networks: Vec<String> = (0..1000_u16)
        .map(|n| format!("10.{}.{}.0/24", n / 256, n % 256))
        .collect();
    let texts: Vec<&str> = networks.iter().map(String::as_str).collect();
    let spec = spec([(public(2), peer_spec(&texts))]);
    let patch = DevicePatch::between(&Device::default(), &spec, &Places::new());
    let pieces = patch.peers[0].pieces();
    assert_eq!(pieces.len(), 4);
    let flags = |piece: &Attribute| {
        let handle = piece.get_attr_handle::<u16>().unwrap();
        handle.get_attr_payload_as::<u32>(peer::FLAGS).ok()
    };
    assert_eq!(
        pieces.iter().map(flags).collect::<Vec<_>>(),
        [Some(peer::REPLACE_ALLOWEDIPS), None, None, None]
    );
    let messages = patch.messages(&wg0());
    assert!(messages.len() > 1);
    let told = told(&messages, Some(spec.private_key.public_key()));
    assert_eq!(told.peers[&public(2)].allowed_ips.len(), 1000);
}

#[test]
fn only_what_differs_is_changed() {
    let before = spec([
        (public(2), peer_spec(&["10.8.0.2/32"])),
        (public(3), peer_spec(&["10.8.0.3/32"])),
        (public(4), peer_spec(&["10.8.0.4/32"])),
    ]);
    let messages =
        DevicePatch::between(&Device::default(), &before, &Places::new()).messages(&wg0());
    let device = told(&messages, Some(before.private_key.public_key()));

    let mut after = before;
    after.peers.remove(&public(3));
    let changed = WireGuardPeerSpec {
        keepalive: Some(25),
        ..peer_spec(&["10.8.0.4/32"])
    };
    after.peers.insert(public(4), Arc::new(changed));
    after.listen_port = 51821;
    assert_eq!(
        DevicePatch::between(&device, &after, &Places::new()),
        DevicePatch {
            private_key: None,
            listen_port: Some(51821),
            peers: vec![
                PeerPatch::Remove(public(3)),
                PeerPatch::Set {
                    key: public(4),
                    preshared_key: None,
                    endpoint: None,
                    keepalive: Some(25),
                    allowed_ips: None,
                },
            ],
        }
    );
}

#[test]
fn endpoint_of_a_peer_that_has_roamed_stays() {
    let asked = WireGuardPeerSpec {
        endpoint: Some("192.0.2.7:51820".parse().unwrap()),
        ..peer_spec(&[])
    };
    let roamed = DevicePeer {
        endpoint: Some("198.51.100.9:4000".parse().unwrap()),
        ..DevicePeer::default()
    };
    let change =
        |peer: &DevicePeer, place| PeerPatch::between(public(2), peer, &asked, place, false);
    assert_eq!(change(&roamed, None), None);
    assert_eq!(change(&roamed, asked.endpoint.as_ref()), None);
    assert!(change(&DevicePeer::default(), None).is_some());
    // Who is only called is called where that is asked for, whatever an earlier process has said.
    let called = PeerPatch::between(public(2), &roamed, &asked, None, true);
    assert!(matches!(called, Some(PeerPatch::Set { endpoint, .. }) if endpoint == asked.endpoint));
    // Found to be elsewhere, it is called there.
    assert!(change(&roamed, roamed.endpoint.as_ref()).is_some());

    // The same when other things of it change.
    let set = BTreeMap::from([(public(2), Arc::new(asked.clone()))]);
    let endpoint = |places: &Places| match DevicePatch::of_peers(&[].into(), &set, places).peers[..]
    {
        [PeerPatch::Set { endpoint, .. }] => endpoint,
        _ => panic!("one peer"),
    };
    assert_eq!(endpoint(&Places::new()), asked.endpoint);
    let place = asked.endpoint.unwrap();
    assert_eq!(endpoint(&Places::from([(public(2), place)])), None);
    let other = roamed.endpoint.unwrap();
    assert_eq!(endpoint(&Places::from([(public(2), other)])), Some(place));
}

#[test]
fn removed_preshared_key_is_sent_as_zeros() {
    let keyed = DevicePeer {
        preshared_key: Some(PresharedKey::from_bytes([3; 32])),
        ..DevicePeer::default()
    };
    let patch = PeerPatch::between(public(2), &keyed, &peer_spec(&[]), None, false).unwrap();
    let piece = patch.pieces().remove(0);
    let expected = [vec![2; 32], header(36, 2), vec![0; 32]].concat();
    assert_eq!(piece.nla_payload().as_ref()[4..], expected);
}
