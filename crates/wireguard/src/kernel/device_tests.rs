use super::*;
use crate::kernel::patch::{Attribute, attribute, nest};

fn v4_network(last: u8) -> Attribute {
    nest(
        0,
        &[
            attribute(allowed::FAMILY, AF_INET),
            attribute(allowed::ADDRESS, [10, 8, 0, last].as_slice()),
            attribute(allowed::PREFIX, 32_u8),
        ],
    )
}

fn message(attributes: impl IntoIterator<Item = Attribute>) -> GenlBuffer<u16, Buffer> {
    attributes.into_iter().collect()
}

#[test]
fn dump_is_pieced_together_from_several_messages() {
    let key = |byte| attribute(peer::PUBLIC_KEY, [byte; 32].as_slice());
    let address: Vec<u8> = [vec![2, 0, 0xca, 0x6c, 192, 0, 2, 7], vec![0; 8]].concat();
    let handshake = [1_700_000_000_i64.to_ne_bytes(), 5_i64.to_ne_bytes()].concat();
    let first = nest(
        0,
        &[
            key(2),
            attribute(peer::PRESHARED_KEY, [3; 32].as_slice()),
            attribute(peer::ENDPOINT, address.as_slice()),
            attribute(peer::KEEPALIVE, 25_u16),
            attribute(peer::LAST_HANDSHAKE, handshake.as_slice()),
            attribute(peer::RX_BYTES, 1000_u64),
            attribute(peer::TX_BYTES, 2000_u64),
            // WGPEER_A_PROTOCOL_VERSION, which we do not need.
            attribute(10, 1_u32),
            nest(peer::ALLOWEDIPS, &[v4_network(2)]),
        ],
    );
    let rest = nest(0, &[key(2), nest(peer::ALLOWEDIPS, &[v4_network(3)])]);
    let other = nest(
        0,
        &[key(4), attribute(peer::PRESHARED_KEY, [0; 32].as_slice())],
    );

    let mut device = Device::default();
    device.read(&message([
        attribute(device::PUBLIC_KEY, [9; 32].as_slice()),
        attribute(device::LISTEN_PORT, 51820_u16),
        nest(device::PEERS, &[first]),
    ]));
    device.read(&message([nest(device::PEERS, &[rest, other])]));

    let status = device.status(&"wg0".parse().unwrap());
    assert_eq!(status.public_key, Some(PublicKey::from_bytes([9; 32])));
    assert_eq!(status.listen_port, 51820);
    assert_eq!(status.peers.len(), 2);
    let seen = &status.peers[0];
    assert_eq!(seen.endpoint, Some("192.0.2.7:51820".parse().unwrap()));
    assert_eq!(
        seen.latest_handshake,
        Some("2023-11-14T22:13:20.000000005Z".parse().unwrap())
    );
    assert_eq!((seen.received_bytes, seen.sent_bytes), (1000, 2000));
    let networks: Vec<IpNet> = ["10.8.0.2/32", "10.8.0.3/32"]
        .map(|text| text.parse().unwrap())
        .into();
    assert_eq!(seen.allowed_ips, networks);
    assert_eq!(status.peers[1].latest_handshake, None);

    let peers: Vec<_> = device.peers.values().collect();
    assert_eq!(peers[0].keepalive, 25);
    assert_eq!(
        peers[0].preshared_key,
        Some(PresharedKey::from_bytes([3; 32]))
    );
    assert_eq!(peers[1].preshared_key, None, "all zeros stand for none");
}

#[test]
fn peer_that_never_shook_hands_has_no_time() {
    assert_eq!(time(&[0; 16]), None);
    assert_eq!(time(&[1; 4]), None);
}

#[test]
fn what_is_cut_short_is_left_out() {
    let mut device = Device::default();
    device.read(&message([
        attribute(device::PUBLIC_KEY, [9; 31].as_slice()),
        nest(
            device::PEERS,
            &[nest(0, &[attribute(peer::PUBLIC_KEY, [2; 8].as_slice())])],
        ),
        attribute(device::PEERS, [0xff, 0xff, 0].as_slice()),
    ]));
    assert_eq!(device, Device::default());
    assert_eq!(socket_address(&[2, 0, 1]), None);
    assert_eq!(socket_address(&[99, 0, 1, 2, 3, 4, 5, 6]), None);
}
