//! A device on the VPN, as asked for.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::key::PublicKey;
use crate::name::{ServiceId, Username};

/// A kind of service a peer may be let in to (PIC's toggles).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ServiceToggle {
    /// Calendar and contacts.
    Calendar,
    /// Files in the browser.
    Files,
    /// Mail and webmail.
    Mail,
    /// Files over WebDAV.
    Webdav,
}

impl ServiceToggle {
    /// Every toggle, in the order shown.
    pub const ALL: [Self; 4] = [Self::Calendar, Self::Files, Self::Mail, Self::Webdav];

    /// The word in requests and forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Files => "files",
            Self::Mail => "mail",
            Self::Webdav => "webdav",
        }
    }

    /// The toggle that stands for a service; `None` for one that is every device's.
    pub fn of(service: &ServiceId) -> Option<Self> {
        match service.as_str() {
            "webmail" => Some(Self::Mail),
            word => Self::ALL.into_iter().find(|toggle| toggle.as_str() == word),
        }
    }
}

/// A device on the VPN. Its name is the key it is stored under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Whose it is, and may look after it; `None`: the household's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Username>,
    /// Its IPv4 address, out of the VPN subnet, unique.
    pub address: Ipv4Addr,
    /// Its IPv6 address, matching the IPv4 one.
    pub address6: Ipv6Addr,
    /// Its key, unique.
    pub public_key: PublicKey,
    /// Whether the pre-shared key kept for it is in use.
    #[serde(default)]
    pub preshared_key: bool,
    /// All of its traffic goes through the tunnel, and on to the internet; otherwise only the cell's.
    pub full_tunnel: bool,
    /// It may talk to other peers that may.
    pub peer_to_peer: bool,
    /// Which services it may use.
    pub services: BTreeSet<ServiceToggle>,
    /// Its way out; `None` is the uplink.
    #[serde(default)]
    pub exit_connection_id: Option<Uuid>,
    /// Whether it leaves by the uplink while that way leads nowhere; `None`: as usual, which is that it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failopen: Option<bool>,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// When it loses access by itself.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// Its file has changed since it was last fetched.
    #[serde(default)]
    pub reinstall_needed: bool,
}
