//! A Unix socket that our own reverse proxy, or one service, alone opens: what is asked there is answered, mostly over
//! HTTP/1.1.
//!
//! More connections than there is room for wait to be accepted; when it is to stop, requests that are open get their
//! answer.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::serve::ACCEPT_PAUSE;

/// What a socket takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// How long a head may take, and so how long a connection may rest.
    pub(crate) head_time: Duration,
    /// Bytes of a head: that of a client's own request is passed on in it.
    pub(crate) head_bytes: usize,
    /// Lines of a head.
    pub(crate) head_lines: usize,
    /// How long open requests have when it is to stop.
    pub(crate) end_time: Duration,
}

/// How many come in, and how they are sent away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// How long open requests have when it is to stop.
    pub(crate) end_time: Duration,
}

impl Limits {
    fn room(self) -> Room {
        Room {
            connections: self.connections,
            end_time: self.end_time,
        }
    }
}

/// Who answers.
pub(crate) trait Desk: Send + Sync + 'static {
    /// What answers carry.
    type Body: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request.
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Answers until `stop` says `true` or its sender is gone.
pub(crate) async fn serve<D: Desk>(
    listener: UnixListener,
    limits: Limits,
    desk: D,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let desk = Arc::new(desk);
    accept(listener, limits.room(), stop, |stream, stop| {
        converse(stream, limits, Arc::clone(&desk), stop)
    })
    .await
}

/// Takes connections until `stop` says `true` or its sender is gone, each into a task of its own.
pub(crate) async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: UnixListener,
    room: Room,
    mut stop: watch::Receiver<bool>,
    converse: impl Fn(UnixStream, watch::Receiver<bool>) -> F,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let is_free = connections.len() < room.connections;
        let accepted = tokio::select! {
            accepted = listener.accept(), if is_free => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to a socket could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Whatever is left is cut with the set.
    let _ = tokio::time::timeout(room.end_time, ended).await;
    Ok(())
}

/// One connection, from its first byte to its end.
async fn converse<D: Desk>(
    stream: UnixStream,
    limits: Limits,
    desk: Arc<D>,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let desk = &desk;
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.head_lines)
        .max_buf_size(limits.head_bytes);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = &mut connection => return report(ended),
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    report(connection.await);
}

fn report(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a socket broke off");
    }
}
