//! What root and issuing CA have in common: a certificate with the key that signs under it.

use std::fmt;

use cell_model::secret::Secret;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

use crate::random::{self, RandomError};
use crate::validity::Validity;

/// Bytes of a serial number: RFC 5280 section 4.1.2.2 allows 20, and 16 random ones never meet twice.
const SERIAL_BYTES: usize = 16;
/// Who issues, in every certificate's name.
const ORGANIZATION: &str = "Personal Internet Cell";

/// A certificate or its key could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// No serial number could be made.
    #[error("cannot make a serial number")]
    Serial(#[from] RandomError),
    /// No key pair could be made.
    #[error("cannot make a key pair")]
    Key(#[source] rcgen::Error),
    /// A name has characters a certificate cannot hold.
    #[error("{name} cannot stand in a certificate")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// None of the names and addresses asked for is one the issuing CA may vouch for.
    #[error("the leaf would have no name")]
    NoName,
    /// The certificate could not be signed.
    #[error("cannot sign the certificate")]
    Sign(#[source] rcgen::Error),
    /// What was stored is not the certificate of an authority followed by its own key.
    #[error("the stored {what} is damaged")]
    Stored {
        /// Which authority.
        what: &'static str,
    },
}

/// A certificate with the key that signs under it. P-256: the only curve every client on phones and televisions takes.
pub(crate) struct Authority {
    certificate_der: Vec<u8>,
    not_after: OffsetDateTime,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// A new key with a certificate of its own signature.
    pub(crate) fn self_signed(params: CertificateParams) -> Result<Self, CaError> {
        let key = KeyPair::generate().map_err(CaError::Key)?;
        let certificate = params.self_signed(&key).map_err(CaError::Sign)?;
        Ok(Self::of(params, &certificate, key))
    }

    /// A new key with a certificate signed by another authority.
    pub(crate) fn signed_by(params: CertificateParams, parent: &Self) -> Result<Self, CaError> {
        let key = KeyPair::generate().map_err(CaError::Key)?;
        let certificate = parent.sign(&params, &key)?;
        Ok(Self::of(params, &certificate, key))
    }

    /// A certificate under this authority.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        key: &KeyPair,
    ) -> Result<Certificate, CaError> {
        params.signed_by(key, &self.issuer).map_err(CaError::Sign)
    }

    pub(crate) fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    pub(crate) fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Certificate and PKCS #8 key one after the other. Both are DER, which says where it ends.
    pub(crate) fn to_secret_bytes(&self) -> Secret<Vec<u8>> {
        let key = self.issuer.key().serialized_der();
        Secret::new([self.certificate_der.as_slice(), key].concat())
    }

    /// Reads [`Self::to_secret_bytes`]; `what` names the authority in errors.
    pub(crate) fn from_secret_bytes(
        what: &'static str,
        bytes: &Secret<Vec<u8>>,
    ) -> Result<Self, CaError> {
        let damaged = || CaError::Stored { what };
        let bytes = bytes.expose().as_slice();
        let (key_der, certificate) = parse_x509_certificate(bytes).map_err(|_| damaged())?;
        let key = KeyPair::try_from(key_der).map_err(|_| damaged())?;
        let public = certificate.public_key().subject_public_key.data.as_ref();
        if public != rcgen::PublicKeyData::der_bytes(&key) || !certificate.is_ca() {
            return Err(damaged());
        }
        let not_after = certificate.validity().not_after.to_datetime();
        let certificate_der = bytes[..bytes.len() - key_der.len()].to_vec();
        let issuer = Issuer::from_ca_cert_der(&certificate_der.as_slice().into(), key)
            .map_err(|_| damaged())?;
        Ok(Self {
            certificate_der,
            not_after,
            issuer,
        })
    }

    /// Whether this authority's key made the signature on a certificate.
    pub(crate) fn has_signed(&self, certificate_der: &[u8]) -> bool {
        let (Ok((_, own)), Ok((_, other))) =
            (self.parsed(), parse_x509_certificate(certificate_der))
        else {
            return false;
        };
        own.subject() == other.issuer() && other.verify_signature(Some(own.public_key())).is_ok()
    }

    pub(crate) fn parsed(
        &self,
    ) -> Result<(&[u8], X509Certificate<'_>), x509_parser::nom::Err<x509_parser::error::X509Error>>
    {
        parse_x509_certificate(&self.certificate_der)
    }

    fn of(params: CertificateParams, certificate: &Certificate, key: KeyPair) -> Self {
        Self {
            certificate_der: certificate.der().to_vec(),
            not_after: params.not_after,
            issuer: Issuer::new(params, key),
        }
    }
}

/// What every certificate of the box has: a random serial number, a name, its validity, its signer's key id.
pub(crate) fn params(common_name: &str, validity: Validity) -> Result<CertificateParams, CaError> {
    let serial: [u8; SERIAL_BYTES] = random::random_bytes()?;
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, ORGANIZATION);
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// [`params`] of an authority that may have this many authorities below it. Its name ends in random digits: a box
/// that is set up anew has the same cell name, and clients confuse authorities of one name.
pub(crate) fn authority_params(
    common_name: &str,
    authorities_below: u8,
    validity: Validity,
) -> Result<CertificateParams, CaError> {
    let mark: [u8; 3] = random::random_bytes()?;
    let mark = data_encoding::HEXUPPER.encode(&mark);
    let mut params = params(&format!("{common_name} {mark}"), validity)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(authorities_below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}
