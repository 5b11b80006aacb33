//! What a cell says of itself.

use cell_model::config::VpnConfig;
use cell_model::endpoint::Endpoint;
use cell_model::key::PublicKey as WireGuardKey;
use cell_model::name::{CellName, Domain};
use cell_signed::PublicKey;
use serde::{Deserialize, Serialize};

use crate::CellError;

/// What a cell says of itself, for others to link with it. Whether it may claim that, the other side decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// What its owner calls it.
    pub name: CellName,
    /// The key that it signs with. It stays for as long as the cell does.
    pub identity: PublicKey,
    /// The key of its VPN.
    pub wireguard_key: WireGuardKey,
    /// Where its VPN is reached, the best first; none where it only dials out.
    pub endpoints: Vec<Endpoint>,
    /// The domain that it answers for.
    pub domain: Domain,
    /// The networks of its VPN; the box, which answers for the domain, is the first host.
    pub vpn: VpnConfig,
}

impl Claims {
    /// The most endpoints that a cell may have.
    pub const MAX_ENDPOINTS: usize = 8;

    /// Whether they are of a shape that a cell's can have: networks without bits of a host, and few endpoints.
    pub(crate) fn check(&self) -> Result<(), CellError> {
        let VpnConfig { subnet, subnet6 } = &self.vpn;
        let are_networks = *subnet == subnet.trunc() && *subnet6 == subnet6.trunc();
        match are_networks && self.endpoints.len() <= Self::MAX_ENDPOINTS {
            true => Ok(()),
            false => Err(CellError::Shape),
        }
    }
}
