//! What was seen of the system.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::ImageDigest;
use crate::key::PublicKey;
use crate::name::DnsLabel;

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As asked.
    Ok,
    /// On its way.
    Pending,
    /// Not as asked; the detail says why.
    Failed,
    /// Not looked at yet.
    Unknown,
}

impl State {
    /// The word shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// The parts of the box, in the order they come up.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Packet filter and NAT.
    Firewall,
    /// Addresses, routes, forwarding.
    Network,
    /// The VPN interface.
    Wireguard,
    /// Keys and certificates.
    Vault,
    /// The name server.
    Dns,
    /// Ways out to the internet beside the uplink.
    Exits,
    /// The admin listener.
    Web,
    /// Being found by name at home.
    Mdns,
    /// Services in containers.
    Containers,
    /// The reverse proxy before their pages.
    Proxy,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Firewall,
        Self::Network,
        Self::Wireguard,
        Self::Vault,
        Self::Dns,
        Self::Exits,
        Self::Web,
        Self::Mdns,
        Self::Containers,
        Self::Proxy,
    ];

    /// The word in paths and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firewall => "firewall",
            Self::Network => "network",
            Self::Wireguard => "wireguard",
            Self::Vault => "vault",
            Self::Dns => "dns",
            Self::Exits => "exits",
            Self::Web => "web",
            Self::Mdns => "mdns",
            Self::Containers => "containers",
            Self::Proxy => "proxy",
        }
    }

    /// Whether the box is as asked only if this part is. Without being found by name it is reached by its address, and
    /// that another device has the name is nothing a change of settings could be blamed for. Services take minutes to
    /// come up on a slow board, and nothing else waits for them. Who leaves by a way that is not there is kept in.
    pub fn is_essential(self) -> bool {
        !matches!(
            self,
            Self::Exits | Self::Mdns | Self::Containers | Self::Proxy
        )
    }

    /// The part with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == word)
    }
}

/// One line of the status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemStatus {
    /// Which part.
    pub id: String,
    /// How it is.
    pub state: State,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// What, in a sentence.
    pub detail: String,
}

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// How it is.
    pub state: State,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// What, in a sentence.
    pub detail: String,
    /// The number of the data that what is told here works on: another one after an update.
    pub data: u32,
}

/// How far that is which a service becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStatus {
    /// The images that this is told of.
    pub images: BTreeSet<ImageDigest>,
    /// `Ok`: all are here. `Failed`: they do not come; that is tried again.
    pub state: State,
    /// What, in a sentence.
    pub detail: String,
    /// Why they do not come, while that is so.
    pub obstacle: Option<Obstacle>,
}

/// Why images do not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What went wrong, to be put into a sentence.
    pub why: String,
    /// Nobody was reached, or the connection broke: that says nothing of what is asked for.
    pub is_network: bool,
}

/// Who carries the WireGuard packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WireGuardBackend {
    /// The kernel's module.
    Kernel,
    /// Our own process.
    Userspace,
}

/// The VPN interface as seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireGuardStatus {
    /// Who carries the packets.
    pub backend: WireGuardBackend,
    /// Its name.
    pub interface: String,
    /// UDP port.
    pub listen_port: u16,
    /// Its key.
    pub public_key: Option<PublicKey>,
    /// Its peers.
    pub peers: Vec<WireGuardPeerStatus>,
}

/// One peer as seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireGuardPeerStatus {
    /// Its key.
    pub public_key: PublicKey,
    /// Where it was last heard from.
    pub endpoint: Option<SocketAddr>,
    /// Networks that are sent to it.
    pub allowed_ips: Vec<ipnet::IpNet>,
    /// When it last shook hands.
    pub latest_handshake: Option<Timestamp>,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Bytes sent to it.
    pub sent_bytes: u64,
}

/// How a way out to the internet is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExitStatus {
    /// `Ok`: it leads out.
    pub state: State,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// What, in a sentence.
    pub detail: String,
    /// How long a name server out there takes to answer by this way, the connection included; `None` while it leads nowhere.
    #[schemars(with = "Option<f64>")]
    pub latency: Option<Duration>,
    /// Where its other end is called, where that has a name.
    #[serde(default)]
    pub place: Option<IpAddr>,
}

/// The name server as seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsStatus {
    /// The serial of the zone in service.
    pub serial: Option<u32>,
    /// Names of devices and services in service.
    pub names: usize,
    /// Questions since the process started.
    pub queries: u64,
    /// Of these, answered from the cell's own zone.
    pub local: u64,
    /// Of these, passed on or answered from the cache.
    pub forwarded: u64,
    /// Of these, refused.
    pub refused: u64,
}

/// Being found by name, as seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MdnsStatus {
    /// Nobody asked for it.
    #[default]
    Idle,
    /// It finds out whether somebody else has the name.
    Probing,
    /// It answers.
    Answering {
        /// To `<label>.local`.
        label: DnsLabel,
    },
    /// Others have the name and all its alternatives.
    Taken,
}
