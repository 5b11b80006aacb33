//! The certificate by which an inviter is known, and how a joiner checks it: by the key that the invite names, and nothing else.

use std::sync::Arc;

use cell_model::Timestamp;
use cell_model::secret::Secret;
use cell_model::signer::SignerKey;
use jiff::SignedDuration;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{Der, ServerName, TrustAnchor};
use rustls::{ClientConfig, RootCertStore};
use time::OffsetDateTime;

/// What the certificate is for. Nobody looks it up: the connection goes to an endpoint of the invite.
const HOST: &str = "pairing.cell.internal";
/// Who issues it.
const ISSUER: &str = "cell";
/// The same, as the content of a Name (RFC 5280 section 4.1.2.4) with one attribute, a common name in UTF-8.
const ISSUER_DER: &[u8] = b"\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04cell";
/// An Ed25519 key as the content of a SubjectPublicKeyInfo (RFC 8410 section 4), up to the key itself.
const ED25519_DER: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// Boxes without a battery guess the time.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Longer than any invite.
const LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// A certificate of a new key, issued by the identity of a cell, with that key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The certificate, DER.
    pub chain_der: Vec<Vec<u8>>,
    /// Its key, PKCS #8 DER.
    pub key_der: Secret<Vec<u8>>,
}

/// A certificate cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate can be made for other cells: {0}")]
pub struct CredentialsError(String);

impl Credentials {
    /// Has the identity vouch for a new key; `identity` is PKCS #8 DER.
    ///
    /// # Errors
    /// The identity is no key.
    pub fn issue(identity: &Secret<Vec<u8>>, now: Timestamp) -> Result<Self, CredentialsError> {
        Self::try_issue(identity, now).map_err(CredentialsError)
    }

    fn try_issue(identity: &Secret<Vec<u8>>, now: Timestamp) -> Result<Self, String> {
        let text = |error: rcgen::Error| error.to_string();
        let identity = KeyPair::try_from(identity.expose().as_slice()).map_err(text)?;
        let issuer = Issuer::new(params(ISSUER), identity);
        let mut params = params(HOST);
        let host = HOST.try_into().map_err(text)?;
        params.subject_alt_names = vec![rcgen::SanType::DnsName(host)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = at(now - CLOCKS_DIFFER)?;
        params.not_after = at(now + LIFE)?;
        let key = KeyPair::generate().map_err(text)?;
        let certificate = params.signed_by(&key, &issuer).map_err(text)?;
        Ok(Self {
            chain_der: vec![certificate.der().to_vec()],
            key_der: Secret::new(key.serialize_der()),
        })
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn at(time: Timestamp) -> Result<OffsetDateTime, String> {
    OffsetDateTime::from_unix_timestamp(time.as_second()).map_err(|error| error.to_string())
}

/// TLS to the cell of this identity alone.
pub(crate) fn client_config(identity: &SignerKey) -> Result<Arc<ClientConfig>, rustls::Error> {
    let key = identity.to_bytes();
    let anchor = TrustAnchor {
        subject: Der::from_slice(ISSUER_DER),
        subject_public_key_info: Der::from([ED25519_DER, &key[..]].concat()),
        name_constraints: None,
    };
    let roots = RootCertStore {
        roots: vec![anchor],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from(HOST).expect("it is a host name")
}
