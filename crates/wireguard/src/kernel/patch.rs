//! A change of a kernel device: what to change, and the messages that say so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cell_model::key::{PresharedKey, PrivateKey, PublicKey};
use cell_model::name::InterfaceName;
use cell_model::spec::{WireGuardPeerSpec, WireGuardSpec};
use ipnet::IpNet;
use neli::Size;
use neli::ToBytes;
use neli::genl::{AttrTypeBuilder, Nlattr, NlattrBuilder};
use neli::types::{Buffer, GenlBuffer};

use super::Places;
use super::device::{Device, DevicePeer};
use super::uapi::{AF_INET, AF_INET6, allowed, device, peer};

/// An attribute as it goes over the socket.
pub(super) type Attribute = Nlattr<u16, Buffer>;

/// Bytes of attributes in one message. An attribute cannot be longer than 64 KiB and all peers of a message are in
/// one; far below that, a message fits the default send buffer of any system several times.
const MESSAGE_LIMIT: usize = 16 * 1024;

/// Networks of a peer in one piece: at most 40 bytes each, so a piece always fits a message.
const NETWORKS_IN_A_PIECE: usize = 256;

/// What to change. What is not named stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DevicePatch {
    pub(super) private_key: Option<PrivateKey>,
    pub(super) listen_port: Option<u16>,
    /// In this order.
    pub(super) peers: Vec<PeerPatch>,
}

/// What to change of one peer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PeerPatch {
    Remove(PublicKey),
    Set {
        key: PublicKey,
        /// `Some(None)` takes the key away.
        preshared_key: Option<Option<PresharedKey>>,
        endpoint: Option<SocketAddr>,
        /// In seconds; 0 is off.
        keepalive: Option<u16>,
        /// All its networks.
        allowed_ips: Option<BTreeSet<IpNet>>,
    },
}

impl DevicePatch {
    /// What makes a device be as the spec says, where peers were said to be in these places.
    pub(super) fn between(device: &Device, spec: &WireGuardSpec, places: &Places) -> Self {
        let gone = device
            .peers
            .keys()
            .filter(|key| !spec.peers.contains_key(key))
            .map(|key| PeerPatch::Remove(*key));
        // Who is only called is where it was said to be.
        let is_called = spec.exit.is_some();
        let other = spec
            .peers
            .iter()
            .filter_map(|(key, spec)| match device.peers.get(key) {
                Some(peer) => PeerPatch::between(*key, peer, spec, places.get(key), is_called),
                None => Some(PeerPatch::whole(*key, spec)),
            });
        Self {
            private_key: (device.public_key != Some(spec.private_key.public_key()))
                .then(|| spec.private_key.clone()),
            // The kernel takes any that is free when it is told none.
            listen_port: (spec.listen_port != 0 && device.listen_port != spec.listen_port)
                .then_some(spec.listen_port),
            peers: gone.chain(other).collect(),
        }
    }

    /// Some peers, whatever they are now, but that one that has roamed stays where it is.
    pub(super) fn of_peers(
        remove: &BTreeSet<PublicKey>,
        set: &BTreeMap<PublicKey, Arc<WireGuardPeerSpec>>,
        places: &Places,
    ) -> Self {
        let gone = remove.iter().map(|key| PeerPatch::Remove(*key));
        let whole = set.iter().map(|(key, spec)| {
            let mut patch = PeerPatch::whole(*key, spec);
            if let PeerPatch::Set { endpoint, .. } = &mut patch {
                *endpoint = endpoint.filter(|place| places.get(key) != Some(place));
            }
            patch
        });
        Self {
            peers: gone.chain(whole).collect(),
            ..Self::default()
        }
    }

    /// Whether there is nothing to change.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The attributes of the messages to send, in this order. Each has room for all of its own.
    pub(super) fn messages(&self, interface: &InterfaceName) -> Vec<GenlBuffer<u16, Buffer>> {
        let name = attribute(device::IFNAME, interface.as_str());
        let mut head = vec![name.clone()];
        if let Some(key) = &self.private_key {
            head.push(attribute(device::PRIVATE_KEY, key.expose().as_slice()));
        }
        if let Some(port) = self.listen_port {
            head.push(attribute(device::LISTEN_PORT, port));
        }
        let mut messages = Vec::new();
        let mut room = MESSAGE_LIMIT;
        let mut pieces = Vec::new();
        for piece in self.peers.iter().flat_map(PeerPatch::pieces) {
            if piece.padded_size() > room {
                messages.push(message(head, &pieces));
                head = vec![name.clone()];
                pieces.clear();
                room = MESSAGE_LIMIT;
            }
            room -= piece.padded_size();
            pieces.push(piece);
        }
        messages.push(message(head, &pieces));
        messages
    }
}

impl PeerPatch {
    fn whole(key: PublicKey, spec: &WireGuardPeerSpec) -> Self {
        Self::Set {
            key,
            preshared_key: Some(spec.preshared_key.clone()),
            endpoint: spec.endpoint,
            keepalive: Some(spec.keepalive.unwrap_or(0)),
            allowed_ips: Some(spec.allowed_ips.clone()),
        }
    }

    /// The endpoint is set only where there is none, or it was said to be another: a peer that has roamed is where it was last
    /// heard from.
    fn between(
        key: PublicKey,
        peer: &DevicePeer,
        spec: &WireGuardPeerSpec,
        place: Option<&SocketAddr>,
        is_called: bool,
    ) -> Option<Self> {
        let asked: BTreeSet<IpNet> = spec.allowed_ips.iter().map(IpNet::trunc).collect();
        let preshared_key =
            (peer.preshared_key != spec.preshared_key).then(|| spec.preshared_key.clone());
        let endpoint = spec.endpoint.filter(|endpoint| {
            let is_elsewhere = peer.endpoint.as_ref() != Some(endpoint);
            let was_elsewhere = place.is_some_and(|place| place != endpoint);
            peer.endpoint.is_none() || was_elsewhere || (is_called && is_elsewhere)
        });
        let keepalive = spec.keepalive.unwrap_or(0);
        let keepalive = (peer.keepalive != keepalive).then_some(keepalive);
        let allowed_ips = (peer.allowed_ips != asked).then_some(asked);
        let changed = preshared_key.is_some()
            || endpoint.is_some()
            || keepalive.is_some()
            || allowed_ips.is_some();
        changed.then_some(Self::Set {
            key,
            preshared_key,
            endpoint,
            keepalive,
            allowed_ips,
        })
    }

    /// The peer in pieces that each fit a message. Pieces after the first only add networks.
    fn pieces(&self) -> Vec<Attribute> {
        let (key, preshared_key, endpoint, keepalive, allowed_ips) = match self {
            Self::Remove(key) => {
                return vec![nest(
                    LIST_ITEM,
                    &[public_key(key), attribute(peer::FLAGS, peer::REMOVE_ME)],
                )];
            }
            Self::Set {
                key,
                preshared_key,
                endpoint,
                keepalive,
                allowed_ips,
            } => (key, preshared_key, endpoint, keepalive, allowed_ips),
        };
        let mut head = vec![public_key(key)];
        if let Some(key) = preshared_key {
            // All zeros stand for none.
            let bytes = key.as_ref().map_or(&[0; 32], PresharedKey::expose);
            head.push(attribute(peer::PRESHARED_KEY, bytes.as_slice()));
        }
        if allowed_ips.is_some() {
            head.push(attribute(peer::FLAGS, peer::REPLACE_ALLOWEDIPS));
        }
        if let Some(endpoint) = endpoint {
            head.push(attribute(
                peer::ENDPOINT,
                socket_address(*endpoint).as_slice(),
            ));
        }
        if let Some(seconds) = keepalive {
            head.push(attribute(peer::KEEPALIVE, *seconds));
        }
        let networks: Vec<Attribute> = allowed_ips.iter().flatten().map(network).collect();
        let mut pieces = Vec::new();
        for chunk in networks.chunks(NETWORKS_IN_A_PIECE) {
            head.push(nest(peer::ALLOWEDIPS, chunk));
            pieces.push(nest(LIST_ITEM, &head));
            head = vec![public_key(key)];
        }
        if pieces.is_empty() {
            pieces.push(nest(LIST_ITEM, &head));
        }
        pieces
    }
}

/// Items of a list have no type of their own.
const LIST_ITEM: u16 = 0;

fn message(mut head: Vec<Attribute>, pieces: &[Attribute]) -> GenlBuffer<u16, Buffer> {
    if !pieces.is_empty() {
        head.push(nest(device::PEERS, pieces));
    }
    head.into_iter().collect()
}

fn public_key(key: &PublicKey) -> Attribute {
    attribute(peer::PUBLIC_KEY, key.as_bytes().as_slice())
}

fn network(network: &IpNet) -> Attribute {
    let prefix = attribute(allowed::PREFIX, network.prefix_len());
    let (family, address) = match network.network() {
        IpAddr::V4(address) => (
            AF_INET,
            attribute(allowed::ADDRESS, address.octets().as_slice()),
        ),
        IpAddr::V6(address) => (
            AF_INET6,
            attribute(allowed::ADDRESS, address.octets().as_slice()),
        ),
    };
    nest(
        LIST_ITEM,
        &[attribute(allowed::FAMILY, family), address, prefix],
    )
}

/// `struct sockaddr_in` or `struct sockaddr_in6`: family in host order, port and address in network order.
fn socket_address(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(28);
    match address {
        SocketAddr::V4(address) => {
            bytes.extend(AF_INET.to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.extend([0; 8]);
        }
        SocketAddr::V6(address) => {
            bytes.extend(AF_INET6.to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.flowinfo().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.extend(address.scope_id().to_ne_bytes());
        }
    }
    bytes
}

/// One attribute. The length of what comes here is bounded by [`MESSAGE_LIMIT`].
pub(super) fn attribute(kind: u16, payload: impl Size + ToBytes) -> Attribute {
    let kind = AttrTypeBuilder::default()
        .nla_type(kind)
        .build()
        .expect("the type is set");
    NlattrBuilder::default()
        .nla_type(kind)
        .nla_payload(payload)
        .build()
        .expect("type and payload are set, and plain bytes always serialise")
}

/// An attribute made of attributes.
pub(super) fn nest(kind: u16, children: &[Attribute]) -> Attribute {
    let empty: &[u8] = &[];
    children
        .iter()
        .try_fold(attribute(kind, empty), Nlattr::nest)
        .expect("plain bytes always serialise")
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
