//! A server of a file, or of some, over TLS, with an authority of its own, that can be told to be a bad one.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::namespace::Namespace;

/// A request head larger than this is cut off.
const HEAD_LIMIT: usize = 16 * 1024;
/// A client that is silent for longer is dropped.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the server behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Manner {
    /// As it should: the part that is asked for.
    #[default]
    Good,
    /// Always the whole file.
    WholeFiles,
    /// Elsewhere is another place.
    Redirects(String),
    /// Not this file.
    Status(u16),
    /// Nothing more after so many bytes of the file.
    StallsAfter(u64),
    /// The connection ends after so many bytes of the file.
    CutsAfter(u64),
    /// Other words than those of HTTP.
    Garbage,
    /// The bytes behind those that were asked for.
    WrongPart,
    /// One byte of the file, then another, each a while after the one before.
    Drips(Duration),
    /// A new form of the file with each answer.
    Replaces,
    /// No word about how long the file is.
    NoSize,
    /// The connection ends with each answer.
    OneAnswer,
}

/// What was served.
#[derive(Debug, Default)]
struct Served {
    manner: Manner,
    file: Arc<Vec<u8>>,
    /// By their paths; where there are any, nothing is served elsewhere.
    files: BTreeMap<String, Arc<Vec<u8>>>,
    parts: Vec<Range<u64>>,
    paths: Vec<String>,
    bytes: u64,
    answers: u64,
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct HttpsServer {
    /// The certificate of its authority, as PEM.
    pub authority: String,
    address: SocketAddr,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
    served: Arc<Mutex<Served>>,
}

impl HttpsServer {
    /// Serves at `address` of `namespace`, under the name, whatever path is asked for.
    ///
    /// # Panics
    /// The address cannot be bound.
    #[must_use]
    pub fn start_in(namespace: &Namespace, address: SocketAddr, name: &str) -> Self {
        let listener = namespace
            .run(|| TcpListener::bind(address))
            .expect("the namespace can be entered");
        Self::serve(listener.expect("the address is free"), name)
    }

    /// Serves at a free port of this host.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn start_here() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        Self::serve(listener, "localhost")
    }

    fn serve(listener: TcpListener, name: &str) -> Self {
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let (authority, config) = certificates(name, address.ip());
        let accepting = listener.try_clone().expect("a socket can be shared");
        let (stopping, served) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Served>>::default(),
        );
        let thread = std::thread::spawn({
            let (stopping, served) = (Arc::clone(&stopping), Arc::clone(&served));
            move || {
                while let Ok((stream, _)) = accepting.accept() {
                    if stopping.load(Ordering::Acquire) {
                        break;
                    }
                    let (config, served) = (Arc::clone(&config), Arc::clone(&served));
                    let stopping = Arc::clone(&stopping);
                    // One bad client is its own problem.
                    std::thread::spawn(move || talk(stream, config, &served, &stopping));
                }
            }
        });
        Self {
            authority,
            address,
            listener,
            thread: Some(thread),
            stopping,
            served,
        }
    }

    /// Where it is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves from now on.
    pub fn put(&self, file: Vec<u8>) {
        lock(&self.served).file = Arc::new(file);
    }

    /// What it serves at a path from now on; elsewhere, nothing but what it is given in the same way.
    pub fn put_at(&self, path: &str, file: Vec<u8>) {
        lock(&self.served)
            .files
            .insert(path.to_owned(), Arc::new(file));
    }

    /// How it behaves from now on.
    pub fn behave(&self, manner: Manner) {
        lock(&self.served).manner = manner;
    }

    /// Bytes of files that it has sent.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        lock(&self.served).bytes
    }

    /// The parts that were asked for, in their order.
    #[must_use]
    pub fn parts(&self) -> Vec<Range<u64>> {
        lock(&self.served).parts.clone()
    }

    /// The paths that were asked for, in their order.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        lock(&self.served).paths.clone()
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Wakes the thread in accept(2), which then fails with EINVAL.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(served: &Mutex<Served>) -> MutexGuard<'_, Served> {
    served.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A certificate of a server, as PEM.
#[derive(Debug)]
pub(crate) struct Issued {
    /// Who vouches for it.
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// An authority, and a server that it vouches for.
pub(crate) fn issue(name: &str, address: IpAddr) -> Issued {
    let key = KeyPair::generate().expect("a key can be made");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&key).expect("it signs itself");
    let issuer = Issuer::new(authority, key);
    let own_key = KeyPair::generate().expect("a key can be made");
    let names = vec![name.to_owned(), address.to_string()];
    let own = CertificateParams::new(names).and_then(|mut own| {
        // Of the same name as its issuer, it would be taken for one that signs itself.
        own.distinguished_name = DistinguishedName::new();
        own.distinguished_name.push(DnType::CommonName, name);
        own.signed_by(&own_key, &issuer)
    });
    let own = own.expect("the authority signs it");
    Issued {
        authority: certificate.pem(),
        certificate: own.pem(),
        key: own_key.serialize_pem(),
    }
}

/// The same, for a server of this process.
fn certificates(name: &str, address: IpAddr) -> (String, Arc<ServerConfig>) {
    let issued = issue(name, address);
    let own = CertificateDer::from_pem_slice(issued.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the usual versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![own.expect("it is a certificate")],
            key.expect("it is a key"),
        )
        .expect("key and certificate belong together");
    (issued.authority, Arc::new(config))
}

fn talk(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    served: &Mutex<Served>,
    stopping: &AtomicBool,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    while !stopping.load(Ordering::Acquire) {
        let Some(head) = read_head(&mut stream)? else {
            return Ok(());
        };
        if !answer(&mut stream, &head, served, stopping)? {
            break;
        }
    }
    stream.conn.send_close_notify();
    stream.flush()
}

/// Whether the connection goes on.
fn answer(
    stream: &mut impl Write,
    head: &str,
    served: &Mutex<Served>,
    stopping: &AtomicBool,
) -> io::Result<bool> {
    let asked = part(head);
    let (manner, file, form) = {
        let mut served = lock(served);
        let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
        let file = match served.files.is_empty() {
            true => Some(Arc::clone(&served.file)),
            false => served.files.get(&path).cloned(),
        };
        served.paths.push(path);
        served.parts.extend(asked.clone());
        served.answers += 1;
        (served.manner.clone(), file, served.answers)
    };
    let manner = match &file {
        Some(_) => manner,
        None => Manner::Status(404),
    };
    let file = file.unwrap_or_default();
    match &manner {
        Manner::Redirects(to) => {
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
            )?;
            return Ok(true);
        }
        Manner::Status(status) => {
            write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        Manner::Garbage => {
            stream.write_all(b"220 mail.example.net ESMTP\r\n")?;
            return Ok(false);
        }
        _ => {}
    }
    let size = file.len() as u64;
    let mut part = asked.filter(|_| !matches!(manner, Manner::WholeFiles | Manner::NoSize));
    if let (Manner::WrongPart, Some(part)) = (&manner, &mut part) {
        *part = part.start + 1..part.end + 1;
    }
    let tag = match manner {
        Manner::Replaces => form,
        _ => 0,
    };
    let sent = match part {
        Some(part) if part.start >= size => {
            write!(
                stream,
                "HTTP/1.1 416 Behind\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n\r\n"
            )?;
            return Ok(true);
        }
        Some(part) => {
            let end = part.end.min(size);
            write!(
                stream,
                "HTTP/1.1 206 Partial Content\r\nETag: \"{tag}\"\r\nContent-Range: bytes {}-{}/{size}\r\nContent-Length: {}\r\n",
                part.start,
                end - 1,
                end - part.start
            )?;
            part.start..end
        }
        None => {
            write!(stream, "HTTP/1.1 200 OK\r\nETag: \"{tag}\"\r\n")?;
            if manner != Manner::NoSize {
                write!(stream, "Content-Length: {size}\r\n")?;
            }
            0..size
        }
    };
    let is_last = matches!(manner, Manner::NoSize | Manner::OneAnswer);
    stream.write_all(if is_last {
        b"Connection: close\r\n\r\n"
    } else {
        b"\r\n"
    })?;
    for piece in file[sent.start as usize..sent.end as usize].chunks(16 << 10) {
        let before = lock(served).bytes;
        match manner {
            Manner::StallsAfter(bytes) if before >= bytes => {
                stream.flush()?;
                wait(PATIENCE, stopping);
                return Ok(false);
            }
            Manner::CutsAfter(bytes) if before >= bytes => return Ok(false),
            Manner::Drips(pause) => {
                for byte in piece {
                    stream.write_all(&[*byte])?;
                    stream.flush()?;
                    wait(pause, stopping);
                }
            }
            _ => stream.write_all(piece)?,
        }
        lock(served).bytes += piece.len() as u64;
    }
    stream.flush()?;
    Ok(!is_last)
}

fn wait(pause: Duration, stopping: &AtomicBool) {
    let steps = pause.as_millis().div_ceil(50);
    for _ in 0..steps {
        if stopping.load(Ordering::Acquire) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The part that a head asks for.
fn part(head: &str) -> Option<Range<u64>> {
    let mut lines = head.lines();
    let (first, last) = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_range = name.eq_ignore_ascii_case("range");
        value
            .strip_prefix("bytes=")
            .filter(|_| is_range)?
            .split_once('-')
    })?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}

/// None: the client has gone.
fn read_head(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_LIMIT {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => head.push(byte[0]),
            // Without a word of TLS.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}
