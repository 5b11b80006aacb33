//! The root: what people install on their devices, once.

use cell_model::Timestamp;
use cell_model::name::CellName;
use cell_model::secret::Secret;
use time::Duration;

use crate::encoding;
use crate::signing::{Authority, CaError, authority_params};
use crate::validity::{self, Validity};

/// How long the root lives. Nobody installs a certificate on every device of a household more often.
const LIFE: Duration = Duration::days(3650);
/// Characters of the cell's name in the certificate's: with the rest it stays within the 64 of RFC 5280 appendix A.1.
const NAME_CHARACTERS: usize = 40;

/// The root CA: P-256, 10 years, one authority below it. Its key signs nothing but issuing CAs.
#[derive(Debug)]
pub struct RootCa(Authority);

impl RootCa {
    /// A new root.
    pub fn create(cell_name: &CellName, now: Timestamp) -> Result<Self, CaError> {
        let name = short(cell_name);
        let validity = Validity::of_authority(now, LIFE);
        let params = authority_params(&format!("{name} Root CA"), 1, validity)?;
        Authority::self_signed(params).map(Self)
    }

    /// The certificate.
    pub fn certificate_der(&self) -> &[u8] {
        self.0.certificate_der()
    }

    /// The certificate as PEM, for people to install.
    pub fn certificate_pem(&self) -> String {
        encoding::pem(self.certificate_der())
    }

    /// SHA-256 of the certificate, for people to compare.
    pub fn fingerprint(&self) -> String {
        encoding::fingerprint(self.certificate_der())
    }

    /// When it ends. Nothing renews a root: devices have to be given a new one before.
    pub fn not_after(&self) -> Timestamp {
        validity::timestamp(self.0.not_after())
    }

    /// Certificate and key, to be sealed.
    pub fn to_secret_bytes(&self) -> Secret<Vec<u8>> {
        self.0.to_secret_bytes()
    }

    /// From [`Self::to_secret_bytes`].
    pub fn from_secret_bytes(bytes: &Secret<Vec<u8>>) -> Result<Self, CaError> {
        Authority::from_secret_bytes("root CA", bytes).map(Self)
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.0
    }
}

/// The cell's name as far as it fits into a certificate's.
pub(crate) fn short(cell_name: &CellName) -> String {
    cell_name.as_str().chars().take(NAME_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(name: &str) -> RootCa {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        RootCa::create(&name.parse().unwrap(), now).unwrap()
    }

    #[test]
    fn root_is_an_authority_with_one_below_it() {
        let root = root("home");
        let (_, certificate) = root.authority().parsed().unwrap();
        let constraints = certificate.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical);
        assert!(constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(1));
        let usage = certificate.key_usage().unwrap().unwrap();
        assert!(usage.value.key_cert_sign() && !usage.value.digital_signature());
    }

    #[test]
    fn root_lives_ten_years() {
        let years = root("home").not_after().as_second() - 1_800_000_000;
        assert_eq!(years, 3650 * 86400);
    }

    #[test]
    fn longest_cell_name_fits() {
        let root = root(&"a".repeat(63));
        let (_, certificate) = root.authority().parsed().unwrap();
        let name = certificate.subject().iter_common_name().next().unwrap();
        assert!(name.as_str().unwrap().len() <= 64);
    }

    #[test]
    fn two_roots_of_one_cell_name_can_be_told_apart() {
        let (one, two) = (root("home"), root("home"));
        let (_, one) = one.authority().parsed().unwrap();
        let (_, two) = two.authority().parsed().unwrap();
        assert_ne!(one.subject(), two.subject());
        assert_ne!(one.raw_serial(), two.raw_serial());
    }

    #[test]
    fn stored_root_signs_as_before() {
        let root = root("home");
        let stored = RootCa::from_secret_bytes(&root.to_secret_bytes()).unwrap();
        assert_eq!(stored.certificate_der(), root.certificate_der());
        assert_eq!(stored.not_after(), root.not_after());
        assert_eq!(
            stored.to_secret_bytes().expose(),
            root.to_secret_bytes().expose()
        );
    }

    #[test]
    fn certificate_with_the_key_of_another_is_refused() {
        let (one, two) = (root("home"), root("home"));
        let key = two.to_secret_bytes().expose()[two.certificate_der().len()..].to_vec();
        let mixed = Secret::new([one.certificate_der(), &key].concat());
        assert!(matches!(
            RootCa::from_secret_bytes(&mixed),
            Err(CaError::Stored { what: "root CA" })
        ));
        let cut = Secret::new(one.certificate_der().to_vec());
        assert!(RootCa::from_secret_bytes(&cut).is_err());
    }
}
