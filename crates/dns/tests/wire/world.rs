//! A server, its spec, and upstream servers to forward to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

use cell_dns::{DnsServer, Listen};
use cell_model::config::{DnsRecordConfig, RecordData};
use cell_model::name::DnsLabel;
use cell_model::spec::{DnsSpec, OwnAddresses, ZoneData, ZoneRecord, ZoneSpec};
use cell_model::step::DnsStep;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Both sockets on a free port of loopback.
pub(crate) fn sockets() -> Listen {
    // Another process may take the TCP port of the same number in between: then the next one.
    for _ in 0..50 {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if let Ok(tcp) = TcpListener::bind(address) {
            return Listen { address, udp, tcp };
        }
    }
    panic!("no port is free for both UDP and TCP");
}

/// An address nothing is bound to just now.
pub(crate) fn free_address() -> SocketAddr {
    sockets().address
}

pub(crate) fn label(text: &str) -> DnsLabel {
    text.parse().unwrap()
}

pub(crate) fn addresses(texts: &[&str]) -> Arc<BTreeSet<IpAddr>> {
    Arc::new(texts.iter().map(|text| text.parse().unwrap()).collect())
}

/// A cell that answers 127.0.0.1 as the LAN and 127.0.0.3 as the VPN, and nobody else.
pub(crate) fn spec(upstreams: &[SocketAddr]) -> DnsSpec {
    let record = |name: &str, data: RecordData| DnsRecordConfig {
        name: label(name),
        data,
    };
    let mut records = vec![
        record("files", RecordData::Cname("nas.home.cell".parse().unwrap())),
        record("out", RecordData::Cname("www.example.com".parse().unwrap())),
        record("nas", RecordData::A(Ipv4Addr::new(192, 168, 1, 50))),
        record("note", RecordData::Txt("hello world".to_owned())),
    ];
    records.extend((0..100).map(|i| record("many", RecordData::A(Ipv4Addr::new(10, 0, 0, i)))));
    DnsSpec {
        listen: BTreeSet::new(),
        allow: ["127.0.0.1/32", "127.0.0.3/32"]
            .map(|net| net.parse().unwrap())
            .into(),
        zone: Some(ZoneSpec {
            domain: "home.cell".parse().unwrap(),
            serial: 1,
            own: OwnAddresses {
                lan: addresses(&["192.168.1.1"]).as_ref().clone(),
                vpn: addresses(&["10.31.7.1"]).as_ref().clone(),
                vpn_sources: ["127.0.0.3/32".parse().unwrap()].into(),
            },
            services: BTreeSet::new(),
            names: BTreeMap::from([(label("anna"), addresses(&["10.31.7.2", "fd12::2"]))]),
            records,
            made: made(),
        }),
        upstreams: upstreams.to_vec(),
        forwards: BTreeMap::new(),
        withheld: BTreeSet::new(),
        guests: BTreeSet::new(),
        ways: BTreeMap::new(),
    }
}

/// What a mail server would have.
fn made() -> Vec<ZoneRecord> {
    let mail = || "mail.home.cell".parse().unwrap();
    let key = format!("v=DKIM1; k=rsa; p={}", "A".repeat(392));
    let mx = ZoneData::Mx {
        preference: 10,
        exchange: mail(),
    };
    let srv = |port, target| ZoneData::Srv {
        priority: 0,
        weight: 1,
        port,
        target,
    };
    let tlsa = ZoneData::Tlsa {
        usage: 3,
        selector: 1,
        matching: 1,
        data: vec![0xab; 32],
    };
    let records = [
        ("home.cell", mx),
        ("c202611._domainkey.home.cell", ZoneData::Txt { text: key }),
        ("_25._tcp.mail.home.cell", tlsa),
        ("_imaps._tcp.home.cell", srv(993, Some(mail()))),
        ("_pop3._tcp.home.cell", srv(0, None)),
    ];
    let record = |(owner, data): (&str, ZoneData)| ZoneRecord {
        owner: owner.parse().unwrap(),
        data,
    };
    records.map(record).into()
}

/// A server with this spec, and where it listens.
pub(crate) async fn server(spec: DnsSpec) -> (DnsServer, SocketAddr) {
    let server = DnsServer::new();
    server.apply(&DnsStep::Replace(Arc::new(spec))).unwrap();
    let sockets = sockets();
    let address = sockets.address;
    server.listen(vec![sockets]).await.unwrap();
    (server, address)
}

/// How an upstream behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers every name with this address.
    Answer(Ipv4Addr),
    /// Takes questions and says nothing.
    Silent,
    /// Says SERVFAIL.
    Fail,
    /// Cuts its answer off over UDP.
    Truncate,
}

/// An upstream server.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// Ids and names of its questions. A question sent again has the same id and counts once.
    asked: Arc<Mutex<BTreeSet<(u16, String)>>>,
}

impl Upstream {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let Listen { address, udp, tcp } = sockets();
        udp.set_nonblocking(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let udp = tokio::net::UdpSocket::from_std(udp).unwrap();
        let tcp = tokio::net::TcpListener::from_std(tcp).unwrap();
        let asked = Arc::<Mutex<BTreeSet<_>>>::default();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, source) = udp.recv_from(&mut buffer).await.unwrap();
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let name = question.queries[0].name().to_ascii();
                seen.lock().unwrap().insert((question.metadata.id, name));
                if let Some(response) = respond(behaviour, &buffer[..length], true) {
                    udp.send_to(&response, source).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut question = vec![0; length.into()];
                        stream.read_exact(&mut question).await.unwrap();
                        let response = respond(behaviour, &question, false).unwrap();
                        let length = u16::try_from(response.len()).unwrap();
                        stream.write_u16(length).await.unwrap();
                        stream.write_all(&response).await.unwrap();
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Questions it got over UDP.
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Their names, in lower case.
    pub(crate) fn names(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let names = asked.iter().map(|(_, name)| name.to_ascii_lowercase());
        names.collect()
    }
}

fn respond(behaviour: Behaviour, question: &[u8], udp: bool) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(question).unwrap();
    message.metadata.message_type = MessageType::Response;
    let name = message.queries[0].name().clone();
    let mut answer = |address: Ipv4Addr| {
        let data = RData::A(address.into());
        message.add_answer(Record::from_rdata(name.clone(), 300, data));
    };
    match behaviour {
        Behaviour::Silent => return None,
        Behaviour::Answer(address) => answer(address),
        Behaviour::Fail => message.metadata.response_code = ResponseCode::ServFail,
        Behaviour::Truncate if udp => message.metadata.truncation = true,
        Behaviour::Truncate => (0..200).for_each(|i| answer(Ipv4Addr::new(192, 0, 2, i))),
    }
    Some(message.to_vec().unwrap())
}

/// Runs `dig` against the server; the words of the options separated by blanks.
pub(crate) async fn dig(server: SocketAddr, options: &str) -> String {
    let output = tokio::process::Command::new("dig")
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string()])
        .args(["+tries=1", "+time=10"])
        .args(options.split_whitespace())
        .output()
        .await
        .expect("dig must be installed (package bind9-dnsutils)");
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that each part is in the text.
#[track_caller]
pub(crate) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}
