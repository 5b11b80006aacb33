//! The issuing CA: signs the leaves, and can vouch for nothing but the cell.
//!
//! People install the root on their phones; if the box is broken into, the thief must not be able to speak for their
//! bank. So the issuing CA carries name constraints (RFC 5280 section 4.2.1.10), which every client checks: the cell's
//! domain, its name under `local`, `localhost`, and private addresses. The key of the root is only used to make another
//! issuing CA.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cell_model::Timestamp;
use cell_model::name::{CellName, Domain};
use cell_model::secret::Secret;
use cell_model::spec::LeafSpec;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rcgen::{CidrSubnet, ExtendedKeyUsagePurpose, GeneralSubtree, KeyPair, NameConstraints};
use time::Duration;
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use crate::leaf::{self, Leaf, Names};
use crate::root_ca::{self, RootCa};
use crate::signing::{Authority, CaError, authority_params};
use crate::validity::Validity;

/// How long an issuing CA lives at most; it ends with its root.
const LIFE: Duration = Duration::days(3650);
/// How long a leaf lives: short enough that a stolen key is soon worth nothing without revocation, and well below the
/// 825 days Apple's clients allow under a root the user installed.
const LEAF_LIFE: Duration = Duration::days(30);

/// Addresses an issuing CA may vouch for: RFC 1918, link-local, loopback, and unique local IPv6.
const NETWORKS: [IpNet; 7] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([169, 254, 0, 0], 16),
    v4([127, 0, 0, 0], 8),
    v6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    v6(Ipv6Addr::LOCALHOST, 128),
];

const fn v4(octets: [u8; 4], length: u8) -> IpNet {
    let [a, b, c, d] = octets;
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(address: Ipv6Addr, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(address, length))
}

/// The issuing CA of one domain. A change of domain or of the cell's name needs a new one; the root stays.
#[derive(Debug)]
pub struct IssuingCa {
    authority: Authority,
    /// Names it may vouch for, each with all below it.
    permitted: BTreeSet<String>,
}

impl IssuingCa {
    /// A new issuing CA for a domain.
    pub fn create(
        root: &RootCa,
        cell_name: &CellName,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<Self, CaError> {
        // The box may be found by an alternative of its name, where another device has it.
        let found_by = cell_name.label();
        let found_by = found_by.alternatives().map(|label| label.local_name());
        let permitted: BTreeSet<String> = [domain.as_str().to_owned(), "localhost".to_owned()]
            .into_iter()
            .chain(found_by)
            .collect();
        let mut validity = Validity::of_authority(now, LIFE);
        validity.not_after = validity.not_after.min(root.authority().not_after());
        let name = root_ca::short(cell_name);
        let mut params = authority_params(&format!("{name} Issuing CA"), 0, validity)?;
        // Not for mail or programs: only the kinds of names below are constrained.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let names = permitted.iter().cloned().map(GeneralSubtree::DnsName);
        let networks = NETWORKS.map(|network| {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                network.addr(),
                network.prefix_len(),
            ))
        });
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: names.chain(networks).collect(),
            excluded_subtrees: Vec::new(),
        });
        Ok(Self {
            authority: Authority::signed_by(params, root.authority())?,
            permitted,
        })
    }

    /// A new leaf. Names outside the domain and public addresses are left out, since with a single one of them the
    /// constraints would make clients refuse the whole leaf: who opens the page by such an address is warned,
    /// everybody else is not.
    pub fn issue(&self, spec: &LeafSpec, now: Timestamp) -> Result<Leaf, CaError> {
        self.issue_for(&leaf::new_key()?, spec, now)
    }

    /// As [`Self::issue`], for a key that there is already.
    pub(crate) fn issue_for(
        &self,
        key: &Zeroizing<KeyPair>,
        spec: &LeafSpec,
        now: Timestamp,
    ) -> Result<Leaf, CaError> {
        let names = Names {
            dns: spec
                .names
                .iter()
                .filter(|name| self.permits(name))
                .cloned()
                .collect(),
            addresses: spec
                .addresses
                .iter()
                .copied()
                .filter(|address| permits_address(*address))
                .collect(),
        };
        let validity = Validity::of_leaf(now, LEAF_LIFE, self.authority.not_after());
        Leaf::signed_by(&self.authority, spec, names, validity, key)
    }

    /// Whether it may vouch for a name: one of its own or one below.
    pub fn permits(&self, name: &str) -> bool {
        self.permitted.iter().any(|permitted| {
            name.strip_suffix(permitted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// The certificate.
    pub fn certificate_der(&self) -> &[u8] {
        self.authority.certificate_der()
    }

    /// Certificate and key, to be sealed.
    pub fn to_secret_bytes(&self) -> Secret<Vec<u8>> {
        self.authority.to_secret_bytes()
    }

    /// From [`Self::to_secret_bytes`], checked to be signed by this root.
    pub fn from_secret_bytes(root: &RootCa, bytes: &Secret<Vec<u8>>) -> Result<Self, CaError> {
        const WHAT: &str = "issuing CA";
        let damaged = || CaError::Stored { what: WHAT };
        let authority = Authority::from_secret_bytes(WHAT, bytes)?;
        if !root.authority().has_signed(authority.certificate_der()) {
            return Err(damaged());
        }
        let permitted = permitted_names(&authority).ok_or_else(damaged)?;
        Ok(Self {
            authority,
            permitted,
        })
    }
}

fn permits_address(address: IpAddr) -> bool {
    NETWORKS.iter().any(|network| network.contains(&address))
}

/// The names the certificate itself permits.
fn permitted_names(authority: &Authority) -> Option<BTreeSet<String>> {
    let (_, certificate) = authority.parsed().ok()?;
    let constraints = certificate.name_constraints().ok()??.value;
    let permitted = constraints.permitted_subtrees.as_ref()?;
    Some(
        permitted
            .iter()
            .filter_map(|subtree| match &subtree.base {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn root() -> RootCa {
        RootCa::create(&"Home".parse().unwrap(), now()).unwrap()
    }

    fn issuing(root: &RootCa) -> IssuingCa {
        let (cell_name, domain) = ("Home".parse().unwrap(), "home.cell".parse().unwrap());
        IssuingCa::create(root, &cell_name, &domain, now()).unwrap()
    }

    fn spec(names: &[&str], addresses: &[&str]) -> LeafSpec {
        LeafSpec {
            domain: Some("home.cell".parse().unwrap()),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn certificate_carries_the_constraints() {
        let issuing = issuing(&root());
        let (_, certificate) = issuing.authority.parsed().unwrap();
        let constraints = certificate.name_constraints().unwrap().unwrap();
        assert!(constraints.critical);
        let mut permitted: Vec<String> = constraints
            .value
            .permitted_subtrees
            .as_ref()
            .unwrap()
            .iter()
            .map(|subtree| match &subtree.base {
                GeneralName::DNSName(name) => (*name).to_owned(),
                GeneralName::IPAddress(bytes) => data_encoding::HEXLOWER.encode(bytes),
                other => panic!("{other:?}"),
            })
            .collect();
        permitted.sort();
        let alternatives = (2..=9).map(|number| format!("home-{number}.local"));
        let (found_by, rest): (Vec<String>, Vec<String>) = permitted
            .into_iter()
            .partition(|name| name.starts_with("home-"));
        assert_eq!(found_by, alternatives.collect::<Vec<_>>());
        assert_eq!(
            rest,
            [
                // ::1
                format!("{}1{}", "0".repeat(31), "f".repeat(32)),
                "0a000000ff000000".to_owned(),
                "7f000000ff000000".to_owned(),
                "a9fe0000ffff0000".to_owned(),
                "ac100000fff00000".to_owned(),
                "c0a80000ffff0000".to_owned(),
                // fc00::/7
                format!("fc{}fe{}", "0".repeat(30), "0".repeat(30)),
                "home.cell".to_owned(),
                "home.local".to_owned(),
                "localhost".to_owned(),
            ]
        );
        let constraints = certificate.basic_constraints().unwrap().unwrap();
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        let usage = certificate.extended_key_usage().unwrap().unwrap();
        assert!(usage.value.server_auth && !usage.value.any);
    }

    #[test]
    fn names_of_the_cell_are_permitted_and_look_alikes_are_not() {
        let issuing = issuing(&root());
        for own in [
            "home.cell",
            "admin.home.cell",
            "*.home.cell",
            "home.local",
            "home-2.local",
            "home-9.local",
            "localhost",
        ] {
            assert!(issuing.permits(own), "{own}");
        }
        for other in [
            "cell",
            "evilhome.cell",
            "home.cell.evil",
            "local",
            "a.local",
            "home-10.local",
            "",
        ] {
            assert!(!issuing.permits(other), "{other}");
        }
    }

    #[test]
    fn public_addresses_and_foreign_names_are_left_out_of_a_leaf() {
        let spec = spec(
            &["home.cell", "bank.example"],
            &["10.0.0.1", "203.0.113.5", "fd00::1", "2001:db8::1"],
        );
        let leaf = issuing(&root()).issue(&spec, now()).unwrap();
        assert_eq!(leaf.info.names, ["home.cell".to_owned()].into());
        assert_eq!(
            leaf.info.addresses,
            ["10.0.0.1", "fd00::1"]
                .map(|address| address.parse().unwrap())
                .into()
        );
        assert_eq!(leaf.info.spec, spec);
    }

    #[test]
    fn leaf_without_any_permitted_name_is_refused() {
        let spec = spec(&["bank.example"], &["203.0.113.5"]);
        assert!(matches!(
            issuing(&root()).issue(&spec, now()),
            Err(CaError::NoName)
        ));
    }

    #[test]
    fn stored_issuing_ca_keeps_its_constraints() {
        let root = root();
        let issuing = issuing(&root);
        let stored = IssuingCa::from_secret_bytes(&root, &issuing.to_secret_bytes()).unwrap();
        assert_eq!(stored.permitted, issuing.permitted);
        assert!(stored.issue(&spec(&["home.cell"], &[]), now()).is_ok());
    }

    #[test]
    fn issuing_ca_of_another_root_is_refused() {
        let stored = issuing(&root()).to_secret_bytes();
        assert!(matches!(
            IssuingCa::from_secret_bytes(&root(), &stored),
            Err(CaError::Stored { what: "issuing CA" })
        ));
    }
}
