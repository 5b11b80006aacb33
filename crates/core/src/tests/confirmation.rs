use std::time::Duration;

use cell_control::caller::Caller;
use cell_control::change::{Change, PeerForm, Receipt};
use cell_model::account::Role;
use cell_store::Batch;
use serde_json::{Value, json};

use super::home::{Home, code, peer};
use crate::confirmation::{CONFIRMATIONS, DEADLINE, KEY};

fn vpn(subnet: &str) -> Value {
    json!({"vpn": {"subnet": subnet, "subnet6": "fd12:3456:789a:1::/64"}})
}

fn lan() -> Value {
    json!({"network": {"lan": {"addressing": {"mode": "static", "address": "192.168.5.1/24"}}}})
}

/// Waits until the core has gone back by itself.
async fn taken_back(home: &Home, revision: u64) {
    let mut desired = home.core.desired();
    let reached = desired.wait_for(|desired| desired.revision >= revision);
    tokio::time::timeout(Duration::from_secs(60), reached)
        .await
        .expect("it goes back by itself")
        .unwrap();
}

/// Confirms on a new connection, as soon as the change is in force.
pub(super) async fn confirmed(home: &Home) -> Receipt {
    loop {
        match home.core.confirm(&Caller::local()).await {
            Ok(receipt) => return receipt,
            Err(problem) => assert_eq!(problem.code, "confirmation_same_connection"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn subnet(home: &Home) -> String {
    home.config().vpn.subnet.to_string()
}

#[tokio::test]
async fn change_nobody_confirms_returns_though_nobody_does_anything_else() {
    let home = Home::set_up_with_deadline(Duration::ZERO).await;
    home.add("phone").await;
    let config = home.config();
    let receipt = home.settings(vpn("10.40.0.0/24")).await.unwrap();
    assert_eq!(receipt.revision, 3);
    assert_eq!(receipt.confirm.unwrap().revision, 3);
    taken_back(&home, 4).await;
    assert_eq!(home.config(), config);
    let last = home.audit().pop().unwrap();
    assert_eq!((last.action.as_str(), last.actor), ("config.revert", None));
    assert_eq!(last.object.as_deref(), Some("3"));
    assert!(home.core.confirmation().is_none());
    assert_eq!(
        code(home.core.confirm(&Caller::local()).await),
        (409, "nothing_to_confirm".into())
    );
}

#[tokio::test]
async fn confirmation_needs_a_newer_connection_and_the_same_person() {
    let home = Home::set_up().await;
    let old = Caller::local();
    let receipt = home.settings(vpn("10.40.0.0/24")).await.unwrap();
    assert!((1..=90).contains(&receipt.confirm.unwrap().seconds_left));
    assert_eq!(
        code(home.core.confirm(&old).await),
        (409, "confirmation_same_connection".into())
    );
    let other = home.somebody(Role::Owner);
    assert_eq!(
        code(home.core.confirm(&other).await),
        (409, "confirmation_of_another".into())
    );
    let receipt = confirmed(&home).await;
    assert_eq!((receipt.revision, receipt.confirm), (2, None));
    let home = home.restart().await;
    assert_eq!(subnet(&home), "10.40.0.0/24");
    assert!(home.core.confirmation().is_none());
}

#[tokio::test]
async fn only_another_risky_change_has_to_wait() {
    let home = Home::set_up().await;
    home.settings(vpn("10.40.0.0/24")).await.unwrap();
    for risky in [lan(), vpn("10.41.0.0/24")] {
        assert_eq!(
            code(home.settings(risky).await),
            (409, "confirmation_outstanding".into())
        );
    }
    home.add("phone").await;
    home.settings(json!({"dns": {"upstreams": [{"address": "9.9.9.9"}]}}))
        .await
        .unwrap();
    let receipt = home.core.revert(&Caller::local()).await.unwrap();
    assert_eq!(receipt.revision, 5);
    let config = home.config();
    assert_eq!(subnet(&home), "10.31.7.0/24");
    assert_eq!(config.dns.upstreams.len(), 1);
    let phone = &config.peers[&"phone".parse().unwrap()];
    assert_eq!(phone.address.to_string(), "10.31.7.2");
    home.settings(lan()).await.unwrap();
}

#[tokio::test]
async fn change_that_would_be_in_the_way_of_going_back_waits() {
    let home = Home::set_up().await;
    home.settings(vpn("10.40.0.0/30")).await.unwrap();
    confirmed(&home).await;
    home.settings(vpn("10.40.0.0/24")).await.unwrap();
    home.add("one").await;
    let second = home.submit(Change::AddPeer(peer("two"))).await;
    assert_eq!(code(second), (409, "confirmation_outstanding".into()));
    home.core.revert(&Caller::local()).await.unwrap();
    assert_eq!(home.config().peers.len(), 1);
}

#[tokio::test]
async fn restored_revision_with_another_network_can_be_taken_back_whole() {
    let home = Home::set_up().await;
    home.settings(vpn("10.40.0.0/24")).await.unwrap();
    confirmed(&home).await;
    let form = PeerForm {
        preshared_key: true,
        ..peer("phone")
    };
    home.submit(Change::AddPeer(form)).await.unwrap();
    home.add("tablet").await;
    let restored = home.submit(Change::RestoreRevision { number: 1 }).await;
    assert!(restored.unwrap().confirm.is_some());
    assert!(home.config().peers.is_empty());
    home.core.revert(&Caller::local()).await.unwrap();
    assert_eq!(subnet(&home), "10.40.0.0/24");
    let peers = home.config().peers.clone();
    assert_eq!(peers.len(), 2);
    // Its shared key is gone for good.
    let phone = &peers[&"phone".parse().unwrap()];
    assert!(!phone.preshared_key && phone.reinstall_needed);
}

#[tokio::test]
async fn restart_within_the_same_boot_still_waits_and_then_can_be_confirmed() {
    let home = Home::set_up().await;
    home.settings(vpn("10.40.0.0/24")).await.unwrap();
    let home = home.restart().await;
    assert_eq!(subnet(&home), "10.40.0.0/24");
    let too_early = Caller {
        connected_at: Duration::ZERO,
        ..Caller::local()
    };
    assert_eq!(
        code(home.core.confirm(&too_early).await),
        (409, "confirmation_same_connection".into())
    );
    confirmed(&home).await;
    let home = home.restart().await;
    assert_eq!(subnet(&home), "10.40.0.0/24");
}

/// Changes what the box remembers of the outstanding confirmation while it is off.
fn tamper(directory: &tempfile::TempDir, field: &str, value: Value) {
    let store = Home::state(directory);
    let record = store.records::<Value>(CONFIRMATIONS).get(KEY).unwrap();
    let mut record = record.unwrap();
    record[field] = value;
    let mut batch = Batch::new(cell_model::Timestamp::now(), None, "test");
    batch.put(CONFIRMATIONS, KEY, &record).unwrap();
    store.commit(batch).unwrap();
}

#[tokio::test]
async fn reboot_or_a_deadline_that_passed_meanwhile_takes_back_at_the_start() {
    for (field, value) in [
        ("boot_id", json!("another boot")),
        ("deadline", json!({"secs": 0, "nanos": 1})),
    ] {
        let home = Home::set_up().await;
        let sections = json!({
            "vpn": {"subnet": "10.40.0.0/24", "subnet6": "fd12:3456:789a:1::/64"},
            "domain": {"mode": "lan", "name": "cabin.cell"},
        });
        home.settings(sections).await.unwrap();
        let directory = home.stop().await;
        tamper(&directory, field, value);
        let home = Home::open(directory, DEADLINE).unwrap();
        assert_eq!(subnet(&home), "10.31.7.0/24");
        assert_eq!(home.revision(), 3);
        assert!(home.core.confirmation().is_none());
        assert_eq!(home.audit().pop().unwrap().action, "config.revert");
        // The authority may vouch for the old domain again.
        home.core.wait_until_tried(3).await;
        let leaf = cell_vault::Vault::leaf(&*home.core.vault).await.unwrap();
        assert!(leaf.names.contains("hut.cell"), "{:?}", leaf.names);
        let home = home.restart().await;
        assert_eq!(home.revision(), 3);
    }
}

#[tokio::test]
async fn shared_key_of_a_device_that_came_later_survives_going_back() {
    let home = Home::set_up().await;
    home.settings(vpn("10.40.0.0/24")).await.unwrap();
    let form = PeerForm {
        preshared_key: true,
        ..peer("phone")
    };
    home.submit(Change::AddPeer(form)).await.unwrap();
    home.core.revert(&Caller::local()).await.unwrap();
    assert_eq!(home.core.desired.borrow().keys.preshared.len(), 1);
    let home = home.restart().await;
    assert_eq!(home.core.desired.borrow().keys.preshared.len(), 1);
}

#[tokio::test]
async fn refused_confirmation_is_audited() {
    let home = Home::set_up().await;
    assert!(home.core.confirm(&Caller::local()).await.is_err());
    assert!(home.core.revert(&Caller::local()).await.is_err());
    let actions: Vec<(String, String)> = home.audit()[1..]
        .iter()
        .map(|record| (record.action.clone(), record.detail.clone()))
        .collect();
    let refused = |action: &str| (action.to_owned(), "nothing_to_confirm".to_owned());
    assert_eq!(
        actions,
        [refused("config.confirm"), refused("config.revert")]
    );
}

#[tokio::test]
async fn domain_nobody_confirms_returns_with_the_authority_it_had() {
    let home = Home::set_up_with_deadline(Duration::ZERO).await;
    let domain = json!({"domain": {"mode": "lan", "name": "cabin.cell"}});
    let receipt = home.settings(domain).await.unwrap();
    assert_eq!(receipt.confirm.unwrap().revision, 2);
    taken_back(&home, 3).await;
    assert_eq!(home.config().domain.name.as_str(), "hut.cell");
    home.core.wait_until_tried(3).await;
    let leaf = cell_vault::Vault::leaf(&*home.core.vault).await.unwrap();
    assert!(leaf.names.contains("hut.cell"), "{:?}", leaf.names);
}
