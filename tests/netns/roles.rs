//! What faces the network has no power, is back when it is killed, and goes with the core.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use cell_testkit::celld::PATIENCE;
use cell_testkit::world::{OUTSIDE_NAME, OUTSIDE_WEB};
use cell_testkit::{WgClient, wait_for};
use cell_tests::probe::{is_silent, lookup, nft, pings};
use cell_tests::{Cell, Process, VPN_ADDRESS, expect_status};
use serde_json::json;

/// How long a killed role may be away.
const BACK: Duration = Duration::from_secs(1);

fn core(cell: &Cell) -> Process {
    Process(cell.celld.process_id().unwrap())
}

/// The roles that run here: a kernel with WireGuard needs none for it.
fn roles(cell: &Cell) -> Vec<&'static str> {
    let view = cell.get("/api/wireguard/status");
    match view["backend"].as_str() {
        Some("userspace") => vec!["dns", "web", "wireguard"],
        _ => vec!["dns", "web"],
    }
}

fn role(cell: &Cell, word: &str) -> Process {
    wait_for(PATIENCE, || core(cell).role(word)).expect("the role runs")
}

/// Kills a role and answers the process that took its place.
fn kill(cell: &Cell, word: &str) -> Process {
    let killed = role(cell, word);
    killed.kill9();
    let replaced = || core(cell).role(word).filter(|found| *found != killed);
    wait_for(PATIENCE, replaced).expect("another process takes its place")
}

#[test]
fn killed_role_is_back_and_nothing_else_notices() {
    let cell = Cell::start();
    let resolver = format!("@{}", cell.world.home_address());
    let resolves = || lookup(&cell.world.laptop, &[&resolver, OUTSIDE_NAME]);
    assert_eq!(resolves(), OUTSIDE_WEB.to_string());
    for word in roles(&cell) {
        let others: Vec<(&str, Process)> = roles(&cell)
            .into_iter()
            .filter(|other| *other != word)
            .map(|other| (other, role(&cell, other)))
            .collect();
        let (_, restarts) = cell.process(word);
        // Somebody else may need the machine just now: the best of three counts.
        let mut kills = 0;
        let replacement = loop {
            let start = Instant::now();
            let replacement = kill(&cell, word);
            let away = start.elapsed();
            kills += 1;
            if away <= BACK {
                break replacement;
            }
            assert!(kills < 3, "{word} was away {away:?}");
        };

        let seen = wait_for(PATIENCE, || {
            let reply = cell.owner.get(&format!("/api/parts/{word}")).ok()?;
            (reply.json()["process_id"] == replacement.0).then(|| reply.json())
        });
        let seen = seen.expect("REST says which process it is");
        assert_eq!(seen["restarts"], restarts + kills, "{seen}");
        for (other, process) in others {
            assert_eq!(role(&cell, other), process, "{other} was not to notice");
        }
        assert_eq!(resolves(), OUTSIDE_WEB.to_string(), "{word}");
        cell.wait_ok(word);
    }
}

#[test]
fn phone_goes_on_when_the_process_that_carries_its_packets_is_replaced() {
    let mut cell = Cell::start();
    if !roles(&cell).contains(&"wireguard") {
        // The kernel carries the packets, and no process can be killed.
        return;
    }
    let peer = cell.add_peer(&json!({ "name": "phone" }));
    let _tunnel = WgClient::up(&cell.world.phone, &peer.config).unwrap();
    assert!(pings(&cell.world.phone, OUTSIDE_WEB.into()));
    kill(&cell, "wireguard");
    // The phone finds out by itself that its session is gone: REKEY_TIMEOUT + KEEPALIVE_TIMEOUT are 15 s.
    let there_again = || pings(&cell.world.phone, OUTSIDE_WEB.into()).then_some(());
    assert!(wait_for(PATIENCE, there_again).is_some());
    assert!(pings(&cell.world.phone, VPN_ADDRESS.into()));
}

#[test]
fn name_server_killed_again_and_again_comes_back_each_time() {
    const KILLS: u64 = 5;
    let cell = Cell::start();
    for _ in 0..KILLS {
        kill(&cell, "dns");
    }
    cell.wait_ok("dns");
    let resolver = format!("@{}", cell.world.home_address());
    let answer = lookup(&cell.world.laptop, &[&resolver, OUTSIDE_NAME]);
    assert_eq!(answer, OUTSIDE_WEB.to_string());
    assert_eq!(cell.process("dns").1, KILLS);
}

#[test]
fn role_has_no_power() {
    let cell = Cell::start();
    let state = cell.celld.state_dir().display().to_string();
    let mut users = BTreeSet::new();
    for word in roles(&cell) {
        let role = role(&cell, word);
        let status = role.status();
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status[set], "0000000000000000", "{word} {set}");
        }
        assert_eq!(status["NoNewPrivs"], "1", "{word}");
        assert_eq!(status["Seccomp"], "2", "{word}");
        let ids = |line: &str| -> BTreeSet<u32> {
            let ids = status[line].split_whitespace();
            ids.map(|id| id.parse().unwrap()).collect()
        };
        assert_eq!(ids("Uid").len(), 1, "{word}");
        assert_eq!(ids("Uid"), ids("Gid"), "{word}");
        assert!(!ids("Uid").contains(&0), "{word}");
        assert_eq!(status["Groups"], "", "{word}");
        users.extend(ids("Uid"));

        for descriptor in role.descriptors() {
            let expected = descriptor.starts_with("socket:")
                || descriptor.starts_with("anon_inode:")
                || descriptor.starts_with("pipe:")
                || descriptor == "/dev/null"
                || (word == "wireguard" && descriptor == "/dev/net/tun");
            assert!(expected, "{word} holds {descriptor}");
            assert!(!descriptor.starts_with(&state), "{word} holds {descriptor}");
        }
    }
    assert_eq!(
        users.len(),
        roles(&cell).len(),
        "each has a user of its own"
    );
}

#[test]
fn roles_end_with_the_core_and_the_rules_stay() {
    let mut cell = Cell::start();
    cell.add_peer(&json!({ "name": "phone" }));
    let roles: Vec<Process> = roles(&cell).iter().map(|word| role(&cell, word)).collect();
    let rules = nft(&cell.world.cell, &["list", "table", "inet", "cell"]);
    assert!(rules.contains("chain forward"), "{rules}");

    cell.celld.kill9().unwrap();
    for role in roles {
        assert!(role.ends_within(PATIENCE), "{}", role.command_line());
    }
    assert_eq!(
        nft(&cell.world.cell, &["list", "table", "inet", "cell"]),
        rules
    );
    assert!(is_silent(
        &cell.world.phone,
        IpAddr::from(cell.world.wan_address())
    ));

    cell.celld.restart().unwrap();
    cell.sign_in();
    for word in ["firewall", "wireguard", "dns", "web"] {
        cell.wait_ok(word);
    }
    cell.settle();
    assert_eq!(
        nft(&cell.world.cell, &["list", "table", "inet", "cell"]),
        rules
    );
}

#[test]
fn verbosity_reaches_the_roles_and_those_that_are_started_later() {
    let cell = Cell::start();
    let set = |part: &str, level: &str| {
        let verbosity = json!({ "part": part, "level": level });
        let reply = cell.owner.put("/api/logs/verbosity", &verbosity).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    let told = |part: &str, text: &str| {
        let logs = cell.get(&format!("/api/parts/{part}/logs?lines=1000"));
        let lines = logs["items"].as_array().unwrap();
        let found = lines
            .iter()
            .filter(|line| line["level"] == "debug")
            .filter(|line| line["message"].as_str().unwrap().contains(text));
        found.count()
    };
    let soon = |part: &str, text: &str| {
        let found = wait_for(PATIENCE, || (told(part, text) > 0).then_some(()));
        assert!(found.is_some(), "{part}: {text}");
    };
    for word in roles(&cell) {
        assert_eq!(told(word, ""), 0, "{word}");
        set(word, "debug");
        soon(word, "how much is logged was changed");
        // The first process of the role started when nobody wanted to know that.
        assert_eq!(told(word, "the role is confined"), 0, "{word}");
        kill(&cell, word);
        soon(word, "the role is confined");
    }
    soon("web", "answered");
    let changed = || told("web", "how much is logged was changed");
    set("web", "info");
    let before = changed();
    for _ in 0..3 {
        expect_status(&cell.owner.get("/health").unwrap(), 200);
    }
    set("web", "debug");
    // Its lines come in their order, so whatever it had said of the three is there by then.
    let heard = wait_for(PATIENCE, || (changed() > before).then_some(()));
    assert!(heard.is_some());
    assert_eq!(told("web", "/health"), 0);
}
