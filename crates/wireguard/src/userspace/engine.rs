//! The data plane without input or output: datagrams and packets go in, datagrams and packets come out.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use boringtun::noise::errors::WireGuardError as NoiseError;
use boringtun::noise::{Packet, Tunn, TunnResult};
use cell_model::Timestamp;
use cell_model::key::PrivateKey;
use cell_model::spec::WireGuardSpec;
use cell_model::status::{WireGuardBackend, WireGuardStatus};

use super::command::{Command, Reply};
use super::identity::{COOKIE_REPLY_SIZE, Identity};
use super::peer::Peer;
use super::routes::PeerIndex;
use super::table::Table;

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
    table: Table,
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
            table: Table::default(),
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
            Command::PatchPeers { .. } if self.interface.is_none() => Reply::NotReady,
            Command::PatchPeers { remove, set } => Reply::Done {
                peers: self.table.patch(&remove, &set, self.now),
            },
            Command::Status => Reply::Status(self.status()),
            Command::Peers(keys) => Reply::Peers(
                keys.iter()
                    .filter_map(|key| self.table.status(key))
                    .collect(),
            ),
        }
    }

    fn ensure(&mut self, spec: &WireGuardSpec) -> usize {
        let identity = match self.interface.take() {
            Some(interface) if interface.private_key == spec.private_key => interface.identity,
            _ => {
                self.table.forget_sessions();
                Identity::new(&spec.private_key)
            }
        };
        self.interface = Some(Interface {
            name: spec.interface.to_string(),
            listen_port: spec.listen_port,
            private_key: spec.private_key.clone(),
            identity,
        });
        let gone = self.table.strangers(&spec.peers);
        self.table.patch(&gone, &spec.peers, self.now)
    }

    fn status(&self) -> Option<WireGuardStatus> {
        let interface = self.interface.as_ref()?;
        Some(WireGuardStatus {
            backend: WireGuardBackend::Userspace,
            interface: interface.name.clone(),
            listen_port: interface.listen_port,
            public_key: Some(interface.identity.public_key()),
            peers: self.table.statuses(),
        })
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
                .and_then(|key| self.table.index(&key)),
            Packet::HandshakeResponse(response) => Some(response.receiver_idx >> 8),
            Packet::PacketCookieReply(reply) => Some(reply.receiver_idx >> 8),
            Packet::PacketData(data) => Some(data.receiver_idx >> 8),
        };
        let Some((index, peer)) =
            index.and_then(|index| Some((index, self.table.peers.get_mut(&index)?)))
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
                let inner = match result {
                    TunnResult::WriteToTunnelV4(inner, from) => Some((inner, IpAddr::V4(from))),
                    TunnResult::WriteToTunnelV6(inner, from) => Some((inner, IpAddr::V6(from))),
                    // An empty packet that keeps the path open.
                    _ => None,
                };
                if let Some((inner, from)) = inner
                    && self.table.routes.peer_of(from) == Some(index)
                {
                    outlet.to_tunnel(inner);
                }
                if peer.unconfirmed == Some(data.receiver_idx) {
                    peer.unconfirmed = None;
                    peer.latest_handshake = Some(self.wall);
                    flush(peer, source, self.now, &mut self.scratch, outlet);
                }
            }
            _ => {}
        }
        self.table.activate(index);
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
            .and_then(|address| self.table.routes.peer_of(address))
            .and_then(|index| Some((index, self.table.peers.get_mut(&index)?)));
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
        self.table.activate(index);
    }

    /// Time has passed. To be called every 250 ms: retries, renews and ends sessions, keeps paths open.
    pub fn tick(&mut self, now: Instant, wall: Timestamp, outlet: &mut impl Outlet) {
        self.now = now;
        self.wall = wall;
        let Some(Interface { identity, .. }) = &self.interface else {
            return;
        };
        identity.tick();
        let (peers, scratch) = (&mut self.table.peers, &mut self.scratch);
        self.table.active.retain(|&index| {
            peers.get_mut(&index).is_some_and(|peer| {
                peer.active = tick(peer, index, identity, now, scratch, outlet);
                peer.active
            })
        });
    }

    /// How many peers have running timers.
    pub fn active_peers(&self) -> usize {
        self.table.active.len()
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
    let endpoint = peer.endpoint;
    let mut send = |peer: &mut Peer, result: TunnResult<'_>| {
        if let (TunnResult::WriteToNetwork(datagram), Some(endpoint)) = (result, endpoint) {
            peer.sent(datagram, now);
            outlet.to_network(endpoint, datagram);
        }
    };
    let mut expired = false;
    match peer.tunn().map(|tunn| tunn.update_timers(scratch)) {
        None | Some(TunnResult::Err(NoiseError::ConnectionExpired)) => expired = true,
        Some(result) => send(peer, result),
    }
    if peer.take_due_keepalive(now) {
        // Without a session an empty packet would only join the queue.
        let has_session = peer.has_session();
        let tunn = peer.awake(index, identity, scratch);
        let result = if has_session {
            tunn.encapsulate(&[], scratch)
        } else {
            tunn.format_handshake_initiation(scratch, false)
        };
        send(peer, result);
    }
    !expired || peer.keeps_path_open()
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

/// The number by which the sender of a handshake message knows the session (bytes 4 to 7, little endian).
fn sender_index(message: &[u8]) -> Option<u32> {
    let bytes = message.get(4..8)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}
