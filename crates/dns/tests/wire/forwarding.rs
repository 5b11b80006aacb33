//! What is passed on, to whom, and what is remembered.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cell_dns::ask::ask;
use cell_model::step::DnsStep;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use crate::world::{Behaviour, Upstream, assert_has, dig, server, spec};

const GOOD: Behaviour = Behaviour::Answer(Ipv4Addr::new(192, 0, 2, 7));

async fn a(at: SocketAddr, name: &str) -> Message {
    let name = Name::from_ascii(name).unwrap();
    ask(at, &name, RecordType::A).await.unwrap()
}

#[tokio::test]
async fn other_names_are_passed_on_once_and_remembered() {
    let upstream = Upstream::start(GOOD);
    let (server, at) = server(spec(&[upstream.address])).await;
    for name in ["www.example.com.", "WWW.example.com.", "www.EXAMPLE.com."] {
        let answer = a(at, name).await;
        assert_eq!(answer.answers.len(), 1);
        assert_eq!(answer.answers[0].name.to_ascii(), name);
        assert!(!answer.metadata.authoritative);
        assert!(answer.metadata.recursion_available);
    }
    assert_eq!(upstream.asked(), 1);
    assert_eq!(server.status().forwarded, 3);
    assert_eq!(server.status().local, 0);
}

#[tokio::test]
async fn names_of_the_house_are_never_passed_on() {
    let upstream = Upstream::start(GOOD);
    let (_server, at) = server(spec(&[upstream.address])).await;
    for name in [
        "nobody.home.cell.",
        "a.b.home.cell.",
        "printer.local.",
        "9.9.168.192.in-addr.arpa.",
        "x.onion.",
        "router.home.arpa.",
    ] {
        let answer = a(at, name).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(answer.authorities.len(), 1, "{name}");
    }
    assert_eq!(upstream.asked(), 0);
}

#[tokio::test]
async fn first_upstream_is_asked_while_it_answers() {
    let first = Upstream::start(GOOD);
    let second = Upstream::start(GOOD);
    let (_server, at) = server(spec(&[first.address, second.address])).await;
    for i in 0..5 {
        a(at, &format!("n{i}.example.com.")).await;
    }
    assert_eq!((first.asked(), second.asked()), (5, 0));
}

#[tokio::test]
async fn silent_upstream_is_waited_for_once() {
    let dead = Upstream::start(Behaviour::Silent);
    let alive = Upstream::start(GOOD);
    let (_server, at) = server(spec(&[dead.address, alive.address])).await;
    assert_eq!(a(at, "first.example.com.").await.answers.len(), 1);
    assert_eq!(dead.asked(), 1);
    for i in 0..20 {
        assert_eq!(a(at, &format!("n{i}.example.com.")).await.answers.len(), 1);
    }
    assert_eq!(alive.asked(), 21);
    // Once or twice more, should this take so long that the dead one is tried again.
    assert!(dead.asked() < 5, "{}", dead.asked());
}

#[tokio::test]
async fn upstream_that_fails_is_followed_by_the_next() {
    let failing = Upstream::start(Behaviour::Fail);
    let alive = Upstream::start(GOOD);
    let (_server, at) = server(spec(&[failing.address, alive.address])).await;
    for i in 0..3 {
        assert_eq!(a(at, &format!("n{i}.example.com.")).await.answers.len(), 1);
    }
    assert_eq!(failing.asked(), 3);
}

#[tokio::test]
async fn failure_is_remembered_for_a_moment() {
    let failing = Upstream::start(Behaviour::Fail);
    let (_server, at) = server(spec(&[failing.address])).await;
    for name in [
        "broken.example.com.",
        "BROKEN.example.com.",
        "other.example.com.",
    ] {
        let answer = a(at, name).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    }
    let names = failing.names();
    // Once more, should this take so long that the first was forgotten.
    let broken = names
        .iter()
        .filter(|name| name.starts_with("broken"))
        .count();
    assert!((1..3).contains(&broken), "{names:?}");
    assert!(names.contains(&"other.example.com.".to_owned()));
}

#[tokio::test]
async fn truncated_answer_is_fetched_over_tcp() {
    let upstream = Upstream::start(Behaviour::Truncate);
    let (_server, at) = server(spec(&[upstream.address])).await;
    assert_eq!(a(at, "big.example.com.").await.answers.len(), 200);
}

#[tokio::test]
async fn failure_is_explained() {
    let (_server, at) = server(spec(&[])).await;
    assert_has(
        &dig(at, "example.com").await,
        &[
            "status: SERVFAIL",
            "EDE: 22 (No Reachable Authority): (no upstream server is configured)",
        ],
    );
    let failing = Upstream::start(Behaviour::Fail);
    let (_server, at) = server(spec(&[failing.address])).await;
    assert_has(
        &dig(at, "example.com").await,
        &["status: SERVFAIL", "the upstream servers could not answer"],
    );
}

#[tokio::test]
async fn alias_out_of_the_zone_is_followed_by_asking_others() {
    let upstream = Upstream::start(GOOD);
    let (_server, at) = server(spec(&[upstream.address])).await;
    let text = dig(at, "out.home.cell").await;
    assert_has(
        &text,
        &["CNAME\twww.example.com.", "192.0.2.7", "status: NOERROR"],
    );
}

#[tokio::test]
async fn memory_outlives_a_change_of_names_but_not_of_upstreams() {
    let first = Upstream::start(GOOD);
    let second = Upstream::start(GOOD);
    let (server, at) = server(spec(&[first.address])).await;
    a(at, "www.example.com.").await;
    let mut next = spec(&[first.address]);
    next.zone.as_mut().unwrap().names.clear();
    server.apply(&DnsStep::Replace(Arc::new(next))).unwrap();
    a(at, "www.example.com.").await;
    assert_eq!(first.asked(), 1);
    let other = Arc::new(spec(&[second.address]));
    server.apply(&DnsStep::Replace(other)).unwrap();
    a(at, "www.example.com.").await;
    assert_eq!((first.asked(), second.asked()), (1, 1));
}
