use std::sync::Arc;

use cell_firewall::FirewallStatus;
use cell_model::status::{Part, State};

use super::running::{Running, config, desired, state};
use super::world::World;
use crate::Desired;

#[tokio::test(start_paused = true)]
async fn box_comes_up_closed_and_is_opened_last() {
    let running = Running::start(World::new(), desired(1, config([2, 3])));
    let published = running.applied(1).await;
    assert_eq!(
        running.world.done()[..7],
        [
            "firewall closed",
            "network",
            "wireguard",
            "leaf",
            "dns",
            "exits",
            "web"
        ]
    );
    let essential = Part::ALL.iter().filter(|part| part.is_essential());
    for part in essential {
        assert_eq!(state(&published, *part), State::Ok, "{part:?}");
    }
    running
        .until(|published| state(published, Part::Mdns) == State::Ok)
        .await;
    let rules = running.world.firewall.steps();
    assert!(matches!(
        rules.last().unwrap(),
        cell_model::step::FirewallStep::Replace(spec) if spec.peers.len() == 2
    ));
}

#[tokio::test(start_paused = true)]
async fn box_before_setup_has_no_tunnel_and_revision_zero() {
    let running = Running::start(World::new(), Desired::default());
    let published = running.applied(0).await;
    assert!(running.world.done().contains(&"no wireguard"));
    assert!(!running.world.network.forwards());
    assert!(published.spec.as_ref().unwrap().wireguard.is_none());
}

#[tokio::test(start_paused = true)]
async fn rules_an_earlier_process_left_are_not_closed_again() {
    let before = Running::with(config([2])).await;
    let left = before.published().spec.clone().unwrap();
    let world = World::new();
    world.firewall.disturb(FirewallStatus::of(&left.firewall));
    let running = Running::start(world, desired(1, config([2])));
    running.applied(1).await;
    let done = running.world.done();
    assert!(!done.contains(&"firewall closed"), "{done:?}");
    assert_eq!(done.first(), Some(&"network"));
    assert!(done.contains(&"firewall open"));
}

#[tokio::test(start_paused = true)]
async fn rules_somebody_tampered_with_are_closed_first() {
    let before = Running::with(config([2])).await;
    let left = before.published().spec.clone().unwrap();
    let FirewallStatus::Loaded(mut rules) = FirewallStatus::of(&left.firewall) else {
        panic!("a spec is a generation");
    };
    rules.intact = false;
    let world = World::new();
    world.firewall.disturb(FirewallStatus::Loaded(rules));
    let running = Running::start(world, desired(1, config([2])));
    running.applied(1).await;
    assert_eq!(running.world.done()[0], "firewall closed");
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_up_while_the_box_cannot_be_closed() {
    let world = World::new();
    world.break_part(Part::Firewall);
    let running = Running::start(Arc::clone(&world), desired(1, config([2])));
    let published = running.tried(1).await;
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    assert_eq!(running.world.done(), Vec::<&str>::new());
    assert!(!world.network.forwards());
    assert_eq!(published.applied_revision, None);
    assert_eq!(state(&published, Part::Firewall), State::Failed);
    for part in &Part::ALL[1..] {
        assert_eq!(state(&published, *part), State::Pending, "{part:?}");
    }
    assert!(published.items[0].detail.contains("no room"));

    world.mend();
    running.applied(1).await;
    assert_eq!(world.done()[0], "firewall closed");
}

#[tokio::test(start_paused = true)]
async fn stop_ends_the_loop_though_others_still_hold_its_ends() {
    let running = Running::with(config([2])).await;
    let nudge = running.reconciler.nudge.clone();
    running.reconciler.stop().await;
    assert!(nudge.is_closed());
    assert!(running.desired.is_closed());
    assert_eq!(running.world.done(), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn stop_does_not_wait_for_a_step_that_hangs() {
    let world = World::new();
    world.hang(Part::Dns);
    let running = Running::start(world, desired(1, config([2])));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let begun = tokio::time::Instant::now();
    running.reconciler.stop().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}
