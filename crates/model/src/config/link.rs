//! Another cell that this one is linked with, as both have agreed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServiceToggle, VpnConfig};
use crate::endpoint::Endpoint;
use crate::key::PublicKey;
use crate::name::{CellName, Domain};
use crate::signer::SignerKey;
use crate::subnet::{SubnetError, check_vpn_subnet};

/// What a cell says of itself, for others to link with it. Whether it may claim that, the other side decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// What its owner calls it.
    pub name: CellName,
    /// The key that it signs with. It stays for as long as the cell does.
    pub identity: SignerKey,
    /// The key of its VPN.
    pub wireguard_key: PublicKey,
    /// Where its VPN is reached, the best first; none where it only dials out.
    pub endpoints: Vec<Endpoint>,
    /// The domain that it answers for.
    pub domain: Domain,
    /// The networks of its VPN; the box, which answers for the domain, is the first host.
    pub vpn: VpnConfig,
}

/// What no cell can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// The VPN's IPv4 network.
    #[error("the VPN's network {0}")]
    Subnet(#[from] SubnetError),
    /// The VPN's IPv6 network.
    #[error("the VPN's IPv6 network must be a /64 inside fc00::/7, without bits behind the prefix")]
    Subnet6,
    /// More endpoints than anybody needs.
    #[error("there must be at most {} endpoints", Claims::MAX_ENDPOINTS)]
    Endpoints,
    /// A name that stands for something else where cells are named.
    #[error(
        "its name, which is what the box calls a page of its own: rename that cell, then invite again"
    )]
    Name,
}

/// Another cell. Two of them never have the same name, key, domain or network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// What it says of itself.
    pub claims: Claims,
    /// Which services of ours its people may use.
    #[serde(default)]
    pub services: BTreeSet<ServiceToggle>,
    /// Nothing passes for now, in either direction.
    #[serde(default)]
    pub paused: bool,
    /// Its people may go out to the internet by way of this cell.
    #[serde(default)]
    pub offers_exit: bool,
    /// Since when.
    pub created_at: Timestamp,
}

impl Claims {
    /// The most endpoints that a cell may have.
    pub const MAX_ENDPOINTS: usize = 8;

    /// Whether they are of a shape that a cell's can have.
    ///
    /// # Errors
    /// What cannot be.
    pub fn check(&self) -> Result<(), ClaimsError> {
        let VpnConfig { subnet, subnet6 } = &self.vpn;
        check_vpn_subnet(*subnet)?;
        let is_ula = subnet6.network().is_unique_local() && subnet6.prefix_len() == 64;
        if !is_ula || *subnet6 != subnet6.trunc() {
            return Err(ClaimsError::Subnet6);
        }
        match self.endpoints.len() <= Self::MAX_ENDPOINTS {
            true => Ok(()),
            false => Err(ClaimsError::Endpoints),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        serde_json::from_value(serde_json::json!({
            "name": "cabin", "identity": "ab".repeat(32),
            "wireguard_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "endpoints": ["cabin.example.org"], "domain": "cabin.lan",
            "vpn": { "subnet": "10.40.0.0/24", "subnet6": "fd00:40::/64" },
        }))
        .unwrap()
    }

    #[test]
    fn networks_are_private_and_whole() {
        assert_eq!(claims().check(), Ok(()));
        for subnet in ["203.0.113.0/24", "10.40.0.1/24", "10.0.0.0/7", "0.0.0.0/0"] {
            let mut claims = claims();
            claims.vpn.subnet = subnet.parse().unwrap();
            let found = claims.check();
            assert!(matches!(found, Err(ClaimsError::Subnet(_))), "{subnet}");
        }
        for subnet in [
            "2001:db8::/64",
            "fd00:40::/48",
            "fd00:40::1/64",
            "::/0",
            "fe80::/64",
        ] {
            let mut claims = claims();
            claims.vpn.subnet6 = subnet.parse().unwrap();
            assert_eq!(claims.check(), Err(ClaimsError::Subnet6), "{subnet}");
        }
        let mut claims = claims();
        claims.endpoints = vec![claims.endpoints[0].clone(); Claims::MAX_ENDPOINTS + 1];
        assert_eq!(claims.check(), Err(ClaimsError::Endpoints));
    }
}
