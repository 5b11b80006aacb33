//! Listeners on the loopback, spoken to by real clients.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cell_control::fake::{FakeControl, Stage};
use cell_model::secret::Secret;
use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::route::{Access, Body, Faces, Route};
use crate::{Reply, tls_config};

const fn row(method: Method, path: &'static str, handler: crate::Handler) -> Route {
    Route {
        method,
        path,
        access: Access::Open,
        dangerous: false,
        scope: None,
        body: Body::None,
        limit: Route::LIMIT,
        handler,
    }
}

static API: [Route; 3] = [
    row(Method::GET, "/health", |visit| {
        Box::pin(async move {
            Ok(Reply::html(
                StatusCode::OK,
                format!("{:?}", visit.caller.connected_at),
            ))
        })
    }),
    row(Method::GET, "/last", |_| {
        Box::pin(async { Ok(Reply::no_content().closing_connection()) })
    }),
    row(Method::POST, "/health", |_| {
        Box::pin(async { Ok(Reply::no_content()) })
    }),
];

struct Server {
    address: SocketAddr,
    tls: watch::Sender<Arc<ServerConfig>>,
    shutdown: watch::Sender<bool>,
    certificate: CertificateDer<'static>,
    task: JoinHandle<io::Result<()>>,
}

fn certificate() -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = Secret::new(made.signing_key.serialize_der());
    let config = tls_config(vec![made.cert.der().to_vec()], &key).unwrap();
    (made.cert.der().clone(), config)
}

fn start() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let faces = Faces {
        api: &API,
        pages: &[],
        page_error: |problem, _, _| Reply::problem(problem),
    };
    let control = Arc::new(FakeControl::new(Stage::Ready));
    let (_, hosts) = watch::channel(BTreeSet::new());
    let gate = Arc::new(Gate::new(control, faces, hosts).unwrap());
    let (certificate, config) = certificate();
    let (tls, tls_seen) = watch::channel(config);
    let (shutdown, shutdown_seen) = watch::channel(false);
    Server {
        address,
        tls,
        shutdown,
        certificate,
        task: tokio::spawn(serve(listener, tls_seen, gate, shutdown_seen)),
    }
}

impl Server {
    async fn connect(&self, alpn: &[u8]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// Sends text over HTTP/1.1 and reads until the server closes.
    async fn speak(&self, request: &str) -> String {
        let mut stream = self.connect(b"http/1.1").await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A cut connection may lack the TLS goodbye; what came before it counts.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }
}

const GET: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\n";

#[tokio::test]
async fn one_connection_has_one_time_and_two_have_two() {
    let server = start();
    let twice = format!("{GET}\r\n{GET}Connection: close\r\n\r\n");
    let times = |answer: String| -> Vec<String> {
        let bodies = answer.split("\r\n\r\n").skip(1);
        bodies
            .map(|body| body.split("HTTP/1.1").next().unwrap().to_owned())
            .collect()
    };
    let first = times(server.speak(&twice).await);
    let second = times(server.speak(&twice).await);
    assert_eq!(first.len(), 2);
    assert_eq!(first[0], first[1]);
    assert_ne!(first[0], second[0]);
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_agreed() {
    let server = start();
    let stream = server.connect(b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let get = |path: &str| {
        let uri = format!("https://localhost{path}");
        Request::get(uri).body(Full::new(Bytes::new())).unwrap()
    };
    let answer = sender.send_request(get("/health")).await.unwrap();
    assert_eq!(
        (answer.status(), answer.version()),
        (StatusCode::OK, Version::HTTP_2)
    );
    answer.into_body().collect().await.unwrap();
    let foreign = Request::get("https://evil.example/health")
        .body(Full::new(Bytes::new()))
        .unwrap();
    assert_eq!(sender.send_request(foreign).await.unwrap().status(), 421);
    // After the last answer the connection is over, and a new request needs a new one.
    assert_eq!(
        sender.send_request(get("/last")).await.unwrap().status(),
        204
    );
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn last_answer_ends_a_connection_of_http1() {
    let server = start();
    let answer = server
        .speak(&format!(
            "GET /last HTTP/1.1\r\nHost: localhost\r\n\r\n{GET}\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 204"));
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
}

#[tokio::test]
async fn plain_http_is_closed_without_an_answer_in_http() {
    let server = start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(format!("{GET}\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"));
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let server = start();
    let long = format!(
        "{GET}X-Long: {}\r\nConnection: close\r\n\r\n",
        "x".repeat(20_000)
    );
    assert!(server.speak(&long).await.starts_with("HTTP/1.1 431"));
    let many = format!("{GET}{}\r\n", "X-Many: x\r\n".repeat(150));
    assert!(server.speak(&many).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn refused_body_is_taken_in_so_that_the_answer_is_read() {
    let server = start();
    let size = 10 * 1024 * 1024;
    let request = format!(
        "POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{}",
        "x".repeat(size)
    );
    assert!(server.speak(&request).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn new_connections_get_the_new_certificate_and_old_ones_go_on() {
    let mut server = start();
    let mut old = server.connect(b"http/1.1").await.unwrap();
    let (certificate, config) = certificate();
    server.tls.send_replace(config);
    assert!(server.connect(b"http/1.1").await.is_err());
    server.certificate = certificate;
    assert!(server.connect(b"http/1.1").await.is_ok());
    old.write_all(format!("{GET}Connection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    let _ = old.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn shutdown_ends_resting_connections_and_the_listener() {
    let server = start();
    let mut resting = server.connect(b"http/1.1").await.unwrap();
    resting
        .write_all(format!("{GET}\r\n").as_bytes())
        .await
        .unwrap();
    let mut first = [0; 12];
    resting.read_exact(&mut first).await.unwrap();
    server.shutdown.send_replace(true);
    server.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[test]
fn source_has_a_limit_of_its_own_and_places_come_back() {
    let seats = Seats::default();
    let address = |n: u8| IpAddr::from([192, 168, 1, n]);
    let mut taken: Vec<_> = (0..MAX_PER_SOURCE)
        .map(|_| seats.take(address(1)).unwrap())
        .collect();
    assert!(seats.take(address(1)).is_none());
    assert!(seats.take(address(2)).is_some());
    taken.pop();
    assert!(seats.take(address(1)).is_some());
}

#[test]
fn listener_has_a_limit_for_all_sources() {
    let seats = Seats::default();
    let taken: Vec<_> = (0..=u8::MAX)
        .flat_map(|n| std::iter::repeat_n(IpAddr::from([10, 0, 0, n]), 2))
        .map(|address| seats.take(address).unwrap())
        .collect();
    assert_eq!(taken.len(), MAX_CONNECTIONS);
    assert!(seats.take(IpAddr::from([10, 0, 1, 1])).is_none());
    drop(taken);
    assert!(seats.taken.lock().unwrap().is_empty());
}

#[test]
fn key_must_fit_the_certificate() {
    let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    let chain = vec![one.cert.der().to_vec()];
    assert!(tls_config(chain.clone(), &Secret::new(other.serialize_der())).is_err());
    assert!(tls_config(chain, &Secret::new(b"no key".to_vec())).is_err());
}
