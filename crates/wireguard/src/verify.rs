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
    if status.listen_port != spec.listen_port {
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
