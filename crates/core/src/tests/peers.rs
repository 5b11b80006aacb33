use cell_control::change::{Change, PeerForm, PeerUpdate};
use cell_control::query::{Answer, Peers, Query, Range};
use cell_model::account::Role;
use cell_model::key::PrivateKey;
use cell_model::name::PeerName;

use super::home::{Home, code, peer};
use crate::keys;

fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

fn with_shared_key(text: &str) -> Change {
    Change::AddPeer(PeerForm {
        preshared_key: true,
        ..peer(text)
    })
}

#[tokio::test]
async fn added_device_gets_an_address_a_key_and_its_file_once() {
    let home = Home::set_up().await;
    let receipt = home.submit(with_shared_key("phone")).await.unwrap();
    let made = receipt.peer.unwrap();
    assert_eq!(receipt.revision, 2);
    assert_eq!(made.peer.address.to_string(), "10.31.7.2");
    let file = made.config.unwrap();
    for line in [
        "PrivateKey = ",
        "PresharedKey = ",
        "Endpoint = 203.0.113.2:51820",
    ] {
        assert!(file.expose().contains(line), "{line}");
    }
    assert_eq!(made.notes, Vec::<String>::new());

    let change = Change::FetchPeerFile {
        name: name("phone"),
    };
    let fetched = home.submit(change).await.unwrap().peer.unwrap();
    let later = fetched.config.unwrap();
    assert!(!later.expose().contains("PrivateKey"));
    assert!(later.expose().contains("PresharedKey = "));
    let store = &home.core.store;
    let names = store.secret_names().unwrap();
    assert!(
        names.contains(&keys::preshared(&name("phone"))),
        "{names:?}"
    );
}

#[tokio::test]
async fn device_with_a_key_of_its_own_gets_a_file_without_one() {
    let home = Home::set_up().await;
    let key = PrivateKey::from_bytes([5; 32]).public_key();
    let form = PeerForm {
        public_key: Some(key),
        ..peer("laptop")
    };
    let made = home.submit(Change::AddPeer(form.clone())).await.unwrap();
    let made = made.peer.unwrap();
    assert_eq!(made.peer.public_key, key);
    assert!(!made.config.unwrap().expose().contains("PrivateKey"));
    assert_eq!(
        code(home.submit(Change::AddPeer(form)).await),
        (409, "peer_exists".into())
    );
}

#[tokio::test]
async fn changed_device_keeps_what_is_not_named() {
    let home = Home::set_up().await;
    home.add("phone").await;
    let update = PeerUpdate {
        peer_to_peer: Some(true),
        ..PeerUpdate::default()
    };
    let change = Change::ChangePeer {
        name: name("phone"),
        update,
    };
    home.submit(change.clone()).await.unwrap();
    let peer = home.config().peers[&name("phone")].clone();
    assert!(peer.peer_to_peer && peer.full_tunnel && !peer.reinstall_needed);
    // The same again is no new revision.
    assert_eq!(home.submit(change).await.unwrap().revision, 3);
}

#[tokio::test]
async fn new_key_of_a_device_replaces_both_keys() {
    let home = Home::set_up().await;
    home.submit(with_shared_key("phone")).await.unwrap();
    let before = home.core.desired.borrow().clone();
    let change = Change::RekeyPeer {
        name: name("phone"),
    };
    let receipt = home.submit(change).await.unwrap().peer.unwrap();
    assert!(receipt.config.unwrap().expose().contains("PrivateKey"));
    let after = home.core.desired.borrow().clone();
    let key = |desired: &cell_reconcile::Desired| {
        desired.config.as_ref().unwrap().peers[&name("phone")].public_key
    };
    assert_ne!(key(&before), key(&after));
    assert_ne!(before.keys.preshared, after.keys.preshared);
    let home = home.restart().await;
    assert_eq!(home.core.desired.borrow().keys, after.keys);
}

#[tokio::test]
async fn removed_device_takes_its_secret_along_for_good() {
    let home = Home::set_up().await;
    home.submit(with_shared_key("phone")).await.unwrap();
    let change = Change::RemovePeer {
        name: name("phone"),
    };
    home.submit(change.clone()).await.unwrap();
    let secret = keys::preshared(&name("phone"));
    assert_eq!(home.core.store.secret(&secret).unwrap(), None);
    assert!(home.core.desired.borrow().keys.preshared.is_empty());
    assert_eq!(code(home.submit(change).await).0, 404);
    // Its address is free again.
    let next = home.add("tablet").await.peer.unwrap();
    assert_eq!(next.peer.address.to_string(), "10.31.7.2");
}

#[tokio::test]
async fn devices_are_listed_in_pages() {
    let home = Home::set_up().await;
    for device in ["c", "a", "b"] {
        home.add(device).await;
    }
    let helper = home.somebody(Role::Helper);
    let mut cursor = None;
    let mut seen = Vec::new();
    loop {
        let range = Range { limit: 2, cursor };
        let answer = home.core.snapshot(&helper, Query::Peers(Peers { range }));
        let Ok(Answer::Peers(page)) = answer.await else {
            panic!("a page");
        };
        seen.extend(page.items.into_iter().map(|peer| peer.name.to_string()));
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
}

#[tokio::test]
async fn the_system_follows_before_the_answer() {
    let home = Home::set_up().await;
    home.add("phone").await;
    let rules = home.firewall.steps();
    assert!(matches!(
        rules.last().unwrap(),
        cell_model::step::FirewallStep::PatchPeers { add, .. } if add.len() == 1
    ));
}
