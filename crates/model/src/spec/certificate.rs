//! The leaf certificate of the admin listener.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::name::Domain;

/// What the leaf stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafSpec {
    /// The cell's domain, signed for by the issuing CA; `None` before setup: a throw-away self-signed leaf.
    pub domain: Option<Domain>,
    /// Names below the domain, and `localhost`.
    pub names: BTreeSet<String>,
    /// Bound addresses.
    pub addresses: BTreeSet<IpAddr>,
}
