//! Changes while questions come in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cell_dns::ask::ask;
use cell_dns::{DnsError, DnsServer};
use cell_model::step::DnsStep;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

use crate::world::{addresses, dig, label, server, sockets, spec};

fn patch(serial: u32, remove: &[&str], set: &[(&str, &str)]) -> DnsStep {
    DnsStep::PatchNames {
        serial,
        remove: remove.iter().map(|text| label(text)).collect(),
        set: set
            .iter()
            .map(|(name, address)| (label(name), addresses(&[address])))
            .collect(),
    }
}

#[tokio::test]
async fn patch_adds_moves_and_removes_names() {
    let (server, at) = server(spec(&[])).await;
    let set = [("bob", "10.31.7.3"), ("anna", "10.31.7.4")];
    server.apply(&patch(2, &[], &set)).unwrap();
    assert_eq!(dig(at, "+short bob.home.cell").await, "10.31.7.3\n");
    assert_eq!(dig(at, "+short anna.home.cell").await, "10.31.7.4\n");
    assert_eq!(dig(at, "+short -x 10.31.7.2").await, "");
    assert_eq!(dig(at, "+short -x 10.31.7.4").await, "anna.home.cell.\n");
    server.apply(&patch(3, &["bob"], &[])).unwrap();
    assert_eq!(dig(at, "+short bob.home.cell").await, "");
    let status = server.status();
    assert_eq!((status.serial, status.names), (Some(3), 1));
}

#[tokio::test]
async fn patch_without_a_zone_is_an_error() {
    let server = DnsServer::new();
    let outcome = server.apply(&patch(1, &[], &[]));
    assert!(matches!(outcome, Err(DnsError::NoZone)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_question_sees_half_of_a_change() {
    let (server, at) = server(spec(&[])).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(read_until(at, Arc::clone(&done))))
        .collect();
    for i in 1..=200_u32 {
        // The two addresses always change together.
        let set = BTreeMap::from([(
            label("anna"),
            addresses(&[&format!("10.0.{i}.1"), &format!("10.0.{i}.2")]),
        )]);
        let step = if i % 20 == 0 {
            let mut whole = spec(&[]);
            let zone = whole.zone.as_mut().unwrap();
            (zone.serial, zone.names) = (i, set);
            DnsStep::Replace(Arc::new(whole))
        } else {
            DnsStep::PatchNames {
                serial: i,
                remove: BTreeSet::new(),
                set,
            }
        };
        server.apply(&step).unwrap();
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

/// Asks until told to stop; each answer must hold two addresses of the same network.
async fn read_until(at: SocketAddr, done: Arc<AtomicBool>) -> usize {
    let name = Name::from_ascii("anna.home.cell.").unwrap();
    let mut answers = 0;
    loop {
        let answer = ask(at, &name, RecordType::A).await.unwrap();
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        let networks: BTreeSet<[u8; 3]> = answer
            .answers
            .iter()
            .filter_map(|record| match record.data.ip_addr() {
                Some(std::net::IpAddr::V4(v4)) => v4.octets().first_chunk().copied(),
                _ => None,
            })
            .collect();
        assert_eq!(networks.len(), 1);
        answers += 1;
        if done.load(Ordering::SeqCst) {
            return answers;
        }
    }
}

#[tokio::test]
async fn listening_elsewhere_closes_what_is_no_longer_listed() {
    let (server, first) = server(spec(&[])).await;
    let next = sockets();
    let second = next.address;
    server.listen(vec![next]).await.unwrap();
    assert_eq!(dig(second, "+short anna.home.cell").await, "10.31.7.2\n");
    std::net::TcpListener::bind(first).expect("the TCP port is free again");
    std::net::UdpSocket::bind(first).expect("the UDP port is free again");
    server.stop().await;
    std::net::UdpSocket::bind(second).expect("the UDP port is free after the stop");
}
