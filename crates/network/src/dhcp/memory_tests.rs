use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn grant(host: u8, until: u64) -> Grant {
    Grant {
        address: Ipv4Addr::new(192, 168, 1, host),
        netmask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        router: Some(Ipv4Addr::new(192, 168, 1, 1)),
        resolvers: Vec::new(),
        server: None,
        until: at(until),
    }
}

fn fallback() -> Ipv4Net {
    "169.254.7.7/16".parse().unwrap()
}

fn fresh() -> Memory {
    let mut memory = Memory::new(None, BTreeSet::new(), at(0));
    memory.client_started();
    memory.hear(Event::Lost, at(0));
    memory
}

fn leased(until: u64) -> Memory {
    let mut memory = fresh();
    memory.hear(Event::Granted(grant(7, until)), at(1));
    memory
}

fn address(memory: &Memory) -> Option<String> {
    memory
        .facts()
        .lease
        .map(|lease| lease.address.addr().to_string())
}

#[test]
fn first_word_of_a_client_leaves_what_is_there() {
    let memory = fresh();
    assert!(memory.facts().undecided);
    let mut kept = Memory::new(Some(grant(7, 100)), BTreeSet::new(), at(0));
    kept.client_started();
    kept.hear(Event::Lost, at(1));
    assert_eq!(address(&kept).as_deref(), Some("192.168.1.7"));
    assert!(!kept.facts().undecided);
}

#[test]
fn grant_is_a_lease_and_another_takes_its_place() {
    let mut memory = leased(100);
    assert_eq!(address(&memory).as_deref(), Some("192.168.1.7"));
    memory.hear(Event::Granted(grant(8, 200)), at(50));
    assert_eq!(address(&memory).as_deref(), Some("192.168.1.8"));
    assert_eq!(memory.deadline(at(50)), Some(at(200) + GRACE));
}

#[test]
fn refused_or_ended_lease_takes_the_address_away() {
    let mut memory = leased(100);
    memory.hear(Event::Lost, at(50));
    assert_eq!(memory.facts().lease, None);
    assert!(!memory.facts().undecided);
    let mut memory = leased(100);
    memory.pass(at(100));
    assert!(memory.facts().lease.is_some(), "the client has the word");
    memory.pass(at(100) + GRACE);
    assert_eq!(memory.facts().lease, None);
}

#[test]
fn fallback_comes_when_nobody_was_heard_for_long_and_goes_with_a_lease() {
    let mut memory = fresh();
    assert!(!memory.wants_fallback(FALLBACK_AFTER - SECOND));
    assert_eq!(memory.deadline(at(0)), Some(FALLBACK_AFTER));
    assert!(memory.wants_fallback(FALLBACK_AFTER));
    memory.fall_back(fallback());
    assert_eq!(memory.facts().fallback, Some(fallback()));
    assert!(!memory.facts().undecided);
    assert_eq!(memory.deadline(FALLBACK_AFTER), None);
    memory.hear(Event::Silence, at(40));
    assert_eq!(memory.facts().fallback, Some(fallback()));
    memory.hear(Event::Granted(grant(7, 100)), at(50));
    assert_eq!(memory.facts().fallback, None);
}

#[test]
fn address_found_after_a_lease_came_is_not_used() {
    let mut memory = fresh();
    memory.hear(Event::Granted(grant(7, 100)), at(29));
    memory.fall_back(fallback());
    assert_eq!(memory.facts().fallback, None);
}

#[test]
fn other_wire_without_a_server_gets_a_fallback_beside_the_lease() {
    let mut memory = leased(1_000);
    memory.link_came(at(100));
    assert!(!memory.wants_fallback(at(100) + FALLBACK_AFTER - SECOND));
    assert!(memory.wants_fallback(at(100) + FALLBACK_AFTER));
    memory.fall_back(fallback());
    let facts = memory.facts();
    assert!(facts.lease.is_some() && facts.fallback.is_some());
    memory.hear(Event::Granted(grant(7, 2_000)), at(140));
    assert_eq!(memory.facts().fallback, None);
}

#[test]
fn refused_grant_is_complained_of_and_counts_as_silence() {
    let mut memory = fresh();
    memory.set_avoid(["192.168.0.0/16".parse().unwrap()].into(), at(0));
    memory.hear(Event::Granted(grant(7, 1_000)), at(1));
    let facts = memory.facts();
    assert_eq!(facts.lease, None);
    assert!(facts.complaint.unwrap().contains("192.168.0.0/16"));
    assert!(memory.wants_fallback(FALLBACK_AFTER));
    // The network that was in the way is gone.
    memory.set_avoid(BTreeSet::new(), at(35));
    assert!(memory.facts().lease.is_some());
    assert!(!memory.wants_fallback(at(100)));
}

#[test]
fn lease_in_the_way_of_a_new_network_goes() {
    let mut memory = leased(1_000);
    memory.set_avoid(["192.168.1.0/24".parse().unwrap()].into(), at(10));
    assert_eq!(memory.facts().lease, None);
    assert!(memory.wants_fallback(at(10) + FALLBACK_AFTER));
}

#[test]
fn client_that_does_not_start_is_complained_of() {
    let mut memory = fresh();
    memory.client_failed("There is no DHCP client.".to_owned());
    assert_eq!(
        memory.facts().complaint.as_deref(),
        Some("There is no DHCP client.")
    );
    memory.client_started();
    assert_eq!(memory.facts().complaint, None);
}

#[derive(Debug, Clone)]
enum Happening {
    Granted(u8, u64),
    Lost,
    Silence,
    Started,
    LinkCame,
    Avoid(bool),
}

fn happening() -> impl Strategy<Value = (u64, Happening)> {
    let what = prop_oneof![
        4 => (0_u8..=255, 0_u64..300).prop_map(|(host, time)| Happening::Granted(host, time)),
        2 => Just(Happening::Lost),
        1 => Just(Happening::Silence),
        1 => Just(Happening::Started),
        1 => Just(Happening::LinkCame),
        1 => any::<bool>().prop_map(Happening::Avoid),
    ];
    (0_u64..60, what)
}

proptest! {
    #[test]
    fn whatever_happens_the_box_has_an_address_of_use_in_the_end(
        happenings in proptest::collection::vec(happening(), 0..40),
    ) {
        let mut memory = Memory::new(None, BTreeSet::new(), at(0));
        let mut now = at(0);
        for (pause, what) in happenings {
            now += at(pause);
            memory.pass(now);
            match what {
                Happening::Granted(host, time) => {
                    let mut grant = grant(host, 0);
                    grant.until = now + at(time);
                    memory.hear(Event::Granted(grant), now);
                }
                Happening::Lost => memory.hear(Event::Lost, now),
                Happening::Silence => memory.hear(Event::Silence, now),
                Happening::Started => memory.client_started(),
                Happening::LinkCame => memory.link_came(now),
                Happening::Avoid(on) => {
                    let net = "192.168.0.0/16".parse().unwrap();
                    memory.set_avoid(on.then_some(net).into_iter().collect(), now);
                }
            }
            if memory.wants_fallback(now) {
                memory.fall_back(fallback());
            }
            let facts = memory.facts();
            if let Some(lease) = &facts.lease {
                prop_assert!(lease.until + GRACE > now);
                prop_assert!(!facts.undecided);
            }
        }
        // Nobody says anything any more.
        for _ in 0..4 {
            if let Some(deadline) = memory.deadline(now) {
                now = now.max(deadline);
            }
            memory.pass(now);
            if memory.wants_fallback(now) {
                memory.fall_back(fallback());
            }
        }
        let facts = memory.facts();
        prop_assert_eq!(facts.lease, None);
        prop_assert_eq!(facts.fallback, Some(fallback()));
        prop_assert_eq!(memory.deadline(now), None);
    }
}
