//! A web server that says who asked it: `{"source":"203.0.113.2","target":"/"}`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;

use crate::namespace::{Namespace, NamespaceError};

/// A request head larger than this is cut off; real ones are a few hundred bytes.
const HEAD_LIMIT: u64 = 16 * 1024;
/// A client that is silent for longer is dropped, so one cannot hold up the others for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can go wrong when the server starts.
#[derive(Debug, Error)]
pub enum WebServerError {
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

/// A running web server; stops when dropped.
#[derive(Debug)]
pub struct WebServer {
    listeners: Vec<TcpListener>,
    threads: Vec<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
    sources: Arc<Mutex<Vec<IpAddr>>>,
}

impl WebServer {
    /// Serves plain HTTP/1.1 on `addresses` of `namespace`.
    ///
    /// # Errors
    /// [`WebServerError`].
    pub fn start(namespace: &Namespace, addresses: &[SocketAddr]) -> Result<Self, WebServerError> {
        let mut server = Self {
            listeners: Vec::new(),
            threads: Vec::new(),
            stopping: Arc::default(),
            sources: Arc::default(),
        };
        for address in addresses {
            let (listener, accepting) = namespace
                .run(|| {
                    let listener = TcpListener::bind(address)?;
                    Ok((listener.try_clone()?, listener))
                })?
                .map_err(|source| WebServerError::Listen {
                    address: *address,
                    source,
                })?;
            let (stopping, sources) = (Arc::clone(&server.stopping), Arc::clone(&server.sources));
            server.listeners.push(listener);
            server.threads.push(std::thread::spawn(move || {
                while let Ok((stream, source)) = accepting.accept() {
                    if stopping.load(Ordering::Acquire) {
                        break;
                    }
                    // One bad client is its own problem.
                    let _ = answer(stream, source.ip().to_canonical(), &sources);
                }
            }));
        }
        Ok(server)
    }

    /// The addresses that asked so far, in order.
    #[must_use]
    pub fn sources(&self) -> Vec<IpAddr> {
        self.sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        for listener in &self.listeners {
            // Wakes the thread in accept(2), which then fails with EINVAL.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, source: IpAddr, sources: &Mutex<Vec<IpAddr>>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(&mut stream)?;
    let target = head.split(' ').nth(1).unwrap_or("/");
    sources
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(source);
    let body = serde_json::json!({ "source": source, "target": target }).to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Reads to the empty line, so that closing the connection does not reset it.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut bytes = io::BufReader::new(stream.take(HEAD_LIMIT)).bytes();
    while !head.ends_with(b"\r\n\r\n") {
        match bytes.next() {
            Some(byte) => head.push(byte?),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:80";

    fn get(namespace: &Namespace, request: &str) -> io::Result<String> {
        let work = || {
            let mut stream = TcpStream::connect(HERE)?;
            stream.write_all(request.as_bytes())?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            Ok(reply)
        };
        namespace.run(work).unwrap()
    }

    #[test]
    fn the_answer_names_source_and_target() {
        let namespace = Namespace::create("web").unwrap();
        let server = WebServer::start(&namespace, &[HERE.parse().unwrap()]).unwrap();
        let reply = get(&namespace, "GET /here?x=1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
        assert!(
            reply.ends_with(r#"{"source":"127.0.0.1","target":"/here?x=1"}"#),
            "{reply}"
        );
        assert_eq!(server.sources(), [IpAddr::from([127, 0, 0, 1])]);
    }

    #[test]
    fn a_client_that_leaves_early_stops_nobody() {
        let namespace = Namespace::create("web").unwrap();
        let _server = WebServer::start(&namespace, &[HERE.parse().unwrap()]).unwrap();
        namespace
            .run(|| drop(TcpStream::connect(HERE).unwrap()))
            .unwrap();
        assert!(
            get(&namespace, "GET / HTTP/1.1\r\n\r\n")
                .unwrap()
                .contains("200 OK")
        );
    }

    #[test]
    fn a_dropped_server_listens_no_more() {
        let namespace = Namespace::create("web").unwrap();
        drop(WebServer::start(&namespace, &[HERE.parse().unwrap()]).unwrap());
        assert!(get(&namespace, "GET / HTTP/1.1\r\n\r\n").is_err());
    }
}
