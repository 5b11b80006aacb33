//! The relay seen from the core: binds the sockets, remembers what is wanted, tells the process.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use async_trait::async_trait;
use cell_model::spec::ExitsSpec;
use cell_model::status::ExitStatus;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::Exits;
use crate::error::ExitsError;
use crate::link::{Command, Reply, ServerLink};
use crate::relay::Doors;

/// The relay in a process of its own.
///
/// The core keeps the sockets and hands over duplicates, so that connections wait for a process that is started again.
pub struct ProcessExits<L> {
    link: L,
    wanted: Mutex<Wanted>,
}

#[derive(Default)]
struct Wanted {
    spec: Option<Arc<ExitsSpec>>,
    sockets: BTreeMap<SocketAddr, TcpListener>,
}

impl<L: ServerLink> ProcessExits<L> {
    /// The relay at the other end of `link`. Nothing is done yet.
    pub fn new(link: L) -> Self {
        Self {
            link,
            wanted: Mutex::default(),
        }
    }

    /// Tells a process that was restarted all that is wanted of it.
    ///
    /// # Errors
    /// [`ExitsError::Link`] and [`ExitsError::Process`] from the process, [`ExitsError::HandOver`] here.
    pub async fn replay(&self) -> Result<(), ExitsError> {
        let wanted = self.wanted.lock().await;
        match &wanted.spec {
            Some(spec) => self.hand_over(spec, &wanted.sockets).await,
            None => Ok(()),
        }
    }

    /// Says which ways there are, those that have both their sockets.
    async fn hand_over(
        &self,
        spec: &ExitsSpec,
        sockets: &BTreeMap<SocketAddr, TcpListener>,
    ) -> Result<(), ExitsError> {
        let mut spec = spec.clone();
        let mut doors = Vec::new();
        let door = |address: SocketAddr| {
            let socket = sockets.get(&address)?.try_clone();
            Some(socket.map_err(|source| ExitsError::HandOver { address, source }))
        };
        let mut served = BTreeMap::new();
        for (id, relay) in std::mem::take(&mut spec.relays) {
            let flows = match relay.listen {
                Some(listen) => match door(listen) {
                    Some(flows) => Some(flows?),
                    None => continue,
                },
                None => None,
            };
            if let Some(names) = door(relay.names) {
                let names = names?;
                doors.push(Doors { flows, names });
                served.insert(id, relay);
            }
        }
        spec.relays = served;
        let command = Command::Replace(Arc::new(spec));
        match self.link.call(command, doors).await? {
            Reply::Done => Ok(()),
            Reply::Failed(detail) => Err(ExitsError::Process(detail)),
            Reply::Status(_) => Err(ExitsError::Process("answered with its status".to_owned())),
        }
    }
}

impl Wanted {
    /// Binds what is missing and lets go of what is no longer listed. Every address is tried; the failures are returned
    /// together.
    fn bind(&mut self, spec: &ExitsSpec) -> Option<ExitsError> {
        let relays = spec.relays.values();
        let addresses: Vec<SocketAddr> = relays
            .flat_map(|relay| relay.listen.into_iter().chain([relay.names]))
            .collect();
        self.sockets
            .retain(|address, _| addresses.contains(address));
        let (mut failed, mut first) = (Vec::new(), None);
        for address in addresses {
            if self.sockets.contains_key(&address) {
                continue;
            }
            match TcpListener::bind(address) {
                Ok(socket) => drop(self.sockets.insert(address, socket)),
                Err(error) => {
                    failed.push(address);
                    first.get_or_insert(error);
                }
            }
        }
        first.map(|source: io::Error| ExitsError::Bind {
            addresses: failed,
            source,
        })
    }
}

#[async_trait]
impl<L: ServerLink> Exits for ProcessExits<L> {
    async fn observe(&self) -> Result<BTreeMap<Uuid, ExitStatus>, ExitsError> {
        match self.link.call(Command::Status, Vec::new()).await? {
            Reply::Status(status) => Ok(status),
            Reply::Failed(detail) => Err(ExitsError::Process(detail)),
            Reply::Done => Err(ExitsError::Process(
                "answered without its status".to_owned(),
            )),
        }
    }

    async fn apply(&self, spec: &Arc<ExitsSpec>) -> Result<(), ExitsError> {
        let mut wanted = self.wanted.lock().await;
        wanted.spec = Some(Arc::clone(spec));
        let failed = wanted.bind(spec);
        self.hand_over(spec, &wanted.sockets).await?;
        failed.map_or(Ok(()), Err)
    }
}
