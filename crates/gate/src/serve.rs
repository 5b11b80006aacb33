//! Listeners: connections, their limits and their end.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cell_control::caller::now_since_boot;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::connection;
use crate::gate::Gate;

/// Connections of one listener at a time. A household needs a few dozen; each costs some 50 kB.
pub(crate) const MAX_CONNECTIONS: usize = 512;
/// Of these, from one address: a browser opens six.
pub(crate) const MAX_PER_SOURCE: usize = 64;
/// How long TLS may take to be agreed.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long open requests have to end at shutdown: the daemon has ten seconds for everything.
pub(crate) const SHUTDOWN_TIME: Duration = Duration::from_secs(5);
/// Rest after a failed accept, which mostly means too many open files.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a listener until `shutdown` says `true` or its sender is gone; then open requests have a few seconds to end.
/// New connections use the TLS configuration of the moment; open ones keep theirs.
pub async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    gate: Arc<Gate>,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let seats = Seats::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = shutdown.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = seats.take(peer.ip().to_canonical()) else {
            tracing::debug!(address = %peer.ip(), "too many connections");
            continue;
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
        let (gate, shutdown) = (Arc::clone(&gate), shutdown.clone());
        connections.spawn(async move {
            let _seat = seat;
            converse(stream, peer, acceptor, gate, shutdown).await;
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIME, ended).await.is_err() {
        tracing::info!("connections were cut at shutdown");
        connections.abort_all();
    }
    Ok(())
}

/// One connection, from its first byte to its end.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    gate: Arc<Gate>,
    shutdown: watch::Receiver<bool>,
) {
    let connected_at = now_since_boot();
    // Answers are written whole; waiting for more to send with them only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is gone already");
    }
    let agreed = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await;
    let stream = match agreed {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(address = %peer.ip(), %error, "no TLS");
            return;
        }
        Err(_) => {
            tracing::debug!(address = %peer.ip(), "TLS took too long");
            return;
        }
    };
    connection::run(stream, peer, connected_at, gate, shutdown).await;
}

/// How many connections are open, and from where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seats {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One open connection; gives its place back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    address: IpAddr,
}

impl Seats {
    /// A place for a connection from this address, if there is one.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = taken.values().sum();
        if total >= MAX_CONNECTIONS || taken.get(&address).is_some_and(|&n| n >= MAX_PER_SOURCE) {
            return None;
        }
        *taken.entry(address).or_default() += 1;
        Some(Seat {
            seats: self.clone(),
            address,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self
            .seats
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
