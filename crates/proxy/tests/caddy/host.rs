//! The real Caddy in a namespace of its own, with two services, an admin page, and clients.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cell_model::name::Domain;
use cell_model::secret::Secret;
use cell_model::spec::{AdminRouteSpec, AnswersSpec, DocumentSpec, ProxyHostSpec, ProxySpec};
use cell_proxy::{Caddy, Certificates, Proxy, ProxyError, ProxyStatus};
use cell_testkit::{Namespace, wait_for};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::servers::{Accounts, Service};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const CALENDAR: &str = "127.0.0.1:5232";
const WIKI: &str = "127.0.0.1:8000";
/// Where clients find Caddy.
const HERE: &str = "127.0.0.1";
/// An address of the same host that is not among those of the home.
pub(crate) const ELSEWHERE: &str = "127.0.0.2";
/// An address of the same host that is another cell's.
pub(crate) const GUEST: &str = "127.0.0.3";
/// What is the same for everybody, with what could be taken for a place that Caddy fills.
pub(crate) const DOCUMENT: &str = "<a>%EMAILADDRESS% {env.HOME}</a>\n";
pub(crate) const NAMES: [&str; 6] = [
    "calendar.home.example",
    "wiki.home.example",
    "notes.home.example",
    "home.example",
    "admin.home.example",
    "autoconfig.home.example",
];

/// All of it; ends when dropped.
pub(crate) struct Host {
    pub(crate) caddy: Caddy,
    pub(crate) spec: ProxySpec,
    pub(crate) certificates: Certificates,
    pub(crate) calendar: Service,
    pub(crate) wiki: Service,
    pub(crate) admin: Service,
    authority: CertificateDer<'static>,
    runtime: Runtime,
    process: Child,
    requests: AtomicU32,
    namespace: Namespace,
    folder: TempDir,
}

/// An answer to curl.
#[derive(Debug)]
pub(crate) struct Reply {
    /// HTTP status; 0 when there was none.
    pub(crate) status: u16,
    /// As curl writes it: 1.1 or 2.
    pub(crate) version: String,
    /// Headers by their names in lower case; of several, the last.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: String,
    /// How curl ended.
    pub(crate) exit: i32,
}

impl Host {
    /// With Caddy as it is after its start: it answers nothing.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let namespace = Namespace::create("proxy").unwrap();
        let (authority, issuer) = authority();
        let (chain, key) = leaf(&issuer, &NAMES);
        let certificates = Certificates {
            chain_der: vec![chain.to_vec(), authority.to_vec()],
            key_der: Secret::new(key),
        };
        fs::write(folder.path().join("authority.der"), &authority).unwrap();
        let service = |address: &str, name| {
            let address: SocketAddrV4 = address.parse().unwrap();
            let bind = || TcpListener::bind(address);
            Service::start(namespace.run(bind).unwrap().unwrap(), name)
        };
        let page = UnixListener::bind(folder.path().join("page.sock")).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let start = format!(
            r#"{{"admin":{{"listen":"unix/{}|0600","config":{{"persist":false}}}}}}"#,
            path("control.sock")
        );
        fs::write(folder.path().join("start.json"), start).unwrap();
        let host = Self {
            caddy: Caddy::new(path("control.sock")),
            spec: spec(&path),
            certificates,
            authority,
            calendar: service(CALENDAR, "calendar"),
            wiki: service(WIKI, "wiki"),
            admin: Service::start(page, "admin"),
            runtime: Runtime::new().unwrap(),
            process: run(&namespace, &folder),
            requests: AtomicU32::new(0),
            namespace,
            folder,
        };
        host.wait();
        host
    }

    /// With all of the spec in effect, and the box there to be asked.
    pub(crate) fn serving() -> (Self, Accounts) {
        let host = Self::start();
        let accounts = host.accounts();
        host.apply(&host.spec).unwrap();
        (host, accounts)
    }

    /// The box, to be asked from now on.
    pub(crate) fn accounts(&self) -> Accounts {
        let socket = self.folder.path().join("accounts.sock");
        let _ = fs::remove_file(&socket);
        Accounts::start(&socket)
    }

    /// As if it had never been there.
    pub(crate) fn forget_accounts(&self) {
        fs::remove_file(self.folder.path().join("accounts.sock")).unwrap();
    }

    pub(crate) fn apply(&self, spec: &ProxySpec) -> Result<(), ProxyError> {
        let apply = self.caddy.apply(spec, &self.certificates);
        self.runtime.block_on(apply)
    }

    pub(crate) fn verify(&self, spec: &ProxySpec) -> Result<(), ProxyError> {
        let verify = self.caddy.verify(spec, &self.certificates);
        self.runtime.block_on(verify)
    }

    pub(crate) fn observe(&self) -> Result<ProxyStatus, ProxyError> {
        self.runtime.block_on(self.caddy.observe())
    }

    /// Ends Caddy as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it as it was started at first.
    pub(crate) fn start_again(&mut self) {
        self.process = run(&self.namespace, &self.folder);
        self.wait();
    }

    fn wait(&self) {
        let answers = wait_for(PATIENCE, || self.observe().ok());
        assert!(answers.is_some(), "caddy does not answer: {}", self.said());
    }

    /// What Caddy wrote on standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap()
    }

    /// Asks as curl does. All names lead to Caddy.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Reply {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let path = |name: &str| self.folder.path().join(format!("{name}-{number}"));
        let output = self
            .curl_command(arguments)
            .arg("--dump-header")
            .arg(path("head"))
            .arg("--output")
            .arg(path("body"))
            .args(["--write-out", "%{http_code} %{http_version}"])
            .output()
            .unwrap();
        let text = |name| fs::read_to_string(path(name)).unwrap_or_default();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (status, version) = said.split_once(' ').unwrap();
        // Of several heads, the last: those before it said that the body may come.
        let head = text("head");
        let head = head
            .trim_end()
            .rsplit("\r\n\r\n")
            .next()
            .unwrap_or_default();
        let headers = head.lines().filter_map(|line| line.split_once(": "));
        Reply {
            status: status.parse().unwrap(),
            version: version.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: text("body"),
            exit: output.status.code().unwrap_or(-1),
        }
    }

    /// curl with what is the same for every request.
    pub(crate) fn curl_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.namespace.command("curl");
        command
            .args(["--silent", "--max-time", "20", "--noproxy", "*"])
            .arg("--cacert")
            .arg(self.authority_pem())
            .args(["--resolve", &format!("*:443:{HERE}")])
            .args(["--resolve", &format!("*:80:{HERE}")])
            .args(arguments);
        command
    }

    fn authority_pem(&self) -> PathBuf {
        let pem = self.folder.path().join("authority.pem");
        if !pem.exists() {
            let convert = ["x509", "-inform", "DER", "-in"];
            let made = Command::new("openssl")
                .args(convert)
                .arg(self.folder.path().join("authority.der"))
                .arg("-out")
                .arg(&pem)
                .status();
            assert!(made.unwrap().success());
        }
        pem
    }

    /// A file to be sent.
    pub(crate) fn file(&self, bytes: usize) -> String {
        let path = self.folder.path().join(format!("{bytes}-bytes"));
        fs::write(&path, vec![b'x'; bytes]).unwrap();
        path.display().to_string()
    }

    /// A connection over TLS, for what curl does not say.
    pub(crate) fn connect(&self, name: &'static str) -> Connection {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address: SocketAddr = format!("{HERE}:443").parse().unwrap();
        let connect = || TcpStream::connect(address);
        let stream = self.namespace.run(connect).unwrap().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(name).unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Connection(BufReader::new(StreamOwned::new(connection, stream)))
    }

    /// Whether something listens on UDP, as `ss` tells it.
    pub(crate) fn listens_on_udp(&self, port: u16) -> bool {
        let output = self.namespace.command("ss").args(["-Hlun"]).output();
        let text = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        text.contains(&format!(":{port} "))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection with HTTP/1.1, spoken by hand.
pub(crate) struct Connection(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Connection {
    pub(crate) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        self.0.get_mut().flush().unwrap();
    }

    /// As [`Self::send`], where the other side may have hung up.
    pub(crate) fn try_send(&mut self, text: &str) -> std::io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())?;
        self.0.get_mut().flush()
    }

    /// Agrees on TLS, and says nothing.
    pub(crate) fn handshake(&mut self) {
        let StreamOwned { conn, sock } = self.0.get_mut();
        while conn.is_handshaking() {
            conn.complete_io(sock).unwrap();
        }
    }

    /// The next line without its end; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(1..) => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    /// The status of the next answer; its headers are passed over.
    pub(crate) fn status(&mut self) -> Option<String> {
        let status = self.line()?;
        while self.line().is_some_and(|line| !line.is_empty()) {}
        Some(status)
    }
}

fn run(namespace: &Namespace, folder: &TempDir) -> Child {
    let variable = std::env::var_os("CELL_CADDY");
    let program = variable.expect("cargo xtask test sets CELL_CADDY");
    let said = File::options()
        .create(true)
        .append(true)
        .open(folder.path().join("said"));
    namespace
        .command(program)
        .args(["run", "--config"])
        .arg(folder.path().join("start.json"))
        .env("HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.unwrap())
        .spawn()
        .unwrap()
}

fn spec(path: &impl Fn(&str) -> String) -> ProxySpec {
    let calendar = ProxyHostSpec {
        service: "calendar".parse().unwrap(),
        names: names(&["calendar.home.example"]),
        answers: AnswersSpec::Backend(CALENDAR.parse::<SocketAddrV4>().unwrap()),
        max_body_mib: 8,
        well_known: BTreeMap::from([("caldav".to_owned(), "/dav/{env.HOME}/".to_owned())]),
        account_header: Some("X-Remote-User".to_owned()),
        public: true,
        refused: BTreeSet::new(),
        guests: BTreeSet::new(),
    };
    let wiki = ProxyHostSpec {
        service: "wiki".parse().unwrap(),
        names: names(&["wiki.home.example", "notes.home.example"]),
        answers: AnswersSpec::Backend(WIKI.parse().unwrap()),
        max_body_mib: 1,
        well_known: BTreeMap::new(),
        account_header: None,
        public: false,
        refused: BTreeSet::new(),
        guests: BTreeSet::new(),
    };
    let settings = ProxyHostSpec {
        service: "mail".parse().unwrap(),
        names: names(&["autoconfig.home.example"]),
        answers: AnswersSpec::Documents(BTreeMap::from([(
            "/mail/config.xml".to_owned(),
            DocumentSpec {
                media_type: "application/xml".to_owned(),
                text: DOCUMENT.to_owned(),
            },
        )])),
        ..wiki.clone()
    };
    ProxySpec {
        cell: "home".parse().unwrap(),
        http_port: 80,
        https_port: 443,
        outside_https_port: 443,
        control: path("control.sock").parse().unwrap(),
        ask: path("accounts.sock").parse().unwrap(),
        sources: BTreeSet::from([format!("{HERE}/32").parse().unwrap()]),
        hosts: vec![calendar, wiki, settings],
        admin: Some(AdminRouteSpec {
            names: names(&["home.example", "admin.home.example"]),
            socket: path("page.sock").parse().unwrap(),
            opened_after: Duration::from_millis(1_500),
        }),
    }
}

fn names(names: &[&str]) -> BTreeSet<Domain> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// An authority of its own.
fn authority() -> (CertificateDer<'static>, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // One of its own: OpenSSL takes a certificate whose subject is its issuer's for one that signed itself.
    params
        .distinguished_name
        .push(DnType::CommonName, "Authority");
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().clone(), Issuer::new(params, key))
}

/// A certificate for these names, and its key (PKCS #8).
fn leaf(issuer: &Issuer<'static, KeyPair>, names: &[&str]) -> (CertificateDer<'static>, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.der().clone(), key.serialize_der())
}
