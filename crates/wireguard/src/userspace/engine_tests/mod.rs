//! Two engines back to back, without a network between them.

mod changes;
mod garbage;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cell_model::Timestamp;
use cell_model::key::{PresharedKey, PrivateKey, PublicKey};
use cell_model::spec::{WireGuardPeerSpec, WireGuardSpec};
use cell_model::status::WireGuardPeerStatus;

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
        routes: BTreeSet::new(),
        exit: None,
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
