use std::collections::BTreeSet;
use std::time::Duration;

use cell_dns::Dns;
use cell_firewall::{Firewall, FirewallStatus};
use cell_model::config::{AddressingConfig, Config};
use cell_model::status::{Part, State};
use cell_network::Network;
use cell_plan::resolve::{Input, resolve};
use cell_vault::Vault;
use cell_wireguard::WireGuard;
use proptest::prelude::*;

use super::running::{Running, config, desired, keys, options, state};
use super::world::{World, clock, interface, no_interface};
use crate::Nudge;

#[derive(Debug, Clone)]
enum Event {
    Config {
        hosts: BTreeSet<u8>,
        fixed: bool,
        upstream: bool,
    },
    HomeMoves(u8),
    Breaks(Part),
    Hangs(Part),
    LooksAwayOnce,
    Mends,
    Restarts(Part),
    TimePasses(u64),
}

fn part() -> impl Strategy<Value = Part> {
    (0..Part::ALL.len()).prop_map(|index| Part::ALL[index])
}

fn event() -> impl Strategy<Value = Event> {
    let hosts = proptest::collection::btree_set(2_u8..30, 0..8);
    prop_oneof![
        4 => (hosts, any::<bool>(), any::<bool>())
            .prop_map(|(hosts, fixed, upstream)| Event::Config { hosts, fixed, upstream }),
        1 => (1_u8..5).prop_map(Event::HomeMoves),
        2 => part().prop_map(Event::Breaks),
        1 => part().prop_map(Event::Hangs),
        1 => Just(Event::LooksAwayOnce),
        2 => Just(Event::Mends),
        1 => part().prop_map(Event::Restarts),
        3 => (0_u64..50_000).prop_map(Event::TimePasses),
    ]
}

fn wanted(hosts: &BTreeSet<u8>, fixed: bool, upstream: bool) -> Config {
    let mut config = config(hosts.iter().copied());
    if fixed {
        config.network.lan.addressing = AddressingConfig::Static {
            address: "192.168.5.1/24".parse().unwrap(),
            gateway: None,
        };
    }
    if upstream {
        config.dns.upstreams = serde_json::from_str(r#"[{"address":"9.9.9.9"}]"#).unwrap();
    }
    config
}

async fn happen(running: &Running, event: &Event, last: &mut (u64, Config)) {
    match event {
        Event::Config {
            hosts,
            fixed,
            upstream,
        } => {
            *last = (last.0 + 1, wanted(hosts, *fixed, *upstream));
            running
                .desired
                .send_replace(desired(last.0, last.1.clone()));
        }
        Event::HomeMoves(network) => running.world.network.change(|facts| {
            let address = format!("192.168.{network}0.1/24");
            let lan = "lan0".parse().unwrap();
            facts.interfaces.insert(lan, interface(&[&address]));
        }),
        Event::Breaks(part) => running.world.break_part(*part),
        Event::Hangs(part) => running.world.hang(*part),
        Event::LooksAwayOnce => running.world.network.fail_observe(no_interface()),
        Event::Mends => running.world.mend(),
        Event::Restarts(part) => {
            let nudge = Nudge::Restart(*part);
            running.reconciler.nudge.send(nudge).await.unwrap();
        }
        Event::TimePasses(time) => tokio::time::sleep(Duration::from_millis(*time)).await,
    }
}

async fn ends_as_asked(events: &[Event]) {
    let mut last = (1, config([]));
    let running = Running::start(World::new(), desired(last.0, last.1.clone()));
    for event in events {
        happen(&running, event, &mut last).await;
    }
    running.world.mend();
    // Events and pauses that are still on their way.
    tokio::time::sleep(Duration::from_secs(180)).await;
    let published = running.applied(last.0).await;
    for part in Part::ALL {
        assert_eq!(state(&published, part), State::Ok, "{part:?}");
    }

    let world = &running.world;
    let facts = Network::observe(&world.network).await.unwrap();
    let spec = resolve(&Input {
        options: &options(),
        facts: &facts,
        config: Some(&last.1),
        keys: &keys(),
        now: clock(),
        serial: 0,
        proxy_image: None,
        opened_after: Duration::ZERO,
        pairing: None,
        places: &std::collections::BTreeMap::new(),
        exits: &std::collections::BTreeMap::new(),
    });
    assert_eq!(
        world.firewall.observe().await.unwrap(),
        FirewallStatus::of(&spec.firewall)
    );
    assert!(
        world
            .network
            .verify(&spec.network)
            .await
            .unwrap()
            .is_empty()
    );
    let wireguard = spec.wireguard.unwrap();
    let seen = WireGuard::observe(&world.wireguard).await.unwrap().unwrap();
    let seen: BTreeSet<_> = seen.peers.iter().map(|peer| peer.public_key).collect();
    assert_eq!(seen, wireguard.peers.keys().copied().collect());
    let names = spec.dns.zone.as_ref().unwrap().names.len();
    assert_eq!(Dns::observe(&world.dns).await.unwrap().names, names);
    let in_service = published.spec.as_ref().unwrap();
    assert_eq!(in_service.dns.listen, spec.dns.listen);
    assert_eq!(in_service.dns.upstreams, spec.dns.upstreams);
    assert_eq!(*world.web.lock().unwrap(), Some(spec.web));
    assert_eq!(world.vault.leaf().await.unwrap().spec, spec.leaf);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn whatever_happens_the_box_ends_up_as_asked(
        events in proptest::collection::vec(event(), 0..25)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(ends_as_asked(&events));
    }
}
