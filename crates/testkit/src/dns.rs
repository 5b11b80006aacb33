//! A DNS server on the internet side: a few fixed names over UDP and TCP, everything else does not exist.
//!
//! Just enough of RFC 1035 for a forwarder to be tested against something it shares no code with.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;

use crate::namespace::{Namespace, NamespaceError};

/// Seconds that answers may be cached; long enough for a whole test.
const TTL: u32 = 300;
/// How long a stopped server may go on before it looks up.
const TICK: Duration = Duration::from_millis(100);
/// A TCP client that is silent for longer is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can go wrong when the server starts.
#[derive(Debug, Error)]
pub enum DnsServerError {
    /// The namespace could not be entered.
    #[error("cannot enter the server's namespace")]
    Enter(#[from] NamespaceError),
    /// An address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running DNS server; stops when dropped, which makes an upstream that is down.
#[derive(Debug)]
pub struct DnsServer {
    listeners: Vec<TcpListener>,
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stopping: AtomicBool,
    zone: Mutex<Vec<(String, IpAddr)>>,
    queries: Mutex<Vec<String>>,
}

impl DnsServer {
    /// Serves `zone` (name without final dot → address, repeatable) on `addresses` of `namespace`.
    ///
    /// # Errors
    /// [`DnsServerError`].
    pub fn start(
        namespace: &Namespace,
        addresses: &[SocketAddr],
        zone: &[(&str, IpAddr)],
    ) -> Result<Self, DnsServerError> {
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            zone: Mutex::new(
                zone.iter()
                    .map(|(name, address)| (name.to_ascii_lowercase(), *address))
                    .collect(),
            ),
            queries: Mutex::default(),
        });
        let mut server = Self {
            listeners: Vec::new(),
            threads: Vec::new(),
            shared,
        };
        for address in addresses {
            let (udp, tcp, accepting) = namespace
                .run(|| {
                    let udp = UdpSocket::bind(address)?;
                    udp.set_read_timeout(Some(TICK))?;
                    let tcp = TcpListener::bind(address)?;
                    Ok((udp, tcp.try_clone()?, tcp))
                })?
                .map_err(|source| DnsServerError::Listen {
                    address: *address,
                    source,
                })?;
            server.listeners.push(tcp);
            let shared = Arc::clone(&server.shared);
            server
                .threads
                .push(std::thread::spawn(move || serve_udp(&udp, &shared)));
            let shared = Arc::clone(&server.shared);
            server
                .threads
                .push(std::thread::spawn(move || serve_tcp(&accepting, &shared)));
        }
        Ok(server)
    }

    /// From now on, the name leads to this address alone. What was answered before may be cached.
    pub fn lead(&self, name: &str, address: IpAddr) {
        let name = name.to_ascii_lowercase();
        let zone = self.shared.zone.lock();
        let mut zone = zone.unwrap_or_else(PoisonError::into_inner);
        zone.retain(|(known, _)| *known != name);
        zone.push((name, address));
    }

    /// The names asked so far, in order, lower-case; an answer from a cache adds none.
    #[must_use]
    pub fn queries(&self) -> Vec<String> {
        self.shared
            .queries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        for listener in &self.listeners {
            // Wakes the thread in accept(2), which then fails with EINVAL.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 4096];
    while !shared.stopping.load(Ordering::Acquire) {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        if let Some(reply) = shared.answer(&buffer[..length]) {
            let _ = socket.send_to(&reply, client);
        }
    }
}

fn serve_tcp(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopping.load(Ordering::Acquire) {
            break;
        }
        let shared = Arc::clone(shared);
        // One bad client is its own problem.
        std::thread::spawn(move || drop(serve_stream(stream, &shared)));
    }
}

/// Answers a TCP client (RFC 1035, 4.2.2: two bytes of length before each message), who may ask one question after the other
/// (RFC 7766, section 6.2.1), until it is silent or leaves.
fn serve_stream(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    while !shared.stopping.load(Ordering::Acquire) {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        if let Some(reply) = shared.answer(&query) {
            let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
            stream.write_all(&length.to_be_bytes())?;
            stream.write_all(&reply)?;
        }
    }
    Ok(())
}

impl Shared {
    /// The reply to one message; none for what is not a question.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let question = Question::read(query)?;
        self.queries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(question.name.clone());
        let zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        let known = zone.iter().any(|(name, _)| *name == question.name);
        let answers: Vec<Vec<u8>> = zone
            .iter()
            .filter(|(name, _)| *name == question.name)
            .filter_map(|(_, address)| match (address, question.kind) {
                (IpAddr::V4(address), 1) => Some(address.octets().to_vec()),
                (IpAddr::V6(address), 28) => Some(address.octets().to_vec()),
                _ => None,
            })
            .collect();

        let count = u16::try_from(answers.len()).ok()?;
        let authority = u16::from(answers.is_empty());
        // Response, authoritative, recursion available, and recursion desired as asked; NXDOMAIN is 3.
        let flags = 0x8480 | (u16::from(query[2] & 1) << 8) | if known { 0 } else { 3 };
        let mut reply = query[..2].to_vec();
        for field in [flags, 1, count, authority, 0] {
            reply.extend(field.to_be_bytes());
        }
        reply.extend(question.bytes);
        for data in answers {
            // The name is a pointer to the question's.
            push_record(&mut reply, &[0xc0, 12], question.kind, &data);
        }
        if authority == 1 {
            // A forwarder caches "no such name" only with an SOA (RFC 2308); here the root's, both its names empty.
            let numbers = [1, TTL, TTL, TTL, TTL].map(u32::to_be_bytes).concat();
            push_record(&mut reply, &[0], 6, &[&[0, 0][..], &numbers].concat());
        }
        Some(reply)
    }
}

fn push_record(reply: &mut Vec<u8>, name: &[u8], kind: u16, data: &[u8]) {
    reply.extend(name);
    reply.extend(kind.to_be_bytes());
    reply.extend(1_u16.to_be_bytes());
    reply.extend(TTL.to_be_bytes());
    let length = u16::try_from(data.len()).expect("addresses and the SOA are a few bytes");
    reply.extend(length.to_be_bytes());
    reply.extend(data);
}

struct Question<'a> {
    name: String,
    kind: u16,
    bytes: &'a [u8],
}

impl<'a> Question<'a> {
    /// Reads the first question behind the twelve bytes of header; labels only, as in every real query.
    fn read(query: &'a [u8]) -> Option<Self> {
        if *query.get(2)? & 0x80 != 0 {
            return None;
        }
        let mut labels = Vec::new();
        let mut at = 12;
        loop {
            let length = usize::from(*query.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            let label = query.get(at..at + length)?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
        Some(Self {
            name: labels.join("."),
            kind,
            bytes: query.get(12..at + 4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving() -> (Namespace, DnsServer) {
        let namespace = Namespace::create("dns").unwrap();
        let zone = [
            ("example.test", IpAddr::from([192, 0, 2, 10])),
            ("example.test", "2001:db8::10".parse().unwrap()),
        ];
        let server =
            DnsServer::start(&namespace, &["127.0.0.1:53".parse().unwrap()], &zone).unwrap();
        (namespace, server)
    }

    fn dig(namespace: &Namespace, arguments: &[&str]) -> String {
        let mut dig = namespace.command("dig");
        dig.args(["@127.0.0.1", "+tries=1", "+time=5"])
            .args(arguments);
        String::from_utf8(dig.output().unwrap().stdout).unwrap()
    }

    #[test]
    fn a_known_name_has_its_addresses_over_udp_and_tcp() {
        let (namespace, _server) = serving();
        assert_eq!(
            dig(&namespace, &["+short", "Example.Test", "A"]),
            "192.0.2.10\n"
        );
        assert_eq!(
            dig(&namespace, &["+short", "+tcp", "example.test", "AAAA"]),
            "2001:db8::10\n"
        );
    }

    #[test]
    fn an_unknown_name_does_not_exist_and_says_for_how_long() {
        let (namespace, _server) = serving();
        let reply = dig(&namespace, &["nowhere.test"]);
        assert!(reply.contains("status: NXDOMAIN"), "{reply}");
        assert!(reply.contains("SOA"), "{reply}");
    }

    #[test]
    fn a_known_name_without_the_type_exists() {
        let (namespace, _server) = serving();
        let reply = dig(&namespace, &["example.test", "MX"]);
        assert!(reply.contains("status: NOERROR"), "{reply}");
        assert!(reply.contains("ANSWER: 0"), "{reply}");
    }

    #[test]
    fn queries_are_written_down() {
        let (namespace, server) = serving();
        dig(&namespace, &["A.Example.test"]);
        assert_eq!(server.queries(), ["a.example.test"]);
    }

    #[test]
    fn noise_gets_no_reply_and_stops_nothing() {
        let (namespace, server) = serving();
        for noise in [&b""[..], &[0; 5], &[0xff; 64], &[0; 12]] {
            assert_eq!(server.shared.answer(noise), None, "{noise:?}");
        }
        assert_eq!(dig(&namespace, &["+short", "example.test"]), "192.0.2.10\n");
    }
}
