use cell_control::caller::Caller;
use cell_control::change::Change;
use cell_model::facts::InterfaceFacts;
use serde_json::{Value, json};

use super::home::{Home, code, peer};

#[tokio::test]
async fn settings_made_from_an_older_revision_are_refused() {
    let home = Home::set_up().await;
    home.add("phone").await;
    let dns = json!({"upstreams": [{"address": "9.9.9.9"}]});
    let stale = home.settings(json!({"revision": 1, "dns": dns})).await;
    assert_eq!(code(stale), (409, "stale_revision".into()));
    let fresh = home.settings(json!({"revision": 2, "dns": dns})).await;
    let receipt = fresh.unwrap();
    assert_eq!((receipt.revision, receipt.confirm), (3, None));
}

#[tokio::test]
async fn settings_that_cannot_work_change_nothing() {
    let home = Home::set_up().await;
    let config = home.config();
    for (sections, status) in [
        (
            json!({"vpn": {"subnet": "192.168.77.0/24", "subnet6": "fd00::/64"}}),
            409,
        ),
        (
            json!({"dns": {"upstreams": [{"address": "127.0.0.1"}]}}),
            400,
        ),
        (
            json!({"network": {"lan": {"addressing": {"mode": "static", "address": "10.0.0.0/24"}}}}),
            400,
        ),
    ] {
        assert_eq!(code(home.settings(sections).await).0, status);
    }
    assert_eq!((home.config(), home.revision()), (config, 1));
}

#[tokio::test]
async fn another_domain_brings_another_issuing_authority_under_the_same_root() {
    let home = Home::set_up().await;
    let issuing = || {
        let store = &home.core.store;
        store.secret(cell_vault::CellVault::ISSUING_RECORD).unwrap()
    };
    let (before, root) = (issuing(), home.core.vault.root().unwrap().fingerprint());
    home.settings(json!({"domain": {"mode": "lan", "name": "cabin.cell"}}))
        .await
        .unwrap();
    assert_ne!(issuing(), before);
    let home = home.restart().await;
    assert_eq!(home.core.vault.root().unwrap().fingerprint(), root);
    home.core.wait_until_tried(2).await;
    let leaf = cell_vault::Vault::leaf(&*home.core.vault).await.unwrap();
    assert!(leaf.names.contains("cabin.cell"), "{:?}", leaf.names);
}

#[tokio::test]
async fn preview_tells_and_changes_nothing() {
    let home = Home::set_up().await;
    home.add("phone").await;
    let (config, records) = (home.config(), home.audit().len());
    let root = Caller::local();
    let change = Change::AddPeer(peer("tablet"));
    let preview = home.core.preview(&root, &change).await.unwrap();
    assert_eq!(preview.steps.len(), 3, "{:?}", preview.steps);
    assert!(!preview.needs_confirmation);
    let moved = json!({"vpn": {"subnet": "10.99.0.0/24", "subnet6": "fd12:3456:789a:1::/64"}});
    let change = Change::Settings(Box::new(serde_json::from_value(moved).unwrap()));
    let preview = home.core.preview(&root, &change).await.unwrap();
    assert!(preview.needs_confirmation);
    let renamed = json!({"domain": {"mode": "lan", "name": "cabin.cell"}});
    let change = Change::Settings(Box::new(serde_json::from_value(renamed).unwrap()));
    let preview = home.core.preview(&root, &change).await.unwrap();
    assert!(preview.needs_confirmation);
    assert!(
        preview.warnings[0].contains("cabin.cell"),
        "{:?}",
        preview.warnings
    );
    let change = Change::AddPeer(peer("phone"));
    assert_eq!(code(home.core.preview(&root, &change).await).0, 409);
    assert_eq!((home.config(), home.revision()), (config, 2));
    assert_eq!(home.audit().len(), records);
    assert_eq!(home.core.store.latest_revision().unwrap(), 2);
}

fn fixed(side: &str, address: &str) -> Value {
    json!({"network": {side: {"addressing": {"mode": "static", "address": address}}}})
}

#[tokio::test]
async fn sides_of_the_box_may_not_be_given_one_network() {
    let home = Home::set_up().await;
    for (side, address) in [("lan", "203.0.113.1/24"), ("wan", "192.168.77.2/16")] {
        let refused = code(home.settings(fixed(side, address)).await);
        assert_eq!(refused, (409, "sides_overlap".into()), "{side} {address}");
    }
    assert_eq!(home.revision(), 1);
}

#[tokio::test]
async fn sides_that_have_one_network_already_are_told_and_lock_nobody_out() {
    let home = Home::set_up().await;
    let uplink = InterfaceFacts {
        up: true,
        carrier: true,
        addresses: ["192.168.77.50/24".parse().unwrap()].into(),
    };
    home.network.change(|facts| {
        let wan = "wan0".parse().unwrap();
        facts.interfaces.insert(wan, uplink.clone());
    });
    let mut published = home.core.system.get().unwrap().published.clone();
    let seen = published.wait_for(|published| {
        let mut interfaces = published.facts.interfaces.values();
        interfaces.any(|interface| *interface == uplink)
    });
    drop(seen.await.unwrap());
    let root = Caller::local();
    let status = cell_control::ask(&*home.core, &root, cell_control::query::Status);
    let notices = status.await.unwrap().notices;
    assert!(
        notices.iter().any(|notice| notice.contains("The LAN's")),
        "{notices:?}"
    );
    home.add("phone").await;
    home.submit(Change::RemovePeer {
        name: "phone".parse().unwrap(),
    })
    .await
    .unwrap();
    let refused = code(home.settings(fixed("wan", "192.168.77.60/24")).await);
    assert_eq!(refused, (409, "sides_overlap".into()));
    home.settings(fixed("lan", "192.168.78.1/24"))
        .await
        .unwrap();
}
