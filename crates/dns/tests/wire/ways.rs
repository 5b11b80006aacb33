//! Who leaves by a way of their own is told what is known out there, and nobody else is asked for them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cell_model::spec::{DnsSpec, NamesWay};
use cell_model::step::DnsStep;
use uuid::Uuid;

use crate::world::{Behaviour, Upstream, assert_has, dig, free_address, server, spec};

const HOME: Behaviour = Behaviour::Answer(Ipv4Addr::new(192, 0, 2, 1));
const OUT_THERE: Behaviour = Behaviour::Answer(Ipv4Addr::new(198, 51, 100, 1));

/// Whoever asks as the VPN, from 127.0.0.3, leaves by a way.
fn with_way(upstream: &Upstream, number: u128, names: Option<SocketAddr>) -> DnsSpec {
    let mut spec = spec(&[upstream.address]);
    let way = NamesWay {
        id: Uuid::from_u128(number),
        server: names,
        resolvers: Vec::new(),
    };
    spec.ways.insert("127.0.0.3".parse().unwrap(), way);
    spec
}

async fn at_home(server: SocketAddr, name: &str) -> String {
    dig(server, &format!("-b 127.0.0.1 {name}")).await
}

async fn by_the_way(server: SocketAddr, name: &str) -> String {
    dig(server, &format!("-b 127.0.0.3 {name}")).await
}

#[tokio::test]
async fn each_is_told_what_their_own_way_says_whoever_asked_before() {
    let (upstream, out_there) = (Upstream::start(HOME), Upstream::start(OUT_THERE));
    let (_server, at) = server(with_way(&upstream, 1, Some(out_there.address))).await;
    for _ in 0..2 {
        assert_has(&at_home(at, "www.example.com").await, &["192.0.2.1"]);
        assert_has(&by_the_way(at, "www.example.com").await, &["198.51.100.1"]);
    }
    // An alias in the house leads out by the same way.
    assert_has(&by_the_way(at, "out.home.cell").await, &["198.51.100.1"]);
    assert_has(&by_the_way(at, "anna.home.cell").await, &["10.31.7.2"]);
    assert_eq!(upstream.names(), ["www.example.com."]);
    // Over TCP alone, which the other end does not count.
    assert_eq!(out_there.asked(), 0);
}

#[tokio::test]
async fn nobody_else_is_asked_where_the_way_leads_nowhere() {
    let upstream = Upstream::start(HOME);
    for names in [None, Some(free_address())] {
        let (_server, at) = server(with_way(&upstream, 1, names)).await;
        // What others have asked before is not told either.
        assert_has(&at_home(at, "www.example.com").await, &["192.0.2.1"]);
        let answer = by_the_way(at, "www.example.com").await;
        assert_has(&answer, &["status: SERVFAIL", "ANSWER: 0"]);
        assert_has(&by_the_way(at, "anna.home.cell").await, &["10.31.7.2"]);
    }
    assert_eq!(upstream.asked(), 2);
}

#[tokio::test]
async fn what_was_remembered_stays_with_its_way() {
    let upstream = Upstream::start(HOME);
    let out_there = Upstream::start(OUT_THERE);
    let first = with_way(&upstream, 1, Some(out_there.address));
    let (server, at) = server(first.clone()).await;
    assert_has(&by_the_way(at, "www.example.com").await, &["198.51.100.1"]);
    let mut changed = first;
    changed.zone = None;
    server.apply(&DnsStep::Replace(Arc::new(changed))).unwrap();
    drop(out_there);
    // Remembered.
    assert_has(&by_the_way(at, "www.example.com").await, &["198.51.100.1"]);
    // Another way at the same place remembers nothing of it.
    let other = Upstream::start(HOME);
    let other = with_way(&upstream, 2, Some(other.address));
    server.apply(&DnsStep::Replace(Arc::new(other))).unwrap();
    assert_has(&by_the_way(at, "www.example.com").await, &["192.0.2.1"]);
}
