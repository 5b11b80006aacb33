//! What every client may rely on, seen by `dig` and in bytes.

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::net::UdpSocket;

use crate::world::{assert_has, dig, server, spec};

#[tokio::test]
async fn own_names_are_answered_with_authority_over_both_transports() {
    let (_server, at) = server(spec(&[])).await;
    for transport in ["+notcp", "+tcp"] {
        let text = dig(at, &format!("anna.home.cell A {transport}")).await;
        assert_has(
            &text,
            &[
                "status: NOERROR",
                "flags: qr aa rd ra",
                "anna.home.cell.\t\t60\tIN\tA\t10.31.7.2",
                "EDNS: version: 0",
            ],
        );
    }
    assert_has(&dig(at, "AAAA anna.home.cell").await, &["fd12::2"]);
    assert_has(
        &dig(at, "TXT note.home.cell").await,
        &["\"hello world\"", "ANSWER: 1"],
    );
    assert_has(
        &dig(at, "-x 10.31.7.2").await,
        &["PTR\tanna.home.cell.", "flags: qr aa"],
    );
    assert_has(
        &dig(at, "files.home.cell").await,
        &["CNAME\tnas.home.cell.", "192.168.1.50"],
    );
}

#[tokio::test]
async fn records_of_mail_are_answered_as_others_read_them() {
    let (_server, at) = server(spec(&[])).await;
    for (question, answer) in [
        ("MX home.cell", "10 mail.home.cell.\n"),
        ("SRV _imaps._tcp.home.cell", "0 1 993 mail.home.cell.\n"),
        ("SRV _pop3._tcp.home.cell", "0 1 0 .\n"),
    ] {
        assert_eq!(dig(at, &format!("+short {question}")).await, answer);
    }
    let tlsa = dig(at, "+short +nosplit TLSA _25._tcp.mail.home.cell").await;
    assert_eq!(tlsa, format!("3 1 1 {}\n", "AB".repeat(32)));
    for transport in ["+notcp", "+tcp"] {
        let options = format!("+short {transport} TXT c202611._domainkey.home.cell");
        let text = dig(at, &options).await;
        // One record of two strings, the first of them full.
        let first = format!("\"v=DKIM1; k=rsa; p={}\"", "A".repeat(237));
        assert_eq!(text, format!("{first} \"{}\"\n", "A".repeat(155)));
    }
    // Something is below it.
    let above = dig(at, "TXT _domainkey.home.cell").await;
    assert_has(&above, &["status: NOERROR", "ANSWER: 0", "IN\tSOA"]);
}

#[tokio::test]
async fn box_has_the_address_of_the_side_that_asks() {
    let (_server, at) = server(spec(&[])).await;
    for name in ["home.cell", "admin.home.cell"] {
        assert_eq!(dig(at, &format!("+short {name}")).await, "192.168.1.1\n");
        let from_vpn = dig(at, &format!("+short -b 127.0.0.3 {name}")).await;
        assert_eq!(from_vpn, "10.31.7.1\n");
    }
}

#[tokio::test]
async fn question_comes_back_in_the_case_it_was_asked() {
    let (_server, at) = server(spec(&[])).await;
    let text = dig(at, "aNNa.HoMe.ceLL").await;
    assert_has(&text, &[";aNNa.HoMe.ceLL.", "aNNa.HoMe.ceLL.\t\t60"]);
}

#[tokio::test]
async fn absence_carries_the_soa_and_its_short_life() {
    let (_server, at) = server(spec(&[])).await;
    let soa = "home.cell.\t\t15\tIN\tSOA\tadmin.home.cell. hostmaster.home.cell. 1 ";
    let name = dig(at, "nobody.home.cell").await;
    assert_has(&name, &["status: NXDOMAIN", "ANSWER: 0", soa]);
    let no_type = dig(at, "MX anna.home.cell").await;
    assert_has(&no_type, &["status: NOERROR", "ANSWER: 0", soa]);
}

#[tokio::test]
async fn stranger_is_refused_and_counted() {
    let (server, at) = server(spec(&[])).await;
    for transport in ["+notcp", "+tcp"] {
        let text = dig(at, &format!("-b 127.0.0.2 anna.home.cell {transport}")).await;
        assert_has(&text, &["status: REFUSED", "ANSWER: 0", "EDE: 18"]);
    }
    assert_eq!(server.status().refused, 2);
    assert_eq!(server.status().local, 0);
}

#[tokio::test]
async fn server_without_a_spec_refuses_everybody() {
    let server = cell_dns::DnsServer::new();
    let sockets = crate::world::sockets();
    let at = sockets.address;
    server.listen(vec![sockets]).await.unwrap();
    assert_has(&dig(at, "home.cell").await, &["status: REFUSED"]);
}

#[tokio::test]
async fn requests_that_are_no_plain_question_are_turned_down() {
    let (_server, at) = server(spec(&[])).await;
    for (options, status) in [
        ("AXFR home.cell +tcp", "Transfer failed"),
        ("IXFR=1 home.cell +tcp", "Transfer failed"),
        ("-c CH TXT version.bind", "status: REFUSED"),
        ("+opcode=NOTIFY SOA home.cell", "status: NOTIMP"),
        ("+opcode=UPDATE SOA home.cell", "status: NOTIMP"),
        ("+opcode=STATUS home.cell", "status: NOTIMP"),
        ("+edns=1 +noednsneg home.cell", "status: BADVERS"),
        ("+norecurse example.com", "status: REFUSED"),
        ("ANY example.com", "status: NOTIMP"),
        ("TYPE249 home.cell", "status: NOTIMP"),
    ] {
        assert_has(&dig(at, options).await, &[status]);
    }
    assert_has(&dig(at, "ANY +notcp anna.home.cell").await, &["RFC8482"]);
}

#[tokio::test]
async fn long_answer_is_cut_over_udp_and_whole_over_tcp() {
    let (_server, at) = server(spec(&[])).await;
    for (size, udp_limit) in [
        ("+noedns", 512),
        ("+bufsize=512", 512),
        ("+bufsize=4096", 1232),
    ] {
        let text = dig(at, &format!("many.home.cell +ignore {size}")).await;
        assert_has(&text, &["flags: qr aa tc", "ANSWER: 0"]);
        let received = text.split("MSG SIZE  rcvd: ").nth(1).unwrap().trim();
        assert!(received.parse::<usize>().unwrap() <= udp_limit);
    }
    let edns = dig(at, "many.home.cell +ignore +bufsize=512").await;
    assert_has(&edns, &["EDNS: version: 0"]);
    let whole = dig(at, "many.home.cell").await;
    assert_has(&whole, &["ANSWER: 100", "(TCP)"]);
}

#[tokio::test]
async fn question_without_edns_gets_none_back() {
    let (_server, at) = server(spec(&[])).await;
    let text = dig(at, "+noedns anna.home.cell").await;
    assert_has(&text, &["ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0"]);
    assert_has(&dig(at, "+dnssec anna.home.cell").await, &["flags: do"]);
}

/// Sends one datagram and reads the response.
async fn exchange(at: std::net::SocketAddr, bytes: &[u8]) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    socket.send(bytes).await.unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).await.unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

#[tokio::test]
async fn none_or_two_questions_are_a_format_error() {
    let (_server, at) = server(spec(&[])).await;
    let name = Name::from_ascii("anna.home.cell.").unwrap();
    let mut message = Message::query();
    let none = exchange(at, &message.to_vec().unwrap()).await;
    assert_eq!(none.metadata.response_code, ResponseCode::FormErr);
    message.add_query(Query::query(name.clone(), RecordType::A));
    message.add_query(Query::query(name, RecordType::AAAA));
    let two = exchange(at, &message.to_vec().unwrap()).await;
    assert_eq!(two.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(two.metadata.op_code, OpCode::Query);
    assert_eq!(two.metadata.id, message.metadata.id);
}

#[tokio::test]
async fn cut_off_packet_gets_a_format_error_and_responses_get_nothing() {
    let (server, at) = server(spec(&[])).await;
    let mut message = Message::query();
    let name = Name::from_ascii("anna.home.cell.").unwrap();
    message.add_query(Query::query(name, RecordType::A));
    let whole = message.to_vec().unwrap();
    let cut = exchange(at, &whole[..whole.len() - 3]).await;
    assert_eq!(cut.metadata.response_code, ResponseCode::FormErr);

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    let mut response = whole.clone();
    response[2] |= 0x80;
    socket.send(&response).await.unwrap();
    // The first thing that comes back belongs to the question sent after the response.
    let mut next = whole;
    next[0] ^= 0xff;
    socket.send(&next).await.unwrap();
    let mut buffer = [0; 512];
    socket.recv(&mut buffer).await.unwrap();
    assert_eq!(buffer[0], next[0]);
    assert_eq!(server.status().queries, 1);
}
