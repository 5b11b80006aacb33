//! The name server seen from the core: binds the sockets, remembers what is wanted, tells the process.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use async_trait::async_trait;
use cell_model::spec::DnsSpec;
use cell_model::status::DnsStatus;
use cell_model::step::DnsStep;
use tokio::sync::Mutex;

use crate::Dns;
use crate::error::DnsError;
use crate::link::{Command, Reply, ServerLink};
use crate::server::Listen;
use crate::verify;

/// The name server in a process of its own.
///
/// The core has the right to bind port 53, the process has none: the core binds, keeps the sockets
/// and hands over duplicates. So a process that is restarted finds the questions that came meanwhile.
pub struct ProcessDns<L> {
    link: L,
    wanted: Mutex<Wanted>,
}

#[derive(Default)]
struct Wanted {
    spec: Option<Arc<DnsSpec>>,
    sockets: BTreeMap<SocketAddr, (UdpSocket, TcpListener)>,
}

impl<L: ServerLink> ProcessDns<L> {
    /// The server at the other end of `link`. Nothing is done yet.
    pub fn new(link: L) -> Self {
        Self {
            link,
            wanted: Mutex::default(),
        }
    }

    /// Tells a process that was restarted all that is wanted of it.
    ///
    /// # Errors
    /// [`DnsError::Link`] and [`DnsError::Process`] from the process, [`DnsError::HandOver`] here.
    pub async fn replay(&self) -> Result<(), DnsError> {
        let wanted = self.wanted.lock().await;
        if let Some(spec) = &wanted.spec {
            self.tell(Command::Apply(DnsStep::Replace(Arc::clone(spec))))
                .await?;
            self.hand_over(&wanted).await?;
        }
        Ok(())
    }

    async fn tell(&self, command: Command) -> Result<(), DnsError> {
        done(self.link.call(command, Vec::new()).await?)
    }

    /// Zone first, sockets second: what is heard can be answered.
    async fn hand_over(&self, wanted: &Wanted) -> Result<(), DnsError> {
        let sockets = wanted
            .sockets
            .iter()
            .map(|(address, (udp, tcp))| {
                let source = |source| DnsError::HandOver {
                    address: *address,
                    source,
                };
                Ok(Listen {
                    address: *address,
                    udp: udp.try_clone().map_err(source)?,
                    tcp: tcp.try_clone().map_err(source)?,
                })
            })
            .collect::<Result<Vec<_>, DnsError>>()?;
        let addresses = wanted.sockets.keys().copied().collect();
        done(self.link.call(Command::Listen(addresses), sockets).await?)
    }

    async fn replace(&self, wanted: &mut Wanted, spec: &Arc<DnsSpec>) -> Result<(), DnsError> {
        wanted.spec = Some(Arc::clone(spec));
        let failed = wanted.bind(spec);
        self.tell(Command::Apply(DnsStep::Replace(Arc::clone(spec))))
            .await?;
        self.hand_over(wanted).await?;
        failed.map_or(Ok(()), Err)
    }
}

impl Wanted {
    /// Binds what is missing and lets go of what is no longer listed. Every address is tried; the
    /// failures are returned together.
    fn bind(&mut self, spec: &DnsSpec) -> Option<DnsError> {
        self.sockets
            .retain(|address, _| spec.listen.contains(address));
        let mut failed = Vec::new();
        let mut first = None;
        for address in &spec.listen {
            if let Entry::Vacant(place) = self.sockets.entry(*address) {
                match bind(*address) {
                    Ok(sockets) => {
                        place.insert(sockets);
                    }
                    Err(error) => {
                        failed.push(*address);
                        first.get_or_insert(error);
                    }
                }
            }
        }
        first.map(|source| DnsError::Bind {
            addresses: failed,
            source,
        })
    }

    /// Applies a patch to what is remembered.
    fn patch(&mut self, step: &DnsStep) -> Result<(), DnsError> {
        let DnsStep::PatchNames {
            serial,
            remove,
            set,
        } = step
        else {
            return Ok(());
        };
        let spec = self.spec.as_mut().ok_or(DnsError::NoZone)?;
        if spec.zone.is_none() {
            return Err(DnsError::NoZone);
        }
        if let Some(zone) = &mut Arc::make_mut(spec).zone {
            zone.serial = *serial;
            for label in remove {
                zone.names.remove(label);
            }
            for (label, addresses) in set {
                zone.names.insert(label.clone(), Arc::clone(addresses));
            }
        }
        Ok(())
    }
}

/// Both sockets of an address. The standard library sets SO_REUSEADDR on listeners, so connections
/// of a process that is gone do not keep the port.
fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let udp = UdpSocket::bind(address)?;
    let tcp = TcpListener::bind(address)?;
    Ok((udp, tcp))
}

fn done(reply: Reply) -> Result<(), DnsError> {
    match reply {
        Reply::Done => Ok(()),
        Reply::Failed(detail) => Err(DnsError::Process(detail)),
        Reply::Status(_) => Err(DnsError::Process("answered with its status".to_owned())),
    }
}

#[async_trait]
impl<L: ServerLink> Dns for ProcessDns<L> {
    async fn observe(&self) -> Result<DnsStatus, DnsError> {
        match self.link.call(Command::Status, Vec::new()).await? {
            Reply::Status(status) => Ok(status),
            Reply::Failed(detail) => Err(DnsError::Process(detail)),
            Reply::Done => Err(DnsError::Process("answered without its status".to_owned())),
        }
    }

    async fn apply(&self, step: &DnsStep) -> Result<(), DnsError> {
        let mut wanted = self.wanted.lock().await;
        match step {
            DnsStep::Replace(spec) => self.replace(&mut wanted, spec).await,
            DnsStep::PatchNames { .. } => {
                // Remembered even if the process is down: a replay brings it.
                wanted.patch(step)?;
                self.tell(Command::Apply(step.clone())).await
            }
        }
    }

    async fn verify(&self, step: &DnsStep) -> Result<(), DnsError> {
        let (checks, addresses) = {
            let wanted = self.wanted.lock().await;
            let checks = wanted
                .spec
                .as_ref()
                .map_or_else(Vec::new, |spec| verify::checks(spec, step));
            let addresses: Vec<SocketAddr> = wanted.sockets.keys().copied().collect();
            (checks, addresses)
        };
        for address in addresses {
            for check in &checks {
                verify::check(address, check).await?;
            }
        }
        Ok(())
    }
}
