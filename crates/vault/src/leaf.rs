//! The certificate the admin listener shows.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cell_model::Timestamp;
use cell_model::secret::Secret;
use cell_model::spec::LeafSpec;
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::encoding;
use crate::signing::{self, Authority, CaError};
use crate::validity::{self, Validity};

/// The name in the subject. Clients look at the alternative names only; this one is for people.
const COMMON_NAME: &str = "Admin page";

/// A leaf with its key, as a TLS listener needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What may be told about it.
    pub info: LeafInfo,
    /// The leaf, then the issuing CA's certificate if there is one; each DER.
    pub chain_der: Vec<Vec<u8>>,
    /// Its key, PKCS #8 DER.
    pub key_der: Secret<Vec<u8>>,
}

/// What may be told about a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafInfo {
    /// What was asked for.
    pub spec: LeafSpec,
    /// Of the names asked for, those it has.
    pub names: BTreeSet<String>,
    /// Of the addresses asked for, those it has.
    pub addresses: BTreeSet<IpAddr>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// SHA-256 of the leaf: `AB:CD:…`.
    pub fingerprint: String,
}

/// The alternative names of a leaf.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) dns: BTreeSet<String>,
    pub(crate) addresses: BTreeSet<IpAddr>,
}

impl LeafInfo {
    /// Whether another leaf should take its place: something else is asked for, less than a third of its life is left,
    /// or it is of the future, because the clock was put back.
    pub fn is_due(&self, spec: &LeafSpec, now: Timestamp) -> bool {
        let now = validity::timestamp(validity::believed(now));
        let life = self.not_after.as_second() - self.not_before.as_second();
        let left = self.not_after.as_second() - now.as_second();
        self.spec != *spec || left < life / 3 || now < self.not_before
    }
}

/// A new key: ECDSA on P-256, which every client knows.
pub(crate) fn new_key() -> Result<Zeroizing<KeyPair>, CaError> {
    KeyPair::generate()
        .map(Zeroizing::new)
        .map_err(CaError::Key)
}

/// A new key for a certificate that keeps it, PKCS #8 DER.
///
/// # Errors
/// The system gave no random bytes.
pub fn new_certificate_key() -> Result<Secret<Vec<u8>>, CaError> {
    Ok(Secret::new(new_key()?.serialize_der()))
}

/// SHA-256 of what is public of a key (SubjectPublicKeyInfo), as TLSA records have it (RFC 6698 section 2.1.3).
///
/// # Errors
/// It is no key.
pub fn key_hash(pkcs8: &[u8]) -> Result<[u8; 32], CaError> {
    let key = KeyPair::try_from(pkcs8).map_err(CaError::Key)?;
    Ok(Sha256::digest(key.subject_public_key_info()).into())
}

impl Leaf {
    /// Key, certificate and what is above it as PEM, in the order in which Postfix and others read one file.
    pub fn pem(&self) -> Secret<String> {
        let key = encoding::key_pem(self.key_der.expose());
        let chain = self.chain_der.iter();
        let chain: String = chain.map(|der| encoding::pem(der)).collect();
        Secret::new(format!("{}{chain}", *key))
    }

    /// A certificate of this key under an authority.
    pub(crate) fn signed_by(
        authority: &Authority,
        spec: &LeafSpec,
        names: Names,
        validity: Validity,
        key: &Zeroizing<KeyPair>,
    ) -> Result<Self, CaError> {
        let mut params = params(&names, validity)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = authority.sign(&params, key)?;
        let chain_der = vec![
            certificate.der().to_vec(),
            authority.certificate_der().to_vec(),
        ];
        Ok(Self::of(spec, names, validity, chain_der, key))
    }

    /// A new key with a certificate of its own signature.
    pub(crate) fn self_signed(
        spec: &LeafSpec,
        names: Names,
        validity: Validity,
    ) -> Result<Self, CaError> {
        let params = params(&names, validity)?;
        let key = new_key()?;
        let certificate = params.self_signed(&*key).map_err(CaError::Sign)?;
        let chain_der = vec![certificate.der().to_vec()];
        Ok(Self::of(spec, names, validity, chain_der, &key))
    }

    fn of(
        spec: &LeafSpec,
        names: Names,
        validity: Validity,
        chain_der: Vec<Vec<u8>>,
        key: &KeyPair,
    ) -> Self {
        Self {
            info: LeafInfo {
                spec: spec.clone(),
                names: names.dns,
                addresses: names.addresses,
                not_before: validity::timestamp(validity.not_before),
                not_after: validity::timestamp(validity.not_after),
                fingerprint: encoding::fingerprint(&chain_der[0]),
            },
            chain_der,
            key_der: Secret::new(key.serialize_der()),
        }
    }
}

fn params(names: &Names, validity: Validity) -> Result<CertificateParams, CaError> {
    let mut params = signing::params(COMMON_NAME, validity)?;
    for name in &names.dns {
        let san = name.as_str().try_into().map_err(|source| CaError::Name {
            name: name.clone(),
            source,
        })?;
        params.subject_alt_names.push(SanType::DnsName(san));
    }
    let addresses = names.addresses.iter().copied().map(SanType::IpAddress);
    params.subject_alt_names.extend(addresses);
    if params.subject_alt_names.is_empty() {
        return Err(CaError::NoName);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86400;

    fn info() -> LeafInfo {
        LeafInfo {
            spec: LeafSpec {
                domain: None,
                names: ["localhost".to_owned()].into(),
                addresses: BTreeSet::new(),
            },
            names: BTreeSet::new(),
            addresses: BTreeSet::new(),
            not_before: day(0),
            not_after: day(30),
            fingerprint: String::new(),
        }
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * DAY).unwrap()
    }

    #[test]
    fn leaf_is_due_when_a_third_of_its_life_is_left() {
        let info = info();
        assert!(!info.is_due(&info.spec, day(0)));
        assert!(!info.is_due(&info.spec, day(20)));
        assert!(info.is_due(&info.spec, day(21)));
        assert!(info.is_due(&info.spec, day(400)));
    }

    #[test]
    fn leaf_is_due_when_something_else_is_asked_for() {
        let info = info();
        let mut spec = info.spec.clone();
        spec.addresses.insert("10.0.0.1".parse().unwrap());
        assert!(info.is_due(&spec, day(1)));
    }

    #[test]
    fn leaf_made_while_the_clock_stands_at_1970_is_kept_until_the_clock_is_set() {
        let spec = info().spec;
        let names = Names {
            dns: spec.names.clone(),
            addresses: BTreeSet::new(),
        };
        let life = time::Duration::days(30);
        let validity = Validity::of_leaf(Timestamp::UNIX_EPOCH, life, validity::latest());
        let leaf = Leaf::self_signed(&spec, names, validity).unwrap();
        assert!(!leaf.info.is_due(&spec, Timestamp::UNIX_EPOCH));
        assert!(leaf.info.is_due(&spec, day(0)));
    }

    #[test]
    fn leaf_of_the_future_is_due() {
        let info = info();
        assert!(info.is_due(&info.spec, day(-1)));
    }
}
