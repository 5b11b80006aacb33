//! The data plane without input or output: datagrams and packets go in, datagrams and packets come out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use boringtun::noise::errors::WireGuardError as NoiseError;
use boringtun::noise::{Packet, Tunn, TunnResult};
use cell_model::Timestamp;
use cell_model::key::{PrivateKey, PublicKey};
use cell_model::spec::{WireGuardPeerSpec, WireGuardSpec};
use cell_model::status::{WireGuardBackend, WireGuardPeerStatus, WireGuardStatus};

use super::command::{Command, Reply};
use super::identity::{COOKIE_REPLY_SIZE, Identity};
use super::peer::Peer;
use super::routes::{PeerIndex, Routes};

/// The largest datagram or packet that is looked at, in bytes: what fits an IP packet.
pub const LARGEST_PACKET: usize = 65_535;

/// Header and tag of a data message in bytes (WireGuard paper, section 5.4.6).
const DATA_OVERHEAD: usize = 32;

/// Where the engine puts what it has to say.
pub trait Outlet {
    /// A datagram for the network.
    fn to_network(&mut self, destination: SocketAddr, datagram: &[u8]);
    /// An IP packet for this host, from a peer that may use its source address.
    fn to_tunnel(&mut self, packet: &[u8]);
}

/// All peers of one interface.
///
/// Arbitrary input never stops it: what is not understood, not authentic or not allowed is dropped in silence,
/// as WireGuard demands.
pub struct Engine {
    interface: Option<Interface>,
    peers: HashMap<PeerIndex, Peer>,
    indexes: HashMap<PublicKey, PeerIndex>,
    routes: Routes,
    /// Peers whose timers run. The others cost nothing.
    active: HashSet<PeerIndex>,
    /// Turns a count into the next peer's place, so that session numbers do not tell how many peers there are.
    places: RandomState,
    places_given: u64,
    now: Instant,
    wall: Timestamp,
    scratch: Vec<u8>,
}

struct Interface {
    name: String,
    listen_port: u16,
    private_key: PrivateKey,
    identity: Identity,
}

impl Engine {
    /// An engine that drops everything until the first [`Command::Ensure`].
    pub fn new(now: Instant, wall: Timestamp) -> Self {
        Self {
            interface: None,
            peers: HashMap::new(),
            indexes: HashMap::new(),
            routes: Routes::default(),
            active: HashSet::new(),
            places: RandomState::new(),
            places_given: 0,
            now,
            wall,
            scratch: vec![0; LARGEST_PACKET + DATA_OVERHEAD],
        }
    }

    /// Carries a command out.
    pub fn command(&mut self, command: Command) -> Reply {
        match command {
            Command::Ensure(spec) => Reply::Done {
                peers: self.ensure(&spec),
            },
            Command::PatchPeers { remove, set } => {
                if self.interface.is_none() {
                    return Reply::NotReady;
                }
                Reply::Done {
                    peers: self.patch(&remove, &set),
                }
            }
            Command::Status => Reply::Status(self.status()),
            Command::Peers(keys) => Reply::Peers(
                keys.iter()
                    .filter_map(|key| self.indexes.get(key))
                    .filter_map(|&index| self.peer_status(index))
                    .collect(),
            ),
        }
    }

    fn ensure(&mut self, spec: &WireGuardSpec) -> usize {
        let identity = match self.interface.take() {
            Some(interface) if interface.private_key == spec.private_key => interface.identity,
            _ => {
                self.peers.values_mut().for_each(Peer::forget_sessions);
                Identity::new(&spec.private_key)
            }
        };
        self.interface = Some(Interface {
            name: spec.interface.to_string(),
            listen_port: spec.listen_port,
            private_key: spec.private_key.clone(),
            identity,
        });
        let gone: BTreeSet<PublicKey> = self
            .indexes
            .keys()
            .filter(|key| !spec.peers.contains_key(key))
            .copied()
            .collect();
        self.patch(&gone, &spec.peers)
    }

    /// Returns how many peers were added, changed or removed.
    fn patch(
        &mut self,
        remove: &BTreeSet<PublicKey>,
        set: &BTreeMap<PublicKey, Arc<WireGuardPeerSpec>>,
    ) -> usize {
        let removed = remove.iter().filter(|key| self.remove(key)).count();
        // Lost networks are given up before any is taken, so that two peers can swap theirs.
        let changed = set
            .iter()
            .filter(|(key, spec)| self.set(**key, spec))
            .count();
        for (key, spec) in set {
            let Some(&index) = self.indexes.get(key) else {
                continue;
            };
            for network in &spec.allowed_ips {
                self.routes.insert(*network, index);
            }
            if let Some(peer) = self
                .peers
                .get_mut(&index)
                .filter(|peer| peer.keeps_path_open())
            {
                activate(&mut self.active, index, peer);
            }
        }
        removed + changed
    }

    fn remove(&mut self, key: &PublicKey) -> bool {
        let Some(index) = self.indexes.remove(key) else {
            return false;
        };
        if let Some(peer) = self.peers.remove(&index) {
            for network in &peer.spec.allowed_ips {
                self.routes.remove(*network, index);
            }
        }
        true
    }

    /// Takes a peer's settings over but for its networks, of which it only gives up those it loses.
    /// Returns whether anything changed.
    fn set(&mut self, key: PublicKey, spec: &Arc<WireGuardPeerSpec>) -> bool {
        let Some(&index) = self.indexes.get(&key) else {
            let index = self.free_place();
            let peer = Peer::new(key, Arc::clone(spec), self.now);
            self.indexes.insert(key, index);
            self.peers.insert(index, peer);
            return true;
        };
        let Some(peer) = self.peers.get_mut(&index).filter(|peer| peer.spec != *spec) else {
            return false;
        };
        for network in peer.spec.allowed_ips.difference(&spec.allowed_ips) {
            self.routes.remove(*network, index);
        }
        peer.change(Arc::clone(spec), self.now);
        true
    }

    fn free_place(&mut self) -> PeerIndex {
        loop {
            self.places_given += 1;
            // The lower 8 bits of a session number count the sessions of one peer.
            let [a, b, c, ..] = self.places.hash_one(self.places_given).to_le_bytes();
            let index = PeerIndex::from_le_bytes([a, b, c, 0]);
            if !self.peers.contains_key(&index) {
                return index;
            }
        }
    }

    fn status(&self) -> Option<WireGuardStatus> {
        let interface = self.interface.as_ref()?;
        let mut peers: Vec<_> = self
            .peers
            .iter()
            .map(|(&index, peer)| peer.status(index, &self.routes))
            .collect();
        peers.sort_unstable_by_key(|peer| peer.public_key);
        Some(WireGuardStatus {
            backend: WireGuardBackend::Userspace,
            interface: interface.name.clone(),
            listen_port: interface.listen_port,
            public_key: Some(interface.identity.public_key()),
            peers,
        })
    }

    fn peer_status(&self, index: PeerIndex) -> Option<WireGuardPeerStatus> {
        Some(self.peers.get(&index)?.status(index, &self.routes))
    }

    /// A datagram came from the network.
    pub fn from_network(&mut self, datagram: &[u8], source: SocketAddr, outlet: &mut impl Outlet) {
        let Some(Interface { identity, .. }) = &self.interface else {
            return;
        };
        if datagram.len() > LARGEST_PACKET {
            return;
        }
        let mut cookie = [0; COOKIE_REPLY_SIZE];
        let packet = match identity.admit(datagram, source.ip(), &mut cookie) {
            Ok(packet) => packet,
            Err(Some(cookie)) => return outlet.to_network(source, cookie),
            Err(None) => return,
        };
        let index = match &packet {
            Packet::HandshakeInit(initiation) => identity
                .caller(initiation)
                .and_then(|key| self.indexes.get(&key).copied()),
            Packet::HandshakeResponse(response) => Some(response.receiver_idx >> 8),
            Packet::PacketCookieReply(reply) => Some(reply.receiver_idx >> 8),
            Packet::PacketData(data) => Some(data.receiver_idx >> 8),
        };
        let Some((index, peer)) =
            index.and_then(|index| self.peers.get_mut(&index).map(|peer| (index, peer)))
        else {
            return;
        };
        let tunn = match &packet {
            Packet::HandshakeInit(_) => peer.awake(index, identity, &mut self.scratch),
            // Only a peer we have spoken with can answer or send data.
            _ => match peer.tunn() {
                Some(tunn) => tunn,
                None => return,
            },
        };
        match (packet, tunn.decapsulate(None, datagram, &mut self.scratch)) {
            (_, TunnResult::Err(_)) => return,
            (Packet::HandshakeInit(_), TunnResult::WriteToNetwork(response)) => {
                // A replayed first message may get this far after a restart, so the endpoint moves only when the
                // peer uses the session.
                peer.unconfirmed = sender_index(response);
                peer.received_bytes += datagram.len() as u64;
                peer.sent(response, self.now);
                outlet.to_network(source, response);
            }
            (Packet::HandshakeResponse(_), TunnResult::WriteToNetwork(confirmation)) => {
                peer.heard(datagram, source, self.now);
                peer.latest_handshake = Some(self.wall);
                peer.sent(confirmation, self.now);
                outlet.to_network(source, confirmation);
                flush(peer, source, self.now, &mut self.scratch, outlet);
            }
            (Packet::PacketData(data), result) => {
                peer.heard(datagram, source, self.now);
                let sender = match result {
                    TunnResult::WriteToTunnelV4(packet, address) => {
                        Some((packet, IpAddr::V4(address)))
                    }
                    TunnResult::WriteToTunnelV6(packet, address) => {
                        Some((packet, IpAddr::V6(address)))
                    }
                    _ => None,
                };
                if let Some((packet, address)) = sender {
                    if self.routes.peer_of(address) == Some(index) {
                        outlet.to_tunnel(packet);
                    }
                }
                if peer.unconfirmed == Some(data.receiver_idx) {
                    peer.unconfirmed = None;
                    peer.latest_handshake = Some(self.wall);
                    flush(peer, source, self.now, &mut self.scratch, outlet);
                }
            }
            _ => {}
        }
        activate(&mut self.active, index, peer);
    }

    /// This host sends an IP packet into the tunnel.
    pub fn from_tunnel(&mut self, packet: &[u8], outlet: &mut impl Outlet) {
        let Some(Interface { identity, .. }) = &self.interface else {
            return;
        };
        if packet.len() > LARGEST_PACKET {
            return;
        }
        let found = Tunn::dst_address(packet)
            .and_then(|address| self.routes.peer_of(address))
            .and_then(|index| self.peers.get_mut(&index).map(|peer| (index, peer)));
        let Some((index, peer)) = found else { return };
        // Nowhere to send to: queueing would only deliver stale packets when the peer turns up.
        let Some(endpoint) = peer.endpoint else {
            return;
        };
        let tunn = peer.awake(index, identity, &mut self.scratch);
        if let TunnResult::WriteToNetwork(datagram) = tunn.encapsulate(packet, &mut self.scratch) {
            peer.sent(datagram, self.now);
            outlet.to_network(endpoint, datagram);
        }
        activate(&mut self.active, index, peer);
    }

    /// Time has passed. To be called every 250 ms: retries, renews and ends sessions, keeps paths open.
    pub fn tick(&mut self, now: Instant, wall: Timestamp, outlet: &mut impl Outlet) {
        self.now = now;
        self.wall = wall;
        let Some(Interface { identity, .. }) = &self.interface else {
            return;
        };
        identity.tick();
        let (peers, scratch) = (&mut self.peers, &mut self.scratch);
        self.active.retain(|&index| {
            peers.get_mut(&index).is_some_and(|peer| {
                peer.active && tick(peer, index, identity, now, scratch, outlet)
            })
        });
    }

    /// How many peers have running timers.
    pub fn active_peers(&self) -> usize {
        self.active.len()
    }
}

/// One peer's tick. Returns whether it needs another.
fn tick(
    peer: &mut Peer,
    index: PeerIndex,
    identity: &Identity,
    now: Instant,
    scratch: &mut [u8],
    outlet: &mut impl Outlet,
) -> bool {
    let mut expired = peer.tunn().is_none();
    if let Some(tunn) = peer.tunn() {
        match tunn.update_timers(scratch) {
            TunnResult::WriteToNetwork(datagram) => {
                if let Some(endpoint) = peer.endpoint {
                    peer.sent(datagram, now);
                    outlet.to_network(endpoint, datagram);
                }
            }
            TunnResult::Err(NoiseError::ConnectionExpired) => expired = true,
            _ => {}
        }
    }
    if peer.take_due_keepalive(now) {
        let has_session = peer.has_session();
        let endpoint = peer.endpoint;
        let tunn = peer.awake(index, identity, scratch);
        // Without a session an empty packet would only join the queue.
        let result = if has_session {
            tunn.encapsulate(&[], scratch)
        } else {
            tunn.format_handshake_initiation(scratch, false)
        };
        if let (TunnResult::WriteToNetwork(datagram), Some(endpoint)) = (result, endpoint) {
            peer.sent(datagram, now);
            outlet.to_network(endpoint, datagram);
            expired = false;
        }
    }
    peer.active = !expired || peer.keeps_path_open();
    peer.active
}

/// Sends what waited for the session that has just come to be.
fn flush(
    peer: &mut Peer,
    destination: SocketAddr,
    now: Instant,
    scratch: &mut [u8],
    outlet: &mut impl Outlet,
) {
    // An empty datagram asks Tunn for the next waiting packet.
    while let Some(TunnResult::WriteToNetwork(datagram)) =
        peer.tunn().map(|tunn| tunn.decapsulate(None, &[], scratch))
    {
        peer.sent(datagram, now);
        outlet.to_network(destination, datagram);
    }
}

fn activate(active: &mut HashSet<PeerIndex>, index: PeerIndex, peer: &mut Peer) {
    if !peer.active {
        peer.active = true;
        active.insert(index);
    }
}

/// The number by which the sender of a handshake message knows the session (bytes 4 to 7, little endian).
fn sender_index(message: &[u8]) -> Option<u32> {
    let bytes = message.get(4..8)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}
