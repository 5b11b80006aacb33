//! The admin listener.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The admin listener. Its certificate comes from the vault and is handed over apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSpec {
    /// Where it listens. Never a wildcard.
    pub listen: BTreeSet<SocketAddr>,
    /// Host names it answers to, lower case; addresses and `localhost` always pass.
    pub hosts: BTreeSet<String>,
}
