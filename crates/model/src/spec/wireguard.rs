//! The VPN interface and tunnels that lead out, complete.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::config::ExitSlot;
use crate::key::{PresharedKey, PrivateKey, PublicKey, exposed_preshared, exposed_private};
use crate::name::InterfaceName;

/// One WireGuard interface. Serialises with its keys: between processes of the box only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireGuardSpec {
    /// Its name.
    pub interface: InterfaceName,
    /// Its key.
    #[serde(serialize_with = "exposed_private")]
    pub private_key: PrivateKey,
    /// UDP port; 0: any.
    pub listen_port: u16,
    /// Largest packet inside the tunnel, in bytes.
    pub mtu: u32,
    /// Its own addresses with their prefix lengths.
    pub addresses: BTreeSet<IpNet>,
    /// Networks of peers that are not on the wire of its addresses: they are reached by this interface.
    #[serde(default)]
    pub routes: BTreeSet<IpNet>,
    /// The way out that it is: its routes are in that one's table, which is for packets with that one's mark, and for what
    /// names the interface. `None`: they are for all.
    #[serde(default)]
    pub exit: Option<ExitSlot>,
    /// Who may connect, by key.
    pub peers: BTreeMap<PublicKey, Arc<WireGuardPeerSpec>>,
}

/// Tunnels that lead out, each by an interface of its own: whoever uses one calls its other end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelsSpec(pub BTreeMap<InterfaceName, Arc<WireGuardSpec>>);

/// One peer of an interface. Serialises with its key: between processes of the box only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireGuardPeerSpec {
    /// A key both ends share besides their own.
    #[serde(serialize_with = "exposed_preshared")]
    pub preshared_key: Option<PresharedKey>,
    /// Addresses it may use as source, and that are sent to it.
    pub allowed_ips: BTreeSet<IpNet>,
    /// Where it is, when we are the ones to call.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between packets that keep the path open.
    pub keepalive: Option<u16>,
}

impl WireGuardPeerSpec {
    /// Whether it is another box, and not a device: the path to one is kept open.
    pub fn is_box(&self) -> bool {
        self.keepalive.is_some()
    }
}
