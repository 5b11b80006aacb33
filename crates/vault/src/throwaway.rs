//! The certificate before setup.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cell_model::Timestamp;
use cell_model::spec::LeafSpec;
use time::Duration;

use crate::leaf::{Leaf, Names};
use crate::signing::CaError;
use crate::validity::{self, Validity};

/// How long it lives: as long as Apple's clients take (825 days), so that a box whose clock is behind by a year or two
/// still shows a valid one. It is made again at each start.
const LIFE: Duration = Duration::days(820);

/// A self-signed leaf for a box that has no CA yet: people compare its fingerprint with the one on the console.
/// Public addresses are taken too, there is no authority that could mind.
pub fn throwaway(
    names: &BTreeSet<String>,
    addresses: &BTreeSet<IpAddr>,
    now: Timestamp,
) -> Result<Leaf, CaError> {
    let spec = LeafSpec {
        domain: None,
        names: names.clone(),
        addresses: addresses.clone(),
    };
    let names = Names {
        dns: names.clone(),
        addresses: addresses.clone(),
    };
    let validity = Validity::of_leaf(now, LIFE, validity::latest());
    Leaf::self_signed(&spec, names, validity)
}

#[cfg(test)]
mod tests {
    use x509_parser::parse_x509_certificate;

    use super::*;

    #[test]
    fn throwaway_has_every_name_and_address_and_signs_for_itself() {
        let names = ["localhost".to_owned()].into();
        let addresses = ["10.0.0.1", "203.0.113.5", "fd00::1"]
            .map(|address| address.parse().unwrap())
            .into();
        let leaf = throwaway(&names, &addresses, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            (&leaf.info.names, &leaf.info.addresses),
            (&names, &addresses)
        );
        assert_eq!(leaf.chain_der.len(), 1);
        let (_, certificate) = parse_x509_certificate(&leaf.chain_der[0]).unwrap();
        assert!(certificate.verify_signature(None).is_ok());
        assert!(!certificate.is_ca());
        let san = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(san.value.general_names.len(), 4);
    }

    #[test]
    fn throwaway_is_kept_within_what_apples_clients_take() {
        let names = ["localhost".to_owned()].into();
        let leaf = throwaway(&names, &BTreeSet::new(), Timestamp::UNIX_EPOCH).unwrap();
        let life = leaf.info.not_after.as_second() - leaf.info.not_before.as_second();
        assert!(life <= 825 * 86400);
    }
}
