//! Nothing that is sent stops the server.

use std::net::SocketAddr;

use cell_dns::ask::ask;
use hickory_proto::rr::{Name, RecordType};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::world::{server, spec};

async fn still_answers(at: SocketAddr) {
    let name = Name::from_ascii("anna.home.cell.").unwrap();
    let answer = ask(at, &name, RecordType::A).await.unwrap();
    assert_eq!(answer.answers.len(), 1);
}

/// Bytes of no meaning, bytes behind a plausible header, and a real question with bytes changed.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let real = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x04anna\x04home\x04cell\x00\
        \x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
    let changes = prop::collection::vec((0..real.len(), any::<u8>()), 1..6);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        (any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(
            |(counts, tail)| {
                let [a, b, c, d] = counts;
                let mut packet = vec![0, 1, a & 0x7f, 0, 0, b, 0, c & 3, 0, d & 3, 0, 1];
                packet.extend(tail);
                packet
            }
        ),
        changes.prop_map(move |changes| {
            let mut packet = real.to_vec();
            for (place, byte) in changes {
                packet[place] = byte;
            }
            packet
        }),
    ]
}

#[test]
fn arbitrary_bytes_leave_the_server_answering() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (_server, at) = runtime.block_on(server(spec(&[])));
    let packets = prop::collection::vec(packet(), 1..20);
    proptest!(ProptestConfig::with_cases(64), |(packets in packets, framed: bool)| {
        runtime.block_on(async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The server closes a connection it cannot read: later writes may fail.
            let mut stream = TcpStream::connect(at).await.unwrap();
            for packet in &packets {
                socket.send_to(packet, at).await.unwrap();
                if framed {
                    let length = u16::try_from(packet.len()).unwrap();
                    let _ = stream.write_u16(length).await;
                }
                let _ = stream.write_all(packet).await;
            }
            still_answers(at).await;
        });
    });
}

#[tokio::test]
async fn idle_connections_do_not_keep_others_out() {
    let (_server, at) = server(spec(&[])).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&[0]).await.unwrap();
        idle.push(stream);
    }
    let text = crate::world::dig(at, "+tcp +short anna.home.cell").await;
    assert_eq!(text, "10.31.7.2\n");
}

#[tokio::test]
async fn connections_have_a_limit_and_one_source_cannot_take_them_all() {
    let (_server, at) = server(spec(&[])).await;
    let mut neighbour = connected("127.0.0.3", at).await;
    let mut crowd = Vec::new();
    for number in 0..300 {
        crowd.push(connected("127.0.0.1", at).await);
        if number % 10 == 0 {
            // Nobody stays who says nothing for long.
            assert!(is_answered(&mut neighbour).await);
        }
    }
    // Whoever came last is served, whoever came first was cut off.
    assert!(is_answered(crowd.last_mut().unwrap()).await);
    let mut served = 0;
    for stream in &mut crowd {
        served += usize::from(is_answered(stream).await);
    }
    assert!(served <= 16, "{served}");
    assert!(is_answered(&mut neighbour).await);
}

async fn connected(from: &str, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether a question sent on this connection gets an answer.
async fn is_answered(stream: &mut TcpStream) -> bool {
    let question = b"\x00\x1b\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
        \x04home\x04cell\x00\x00\x01\x00\x01";
    if stream.write_all(question).await.is_err() {
        return false;
    }
    stream.read_u16().await.is_ok()
}
