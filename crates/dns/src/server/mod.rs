//! The name server itself. Runs without any right in a process of its own: sockets are handed in,
//! and nothing but sockets to upstream servers is opened.

mod cells;
mod front;
mod response;
mod state;
mod tcp;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cell_model::status::DnsStatus;
use cell_model::step::DnsStep;
use hickory_server::Server;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::error::DnsError;
use front::{Counters, Front};
use state::Current;
use tcp::Room;

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
    listening: Arc<Mutex<BTreeMap<SocketAddr, Serving>>>,
    room: Room,
}

/// An address in service. Dropping it closes the sockets at once.
struct Serving {
    datagrams: Server<Front>,
    connections: JoinSet<()>,
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
            room: Room::default(),
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
        for (address, serving) in closed {
            close(address, serving).await;
        }
        let mut outcome = Ok(());
        for listen in sockets {
            let address = listen.address;
            if listening.contains_key(&address) {
                continue;
            }
            match self.serve(listen) {
                Ok(serving) => {
                    info!(%address, "name server listens");
                    listening.insert(address, serving);
                }
                Err(source) => outcome = Err(DnsError::Serve { address, source }),
            }
        }
        outcome
    }

    fn serve(&self, listen: Listen) -> Result<Serving, std::io::Error> {
        listen.udp.set_nonblocking(true)?;
        listen.tcp.set_nonblocking(true)?;
        let udp = tokio::net::UdpSocket::from_std(listen.udp)?;
        let tcp = tokio::net::TcpListener::from_std(listen.tcp)?;
        let mut datagrams = Server::new(self.front.clone());
        datagrams.register_socket(udp);
        let mut connections = JoinSet::new();
        connections.spawn(tcp::serve(tcp, self.front.clone(), self.room.clone()));
        Ok(Serving {
            datagrams,
            connections,
        })
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
        for (address, serving) in std::mem::take(&mut *self.listening.lock().await) {
            close(address, serving).await;
        }
    }
}

async fn close(address: SocketAddr, mut serving: Serving) {
    serving.connections.shutdown().await;
    match serving.datagrams.shutdown_gracefully().await {
        Ok(()) => info!(%address, "name server no longer listens"),
        Err(error) => warn!(%address, %error, "name server closed with an error"),
    }
}
