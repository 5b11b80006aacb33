use cell_control::change::{Change, PeerForm, PeerUpdate};
use cell_model::name::PeerName;
use serde_json::json;

use super::confirmation::confirmed;
use super::home::{Home, code, peer};
use crate::keys;

fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

async fn restore(home: &Home, number: u64) -> u64 {
    let change = Change::RestoreRevision { number };
    home.submit(change).await.unwrap().revision
}

#[tokio::test]
async fn restored_revision_is_a_new_one_with_the_old_config() {
    let home = Home::set_up().await;
    home.add("phone").await;
    let config = home.config();
    home.add("tablet").await;
    home.settings(json!({"dns": {"upstreams": [{"address": "9.9.9.9"}]}}))
        .await
        .unwrap();
    assert_eq!(restore(&home, 2).await, 5);
    assert_eq!(home.config(), config);
    let home = home.restart().await;
    assert_eq!((home.config(), home.revision()), (config, 5));
}

#[tokio::test]
async fn revision_that_is_not_there_is_not_found() {
    let home = Home::set_up().await;
    for number in [0, 2, 99] {
        let change = Change::RestoreRevision { number };
        assert_eq!(code(home.submit(change).await).0, 404, "{number}");
    }
}

#[tokio::test]
async fn destroyed_shared_key_does_not_come_back_and_the_history_says_so() {
    let home = Home::set_up().await;
    let form = PeerForm {
        preshared_key: true,
        ..peer("phone")
    };
    home.submit(Change::AddPeer(form)).await.unwrap();
    let change = Change::RemovePeer {
        name: name("phone"),
    };
    home.submit(change).await.unwrap();
    let revision = restore(&home, 2).await;
    let phone = home.config().peers[&name("phone")].clone();
    assert!(!phone.preshared_key && phone.reinstall_needed);
    let kept = home.core.store.revision(revision).unwrap();
    assert_eq!(
        kept.summary.summary,
        "Restored revision 2; the pre-shared key is gone of phone"
    );
    let home = home.restart().await;
    assert!(home.core.desired.borrow().keys.preshared.is_empty());
}

#[tokio::test]
async fn shared_key_the_old_revision_does_not_know_is_destroyed() {
    let home = Home::set_up().await;
    let form = PeerForm {
        preshared_key: true,
        ..peer("phone")
    };
    home.submit(Change::AddPeer(form)).await.unwrap();
    restore(&home, 1).await;
    let secret = keys::preshared(&name("phone"));
    assert_eq!(home.core.store.secret(&secret).unwrap(), None);
    assert!(home.core.desired.borrow().keys.preshared.is_empty());
}

#[tokio::test]
async fn device_whose_file_is_newer_than_the_revision_needs_another() {
    let home = Home::set_up().await;
    home.add("phone").await;
    home.add("tablet").await;
    let update = PeerUpdate {
        full_tunnel: Some(false),
        ..PeerUpdate::default()
    };
    let change = Change::ChangePeer {
        name: name("phone"),
        update,
    };
    home.submit(change).await.unwrap();
    let change = Change::FetchPeerFile {
        name: name("phone"),
    };
    home.submit(change).await.unwrap();
    restore(&home, 3).await;
    let peers = &home.config().peers;
    assert!(peers[&name("phone")].reinstall_needed);
    assert!(!peers[&name("tablet")].reinstall_needed);
}

#[tokio::test]
async fn restored_domain_brings_its_authority_back() {
    let home = Home::set_up().await;
    home.settings(json!({"domain": {"mode": "lan", "name": "cabin.cell"}}))
        .await
        .unwrap();
    confirmed(&home).await;
    restore(&home, 1).await;
    let leaf = cell_vault::Vault::leaf(&*home.core.vault).await.unwrap();
    assert!(leaf.names.contains("hut.cell"), "{:?}", leaf.names);
}
