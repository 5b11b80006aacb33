//! What is there becomes what is asked for, and only that is touched which differs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use cell_model::container::{IdRange, Limits};
use cell_model::spec::{HealthSpec, ProbeSpec, VolumeSpec};
use proptest::prelude::*;

use super::*;
use crate::seen::ContainerSeen;

/// A service with that many containers; `change` makes another one of each, `network` moves it.
fn service(number: u8, containers: u8, change: u8, network: u8) -> ServiceSpec {
    let container = |at: u8| ContainerSpec {
        name: format!("c{at}").parse().unwrap(),
        image: format!("a@sha256:{}", "00".repeat(32)).parse().unwrap(),
        command: vec![format!("serve-{change}")],
        environment: BTreeMap::new(),
        capabilities: BTreeSet::new(),
        limits: Limits {
            memory_mib: 64,
            cpu_percent: 10,
            processes: 8,
        },
        mounts: Vec::new(),
        scratch: Vec::new(),
        hands: BTreeSet::new(),
        reload: Vec::new(),
        address: Ipv4Addr::new(172, 20, network, at + 2),
        hosts: BTreeMap::new(),
        resolver: None,
        health: HealthSpec {
            probe: ProbeSpec::Tcp { port: 80 },
            interval_s: 30,
            timeout_s: 5,
            retries: 3,
            start_s: 60,
        },
    };
    ServiceSpec {
        id: format!("s{number}").parse().unwrap(),
        bridge: format!("svc{number}").parse().unwrap(),
        network: format!("172.20.{network}.0/27").parse().unwrap(),
        ids: IdRange {
            first: 0x4000_0000,
            size: 65_536,
        },
        volumes: BTreeMap::from([("data".parse().unwrap(), kept(1, None))]),
        data: 1,
        containers: (0..containers).map(container).collect(),
        names: BTreeSet::new(),
        certificate_key: None,
        end: Vec::new(),
        remove: None,
    }
}

fn kept(number: u32, copy_of: Option<u32>) -> VolumeSpec {
    VolumeSpec {
        number,
        copy_of,
        max_mib: None,
    }
}

/// Carries an act out on what is only remembered.
fn carry_out(seen: &mut ContainersSeen, act: Act<'_>) {
    match act {
        Act::RemoveContainer(name) => assert!(seen.containers.remove(name).is_some(), "{name}"),
        Act::RemoveNetwork(name) => assert!(seen.networks.remove(name).is_some(), "{name}"),
        Act::CreateNetwork(service) => {
            let made_from = render::network_digest(service);
            let before = seen.networks.insert(names::network(&service.id), made_from);
            assert_eq!(before, None, "it was taken away first");
        }
        Act::CreateVolume(service, volume, number) => {
            let name = names::volume(&service.id, volume, number);
            assert!(seen.volumes.insert(name));
        }
        Act::LimitVolume(service, volume, number, limit) => {
            let name = names::volume(&service.id, volume, number);
            assert!(seen.volumes.contains(&name));
            seen.limits.get_or_insert_default().insert(name, limit);
        }
        Act::CopyVolume(service, volume, number, original) => {
            let runs = |container: &ContainerSeen| container.service.as_ref() == Some(&service.id);
            assert!(!seen.containers.values().any(runs), "nobody writes");
            let name = |number| names::volume(&service.id, volume, number);
            assert!(seen.volumes.contains(&name(number)));
            assert_ne!(number, original);
            assert!(seen.copied.insert(name(number)));
        }
        Act::CreateContainer(service, container) => {
            assert!(seen.networks.contains_key(&names::network(&service.id)));
            let made = ContainerSeen {
                service: Some(service.id.clone()),
                part: Some(container.name.clone()),
                data: Some(service.data),
                state: ContainerState::Created,
                made_from: render::container_digest(service, container, Limiting::Possible),
                started: 0,
            };
            let name = names::container(&service.id, &container.name);
            assert_eq!(
                seen.containers.insert(name, made),
                None,
                "it was taken away first"
            );
        }
        Act::Start(service, container) => {
            let name = names::container(&service.id, &container.name);
            seen.containers.get_mut(&name).unwrap().state = ContainerState::Running;
        }
    }
}

/// How many acts it takes.
fn bring(seen: &mut ContainersSeen, spec: &ContainersSpec) -> usize {
    let before = seen.clone();
    let away = removals(spec, &before, &BTreeSet::new(), Limiting::Possible);
    for act in &away {
        carry_out(seen, *act);
    }
    let between = seen.clone();
    let services = spec.services.iter();
    let added: Vec<_> = services
        .flat_map(|service| {
            additions(
                service,
                &between,
                Limiting::Possible,
                &VolumeLimits::new(),
                &BTreeSet::new(),
            )
        })
        .collect();
    for act in &added {
        carry_out(seen, *act);
    }
    away.len() + added.len()
}

fn spec(services: Vec<ServiceSpec>) -> ContainersSpec {
    ContainersSpec {
        services,
        ..ContainersSpec::default()
    }
}

#[test]
fn other_way_of_asking_is_no_other_container() {
    let mut seen = ContainersSeen::default();
    let mut asked = service(1, 2, 0, 1);
    assert_eq!(bring(&mut seen, &spec(vec![asked.clone()])), 6);
    asked.containers[0].health.interval_s = 5;
    assert_eq!(bring(&mut seen, &spec(vec![asked])), 0);
}

#[test]
fn container_that_comes_to_a_service_makes_the_others_know_it() {
    let mut seen = ContainersSeen::default();
    bring(&mut seen, &spec(vec![service(1, 1, 0, 1)]));
    // The one that was there is made anew with the other's name in its hosts.
    assert_eq!(bring(&mut seen, &spec(vec![service(1, 2, 0, 1)])), 5);
}

#[test]
fn container_that_was_never_started_is_made_anew() {
    for state in [ContainerState::Created, ContainerState::Other] {
        let mut seen = ContainersSeen::default();
        let asked = spec(vec![service(1, 1, 0, 1)]);
        bring(&mut seen, &asked);
        seen.containers.get_mut("cell.s1.c0").unwrap().state = state;
        assert_eq!(bring(&mut seen, &asked), 3, "away, made, started");
        seen.containers.get_mut("cell.s1.c0").unwrap().state = ContainerState::Exited(1);
        assert_eq!(bring(&mut seen, &asked), 1, "started");
    }
}

#[test]
fn network_with_a_damaged_label_goes_with_its_containers() {
    let mut seen = ContainersSeen::default();
    let asked = spec(vec![service(1, 2, 0, 1), service(2, 1, 0, 4)]);
    bring(&mut seen, &asked);
    seen.networks.insert("cell.s1".to_owned(), String::new());
    assert_eq!(bring(&mut seen, &asked), 3 + 5);
}

#[test]
fn what_ended_and_rests_is_not_started_with_the_others() {
    let mut seen = ContainersSeen::default();
    let asked = spec(vec![service(1, 2, 0, 1)]);
    bring(&mut seen, &asked);
    for container in seen.containers.values_mut() {
        container.state = ContainerState::Exited(1);
    }
    let names: Vec<String> = seen.containers.keys().cloned().collect();
    let started = |resting: &[String]| {
        let resting = resting.iter().cloned().collect();
        additions(
            &asked.services[0],
            &seen,
            Limiting::Possible,
            &VolumeLimits::new(),
            &resting,
        )
        .len()
    };
    assert_eq!(started(&[]), 2);
    assert_eq!(started(&names[..1]), 1);
    assert_eq!(started(&names), 0);
}

#[test]
fn service_that_is_left_alone_goes_on_as_it_was() {
    let mut seen = ContainersSeen::default();
    bring(&mut seen, &spec(vec![service(1, 2, 0, 1)]));
    let asked = spec(vec![service(1, 2, 1, 2)]);
    let alone = BTreeSet::from([asked.services[0].id.clone()]);
    assert_eq!(removals(&asked, &seen, &alone, Limiting::Possible), []);
}

#[test]
fn update_works_on_a_copy_that_is_made_once_and_while_nothing_runs() {
    let mut seen = ContainersSeen::default();
    bring(&mut seen, &spec(vec![service(1, 2, 0, 1)]));
    let mut updated = service(1, 2, 1, 1);
    let data = "data".parse().unwrap();
    (updated.data, updated.volumes) = (3, BTreeMap::from([(data, kept(3, Some(1)))]));
    // Two away; a volume, its copy, two made and started.
    assert_eq!(bring(&mut seen, &spec(vec![updated.clone()])), 2 + 2 + 4);
    assert_eq!(bring(&mut seen, &spec(vec![updated.clone()])), 0);

    // It stays: no container is touched.
    let mut stays = updated.clone();
    stays
        .volumes
        .values_mut()
        .for_each(|volume| volume.copy_of = None);
    assert_eq!(bring(&mut seen, &spec(vec![stays])), 0);

    // Or the one before comes back, to what it had.
    assert_eq!(bring(&mut seen, &spec(vec![service(1, 2, 0, 1)])), 2 + 4);

    // A copy that was begun is gone on with, and what is not copied stays where it is.
    seen.copied.clear();
    let rest = "rest".parse().unwrap();
    updated.volumes.insert(rest, kept(2, None));
    let acts = additions(
        &updated,
        &seen,
        Limiting::Possible,
        &VolumeLimits::new(),
        &BTreeSet::new(),
    );
    assert!(matches!(acts[0], Act::CopyVolume(_, _, 3, 1)), "{acts:?}");
    assert!(matches!(acts[1], Act::CreateVolume(_, _, 2)), "{acts:?}");
}

#[test]
fn volume_is_limited_before_anything_is_written_and_anew_when_that_changes() {
    let mut asked = service(1, 1, 0, 1);
    let data = "data".parse().unwrap();
    asked.volumes = BTreeMap::from([(data, kept(3, Some(1)))]);
    let limits =
        |mib| VolumeLimits::from([("cell.s1.data.3".to_owned(), VolumeLimit { mib, files: 100 })]);
    let mut seen = ContainersSeen::default();
    let before = seen.clone();
    let acts = additions(
        &asked,
        &before,
        Limiting::Possible,
        &limits(20),
        &BTreeSet::new(),
    );
    for act in &acts {
        carry_out(&mut seen, *act);
    }
    let at = |wanted: fn(&Act<'_>) -> bool| acts.iter().position(wanted).unwrap();
    let limited = at(|act| matches!(act, Act::LimitVolume(..)));
    assert!(limited < at(|act| matches!(act, Act::CopyVolume(..))));
    assert!(limited < at(|act| matches!(act, Act::CreateContainer(..))));
    assert_eq!(
        additions(
            &asked,
            &seen,
            Limiting::Possible,
            &limits(20),
            &BTreeSet::new()
        ),
        []
    );

    // No container is touched by another limit.
    let acts = additions(
        &asked,
        &seen,
        Limiting::Possible,
        &limits(30),
        &BTreeSet::new(),
    );
    assert!(matches!(acts[..], [Act::LimitVolume(..)]), "{acts:?}");
}

#[test]
fn container_with_a_label_of_nobody_goes() {
    let mut seen = ContainersSeen::default();
    let stray = ContainerSeen {
        service: None,
        part: None,
        data: None,
        state: ContainerState::Running,
        made_from: String::new(),
        started: 0,
    };
    seen.containers.insert("stray".to_owned(), stray);
    assert_eq!(bring(&mut seen, &ContainersSpec::default()), 1);
    assert_eq!(seen, ContainersSeen::default());
}

prop_compose! {
    fn any_spec()(services in prop::collection::btree_map(0_u8..4, (1_u8..4, 0_u8..2, 0_u8..2), 0..4)) -> ContainersSpec {
        let services = services.into_iter();
        spec(services.map(|(number, (containers, change, moved))| {
            service(number, containers, change, number * 2 + moved)
        }).collect())
    }
}

proptest! {
    #[test]
    fn one_round_is_enough_and_what_is_kept_stays(specs in prop::collection::vec(any_spec(), 1..5)) {
        let mut seen = ContainersSeen::default();
        let mut kept = BTreeSet::new();
        for spec in &specs {
            bring(&mut seen, spec);
            prop_assert!(seen.volumes.is_superset(&kept));
            kept.clone_from(&seen.volumes);
            let containers: usize = spec.services.iter().map(|service| service.containers.len()).sum();
            prop_assert_eq!(seen.containers.len(), containers);
            prop_assert_eq!(seen.networks.len(), spec.services.len());
            prop_assert_eq!(bring(&mut seen, spec), 0);
        }
    }
}
