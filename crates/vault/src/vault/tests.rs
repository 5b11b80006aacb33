use std::fs;
use std::os::unix::fs::PermissionsExt;

use cell_model::secret::Secret;

use super::*;
use crate::seal_key::SealKey;

const DAY: i64 = 86400;

fn day(day: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + day * DAY).unwrap()
}

fn vault(directory: &tempfile::TempDir) -> CellVault {
    let sealer = Sealer::new(&SealKey::Disk(Secret::new([1; 32])));
    CellVault::new(Arc::new(sealer), directory.path())
}

fn spec(domain: Option<&str>) -> LeafSpec {
    let names = ["localhost".to_owned()].into_iter();
    LeafSpec {
        domain: domain.map(|domain| domain.parse().unwrap()),
        names: names
            .chain(domain.map(|domain| format!("admin.{domain}")))
            .collect(),
        addresses: ["10.0.0.1".parse().unwrap()].into(),
    }
}

fn prepare(vault: &CellVault, domain: &str) -> PreparedCa {
    vault
        .prepare(&"home".parse().unwrap(), &domain.parse().unwrap(), day(0))
        .unwrap()
}

fn record<'a>(prepared: &'a PreparedCa, name: &str) -> &'a [u8] {
    let mut records = prepared.records().iter();
    &records.find(|record| record.name == name).unwrap().sealed
}

fn published(directory: &tempfile::TempDir) -> String {
    fs::read_to_string(directory.path().join("ca.pem")).unwrap()
}

#[tokio::test]
async fn before_setup_clients_are_told_to_trust_the_throwaway_leaf() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(&directory);
    assert_eq!(vault.leaf().await, None);
    let info = vault.ensure_leaf(&spec(None), day(0)).await.unwrap();
    let leaf = vault.credentials().await.unwrap();
    assert_eq!(leaf.info, info);
    assert_eq!(published(&directory), encoding::pem(&leaf.chain_der[0]));
    let metadata = fs::metadata(directory.path().join("ca.pem")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o644);
}

#[tokio::test]
async fn leaf_stays_until_it_is_due() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(&directory);
    vault.install(prepare(&vault, "home.cell")).unwrap();
    let spec = spec(Some("home.cell"));
    let first = vault.ensure_leaf(&spec, day(0)).await.unwrap();
    assert_eq!(vault.ensure_leaf(&spec, day(19)).await.unwrap(), first);
    let second = vault.ensure_leaf(&spec, day(25)).await.unwrap();
    assert_ne!(second.fingerprint, first.fingerprint);
    assert_eq!(vault.leaf().await, Some(second));
}

#[tokio::test]
async fn prepared_authorities_change_nothing_until_they_are_installed() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(&directory);
    let before = vault.ensure_leaf(&spec(None), day(0)).await.unwrap();
    let throwaway = published(&directory);
    let prepared = prepare(&vault, "home.cell");
    assert!(vault.root().is_none());
    assert_eq!(published(&directory), throwaway);
    assert_eq!(vault.leaf().await, Some(before));

    let fingerprint = prepared.root_fingerprint();
    vault.install(prepared).unwrap();
    let root = vault.root().unwrap();
    assert_eq!(root.fingerprint(), fingerprint);
    assert_eq!(published(&directory), root.certificate_pem());
    assert_eq!(vault.leaf().await, None);
}

#[tokio::test]
async fn authorities_come_back_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let before = vault(&directory);
    let prepared = prepare(&before, "home.cell");
    let after = vault(&directory);
    after
        .open(
            record(&prepared, CellVault::ROOT_RECORD),
            record(&prepared, CellVault::ISSUING_RECORD),
        )
        .unwrap();
    assert_eq!(
        after.root().unwrap().fingerprint(),
        prepared.root_fingerprint()
    );
    let info = after.ensure_leaf(&spec(Some("home.cell")), day(0)).await;
    assert!(info.unwrap().names.contains("admin.home.cell"));
}

#[tokio::test]
async fn swapped_or_mixed_records_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(&directory);
    let (one, two) = (prepare(&vault, "home.cell"), prepare(&vault, "home.cell"));
    let root = record(&one, CellVault::ROOT_RECORD);
    let issuing = record(&one, CellVault::ISSUING_RECORD);
    assert!(matches!(
        vault.open(issuing, root),
        Err(VaultError::Seal(SealError::Damaged { .. }))
    ));
    assert!(matches!(
        vault.open(root, record(&two, CellVault::ISSUING_RECORD)),
        Err(VaultError::Ca(CaError::Stored { what: "issuing CA" }))
    ));
    assert!(vault.root().is_none());
}

#[tokio::test]
async fn change_of_domain_keeps_the_root() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(&directory);
    vault.install(prepare(&vault, "home.cell")).unwrap();
    let root = vault.root().unwrap().fingerprint();
    let error = vault
        .ensure_leaf(&spec(Some("other.cell")), day(0))
        .await
        .unwrap_err();
    assert!(matches!(error, VaultError::OtherDomain { .. }), "{error}");

    let prepared = vault
        .reissue_domain(
            &"home".parse().unwrap(),
            &"other.cell".parse().unwrap(),
            day(1),
        )
        .unwrap();
    assert_eq!(prepared.records().len(), 1);
    assert_eq!(prepared.records()[0].name, CellVault::ISSUING_RECORD);
    vault.install(prepared).unwrap();
    let info = vault.ensure_leaf(&spec(Some("other.cell")), day(1)).await;
    assert!(info.unwrap().names.contains("admin.other.cell"));
    assert_eq!(vault.root().unwrap().fingerprint(), root);
}

#[tokio::test]
async fn names_of_a_domain_need_a_ca() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(&directory);
    let error = vault
        .ensure_leaf(&spec(Some("home.cell")), day(0))
        .await
        .unwrap_err();
    assert!(matches!(error, VaultError::NoCa), "{error}");
    assert!(matches!(
        vault.reissue_domain(
            &"home".parse().unwrap(),
            &"home.cell".parse().unwrap(),
            day(0)
        ),
        Err(VaultError::NoCa)
    ));
}

#[tokio::test]
async fn spec_from_before_setup_does_not_take_the_root_away() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(&directory);
    vault.install(prepare(&vault, "home.cell")).unwrap();
    let root = published(&directory);
    vault.ensure_leaf(&spec(None), day(0)).await.unwrap();
    assert_eq!(published(&directory), root);
    assert_eq!(vault.credentials().await.unwrap().chain_der.len(), 2);
}

#[tokio::test]
async fn keys_are_in_no_file_and_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(&directory);
    vault.install(prepare(&vault, "home.cell")).unwrap();
    vault
        .ensure_leaf(&spec(Some("home.cell")), day(0))
        .await
        .unwrap();
    let files: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, ["ca.pem"]);
    assert!(!published(&directory).contains("PRIVATE"));
    let leaf = vault.credentials().await.unwrap();
    assert!(format!("{leaf:?}").contains("key_der: [secret]"));
}
