//! Who is asking, as far as the asking side can tell.

use std::net::IpAddr;
use std::time::Duration;

use cell_model::secret::{Secret, exposed};
use serde::{Deserialize, Serialize};

/// One caller of one request. Serialises with its credential: between processes of the box only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Caller {
    /// What they show.
    pub credential: Credential,
    /// Where the connection comes from; `None` on the local socket.
    pub address: Option<IpAddr>,
    /// When the connection was opened, on the clock of [`now_since_boot`].
    pub connected_at: Duration,
}

/// What a caller shows to be recognised.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// Nothing.
    Nobody,
    /// A session token, as the cookie carries it.
    Session(#[serde(serialize_with = "exposed")] Secret<String>),
    /// A token of the interface, as programs send it.
    Token(#[serde(serialize_with = "exposed")] Secret<String>),
    /// The kernel says it is root on the local socket. Accepted on that socket only.
    Local,
}

impl Caller {
    /// Root on the local socket.
    pub fn local() -> Self {
        Self {
            credential: Credential::Local,
            address: None,
            connected_at: now_since_boot(),
        }
    }
}

/// Time since boot, sleep included: the same for every process, and never set by anybody.
pub fn now_since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}
