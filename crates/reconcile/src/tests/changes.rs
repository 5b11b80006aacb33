use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cell_firewall::FirewallStatus;
use cell_model::config::AddressingConfig;
use cell_model::facts::{DhcpFacts, LeaseFacts};
use cell_model::key::PublicKey;
use cell_model::name::InterfaceName;
use cell_model::status::{Part, State};
use cell_network::Network;

use super::running::{Running, config, desired, state};
use super::world::{World, clock, interface, let_days_pass};
use crate::{Nudge, Published};

#[tokio::test(start_paused = true)]
async fn added_device_is_three_patches() {
    let running = Running::with(config(2..100)).await;
    running.change(2, config(2..101));
    running.applied(2).await;
    assert_eq!(
        running.world.done(),
        ["firewall peers", "wireguard peers", "dns names"]
    );
}

#[tokio::test(start_paused = true)]
async fn config_that_is_in_force_already_is_only_a_new_revision() {
    let running = Running::with(config([2])).await;
    running.change(2, config([2]));
    running.applied(2).await;
    assert_eq!(running.world.done(), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn zone_serial_that_is_published_is_the_one_in_service() {
    let running = Running::with(config([2])).await;
    running.change(2, config([2, 3]));
    running.applied(2).await;
    running.change(3, config([2, 3]));
    let published = running.applied(3).await;
    let zone = published.spec.as_ref().unwrap().dns.zone.clone().unwrap();
    let in_service = cell_dns::Dns::observe(&running.world.dns).await.unwrap();
    assert_eq!(in_service.serial, Some(zone.serial));
}

#[tokio::test(start_paused = true)]
async fn new_address_of_the_home_side_reaches_everything_that_follows_from_it() {
    let running = Running::with(config([2])).await;
    running.world.network.change(|facts| {
        facts
            .interfaces
            .insert("lan0".parse().unwrap(), interface(&["192.168.99.1/24"]));
    });
    let moved = "192.168.99.1:8443".parse().unwrap();
    let spec = running
        .until(|published| published.spec.as_ref().unwrap().web.listen.contains(&moved))
        .await
        .spec
        .clone();
    assert_eq!(
        running.world.done(),
        ["leaf", "dns", "web", "firewall open", "mdns"]
    );
    assert_eq!(
        *running.world.web.lock().unwrap(),
        Some(spec.unwrap().web.clone())
    );
}

#[tokio::test(start_paused = true)]
async fn event_that_changes_nothing_starts_nothing() {
    let running = Running::with(config([2])).await;
    let generation = running.published().generation;
    for _ in 0..100 {
        running.world.network.change(|_| {});
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(running.world.done(), Vec::<&str>::new());
    assert_eq!(running.published().generation, generation);
}

#[tokio::test(start_paused = true)]
async fn restarted_part_is_brought_up_and_no_other() {
    let running = Running::with(config([2])).await;
    for (part, expected) in [
        (Part::Firewall, &["firewall open"][..]),
        (Part::Network, &["network"]),
        (Part::Wireguard, &["wireguard"]),
        (Part::Dns, &["dns"]),
        (Part::Web, &["web"]),
        (Part::Vault, &["leaf", "web"]),
        (Part::Mdns, &["mdns"]),
        (Part::Containers, &["containers"]),
        (Part::Proxy, &["proxy"]),
    ] {
        let nudge = Nudge::Restart(part);
        running.reconciler.nudge.send(nudge).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(running.world.done(), expected, "{part:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn leaf_near_its_end_is_renewed_and_shown() {
    let running = Running::with(config([2])).await;
    let_days_pass(25);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.world.done(), ["leaf", "web"]);
    assert_eq!(running.world.vault.issued().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn device_goes_when_it_expires_though_nobody_does_anything() {
    let mut expiring = config([2, 3]);
    let peer = expiring.peers.values_mut().next().unwrap();
    Arc::make_mut(peer).expires_at = Some(clock() + Duration::from_secs(86_400));
    let running = Running::with(expiring).await;
    let_days_pass(1);
    running
        .until(|published| published.spec.as_ref().unwrap().firewall.peers.len() == 1)
        .await;
    assert_eq!(
        running.world.done(),
        ["firewall peers", "wireguard peers", "dns names"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_undoes_is_done_again() {
    let mut fixed = config([2]);
    fixed.network.lan.addressing = AddressingConfig::Static {
        address: "192.168.5.1/24".parse().unwrap(),
        gateway: None,
    };
    let running = Running::with(fixed).await;
    let world = &running.world;
    let calm = || tokio::time::sleep(Duration::from_secs(60));

    world.firewall.disturb(FirewallStatus::Absent);
    calm().await;
    assert_eq!(world.done(), ["firewall closed", "firewall open"]);

    let lan = || "lan0".parse().unwrap();
    world.network.change(|facts| {
        facts
            .interfaces
            .insert(lan(), interface(&["192.168.77.1/24"]));
    });
    calm().await;
    assert!(world.done().contains(&"network"));

    world.network.change(|facts| {
        facts.interfaces.remove(&"wg0".parse().unwrap());
    });
    calm().await;
    assert_eq!(world.done(), ["wireguard"]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_undoes_is_done_again_though_other_cells_are_looked_for_all_the_time() {
    let running = Running::with(config([2])).await;
    running.world.firewall.disturb(FirewallStatus::Absent);
    for second in 0..4 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        let place = SocketAddr::from(([203, 0, 113, second], 51_820));
        let places = Arc::new([(PublicKey::from_bytes([9; 32]), place)].into());
        running
            .desired
            .send_modify(|desired| desired.places = places);
    }
    assert_eq!(running.world.done(), ["firewall closed", "firewall open"]);
}

#[tokio::test(start_paused = true)]
async fn lease_is_put_on_the_uplink_and_taken_off_with_its_loss() {
    let mut asking = config([]);
    asking.network.wan.addressing = AddressingConfig::Dhcp;
    let running = Running::with(asking).await;
    let world = &running.world;
    let wan: InterfaceName = "wan0".parse().unwrap();
    let learn = async |known: DhcpFacts| {
        let before = running.published().generation;
        world.network.change(|facts| {
            facts.dhcp.insert(wan.clone(), known);
        });
        running
            .until(|published| published.generation > before)
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let facts = Network::observe(&world.network).await.unwrap();
        facts.addresses(&wan).collect::<Vec<_>>()
    };
    let lease = LeaseFacts {
        address: "198.51.100.7/24".parse().unwrap(),
        router: Some([198, 51, 100, 1].into()),
        resolvers: Vec::new(),
        server: None,
        until: Duration::from_secs(3_600),
    };
    let mut known = DhcpFacts {
        lease: Some(lease),
        ..DhcpFacts::default()
    };
    assert_eq!(
        learn(known.clone()).await,
        ["198.51.100.7/24".parse().unwrap()]
    );
    world.done();
    // A renewal is news, but nothing to do.
    if let Some(lease) = &mut known.lease {
        lease.until *= 2;
    }
    learn(known).await;
    assert_eq!(world.done(), Vec::<&str>::new());
    assert_eq!(learn(DhcpFacts::default()).await, Vec::new());
    assert_eq!(state(&running.published(), Part::Network), State::Ok);
}

#[tokio::test(start_paused = true)]
async fn last_of_many_quick_changes_wins() {
    let running = Running::with(config([])).await;
    for revision in 2..50 {
        let hosts = 2..revision as u8;
        running
            .desired
            .send_replace(desired(revision, config(hosts)));
    }
    let published = running.applied(49).await;
    let spec = published.spec.as_ref().unwrap();
    assert_eq!(spec.wireguard.as_ref().unwrap().peers.len(), 47);
    assert_eq!(running.world.done().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn name_that_is_somebody_elses_is_told_and_the_one_that_was_free_is_served() {
    let world = World::new();
    world.mdns.meet(1);
    let running = Running::start(world, desired(1, config([2])));
    let served = |published: &Published| {
        let spec = published.spec.as_ref()?;
        let mut found = spec
            .web
            .hosts
            .iter()
            .filter(|name| name.ends_with(".local"));
        (spec.leaf.names.contains(found.next_back()?)).then(|| spec.web.hosts.clone())
    };
    let published = running
        .until(|published| served(published).is_some_and(|hosts| hosts.contains("hut-2.local")))
        .await;
    let detail = &published.items[Part::Mdns as usize].detail;
    assert_eq!(
        detail,
        "Another device at home is called hut.local, so the box is found as hut-2.local."
    );
    assert!(served(&published).unwrap().contains("hut.local"));
}
