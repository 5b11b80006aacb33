//! Names of other cells, and what other cells are told.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use cell_dns::ask::ask;
use cell_model::config::{DnsRecordConfig, RecordData};
use cell_model::spec::{DnsSpec, ForwardSpec};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use crate::world::{Behaviour, Upstream, assert_has, dig, free_address, label, server, spec};

/// Of the other cell's network.
const THERE: Behaviour = Behaviour::Answer(Ipv4Addr::new(192, 0, 2, 7));
/// Not of it.
const ELSEWHERE: Behaviour = Behaviour::Answer(Ipv4Addr::new(192, 168, 1, 1));

/// The box is linked with `cabin.lan`, and was with `boat.lan`. Whoever is at 127.0.0.5 is of another cell.
fn linked(upstream: &Upstream, cabin: SocketAddr) -> DnsSpec {
    let mut spec = spec(&[upstream.address]);
    let forward = ForwardSpec {
        servers: vec![cabin],
        networks: ["192.0.2.0/24".parse().unwrap()].into(),
    };
    spec.forwards.insert("cabin.lan".parse().unwrap(), forward);
    spec.withheld.insert("boat.lan".parse().unwrap());
    spec.guests.insert("127.0.0.5/32".parse().unwrap());
    let zone = spec.zone.as_mut().unwrap();
    zone.services.insert(label("calendar"));
    for (name, target) in [("hut", "files.cabin.lan"), ("ship", "mast.boat.lan")] {
        zone.records.push(DnsRecordConfig {
            name: label(name),
            data: RecordData::Cname(target.parse().unwrap()),
        });
    }
    spec
}

async fn a(at: SocketAddr, name: &str) -> Message {
    let name = Name::from_ascii(name).unwrap();
    ask(at, &name, RecordType::A).await.unwrap()
}

#[tokio::test]
async fn names_of_another_cell_are_asked_of_it_alone_and_remembered() {
    let (upstream, cabin) = (Upstream::start(THERE), Upstream::start(THERE));
    let (_server, at) = server(linked(&upstream, cabin.address)).await;
    for name in ["files.cabin.lan.", "FILES.Cabin.lan.", "hut.home.cell."] {
        let answer = a(at, name).await;
        let last = answer.answers.last().unwrap();
        let expected = Ipv4Addr::new(192, 0, 2, 7);
        assert_eq!(last.data.ip_addr(), Some(expected.into()), "{name}");
    }
    assert_eq!((upstream.asked(), cabin.asked()), (0, 1));
    a(at, "xcabin.lan.").await;
    assert_eq!((upstream.asked(), cabin.asked()), (1, 1));
}

#[tokio::test]
async fn other_cell_cannot_name_addresses_that_are_not_its_own() {
    let (upstream, cabin) = (Upstream::start(THERE), Upstream::start(ELSEWHERE));
    let (_server, at) = server(linked(&upstream, cabin.address)).await;
    for name in ["router.cabin.lan", "hut.home.cell"] {
        let text = dig(at, name).await;
        assert_has(&text, &["status: SERVFAIL", "not its own", "ANSWER: 0"]);
    }
    assert_eq!(upstream.asked(), 0);
}

#[tokio::test]
async fn silent_cell_is_waited_for_briefly_and_nobody_else_is_asked() {
    let upstream = Upstream::start(THERE);
    let silent = Upstream::start(Behaviour::Silent);
    for cabin in [silent.address, free_address()] {
        let (_server, at) = server(linked(&upstream, cabin)).await;
        let start = Instant::now();
        let answer = dig(at, "files.cabin.lan").await;
        assert_has(&answer, &["status: SERVFAIL"]);
        assert!(start.elapsed() < Duration::from_secs(8));
        assert_eq!(a(at, "www.example.com.").await.answers.len(), 1);
    }
    let names = upstream.names();
    assert!(
        names.iter().all(|name| name == "www.example.com."),
        "{names:?}"
    );
}

#[tokio::test]
async fn names_of_a_cell_whose_link_is_paused_stay_in_the_house() {
    let (upstream, cabin) = (Upstream::start(THERE), Upstream::start(THERE));
    let (_server, at) = server(linked(&upstream, cabin.address)).await;
    for name in ["mast.boat.lan.", "ship.home.cell."] {
        let answer = a(at, name).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
    }
    assert_eq!((upstream.asked(), cabin.asked()), (0, 0));
}

#[tokio::test]
async fn guest_is_told_of_the_box_and_of_services_and_of_nothing_else() {
    let (upstream, cabin) = (Upstream::start(THERE), Upstream::start(THERE));
    let (_server, at) = server(linked(&upstream, cabin.address)).await;
    let guest = async |words: &str| dig(at, &format!("-b 127.0.0.5 {words}")).await;
    for name in ["home.cell", "calendar.home.cell"] {
        let text = guest(name).await;
        assert_has(&text, &["status: NOERROR", "10.31.7.1"]);
        assert!(!text.contains("192.168.1.1"), "{text}");
    }
    for name in ["anna", "admin", "nas", "files", "out", "hut", "nobody"] {
        let text = guest(&format!("{name}.home.cell")).await;
        assert_has(&text, &["status: NXDOMAIN", "ANSWER: 0"]);
    }
    let text = guest("home.cell NS").await;
    assert_has(&text, &["status: NOERROR", "ADDITIONAL: 1"]);
    for other in [
        "www.example.com",
        "files.cabin.lan",
        "mast.boat.lan",
        "localhost",
        "printer.local",
        "-x 10.31.7.2",
        "-x 10.31.7.1",
        "home.cell AXFR",
    ] {
        let text = guest(other).await;
        assert!(!text.contains("status: NOERROR"), "{text}");
    }
    assert_eq!((upstream.asked(), cabin.asked()), (0, 0));
    // Somebody at home is told of all that.
    assert_has(&dig(at, "anna.home.cell").await, &["10.31.7.2"]);
}
