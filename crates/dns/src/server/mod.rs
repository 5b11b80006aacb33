//! The name server itself. Runs without any right in a process of its own: sockets are handed in,
//! and nothing but sockets to upstream servers is opened.

mod front;
mod response;
mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cell_model::status::DnsStatus;
use cell_model::step::DnsStep;
use hickory_server::Server;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::error::DnsError;
use front::{Counters, Front};
use state::Current;

/// How long a TCP connection may be idle (RFC 7766 section 6.2.3: a few seconds).
const TCP_IDLE: Duration = Duration::from_secs(5);

/// Responses that wait on one TCP connection until they are read.
const TCP_WAITING: usize = 16;

/// A bound address: both sockets, not yet served.
#[derive(Debug)]
pub struct Listen {
    /// Where they are bound.
    pub address: SocketAddr,
    /// For datagrams.
    pub udp: std::net::UdpSocket,
    /// For connections.
    pub tcp: std::net::TcpListener,
}

/// The name server. A handle: clones serve the same zone on the same sockets.
#[derive(Clone)]
pub struct DnsServer {
    front: Front,
    listening: Arc<Mutex<BTreeMap<SocketAddr, Server<Front>>>>,
}

impl Default for DnsServer {
    fn default() -> Self {
        Self::new()
    }
}

impl DnsServer {
    /// A server that listens nowhere and refuses everybody until it is told otherwise.
    pub fn new() -> Self {
        Self {
            front: Front {
                current: Arc::new(Current::new()),
                counters: Arc::new(Counters::default()),
            },
            listening: Arc::default(),
        }
    }

    /// Brings a step into service in one swap: no question sees half of it.
    ///
    /// # Errors
    /// [`DnsError::Zone`] when the zone cannot be laid out, [`DnsError::NoZone`] when names are
    /// patched before there is a zone; the state before stays in service.
    pub fn apply(&self, step: &DnsStep) -> Result<(), DnsError> {
        self.front.current.apply(step)
    }

    /// Serves exactly these addresses. Sockets of others are closed; an address that is served
    /// already keeps its sockets, with whatever waits in them. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`DnsError::Serve`] when a socket cannot be taken over; the others are served.
    pub async fn listen(&self, sockets: Vec<Listen>) -> Result<(), DnsError> {
        let mut listening = self.listening.lock().await;
        let wanted: Vec<SocketAddr> = sockets.iter().map(|listen| listen.address).collect();
        let (kept, closed): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut *listening)
            .into_iter()
            .partition(|(address, _)| wanted.contains(address));
        *listening = kept;
        for (address, server) in closed {
            close(address, server).await;
        }
        let mut outcome = Ok(());
        for listen in sockets {
            let address = listen.address;
            if listening.contains_key(&address) {
                continue;
            }
            match self.serve(listen) {
                Ok(server) => {
                    info!(%address, "name server listens");
                    listening.insert(address, server);
                }
                Err(source) => outcome = Err(DnsError::Serve { address, source }),
            }
        }
        outcome
    }

    fn serve(&self, listen: Listen) -> Result<Server<Front>, std::io::Error> {
        listen.udp.set_nonblocking(true)?;
        listen.tcp.set_nonblocking(true)?;
        let udp = tokio::net::UdpSocket::from_std(listen.udp)?;
        let tcp = tokio::net::TcpListener::from_std(listen.tcp)?;
        let mut server = Server::new(self.front.clone());
        server.register_socket(udp);
        server.register_listener(tcp, TCP_IDLE, TCP_WAITING);
        Ok(server)
    }

    /// What is in service, and what it did.
    pub fn status(&self) -> DnsStatus {
        let state = self.front.current.load();
        let zone = state.zone.as_ref();
        let counters = &self.front.counters;
        DnsStatus {
            serial: zone.map(crate::zone::Zone::serial),
            names: zone.map_or(0, crate::zone::Zone::len),
            queries: counters.queries.load(Ordering::Relaxed),
            local: counters.local.load(Ordering::Relaxed),
            forwarded: counters.forwarded.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
        }
    }

    /// Closes all sockets; returns when that is done.
    pub async fn stop(self) {
        for (address, server) in std::mem::take(&mut *self.listening.lock().await) {
            close(address, server).await;
        }
    }
}

async fn close(address: SocketAddr, mut server: Server<Front>) {
    match server.shutdown_gracefully().await {
        Ok(()) => info!(%address, "name server no longer listens"),
        Err(error) => warn!(%address, %error, "name server closed with an error"),
    }
}
