use std::time::Duration;

use cell_model::status::{Part, State};

use crate::Published;

use super::running::{Running, config, desired, state};
use super::world::{World, interface, let_days_pass, no_interface};

#[tokio::test(start_paused = true)]
async fn failing_part_is_shown_while_the_others_go_on_and_recovers() {
    for broken in &Part::ALL[1..] {
        let world = World::new();
        world.break_part(*broken);
        let running = Running::start(world, desired(1, config([2])));
        let published = running.tried(1).await;
        let essential = Part::ALL.into_iter().filter(|part| part.is_essential());
        for part in essential {
            let expected = match part == *broken {
                true => State::Failed,
                false => State::Ok,
            };
            assert_eq!(state(&published, part), expected, "{part:?} of {broken:?}");
        }
        // A box that is not found by name is as asked all the same.
        let applied = (!broken.is_essential()).then_some(1);
        assert_eq!(published.applied_revision, applied);
        let published = running
            .until(|published| state(published, *broken) == State::Failed)
            .await;
        assert!(!published.items[*broken as usize].detail.is_empty());
        running.world.mend();
        let healed = running.until(|published| {
            published.applied_revision == Some(1) && state(published, *broken) == State::Ok
        });
        healed.await;
    }
}

#[tokio::test(start_paused = true)]
async fn failed_patch_is_made_good_by_a_whole_step() {
    let running = Running::with(config([2])).await;
    running.world.break_part(Part::Wireguard);
    running.change(2, config([2, 3]));
    let published = running.tried(2).await;
    assert_eq!(published.applied_revision, Some(1));
    assert_eq!(state(&published, Part::Wireguard), State::Failed);
    assert_eq!(running.world.done(), ["firewall peers", "dns names"]);
    running.world.mend();
    running.applied(2).await;
    assert_eq!(running.world.done(), ["wireguard"]);
}

#[tokio::test(start_paused = true)]
async fn failing_part_is_tried_with_growing_pauses() {
    let world = World::new();
    world.break_part(Part::Dns);
    let running = Running::start(world, desired(1, config([2])));
    running.tried(1).await;
    running.world.done();
    let begun = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    // Seven doublings, then once a minute.
    let tries = running.world.failures();
    assert!((60..75).contains(&tries), "{tries}");
    running.world.mend();
    running.applied(1).await;
    assert!(begun.elapsed() <= Duration::from_secs(3_661));
}

#[tokio::test(start_paused = true)]
async fn part_that_hangs_keeps_no_other_from_its_turn() {
    for hanging in &Part::ALL[1..] {
        let world = World::new();
        world.hang(*hanging);
        let begun = tokio::time::Instant::now();
        let running = Running::start(world, desired(1, config([2])));
        let published = running.tried(1).await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{hanging:?}");
        assert_eq!(state(&published, *hanging), State::Pending, "{hanging:?}");
        let detail = &published.items[*hanging as usize].detail;
        let late = detail.contains("longer than 3 s");
        assert_eq!(late, hanging.is_essential(), "{detail}");
        let essential = Part::ALL.iter().filter(|part| part.is_essential());
        for part in essential.filter(|part| *part != hanging) {
            assert_eq!(state(&published, *part), State::Ok, "{part:?}");
        }
        // Changes reach the others at once: the step in hand is not waited for a second time.
        running.world.done();
        let begun = tokio::time::Instant::now();
        running.change(2, config([2, 3]));
        running.tried(2).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{hanging:?}");
        assert!(!running.world.done().is_empty(), "{hanging:?}");
        running.world.mend();
        running.applied(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn late_result_is_taken_when_it_comes_and_what_changed_since_is_made_good() {
    let running = Running::with(config([2])).await;
    running.world.hang(Part::Wireguard);
    running.change(2, config([2, 3]));
    running.tried(2).await;
    running.change(3, config([2, 3, 4]));
    running.tried(3).await;
    running.world.mend();
    let mended = tokio::time::Instant::now();
    running.applied(3).await;
    assert!(mended.elapsed() < Duration::from_secs(1));
    let expected = ["firewall peers", "dns names"].repeat(2);
    let done = running.world.done();
    assert_eq!(done[..4], expected);
    // Two patches, the second beginning where the first led: nothing was thrown away.
    assert_eq!(done[4..], ["wireguard peers", "wireguard peers"]);
}

#[tokio::test(start_paused = true)]
async fn part_that_hangs_for_good_is_given_up_and_tried_again() {
    let running = Running::with(config([2])).await;
    running.world.hang(Part::Dns);
    running.change(2, config([2, 3]));
    let published = running.tried(2).await;
    assert_eq!(state(&published, Part::Dns), State::Pending);
    assert_eq!(running.world.done(), ["firewall peers", "wireguard peers"]);
    let published = running
        .until(|published| state(published, Part::Dns) == State::Failed)
        .await;
    assert!(published.items[Part::Dns as usize].detail.contains("30 s"));
    running.world.mend();
    running.applied(2).await;
    assert_eq!(running.world.done(), ["dns"]);
}

#[tokio::test(start_paused = true)]
async fn part_restarted_while_it_hangs_is_brought_up_anew() {
    let running = Running::with(config([2])).await;
    running.world.hang(Part::Dns);
    running.change(2, config([2, 3]));
    running.tried(2).await;
    let nudge = crate::Nudge::Restart(Part::Dns);
    running.reconciler.nudge.send(nudge).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    running.world.done();
    running.world.mend();
    running.applied(2).await;
    assert_eq!(running.world.done(), ["dns names", "dns"]);
}

#[tokio::test(start_paused = true)]
async fn network_that_cannot_be_seen_for_once_changes_nothing_and_recovers() {
    let running = Running::with(config([2])).await;
    let listening = running.world.web.lock().unwrap().clone();
    running.world.network.fail_observe(no_interface());
    running
        .until(|published| state(published, Part::Network) == State::Failed)
        .await;
    assert_eq!(*running.world.web.lock().unwrap(), listening);
    running
        .until(|published| state(published, Part::Network) == State::Ok)
        .await;
    assert_eq!(running.world.done(), ["network"]);
    assert_eq!(*running.world.web.lock().unwrap(), listening);
}

#[tokio::test(start_paused = true)]
async fn network_events_of_a_failing_part_do_not_shorten_its_pauses() {
    let running = Running::with(config([2])).await;
    running.world.break_part(Part::Wireguard);
    running.change(2, config([2, 3]));
    running.tried(2).await;
    // By now the pause is a minute long.
    tokio::time::sleep(Duration::from_secs(200)).await;
    running.world.mend();
    let begun = tokio::time::Instant::now();
    running.world.network.change(|_| {});
    running.applied(2).await;
    assert!(begun.elapsed() > Duration::from_secs(1));
    // A change that matters is no reason to wait.
    running.world.network.change(|facts| {
        facts
            .interfaces
            .insert("lan0".parse().unwrap(), interface(&["192.168.99.1/24"]));
    });
    let begun = tokio::time::Instant::now();
    running
        .until(|published| {
            published.facts.interfaces[&"lan0".parse().unwrap()] == interface(&["192.168.99.1/24"])
        })
        .await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn renewed_leaf_that_cannot_be_shown_is_shown_later() {
    for broken in [Part::Vault, Part::Web] {
        let running = Running::with(config([2])).await;
        running.world.break_part(broken);
        let_days_pass(25);
        running
            .until(|published| state(published, broken) == State::Failed)
            .await;
        running.world.mend();
        running.world.done();
        running
            .until(|published| state(published, broken) == State::Ok)
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(running.world.done().contains(&"web"), "{broken:?}");
        assert_eq!(running.world.vault.issued().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn box_that_cannot_be_found_by_name_is_ready_and_tries_again_without_hurry() {
    let world = World::new();
    world.break_part(Part::Mdns);
    let running = Running::start(world, desired(1, config([2])));
    running.applied(1).await;
    let published = running
        .until(|published| state(published, Part::Mdns) == State::Failed)
        .await;
    let detail = &published.items[Part::Mdns as usize].detail;
    assert!(
        detail.contains("5353") && detail.contains("address"),
        "{detail}"
    );
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let tries = running.world.failures();
    assert!((60..=125).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn name_is_told_no_longer_when_it_is_not_known_to_be_free() {
    let running = Running::with(config([2])).await;
    let found = |published: &Published| published.facts.found_as.is_some();
    running.until(|published| found(published)).await;
    running.world.break_part(Part::Mdns);
    let nudge = crate::Nudge::Restart(Part::Mdns);
    running.reconciler.nudge.send(nudge).await.unwrap();
    let published = running
        .until(|published| state(published, Part::Mdns) == State::Failed)
        .await;
    assert!(!found(&published));
    running.world.mend();
    running.until(|published| found(published)).await;
}
