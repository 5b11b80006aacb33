//! The admin listener.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::secret::{Secret, exposed};

/// The admin listener. Its certificate comes from the vault and is handed over apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSpec {
    /// Where it listens. Never a wildcard.
    pub listen: BTreeSet<SocketAddr>,
    /// Host names it answers to, lower case; addresses and `localhost` always pass.
    pub hosts: BTreeSet<String>,
    /// Where other cells come with their invites; `None` while there is none.
    #[serde(default)]
    pub pairing: Option<PairingSpec>,
}

/// The listener for other cells. Serialises with its key: between processes of the box only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingSpec {
    /// Where it listens. Never a wildcard.
    pub listen: BTreeSet<SocketAddr>,
    /// The certificate by which the other cells know this one, DER.
    pub chain_der: Vec<Vec<u8>>,
    /// Its key, PKCS #8 DER.
    #[serde(serialize_with = "exposed")]
    pub key_der: Secret<Vec<u8>>,
}
