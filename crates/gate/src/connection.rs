//! One TLS connection: HTTP/1.1 or HTTP/2 on it, for as long as it is used.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Version;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_rustls::server::TlsStream;

use crate::gate::Gate;
use crate::protect::ClosesConnection;

/// How long the head of a request may take, and so how long an HTTP/1.1 connection may rest.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Bytes of a request's head; cookies and forms of ours need a tenth.
const HEAD_BYTES: u32 = 16 * 1024;
/// Lines of a request's head.
const HEAD_LINES: usize = 100;
/// Requests of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 32;
/// How long an HTTP/2 connection may rest between requests.
const IDLE_TIME: Duration = Duration::from_secs(120);
/// How long a connection that is to end may take for what is still open on it.
const LINGER_TIME: Duration = Duration::from_secs(65);

/// Whether a connection is in use.
#[derive(Debug, Default)]
struct Usage {
    open: AtomicUsize,
    served: AtomicU64,
}

/// Serves the connection until either side ends it.
pub(crate) async fn run(
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    connected_at: Duration,
    gate: Arc<Gate>,
    mut shutdown: watch::Receiver<bool>,
) {
    let usage = Arc::new(Usage::default());
    let last = Arc::new(Notify::new());
    // HTTP/2 answers each request in a task of its own, hence the shared ownership.
    let shared = (gate, Arc::clone(&usage), Arc::clone(&last));
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (gate, usage, last) = shared.clone();
        async move {
            let _open = Open::new(&usage);
            let version = request.version();
            let mut response = gate.answer(request, peer, connected_at).await;
            if response
                .extensions_mut()
                .remove::<ClosesConnection>()
                .is_some()
            {
                if version < Version::HTTP_2 {
                    // A pipelined request may be read before the shutdown below is.
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
                last.notify_one();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = &mut connection => return report(peer, ended),
        () = last.notified() => {}
        () = idle(&usage) => {}
        _ = shutdown.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    match tokio::time::timeout(LINGER_TIME, connection).await {
        Ok(ended) => report(peer, ended),
        Err(_) => tracing::debug!(address = %peer.ip(), "a connection did not end and was cut"),
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEAD_LINES)
        .max_buf_size(HEAD_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEAD_BYTES)
        .keep_alive_interval(HEAD_TIME);
    builder
}

/// Returns when nothing was asked for a while: an unused connection takes somebody's place.
async fn idle(usage: &Usage) {
    loop {
        let before = usage.served.load(Ordering::Relaxed);
        tokio::time::sleep(IDLE_TIME).await;
        let unused = usage.open.load(Ordering::Relaxed) == 0;
        if unused && usage.served.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// One request that is being answered.
struct Open<'a>(&'a Usage);

impl<'a> Open<'a> {
    fn new(usage: &'a Usage) -> Self {
        usage.open.fetch_add(1, Ordering::Relaxed);
        Self(usage)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.served.fetch_add(1, Ordering::Relaxed);
    }
}

fn report(peer: SocketAddr, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(address = %peer.ip(), %error, "a connection broke off");
    }
}
