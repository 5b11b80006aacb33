use cell_control::change::{Change, SettingsUpdate};
use cell_model::config::{DataConfig, OriginConfig, ServiceConfig, VpnConfig};
use cell_model::name::ServiceId;
use proptest::prelude::*;

use super::*;
use crate::edit::{apply, sample};

fn moved(config: &Config, subnet: &str) -> Config {
    let update = SettingsUpdate {
        vpn: Some(VpnConfig {
            subnet: subnet.parse().unwrap(),
            subnet6: config.vpn.subnet6,
        }),
        ..SettingsUpdate::default()
    };
    edited(config, &Change::Settings(Box::new(update)))
}

fn edited(config: &Config, change: &Change) -> Config {
    sample::with_context(|context| apply(config, change, context))
        .unwrap()
        .config
}

fn with(config: &Config, name: &str) -> Config {
    edited(config, &Change::AddPeer(sample::form(name)))
}

fn without(config: &Config, name: &str) -> Config {
    let name = name.parse().unwrap();
    edited(config, &Change::RemovePeer { name })
}

fn addresses(config: &Config) -> Vec<(String, String)> {
    let peers = config.peers.iter();
    peers
        .map(|(name, peer)| (name.to_string(), peer.address.to_string()))
        .collect()
}

#[test]
fn change_nobody_touched_is_undone_to_the_letter() {
    let before = sample::with_peers(&["a", "b"]);
    let after = moved(&before, "192.168.200.0/24");
    assert_eq!(undo(&after, &before, &after).unwrap(), before);
}

#[test]
fn settings_that_came_later_stay() {
    let before = sample::with_peers(&[]);
    let mut after = before.clone();
    after.vpn.subnet = "10.40.0.0/24".parse().unwrap();
    after.cell.timezone = "Europe/Zurich".parse().unwrap();
    let mut now = after.clone();
    now.cell.name = "cabin".parse().unwrap();
    let undone = undo(&now, &before, &after).unwrap();
    assert_eq!(undone.vpn, before.vpn);
    assert_eq!(undone.cell, now.cell);
}

#[test]
fn devices_that_came_later_keep_their_host_number_and_need_another_file() {
    let before = sample::with_peers(&["a"]);
    let after = moved(&before, "192.168.200.0/24");
    let now = with(&after, "later");
    let undone = undo(&now, &before, &after).unwrap();
    assert_eq!(
        addresses(&undone),
        [
            ("a".into(), "10.31.7.2".into()),
            ("later".into(), "10.31.7.3".into())
        ]
    );
    assert!(undone.peers[&"later".parse().unwrap()].reinstall_needed);
    assert!(!undone.peers[&"a".parse().unwrap()].reinstall_needed);
}

#[test]
fn device_that_was_removed_later_stays_away() {
    let before = sample::with_peers(&["a", "b"]);
    let after = moved(&before, "192.168.200.0/24");
    let now = without(&after, "a");
    let undone = undo(&now, &before, &after).unwrap();
    assert_eq!(addresses(&undone), [("b".into(), "10.31.7.3".into())]);
}

#[test]
fn devices_a_restore_took_away_come_back_and_later_ones_make_room() {
    let before = sample::with_peers(&["a", "b"]);
    let after = moved(&without(&before, "a"), "192.168.200.0/24");
    let now = with(&after, "later");
    assert_eq!(addresses(&now)[1].1, "192.168.200.2");
    let undone = undo(&now, &before, &after).unwrap();
    assert_eq!(
        addresses(&undone),
        [
            ("a".into(), "10.31.7.2".into()),
            ("b".into(), "10.31.7.3".into()),
            ("later".into(), "10.31.7.4".into()),
        ]
    );
}

#[test]
fn devices_a_restore_brought_go_again() {
    let before = sample::with_peers(&[]);
    let after = moved(&with(&before, "old"), "192.168.200.0/24");
    assert_eq!(undo(&after, &before, &after).unwrap(), before);
}

#[test]
fn device_without_a_place_in_the_old_network_is_in_the_way() {
    let mut before = sample::with_peers(&[]);
    before.vpn.subnet = "10.31.7.0/30".parse().unwrap();
    let after = moved(&before, "10.31.8.0/24");
    let one = with(&after, "one");
    assert!(undo(&one, &before, &after).is_ok());
    let problem = undo(&with(&one, "two"), &before, &after).unwrap_err();
    assert_eq!(problem.code, "confirmation_outstanding");
}

#[test]
fn device_with_the_label_of_one_that_would_return_is_in_the_way() {
    let before = sample::with_peers(&["a-b"]);
    let after = without(&before, "a-b");
    assert!(undo(&with(&after, "a_b"), &before, &after).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn whatever_came_later_is_still_there_and_addresses_are_unique(
        former in proptest::collection::btree_set(0_u8..12, 0..6),
        gone in proptest::collection::btree_set(0_u8..12, 0..6),
        added in proptest::collection::btree_set(12_u8..24, 0..6),
        removed in proptest::collection::btree_set(0_u8..24, 0..6),
        move_network in any::<bool>(),
    ) {
        let label = |number: &u8| format!("p{number}");
        let names: Vec<String> = former.iter().map(label).collect();
        let before = sample::with_peers(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut after = before.clone();
        after.peers.retain(|name, _| !gone.iter().any(|number| label(number) == name.as_str()));
        if move_network {
            after = moved(&after, "192.168.200.0/24");
        }
        let mut now = after.clone();
        for number in &removed {
            now.peers.remove(&label(number).parse().unwrap());
        }
        for number in &added {
            now = with(&now, &label(number));
        }
        let undone = undo(&now, &before, &after).unwrap();
        prop_assert_eq!(&undone.vpn, &before.vpn);
        let places: HashSet<_> = undone.peers.values().map(|peer| peer.address).collect();
        prop_assert_eq!(places.len(), undone.peers.len());
        for number in &added {
            let name = label(number).parse().unwrap();
            prop_assert_eq!(undone.peers[&name].public_key, now.peers[&name].public_key);
        }
        for (name, peer) in &undone.peers {
            prop_assert!(before.peers.get(name) == Some(peer) || now.peers.contains_key(name));
        }
    }
}

#[test]
fn restored_services_find_their_data_and_never_anybody_elses() {
    let id = |text: &str| -> ServiceId { text.parse().unwrap() };
    let data = |slot, number| DataConfig { slot, number };
    let service = |data| {
        Arc::new(ServiceConfig {
            manifest: "schema = 1".to_owned(),
            data,
            origin: None,
            enabled: true,
            answers: BTreeMap::new(),
        })
    };
    let mut earlier = sample::with_peers(&[]);
    earlier.services.installed = BTreeMap::from([
        (id("files"), service(data(1, 1))),
        (id("notes"), service(data(2, 2))),
    ]);
    earlier.services.discarded = BTreeMap::from([(id("photos"), [9].into())]);
    // Since then, files were removed and kept, notes were removed and deleted, and photos have their number.
    let mut now = sample::with_peers(&[]);
    now.services.installed = BTreeMap::from([(id("photos"), service(data(2, 10)))]);
    now.services.kept = BTreeMap::from([(id("files"), data(1, 1))]);
    now.services.discarded = BTreeMap::from([(id("notes"), [2].into())]);

    let restored = restore(&now, earlier, 3, &BTreeMap::new()).config.services;
    let places: Vec<(&str, DataConfig)> = restored
        .installed
        .iter()
        .map(|(id, service)| (id.as_str(), service.data))
        .collect();
    assert_eq!(places, [("files", data(1, 1)), ("notes", data(3, 11))]);
    assert_eq!(restored.kept, BTreeMap::from([(id("photos"), data(2, 10))]));
    let discarded = BTreeMap::from([(id("notes"), [2].into())]);
    assert_eq!(
        restored.discarded, discarded,
        "nothing is deleted that nobody wants deleted now"
    );
}

#[test]
fn restored_service_of_a_source_does_not_get_what_another_one_has_kept() {
    let id = |text: &str| -> ServiceId { text.parse().unwrap() };
    let service = |source: Option<&str>, number| {
        Arc::new(ServiceConfig {
            manifest: "schema = 1".to_owned(),
            data: DataConfig { slot: 1, number },
            origin: source.map(|source| OriginConfig {
                source: source.parse().unwrap(),
                size: 1,
                registry: None,
            }),
            enabled: true,
            answers: BTreeMap::new(),
        })
    };
    let with = |source: Option<&'static str>, number| {
        let mut config = sample::with_peers(&[]);
        let installed = &mut config.services.installed;
        installed.insert(id("photos"), service(source, number));
        config
    };
    let now = with(Some("friends"), 2);
    let back = |earlier| {
        let restored = restore(&now, with(earlier, 1), 3, &BTreeMap::new());
        restored.config.services
    };
    for (source, comes) in [
        (Some("others"), false),
        (Some("friends"), true),
        (None, true),
    ] {
        let services = back(source);
        let found = services.installed.get(&id("photos"));
        assert_eq!(found.is_some(), comes, "{source:?}");
        assert!(found.is_none_or(|found| found.data.number == 2));
        let kept_from = services.kept_from.get(&id("photos"));
        let kept_from = kept_from.map(ToString::to_string);
        assert_eq!(kept_from.as_deref(), (!comes).then_some("friends"));
    }
}
