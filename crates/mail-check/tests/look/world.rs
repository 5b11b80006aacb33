//! A name server, mail servers, and what a box would have looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cell_mail_check::{Command, LONGEST, Leaves, Report, Scope, look};
use cell_model::mail::{FindingState, MailFinding, MailPurpose, MailRecord};
use cell_model::spec::{ZoneData, ZoneRecord};
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, MX, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// A name server that knows what it was told, and says of everything else that it is not there.
pub(crate) struct Names {
    pub(crate) address: SocketAddr,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    records: Vec<(Name, RData)>,
    broken: BTreeSet<Name>,
    asked: BTreeMap<String, usize>,
}

impl Names {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let known = Arc::<Mutex<Known>>::default();
        let answers = Arc::clone(&known);
        tokio::spawn(async move {
            let mut buffer = [0; 4_096];
            loop {
                let (length, source) = socket.recv_from(&mut buffer).await.unwrap();
                let answer = answers.lock().unwrap().answer(&buffer[..length]);
                socket.send_to(&answer, source).await.unwrap();
            }
        });
        Self { address, known }
    }

    pub(crate) fn put(&self, owner: &str, data: RData) {
        let record = (name(owner), data);
        self.known.lock().unwrap().records.push(record);
    }

    pub(crate) fn a(&self, owner: &str, address: impl Into<Ipv4Addr>) {
        self.put(owner, RData::A(address.into().into()));
    }

    pub(crate) fn txt(&self, owner: &str, strings: &[&str]) {
        let strings = strings.iter().map(|text| (*text).to_owned()).collect();
        self.put(owner, RData::TXT(TXT::new(strings)));
    }

    pub(crate) fn mx(&self, owner: &str, preference: u16, host: &str) {
        self.put(owner, RData::MX(MX::new(preference, name(host))));
    }

    pub(crate) fn ptr(&self, owner: &str, host: &str) {
        self.put(owner, RData::PTR(PTR(name(host))));
    }

    pub(crate) fn cname(&self, owner: &str, host: &str) {
        self.put(owner, RData::CNAME(CNAME(name(host))));
    }

    pub(crate) fn srv(&self, owner: &str, port: u16, host: &str) {
        self.put(owner, RData::SRV(SRV::new(0, 1, port, name(host))));
    }

    /// Nothing is under a name any more.
    pub(crate) fn clear(&self, owner: &str) {
        let owner = name(owner);
        let mut known = self.known.lock().unwrap();
        known.records.retain(|(at, _)| *at != owner);
    }

    /// A name that it fails at.
    pub(crate) fn fail_at(&self, owner: &str) {
        self.known.lock().unwrap().broken.insert(name(owner));
    }

    /// How often a name was asked for, however written.
    pub(crate) fn asked(&self, owner: &str) -> usize {
        let known = self.known.lock().unwrap();
        known.asked.get(owner).copied().unwrap_or(0)
    }

    /// A name server that takes questions and says nothing.
    pub(crate) async fn silent() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }
}

impl Known {
    fn answer(&mut self, question: &[u8]) -> Vec<u8> {
        let mut message = Message::from_vec(question).unwrap();
        message.metadata.message_type = MessageType::Response;
        let (owner, kind) = {
            let query = &message.queries[0];
            (query.name().to_lowercase(), query.query_type())
        };
        let text = owner.to_ascii();
        let text = text.trim_end_matches('.').to_owned();
        *self.asked.entry(text).or_default() += 1;
        if self.broken.contains(&owner) {
            message.metadata.response_code = ResponseCode::ServFail;
            return message.to_vec().unwrap();
        }
        let at_or_below = |at: &Name| owner.zone_of(at);
        let exists = self.records.iter().any(|(at, _)| at_or_below(at));
        let at = self.records.iter().filter(|(at, _)| *at == owner);
        for (_, data) in at.filter(|(_, data)| data.record_type() == kind) {
            message.add_answer(Record::from_rdata(owner.clone(), 60, data.clone()));
        }
        if message.answers.is_empty() {
            let soa = SOA::new(name("ns.test"), name("host.test"), 1, 60, 60, 60, 60);
            message.add_authority(Record::from_rdata(owner, 60, RData::SOA(soa)));
            if !exists {
                message.metadata.response_code = ResponseCode::NXDomain;
            }
        }
        message.to_vec().unwrap()
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap()
}

pub(crate) fn record(purpose: MailPurpose, owner: &str, data: ZoneData) -> MailRecord {
    MailRecord {
        record: ZoneRecord {
            owner: owner.parse().unwrap(),
            data,
        },
        purpose,
        needed: true,
    }
}

pub(crate) fn text(purpose: MailPurpose, owner: &str, text: &str) -> MailRecord {
    let text = text.to_owned();
    record(purpose, owner, ZoneData::Txt { text })
}

/// A box at `example.org` that greets nobody and serves nothing.
pub(crate) fn command(names: &Names) -> Command {
    Command {
        scope: Scope::Everything,
        domain: "example.org".parse().unwrap(),
        host: "mail.example.org".parse().unwrap(),
        public_address: Some(ADDRESS),
        records: Vec::new(),
        name_servers: vec![names.address],
        leaves: Leaves::ReceiveOnly,
        served: Vec::new(),
        authority: None,
    }
}

/// What a look finds, within the time that it may take.
pub(crate) async fn report(command: &Command) -> Report {
    let start = Instant::now();
    let report = look(command.clone()).await;
    assert!(start.elapsed() < LONGEST + Duration::from_secs(5));
    let ids: BTreeSet<&str> = report.findings.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(ids.len(), report.findings.len(), "{:?}", report.findings);
    for finding in &report.findings {
        let nothing_to_do = finding.state == FindingState::Ok;
        assert_eq!(finding.action.is_empty(), nothing_to_do, "{finding:?}");
    }
    report
}

#[track_caller]
pub(crate) fn finding<'a>(report: &'a Report, id: &str) -> &'a MailFinding {
    let found = report.findings.iter().find(|finding| finding.id == id);
    found.unwrap_or_else(|| panic!("{id} is not in {:?}", report.findings))
}

#[track_caller]
pub(crate) fn assert_found(report: &Report, id: &str, state: FindingState, words: &str) {
    let finding = finding(report, id);
    assert_eq!(finding.state, state, "{finding:?}");
    assert!(finding.seen.contains(words), "{words:?} not in {finding:?}");
}

/// An authority of a test, and what it vouches for.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's side of TLS, for a host, good for so many days from now.
    pub(crate) fn acceptor(&self, host: &str, days: i64) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let now = std::time::SystemTime::now();
        let day = Duration::from_secs(86_400);
        params.not_before = (now - 30 * day).into();
        let length = day * u32::try_from(days.abs()).unwrap() + day / 2;
        params.not_after = match days < 0 {
            true => (now - length).into(),
            false => (now + length).into(),
        };
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// What a mail server says.
#[derive(Clone)]
pub(crate) struct Manner {
    /// The first line.
    pub(crate) greeting: String,
    /// What it offers after EHLO, without encryption and with.
    pub(crate) offers: (&'static str, &'static str),
    /// How it encrypts.
    pub(crate) tls: Option<TlsAcceptor>,
    /// From the first byte on.
    pub(crate) implicit: bool,
}

impl Manner {
    pub(crate) fn plain(greeting: &str) -> Self {
        Self {
            greeting: greeting.to_owned(),
            offers: ("SIZE 1000", "SIZE 1000"),
            tls: None,
            implicit: false,
        }
    }
}

/// A mail server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (manner, heard) = (manner.clone(), Arc::clone(&heard));
                tokio::spawn(async move {
                    let Some(acceptor) = manner.tls.clone().filter(|_| manner.implicit) else {
                        return talk(stream, &manner, &heard).await;
                    };
                    if let Ok(stream) = acceptor.accept(stream).await {
                        talk_secretly(stream, &manner, &heard, true).await;
                    }
                });
            }
        });
        Self { address, said }
    }

    /// Everything that it was told, line by line, until it was left.
    pub(crate) async fn said(&self) -> Vec<String> {
        for _ in 0..1_000 {
            let said = self.said.lock().unwrap().clone();
            if said.last().is_some_and(|line| line == "QUIT") {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it was not left: {:?}", self.said.lock().unwrap());
    }
}

async fn talk(stream: tokio::net::TcpStream, manner: &Manner, heard: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    let greeting = format!("{}\r\n", manner.greeting);
    stream.write_all(greeting.as_bytes()).await.unwrap();
    while let Some(line) = line(&mut stream, heard).await {
        match line.split(' ').next().unwrap() {
            "EHLO" => hello(&mut stream, manner.offers.0).await,
            "STARTTLS" => {
                stream.write_all(b"220 go ahead\r\n").await.unwrap();
                let Some(acceptor) = &manner.tls else { return };
                if let Ok(stream) = acceptor.accept(stream.into_inner()).await {
                    talk_secretly(stream, manner, heard, false).await;
                }
                return;
            }
            _ => return,
        }
    }
}

async fn talk_secretly(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: &Manner,
    heard: &Mutex<Vec<String>>,
    greets: bool,
) {
    let mut stream = BufReader::new(stream);
    if greets {
        let greeting = format!("{}\r\n", manner.greeting);
        let _ = stream.write_all(greeting.as_bytes()).await;
    }
    while let Some(line) = line(&mut stream, heard).await {
        match line.starts_with("EHLO") {
            true => hello(&mut stream, manner.offers.1).await,
            false => return,
        }
    }
}

async fn hello(stream: &mut (impl AsyncWrite + Unpin), offer: &str) {
    let lines = format!("250-mx.example.net\r\n250 {offer}\r\n");
    let _ = stream.write_all(lines.as_bytes()).await;
    let _ = stream.flush().await;
}

async fn line(
    stream: &mut (impl AsyncBufReadExt + Unpin),
    heard: &Mutex<Vec<String>>,
) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    let line = line.trim_end().to_owned();
    (read > 0).then(|| {
        heard.lock().unwrap().push(line.clone());
        line
    })
}
