//! Compares what a step asked for with what is seen.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::key::PublicKey;
use cell_model::spec::{WireGuardPeerSpec, WireGuardSpec};
use cell_model::status::{WireGuardPeerStatus, WireGuardStatus};
use ipnet::IpNet;

/// The first difference that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The interface should exist.
    #[error("the interface does not exist")]
    Missing,
    /// The interface should be gone.
    #[error("the interface still exists")]
    Present,
    /// Another port.
    #[error("it listens to port {found}, not to {asked}")]
    Port {
        /// As asked.
        asked: u16,
        /// As seen.
        found: u16,
    },
    /// Another key.
    #[error("it has another key")]
    Key,
    /// It is not up.
    #[error("it is down")]
    Down,
    /// Another MTU.
    #[error("its MTU is {found}, not {asked}")]
    Mtu {
        /// As asked, in bytes.
        asked: u32,
        /// As seen.
        found: u32,
    },
    /// Other addresses.
    #[error("it has other addresses")]
    Addresses,
    /// A route should be there. Another one to the same network keeps it out.
    #[error("the route to {0} is missing")]
    RouteMissing(IpNet),
    /// A route should be gone.
    #[error("the route to {0} is still there")]
    RoutePresent(IpNet),
    /// Which packets go by which tunnel.
    #[error("the rules of who goes by which tunnel are others")]
    Rules,
    /// A peer should be there.
    #[error("peer {0} is missing")]
    PeerMissing(PublicKey),
    /// A peer should be gone.
    #[error("peer {0} is still there")]
    PeerPresent(PublicKey),
    /// A peer has other networks.
    #[error("peer {0} has other allowed addresses")]
    AllowedIps(PublicKey),
}

/// The whole interface against its spec. The endpoint is left out: peers roam.
pub(crate) fn interface(spec: &WireGuardSpec, status: &WireGuardStatus) -> Result<(), Mismatch> {
    if spec.listen_port != 0 && status.listen_port != spec.listen_port {
        return Err(Mismatch::Port {
            asked: spec.listen_port,
            found: status.listen_port,
        });
    }
    if status.public_key != Some(spec.private_key.public_key()) {
        return Err(Mismatch::Key);
    }
    let stranger = status
        .peers
        .iter()
        .find(|peer| !spec.peers.contains_key(&peer.public_key));
    if let Some(stranger) = stranger {
        return Err(Mismatch::PeerPresent(stranger.public_key));
    }
    peers(&BTreeSet::new(), &spec.peers, &status.peers)
}

/// Some peers against a patch. Peers the patch does not name are not looked at.
pub(crate) fn peers<P: std::borrow::Borrow<WireGuardPeerSpec>>(
    remove: &BTreeSet<PublicKey>,
    set: &BTreeMap<PublicKey, P>,
    seen: &[WireGuardPeerStatus],
) -> Result<(), Mismatch> {
    let seen: BTreeMap<_, _> = seen.iter().map(|peer| (&peer.public_key, peer)).collect();
    if let Some(key) = remove
        .iter()
        .find(|key| !set.contains_key(key) && seen.contains_key(key))
    {
        return Err(Mismatch::PeerPresent(*key));
    }
    for (key, spec) in set {
        let peer = seen.get(key).ok_or(Mismatch::PeerMissing(*key))?;
        let asked: BTreeSet<IpNet> = spec.borrow().allowed_ips.iter().map(IpNet::trunc).collect();
        let found: BTreeSet<IpNet> = peer.allowed_ips.iter().map(IpNet::trunc).collect();
        if asked != found {
            return Err(Mismatch::AllowedIps(*key));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cell_model::key::PrivateKey;
    use cell_model::status::WireGuardBackend;

    use super::*;

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes([byte; 32])
    }

    fn peer(byte: u8, network: &str) -> (PublicKey, WireGuardPeerSpec) {
        let spec = WireGuardPeerSpec {
            preshared_key: None,
            allowed_ips: [network.parse().unwrap()].into(),
            endpoint: None,
            keepalive: None,
        };
        (key(byte), spec)
    }

    fn seen(byte: u8, network: &str) -> WireGuardPeerStatus {
        WireGuardPeerStatus {
            public_key: key(byte),
            endpoint: Some("192.0.2.7:1000".parse().unwrap()),
            allowed_ips: vec![network.parse().unwrap()],
            latest_handshake: None,
            received_bytes: 0,
            sent_bytes: 0,
        }
    }

    #[test]
    fn patch_is_compared_with_the_peers_it_names_alone() {
        let set = BTreeMap::from([peer(2, "10.8.0.2/32")]);
        let remove = BTreeSet::from([key(3)]);
        let check = |seen: &[WireGuardPeerStatus]| peers(&remove, &set, seen);
        let right = || seen(2, "10.8.0.2/32");
        assert_eq!(check(&[right(), seen(9, "10.8.0.9/32")]), Ok(()));
        assert_eq!(check(&[]), Err(Mismatch::PeerMissing(key(2))));
        assert_eq!(
            check(&[right(), seen(3, "10.8.0.3/32")]),
            Err(Mismatch::PeerPresent(key(3)))
        );
        assert_eq!(
            check(&[seen(2, "10.8.0.0/24")]),
            Err(Mismatch::AllowedIps(key(2)))
        );
    }

    #[test]
    fn interface_is_compared_with_all_of_its_spec() {
        let private_key = PrivateKey::from_bytes([1; 32]);
        let status = WireGuardStatus {
            backend: WireGuardBackend::Kernel,
            interface: "wg0".to_owned(),
            listen_port: 51820,
            public_key: Some(private_key.public_key()),
            peers: vec![seen(2, "10.8.0.2/32")],
        };
        let (key_2, spec_2) = peer(2, "10.8.0.2/32");
        let spec = WireGuardSpec {
            interface: "wg0".parse().unwrap(),
            private_key,
            listen_port: 51820,
            mtu: 1420,
            addresses: BTreeSet::new(),
            routes: BTreeSet::new(),
            exit: None,
            peers: [(key_2, spec_2.into())].into(),
        };
        assert_eq!(interface(&spec, &status), Ok(()));

        let other_port = WireGuardStatus {
            listen_port: 1,
            ..status.clone()
        };
        let mismatch = Mismatch::Port {
            asked: 51820,
            found: 1,
        };
        assert_eq!(interface(&spec, &other_port), Err(mismatch));
        let no_key = WireGuardStatus {
            public_key: None,
            ..status.clone()
        };
        assert_eq!(interface(&spec, &no_key), Err(Mismatch::Key));
        let mut one_more = status;
        one_more.peers.push(seen(3, "10.8.0.3/32"));
        assert_eq!(
            interface(&spec, &one_more),
            Err(Mismatch::PeerPresent(key(3)))
        );
    }
}
