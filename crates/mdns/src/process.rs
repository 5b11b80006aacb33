//! Being found by name, seen from the core: opens the sockets, remembers what is wanted, tells the process.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use async_trait::async_trait;
use cell_model::spec::MdnsSpec;
use cell_model::status::MdnsStatus;
use tokio::sync::Mutex;

use crate::Mdns;
use crate::error::MdnsError;
use crate::link::{Command, Reply, ServerLink, Socket};
use crate::responder::Via;
use crate::socket;

/// Between two looks whether the name was found to be free.
const LOOK: Duration = Duration::from_millis(100);

/// Being found by name, in a process without rights: only the core may bind to an interface.
pub struct ProcessMdns<L> {
    link: L,
    wanted: Mutex<Option<Wanted>>,
}

struct Wanted {
    spec: MdnsSpec,
    /// The interface the sockets are of: one that was taken out and put in again has another number.
    index: u32,
    sockets: Vec<Socket>,
}

impl<L: ServerLink> ProcessMdns<L> {
    /// The process at the other end of `link`. Nothing is done yet.
    pub fn new(link: L) -> Self {
        Self {
            link,
            wanted: Mutex::default(),
        }
    }

    /// Tells a process that was restarted all that is wanted of it.
    ///
    /// # Errors
    /// [`MdnsError::Link`] and [`MdnsError::Process`] from the process, [`MdnsError::HandOver`] here.
    pub async fn replay(&self) -> Result<(), MdnsError> {
        match &*self.wanted.lock().await {
            Some(wanted) => self.hand_over(wanted).await,
            None => Ok(()),
        }
    }

    async fn hand_over(&self, wanted: &Wanted) -> Result<(), MdnsError> {
        let sockets = wanted.sockets.iter().map(|socket| {
            Ok(Socket {
                via: socket.via,
                udp: socket.udp.try_clone()?,
            })
        });
        let sockets = sockets
            .collect::<Result<Vec<_>, io::Error>>()
            .map_err(MdnsError::HandOver)?;
        let vias = sockets.iter().map(|socket| socket.via).collect();
        let command = Command::Answer(wanted.spec.clone(), vias);
        done(self.link.call(command, sockets).await?)
    }
}

impl Wanted {
    /// Opens what the spec needs; sockets that are open already are taken over.
    fn new(spec: &MdnsSpec, before: Option<Self>) -> Result<Self, MdnsError> {
        let interface = &spec.interface;
        let index = socket::index_of(interface).map_err(|source| MdnsError::Interface {
            interface: interface.clone(),
            source,
        })?;
        let mut sockets = before
            .filter(|before| before.index == index)
            .map_or_else(Vec::new, |before| before.sockets);
        for via in Via::BOTH {
            if sockets.iter().any(|socket| socket.via == via) {
                continue;
            }
            match socket::open(interface, index, via) {
                Ok(udp) => sockets.push(Socket { via, udp }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(MdnsError::PortTaken);
                }
                // A machine may do without one of the two protocols.
                Err(error) if !spec.has_family_of(any(via)) => {
                    tracing::debug!(%via, %error, "no answers over this protocol");
                }
                Err(source) => {
                    return Err(MdnsError::Open {
                        via,
                        interface: interface.clone(),
                        source,
                    });
                }
            }
        }
        Ok(Self {
            spec: spec.clone(),
            index,
            sockets,
        })
    }
}

fn any(via: Via) -> IpAddr {
    match via {
        Via::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Via::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn done(reply: Reply) -> Result<(), MdnsError> {
    match reply {
        Reply::Done => Ok(()),
        Reply::Failed(detail) => Err(MdnsError::Process(detail)),
        Reply::Status(_) => Err(MdnsError::Process("answered with its status".to_owned())),
    }
}

#[async_trait]
impl<L: ServerLink> Mdns for ProcessMdns<L> {
    async fn observe(&self) -> Result<MdnsStatus, MdnsError> {
        match self.link.call(Command::Status, Vec::new()).await? {
            Reply::Status(status) => Ok(status),
            Reply::Failed(detail) => Err(MdnsError::Process(detail)),
            Reply::Done => Err(MdnsError::Process("answered without its status".to_owned())),
        }
    }

    async fn apply(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError> {
        let mut wanted = self.wanted.lock().await;
        let before = wanted.take();
        let stop = self.link.call(Command::Stop, Vec::new());
        match spec.map(|spec| Wanted::new(spec, before)) {
            Some(Ok(opened)) => self.hand_over(wanted.insert(opened)).await,
            Some(Err(error)) => {
                // What it said before is no longer so, or not for sure.
                let _ = stop.await;
                Err(error)
            }
            None => done(stop.await?),
        }
    }

    async fn verify(&self, spec: Option<&MdnsSpec>) -> Result<(), MdnsError> {
        let Some(spec) = spec else {
            return Ok(());
        };
        loop {
            match self.observe().await? {
                MdnsStatus::Answering { .. } => return Ok(()),
                MdnsStatus::Taken => {
                    return Err(MdnsError::Taken {
                        label: spec.label.clone(),
                    });
                }
                MdnsStatus::Idle => {
                    return Err(MdnsError::Process("it was started anew".to_owned()));
                }
                MdnsStatus::Probing => tokio::time::sleep(LOOK).await,
            }
        }
    }
}
