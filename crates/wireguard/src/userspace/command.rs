//! What the daemon says to the process that carries the packets, and what that answers.
//!
//! Serialises with keys in the clear: for the channel between the two processes only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cell_model::key::PublicKey;
use cell_model::spec::{WireGuardPeerSpec, WireGuardSpec};
use cell_model::status::{WireGuardPeerStatus, WireGuardStatus};
use serde::{Deserialize, Serialize};

/// One order to the engine. Orders are carried out in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Be exactly this. Name, addresses, port and MTU are the business of whoever made the descriptors.
    Ensure(Arc<WireGuardSpec>),
    /// Peers come, change and go; the others are not touched.
    PatchPeers {
        /// Keys to forget. Their sessions end at once.
        remove: BTreeSet<PublicKey>,
        /// Peers as they shall be, new or changed.
        set: BTreeMap<PublicKey, Arc<WireGuardPeerSpec>>,
    },
    /// Say how the interface is.
    Status,
    /// Say how these peers are; unknown keys are left out of the answer.
    Peers(BTreeSet<PublicKey>),
}

/// The engine's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Carried out.
    Done {
        /// How many peers were added, changed or removed.
        peers: usize,
    },
    /// To [`Command::Status`]; `None` before the first [`Command::Ensure`].
    Status(Option<WireGuardStatus>),
    /// To [`Command::Peers`].
    Peers(Vec<WireGuardPeerStatus>),
    /// Not carried out: peers were patched before the first [`Command::Ensure`].
    NotReady,
}
