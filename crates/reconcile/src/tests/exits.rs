use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use cell_model::config::{Config, ConnectionConfig};
use cell_model::spec::WayOut;
use cell_model::status::{ExitStatus, Part, State};
use uuid::Uuid;

use super::running::{Running, config, state};
use super::world::clock;

const ID: Uuid = Uuid::from_u128(7);

/// Device 2 leaves by a way of its own, and may leave by the uplink where that leads nowhere, or may not.
fn by_a_way(failopen: bool) -> Config {
    let mut config = config([2, 3]);
    let connection: ConnectionConfig = serde_json::from_value(serde_json::json!({
        "name": "Work", "way": { "type": "proxy", "config": {
            "scheme": "http", "host": "192.0.2.7", "port": 3128,
        } },
        "slot": 0, "port": 9100, "enabled": true, "created_at": "2026-11-28T12:00:00Z",
    }))
    .unwrap();
    config.connections.insert(ID, Arc::new(connection));
    let peer = config.peers.get_mut(&"device2".parse().unwrap()).unwrap();
    let peer = Arc::make_mut(peer);
    (peer.exit_connection_id, peer.failopen) = (Some(ID), Some(failopen));
    config
}

fn status(state: State) -> ExitStatus {
    ExitStatus {
        state,
        since: clock(),
        detail: "as the test says".to_owned(),
        latency: None,
        place: None,
    }
}

fn leaves_by_the_uplink(running: &Running) -> bool {
    let spec = running.published().spec.clone().unwrap();
    let peers = &spec.firewall.peers;
    assert_eq!(peers[&Ipv4Addr::new(10, 31, 7, 3)].internet, WayOut::Uplink);
    peers[&Ipv4Addr::new(10, 31, 7, 2)].internet == WayOut::Uplink
}

#[tokio::test(start_paused = true)]
async fn who_may_leaves_by_the_uplink_while_the_way_leads_nowhere_and_nobody_else() {
    for failopen in [true, false] {
        let running = Running::with(by_a_way(failopen)).await;
        assert!(!leaves_by_the_uplink(&running));
        for (state, is_open) in [
            (State::Ok, false),
            (State::Failed, true),
            (State::Pending, false),
            (State::Failed, true),
            (State::Ok, false),
        ] {
            running.world.done();
            let was_open = leaves_by_the_uplink(&running);
            running.world.exits.set_status(ID, status(state));
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(
                leaves_by_the_uplink(&running),
                failopen && is_open,
                "{state:?}"
            );
            // Nothing else of the box is touched.
            let changes = leaves_by_the_uplink(&running) != was_open;
            let expected: &[&str] = if changes {
                &["firewall peers", "dns"]
            } else {
                &[]
            };
            assert_eq!(running.world.done(), expected);
            assert_eq!(running.reconciler.exits.borrow()[&ID].state, state);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn process_that_is_gone_leads_nowhere() {
    let running = Running::with(by_a_way(true)).await;
    running.world.exits.set_status(ID, status(State::Ok));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!leaves_by_the_uplink(&running));
    running.world.exits.fail_observe(Some("gone"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(leaves_by_the_uplink(&running));
    let seen = running.reconciler.exits.borrow()[&ID].clone();
    assert_eq!(seen.state, State::Failed);
    assert!(seen.detail.ends_with("gone"), "{}", seen.detail);
    running.world.exits.fail_observe(None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!leaves_by_the_uplink(&running));
}

#[tokio::test(start_paused = true)]
async fn ways_that_cannot_be_served_keep_nothing_else_waiting() {
    let running = Running::with(config([2, 3])).await;
    running.world.break_part(Part::Exits);
    running.change(2, by_a_way(true));
    running.applied(2).await;
    let published = running
        .until(|published| state(published, Part::Exits) == State::Failed)
        .await;
    assert!(
        published
            .spec
            .as_ref()
            .unwrap()
            .exits
            .relays
            .contains_key(&ID)
    );
    assert!(!leaves_by_the_uplink(&running));
    running.world.mend();
    running
        .until(|published| state(published, Part::Exits) == State::Ok)
        .await;
    assert!(
        running
            .world
            .exits
            .applied()
            .last()
            .unwrap()
            .relays
            .contains_key(&ID)
    );
}
