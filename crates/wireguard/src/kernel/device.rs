//! A kernel device as a dump shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use cell_model::Timestamp;
use cell_model::key::{PresharedKey, PublicKey};
use cell_model::name::InterfaceName;
use cell_model::status::{WireGuardBackend, WireGuardPeerStatus, WireGuardStatus};
use ipnet::IpNet;
use neli::genl::Nlattr;
use neli::types::{Buffer, GenlBuffer};

use super::uapi::{AF_INET, AF_INET6, allowed, device, peer};

/// A device, pieced together from the messages of a dump.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) public_key: Option<PublicKey>,
    pub(super) listen_port: u16,
    pub(super) peers: BTreeMap<PublicKey, DevicePeer>,
}

/// One of its peers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DevicePeer {
    pub(super) preshared_key: Option<PresharedKey>,
    pub(super) endpoint: Option<SocketAddr>,
    /// In seconds; 0 is off.
    pub(super) keepalive: u16,
    pub(super) latest_handshake: Option<Timestamp>,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    pub(super) allowed_ips: BTreeSet<IpNet>,
}

impl Device {
    /// Takes one message of a dump in. A peer with many networks goes on in the next message, which then has its key
    /// and further networks alone. What is not understood is left out: newer kernels may say more.
    pub(super) fn read(&mut self, attributes: &GenlBuffer<u16, Buffer>) {
        for attribute in attributes.iter() {
            let payload = attribute.nla_payload().as_ref();
            match kind(attribute) {
                device::PUBLIC_KEY => self.public_key = array(payload).map(PublicKey::from_bytes),
                device::LISTEN_PORT => {
                    self.listen_port = array(payload).map_or(0, u16::from_ne_bytes);
                }
                device::PEERS => {
                    for peer in children(attribute) {
                        self.read_peer(&peer);
                    }
                }
                _ => {}
            }
        }
    }

    fn read_peer(&mut self, attribute: &Nlattr<u16, Buffer>) {
        let attributes = children(attribute);
        let key = attributes
            .iter()
            .find(|attribute| kind(attribute) == peer::PUBLIC_KEY)
            .and_then(|attribute| array(attribute.nla_payload().as_ref()));
        let Some(key) = key else { return };
        let known = self.peers.entry(PublicKey::from_bytes(key)).or_default();
        for attribute in &attributes {
            known.read(attribute);
        }
    }

    /// The device as others see it.
    pub(super) fn status(&self, interface: &InterfaceName) -> WireGuardStatus {
        WireGuardStatus {
            backend: WireGuardBackend::Kernel,
            interface: interface.to_string(),
            listen_port: self.listen_port,
            public_key: self.public_key,
            peers: self
                .peers
                .iter()
                .map(|(key, peer)| WireGuardPeerStatus {
                    public_key: *key,
                    endpoint: peer.endpoint,
                    allowed_ips: peer.allowed_ips.iter().copied().collect(),
                    latest_handshake: peer.latest_handshake,
                    received_bytes: peer.received_bytes,
                    sent_bytes: peer.sent_bytes,
                })
                .collect(),
        }
    }
}

impl DevicePeer {
    fn read(&mut self, attribute: &Nlattr<u16, Buffer>) {
        let payload = attribute.nla_payload().as_ref();
        match kind(attribute) {
            peer::PRESHARED_KEY => {
                self.preshared_key = array(payload)
                    .filter(|bytes| *bytes != [0; 32])
                    .map(PresharedKey::from_bytes);
            }
            peer::ENDPOINT => self.endpoint = socket_address(payload),
            peer::KEEPALIVE => self.keepalive = array(payload).map_or(0, u16::from_ne_bytes),
            peer::LAST_HANDSHAKE => self.latest_handshake = time(payload),
            peer::RX_BYTES => self.received_bytes = array(payload).map_or(0, u64::from_ne_bytes),
            peer::TX_BYTES => self.sent_bytes = array(payload).map_or(0, u64::from_ne_bytes),
            peer::ALLOWEDIPS => {
                let networks = children(attribute);
                self.allowed_ips
                    .extend(networks.iter().filter_map(|item| network(&children(item))));
            }
            _ => {}
        }
    }
}

fn kind(attribute: &Nlattr<u16, Buffer>) -> u16 {
    *attribute.nla_type().nla_type()
}

/// Attributes inside an attribute; none when it does not hold any.
fn children(attribute: &Nlattr<u16, Buffer>) -> Vec<Nlattr<u16, Buffer>> {
    attribute
        .get_attr_handle::<u16>()
        .map(|handle| handle.iter().cloned().collect())
        .unwrap_or_default()
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn network(attributes: &[Nlattr<u16, Buffer>]) -> Option<IpNet> {
    let find = |wanted| {
        attributes
            .iter()
            .find(|attribute| kind(attribute) == wanted)
            .map(|attribute| attribute.nla_payload().as_ref())
    };
    let prefix: [u8; 1] = array(find(allowed::PREFIX)?)?;
    let bytes = find(allowed::ADDRESS)?;
    let address: IpAddr = match u16::from_ne_bytes(array(find(allowed::FAMILY)?)?) {
        AF_INET => Ipv4Addr::from(array::<4>(bytes)?).into(),
        AF_INET6 => Ipv6Addr::from(array::<16>(bytes)?).into(),
        _ => return None,
    };
    IpNet::new(address, prefix[0]).ok()
}

/// `struct sockaddr_in` or `struct sockaddr_in6`.
fn socket_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(array(bytes.get(..2)?)?);
    let port = u16::from_be_bytes(array(bytes.get(2..4)?)?);
    match family {
        AF_INET => {
            let address = Ipv4Addr::from(array::<4>(bytes.get(4..8)?)?);
            Some(SocketAddr::new(address.into(), port))
        }
        AF_INET6 => {
            let address = Ipv6Addr::from(array::<16>(bytes.get(8..24)?)?);
            let scope = u32::from_ne_bytes(array(bytes.get(24..28)?)?);
            Some(SocketAddrV6::new(address, port, 0, scope).into())
        }
        _ => None,
    }
}

/// `struct __kernel_timespec`: seconds and nanoseconds, 64 bits each. Zero: never.
fn time(bytes: &[u8]) -> Option<Timestamp> {
    let seconds = i64::from_ne_bytes(array(bytes.get(..8)?)?);
    let nanoseconds = i64::from_ne_bytes(array(bytes.get(8..16)?)?);
    if seconds == 0 && nanoseconds == 0 {
        return None;
    }
    Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
