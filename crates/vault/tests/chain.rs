//! What clients make of the certificates: `openssl verify` and rustls are asked, as browsers and phones would.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use cell_model::Timestamp;
use cell_model::name::{CellName, Domain};
use cell_model::secret::Secret;
use cell_model::spec::LeafSpec;
use cell_vault::{IssuingCa, Leaf, RootCa, pem, throwaway};
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

struct Cell {
    root: RootCa,
    issuing: IssuingCa,
}

fn cell() -> Cell {
    let (name, domain): (CellName, Domain) =
        ("home".parse().unwrap(), "home.cell".parse().unwrap());
    let root = RootCa::create(&name, now()).unwrap();
    let issuing = IssuingCa::create(&root, &name, &domain, now()).unwrap();
    Cell { root, issuing }
}

fn leaf(cell: &Cell) -> Leaf {
    let spec = LeafSpec {
        domain: Some("home.cell".parse().unwrap()),
        names: [
            "home.cell",
            "admin.home.cell",
            "home.local",
            "home-2.local",
            "localhost",
        ]
        .map(str::to_owned)
        .into(),
        addresses: ["192.168.1.1", "10.5.0.1", "127.0.0.1", "fd00::1", "::1"]
            .map(|address| address.parse().unwrap())
            .into(),
    };
    cell.issuing.issue(&spec, now()).unwrap()
}

/// A leaf with this name, signed by the issuing CA's key as a thief of it would.
fn forged(cell: &Cell, name: SanType) -> Vec<Vec<u8>> {
    let secret: Secret<Vec<u8>> = cell.issuing.to_secret_bytes();
    let certificate_der = cell.issuing.certificate_der().to_vec();
    let key = KeyPair::try_from(&secret.expose()[certificate_der.len()..]).unwrap();
    let issuer = Issuer::from_ca_cert_der(&certificate_der.as_slice().into(), key).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![name];
    params.use_authority_key_identifier_extension = true;
    let leaf = params
        .signed_by(&KeyPair::generate().unwrap(), &issuer)
        .unwrap();
    vec![leaf.der().to_vec(), certificate_der]
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn ip(address: &str) -> SanType {
    SanType::IpAddress(address.parse().unwrap())
}

/// Asks `openssl verify` at the time of the test's clock; the error text on refusal.
fn openssl(anchor: &[u8], chain: &[Vec<u8>], expected: &[&str]) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, der: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, pem(der)).unwrap();
        path
    };
    let mut command = Command::new("openssl");
    command
        .args(["verify", "-x509_strict", "-purpose", "sslserver"])
        .args(["-attime", &NOW.to_string(), "-no-CApath", "-no-CAstore"])
        .arg("-CAfile")
        .arg(write("ca.pem", anchor))
        .args(expected);
    if let Some(issuing) = chain.get(1) {
        command.arg("-untrusted").arg(write("issuing.pem", issuing));
    }
    let output = command
        .arg(write("leaf.pem", &chain[0]))
        .output()
        .expect("these tests need the openssl command");
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn rustls(anchor: &[u8], chain: &[Vec<u8>], name: &str, at: i64) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(anchor.to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let chain: Vec<CertificateDer<'_>> = chain
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    verifier
        .verify_server_cert(
            &chain[0],
            &chain[1..],
            &ServerName::try_from(name.to_owned()).unwrap(),
            &[],
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(at as u64)),
        )
        .map(|_| ())
}

#[test]
fn openssl_takes_the_leaf_under_every_name_it_has() {
    let cell = cell();
    let leaf = leaf(&cell);
    let anchor = cell.root.certificate_der();
    for expected in [
        ["-verify_hostname", "home.cell"],
        ["-verify_hostname", "admin.home.cell"],
        ["-verify_hostname", "home.local"],
        ["-verify_hostname", "home-2.local"],
        ["-verify_hostname", "localhost"],
        ["-verify_ip", "192.168.1.1"],
        ["-verify_ip", "fd00::1"],
        ["-verify_ip", "::1"],
    ] {
        assert_eq!(openssl(anchor, &leaf.chain_der, &expected), Ok(()));
    }
    let error = openssl(
        anchor,
        &leaf.chain_der,
        &["-verify_hostname", "bank.example"],
    );
    assert!(error.unwrap_err().contains("hostname mismatch"));
}

#[test]
fn openssl_refuses_what_the_issuing_ca_may_not_vouch_for() {
    let cell = cell();
    let anchor = cell.root.certificate_der();
    assert_eq!(
        openssl(anchor, &forged(&cell, dns("mail.home.cell")), &[]),
        Ok(())
    );
    for name in [
        dns("bank.example"),
        dns("evilhome.cell"),
        dns("other.local"),
        ip("203.0.113.5"),
        ip("2001:db8::1"),
    ] {
        let error = openssl(anchor, &forged(&cell, name), &[]).unwrap_err();
        assert!(error.contains("permitted subtree violation"), "{error}");
    }
}

#[test]
fn rustls_takes_the_leaf_under_every_name_it_has() {
    let cell = cell();
    let leaf = leaf(&cell);
    let anchor = cell.root.certificate_der();
    for name in [
        "home.cell",
        "admin.home.cell",
        "localhost",
        "10.5.0.1",
        "fd00::1",
    ] {
        assert_eq!(rustls(anchor, &leaf.chain_der, name, NOW), Ok(()), "{name}");
    }
}

#[test]
fn rustls_refuses_what_the_issuing_ca_may_not_vouch_for() {
    let cell = cell();
    let anchor = cell.root.certificate_der();
    for (san, name) in [
        (dns("bank.example"), "bank.example"),
        (ip("203.0.113.5"), "203.0.113.5"),
        (ip("2001:db8::1"), "2001:db8::1"),
    ] {
        let error = rustls(anchor, &forged(&cell, san), name, NOW).unwrap_err();
        assert!(format!("{error:?}").contains("NameConstraint"), "{error:?}");
    }
}

#[test]
fn leaf_is_valid_for_clients_up_to_an_hour_behind_and_for_thirty_days() {
    let cell = cell();
    let leaf = leaf(&cell);
    let ask = |at| {
        rustls(
            cell.root.certificate_der(),
            &leaf.chain_der,
            "home.cell",
            at,
        )
    };
    assert_eq!(ask(NOW - 3600), Ok(()));
    assert_eq!(ask(NOW + 30 * 86400), Ok(()));
    assert!(ask(NOW - 3601).is_err());
    assert!(ask(NOW + 30 * 86400 + 1).is_err());
}

#[test]
fn root_of_another_cell_vouches_for_nothing_here() {
    let (cell, other) = (cell(), cell());
    let leaf = leaf(&cell);
    let anchor = other.root.certificate_der();
    assert_eq!(
        rustls(anchor, &leaf.chain_der, "home.cell", NOW),
        Err(CertificateError::UnknownIssuer.into())
    );
    assert!(openssl(anchor, &leaf.chain_der, &[]).is_err());
}

#[test]
fn throwaway_leaf_is_its_own_trust_anchor() {
    let leaf = throwaway(
        &["localhost".to_owned()].into(),
        &["203.0.113.5".parse().unwrap()].into(),
        now(),
    )
    .unwrap();
    let anchor = &leaf.chain_der[0];
    assert_eq!(
        openssl(anchor, &leaf.chain_der, &["-verify_ip", "203.0.113.5"]),
        Ok(())
    );
    assert_eq!(rustls(anchor, &leaf.chain_der, "localhost", NOW), Ok(()));
}

#[test]
fn key_belongs_to_the_leaf_as_rustls_sees_it() {
    let cell = cell();
    for leaf in [
        leaf(&cell),
        throwaway(&["localhost".to_owned()].into(), &[].into(), now()).unwrap(),
    ] {
        let key = PrivateKeyDer::Pkcs8(leaf.key_der.expose().clone().into());
        let chain = leaf
            .chain_der
            .iter()
            .map(|der| CertificateDer::from(der.clone()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key);
        assert!(config.is_ok(), "{config:?}");
    }
}

#[test]
fn issuing_ca_cannot_make_another_authority() {
    let cell = cell();
    let secret = cell.issuing.to_secret_bytes();
    let issuing_der = cell.issuing.certificate_der().to_vec();
    let key = KeyPair::try_from(&secret.expose()[issuing_der.len()..]).unwrap();
    let issuer = Issuer::from_ca_cert_der(&issuing_der.as_slice().into(), key).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let below_key = KeyPair::generate().unwrap();
    let below = params.signed_by(&below_key, &issuer).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![dns("home.cell")];
    let below_issuer = Issuer::from_ca_cert_der(below.der(), below_key).unwrap();
    let leaf = params
        .signed_by(&KeyPair::generate().unwrap(), &below_issuer)
        .unwrap();
    let chain = [leaf.der().to_vec(), below.der().to_vec(), issuing_der];
    let error = rustls(cell.root.certificate_der(), &chain, "home.cell", NOW).unwrap_err();
    assert!(format!("{error:?}").contains("PathLen"), "{error:?}");
}

#[test]
fn fingerprint_of_the_root_is_the_one_openssl_shows() {
    let cell = cell();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    fs::write(&path, cell.root.certificate_pem()).unwrap();
    assert_eq!(openssl_fingerprint(&path), cell.root.fingerprint());
}

fn openssl_fingerprint(path: &Path) -> String {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(path)
        .output()
        .expect("these tests need the openssl command");
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().split_once('=').unwrap().1.to_owned()
}
