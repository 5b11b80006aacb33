//! Cells to think about in tests.

use cell_model::Timestamp;
use cell_model::config::{Claims, VpnConfig};
use cell_model::key::PublicKey;
use cell_model::secret::Secret;
use cell_signed::SigningKey;
use uuid::Uuid;

use crate::Offer;

const NOW: i64 = 1_795_000_000;
pub(crate) const HOUR: i64 = 3_600;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

/// A cell with a key of its own.
pub(crate) struct Cell {
    pub(crate) key: SigningKey,
    pub(crate) claims: Claims,
}

impl Cell {
    pub(crate) fn new(name: &str, number: u8) -> Self {
        let document = SigningKey::generate().unwrap();
        let key = SigningKey::from_pkcs8(document.expose()).unwrap();
        let claims = Claims {
            name: name.parse().unwrap(),
            identity: key.public().into(),
            wireguard_key: PublicKey::from_bytes([number; 32]),
            endpoints: vec![format!("{name}.example.org").parse().unwrap()],
            domain: format!("{name}.cell").parse().unwrap(),
            vpn: VpnConfig {
                subnet: format!("10.{number}.0.0/24").parse().unwrap(),
                subnet6: format!("fd00:{number}::/64").parse().unwrap(),
            },
        };
        Self { key, claims }
    }

    pub(crate) fn offer(&self) -> Offer {
        Offer {
            id: Uuid::from_u128(7),
            expires_at: at(HOUR),
            claims: self.claims.clone(),
            secret: Secret::new([9; 32]),
        }
    }
}
