use cell_control::change::{Change, SettingsUpdate};
use cell_model::config::{
    DataConfig, FormerConfig, NextConfig, OriginConfig, ServiceConfig, SettingValue, VpnConfig,
};
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
    let data = |slot, number| DataConfig {
        slot,
        number,
        lasting: number + 1,
    };
    let service = |data| {
        let manifest = "schema = 1".to_owned();
        Arc::new(ServiceConfig::new(manifest, data, BTreeMap::new()))
    };
    let mut earlier = sample::with_peers(&[]);
    earlier.services.installed = BTreeMap::from([
        (id("files"), service(data(1, 1))),
        (id("notes"), service(data(2, 3))),
    ]);
    earlier.services.discarded = BTreeMap::from([(id("photos"), [9].into())]);
    // Since then, files were removed and kept, notes were removed and deleted, and photos have their number.
    let mut now = sample::with_peers(&[]);
    now.services.installed = BTreeMap::from([(id("photos"), service(data(2, 10)))]);
    now.services.kept = BTreeMap::from([(id("files"), data(1, 1))]);
    now.services.discarded = BTreeMap::from([(id("notes"), [3, 4].into())]);
    now.services.deleted_to = 20;

    let restored = restore(&now, earlier, 3, &BTreeMap::new()).config.services;
    let places: Vec<(&str, DataConfig)> = restored
        .installed
        .iter()
        .map(|(id, service)| (id.as_str(), service.data))
        .collect();
    assert_eq!(places, [("files", data(1, 1)), ("notes", data(3, 21))]);
    assert_eq!(restored.kept, BTreeMap::from([(id("photos"), data(2, 10))]));
    assert_eq!(restored.deleted_to, 20, "nor is what is gone used again");
    let discarded = BTreeMap::from([(id("notes"), [3, 4].into())]);
    assert_eq!(
        restored.discarded, discarded,
        "nothing is deleted that nobody wants deleted now"
    );
}

#[test]
fn restored_settings_take_no_program_back_to_an_older_one() {
    let id: ServiceId = "files".parse().unwrap();
    let manifest = |release: u32, most: u32| {
        format!(
            "schema = 1\nid = \"files\"\nname = \"Files\"\nsummary = \"A\"\nversion = \"1\"\nrelease = {release}\n\
             [[container]]\nname = \"web\"\nimage = \"a@sha256:{}\"\nmemory_mib = 64\ncpu_percent = 10\n\
             processes = 8\nhealth = {{ port = 80 }}\n[[setting]]\nkey = \"size\"\nlabel = \"Size\"\n\
             kind = \"number\"\nmin = 1\nmax = {most}\ndefault = 3\n",
            "00".repeat(32)
        )
    };
    let service = |release, most, number, size| {
        let data = DataConfig {
            slot: 1,
            number,
            lasting: 2,
        };
        let answers = BTreeMap::from([("size".parse().unwrap(), SettingValue::Number(size))]);
        ServiceConfig::new(manifest(release, most), data, answers)
    };
    let with = |service: ServiceConfig| {
        let mut config = sample::with_peers(&[]);
        let installed = &mut config.services.installed;
        installed.insert(id.clone(), Arc::new(service));
        config
    };
    let restored = |now: &Config, earlier: Config| {
        let edit = restore(now, earlier, 3, &BTreeMap::new());
        ServiceConfig::clone(&edit.config.services.installed[&id])
    };
    let now = with(service(2, 9, 3, 5));
    let mut stopped = service(1, 9, 1, 7);
    stopped.enabled = false;
    let after = restored(&now, with(stopped));
    assert_eq!(after.data.number, 3);
    assert!(!after.enabled && after.manifest.contains("release = 2"));
    let size = "size".parse().unwrap();
    assert_eq!(after.answers.get(&size), Some(&SettingValue::Number(7)));
    // An answer that it does not take any more.
    let after = restored(&with(service(2, 6, 3, 5)), with(service(1, 9, 1, 7)));
    assert!(after.answers.is_empty());

    // An update that was on trial then is none now, and one that is on trial now goes on.
    let mut on_trial = service(2, 9, 3, 5);
    on_trial.former = Some(FormerConfig {
        manifest: manifest(1, 9),
        number: 1,
        origin: None,
        answers: BTreeMap::new(),
    });
    let none = sample::with_peers(&[]);
    let after = restore(&none, with(on_trial.clone()), 3, &BTreeMap::new()).config;
    assert_eq!(after.services.installed[&id].former, None);
    let after = restored(&with(on_trial.clone()), with(service(1, 9, 1, 7)));
    assert_eq!(after, on_trial);
    // So it is with one whose images are fetched.
    let mut waits = service(1, 9, 1, 5);
    waits.next = Some(NextConfig {
        manifest: manifest(2, 9),
        origin: None,
    });
    let after = restore(&none, with(waits.clone()), 3, &BTreeMap::new()).config;
    assert_eq!(after.services.installed[&id].next, None);
    let after = restored(&with(waits.clone()), with(service(1, 9, 1, 7)));
    assert_eq!(after, waits);
    // It goes with what it had before.
    let after = restore(&with(on_trial), none, 3, &BTreeMap::new()).config;
    assert_eq!(after.services.kept[&id].number, 1);
    assert_eq!(after.services.discarded[&id], [3].into());
}

#[test]
fn restored_service_of_a_source_does_not_get_what_another_one_has_kept() {
    let id = |text: &str| -> ServiceId { text.parse().unwrap() };
    let service = |source: Option<&str>, number| {
        let data = DataConfig {
            slot: 1,
            number,
            lasting: 9,
        };
        Arc::new(ServiceConfig {
            origin: source.map(|source| OriginConfig {
                source: source.parse().unwrap(),
                size: 1,
                registry: None,
            }),
            ..ServiceConfig::new("schema = 1".to_owned(), data, BTreeMap::new())
        })
    };
    let with = |source: Option<&'static str>, number| {
        let mut config = sample::with_peers(&[]);
        let installed = &mut config.services.installed;
        installed.insert(id("photos"), service(source, number));
        config
    };
    // Who is there stays, whatever was there before.
    let there = with(Some("friends"), 2);
    let restored = restore(&there, with(Some("others"), 1), 3, &BTreeMap::new());
    assert_eq!(restored.config.services, there.services);
    let away = sample::with_peers(&[]);
    let now = restore(&there, away, 3, &BTreeMap::new()).config;
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
