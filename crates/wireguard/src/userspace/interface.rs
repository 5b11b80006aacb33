//! The daemon's side of the userspace data plane: it has the rights, the descriptors and the spec.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cell_model::key::PublicKey;
use cell_model::name::InterfaceName;
use cell_model::spec::WireGuardSpec;
use cell_model::status::{WireGuardBackend, WireGuardPeerStatus, WireGuardStatus};
use cell_model::step::WireGuardStep;
use tokio::sync::Mutex;

use super::command::{Command, Reply};
use super::descriptors::{Descriptors, TunError, bind_udp, open_tun};
use super::link::{EngineLink, EngineLinkError};
use crate::{Mismatch, WireGuard, WireGuardError, addresses, verify};

/// The userspace data plane could not be set up or told.
#[derive(Debug, thiserror::Error)]
pub enum UserspaceError {
    /// No TUN interface.
    #[error(transparent)]
    Tun(#[from] TunError),
    /// The port is taken or may not be bound.
    #[error("cannot bind UDP port {port}")]
    Bind {
        /// Which port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The system has no descriptors left.
    #[error("cannot duplicate the descriptors of the interface")]
    Duplicate(#[source] io::Error),
    /// The engine cannot be reached.
    #[error(transparent)]
    Link(#[from] EngineLinkError),
    /// Peers were patched before there was an interface.
    #[error("the interface was not set up yet")]
    NotReady,
    /// An answer that does not belong to the command.
    #[error("the WireGuard process gave an answer to another question")]
    Answer,
}

/// A VPN interface whose packets a process of ours carries.
///
/// It keeps descriptors and spec, so that a restarted engine can be given both again: see [`Userspace::replay`].
pub struct Userspace<L> {
    interface: InterfaceName,
    link: L,
    /// Held while a step is carried out: steps never overlap.
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    descriptors: Descriptors,
    spec: WireGuardSpec,
}

/// A process that is just being started holds every descriptor of ours until its program runs, so a port that was
/// given up is free a moment later.
async fn bind_patiently(port: u16) -> io::Result<UdpSocket> {
    for _ in 0..20 {
        match bind_udp(port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            bound => return bound,
        }
    }
    bind_udp(port)
}

impl<L: EngineLink> Userspace<L> {
    /// Responsible for the interface of this name. Nothing happens yet.
    pub fn new(interface: InterfaceName, link: L) -> Self {
        Self {
            interface,
            link,
            kept: Mutex::new(None),
        }
    }

    /// Gives a new engine process the descriptors and the spec again; to be called when the old one has ended.
    /// Does nothing before the first [`WireGuardStep::Ensure`]. Sessions start anew.
    pub async fn replay(&self) -> Result<(), WireGuardError> {
        let mut kept = self.kept.lock().await;
        let Some(spec) = kept.as_ref().map(|known| known.spec.clone()) else {
            return Ok(());
        };
        self.forget_lost_interface(&mut kept).await?;
        match &*kept {
            Some(known) => Ok(self.hand_over(known).await?),
            None => self.bring_up(&mut kept, &spec).await,
        }
    }

    /// Somebody else may have removed the interface; then its descriptor is of no use any more.
    async fn forget_lost_interface(&self, kept: &mut Option<Kept>) -> Result<(), WireGuardError> {
        if kept.is_some() && !addresses::exists(&self.interface).await? {
            // The engine has the port, which is needed again.
            self.link.stop().await.map_err(UserspaceError::from)?;
            *kept = None;
        }
        Ok(())
    }

    /// The interface goes with its last descriptor; the engine, and a process that is just being started, hold theirs a
    /// moment longer. One that stays is for [`WireGuard::verify`] to report.
    async fn wait_until_gone(&self) -> Result<(), WireGuardError> {
        for _ in 0..100 {
            if !addresses::exists(&self.interface).await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn hand_over(&self, kept: &Kept) -> Result<(), UserspaceError> {
        let duplicate = kept
            .descriptors
            .duplicate()
            .map_err(UserspaceError::Duplicate)?;
        self.link.start(duplicate).await?;
        self.done(Command::Ensure(Arc::new(kept.spec.clone())))
            .await
    }

    async fn ensure(&self, spec: &WireGuardSpec) -> Result<(), WireGuardError> {
        if spec.interface != self.interface {
            return Err(WireGuardError::OtherInterface {
                asked: spec.interface.clone(),
                this: self.interface.clone(),
            });
        }
        let mut kept = self.kept.lock().await;
        self.forget_lost_interface(&mut kept).await?;
        self.bring_up(&mut kept, spec).await
    }

    async fn bring_up(
        &self,
        kept: &mut Option<Kept>,
        spec: &WireGuardSpec,
    ) -> Result<(), WireGuardError> {
        match kept.as_mut() {
            Some(known) if known.spec.listen_port == spec.listen_port => {
                known.spec = spec.clone();
                match self.done(Command::Ensure(Arc::new(spec.clone()))).await {
                    Err(UserspaceError::Link(EngineLinkError::Gone)) => {
                        self.hand_over(known).await?;
                    }
                    told => told?,
                }
            }
            _ => {
                let port = spec.listen_port;
                let socket = bind_patiently(port)
                    .await
                    .map_err(|source| UserspaceError::Bind { port, source })?;
                // With another port the engine is new, but interface, addresses and routes stay.
                let tun = match kept.take() {
                    Some(known) => known.descriptors.tun,
                    None => open_tun(&spec.interface, spec.mtu).map_err(UserspaceError::from)?,
                };
                let known = kept.insert(Kept {
                    descriptors: Descriptors { tun, socket },
                    spec: spec.clone(),
                });
                self.hand_over(known).await?;
            }
        }
        addresses::configure(spec).await?;
        Ok(())
    }

    async fn patch(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        let WireGuardStep::PatchPeers { remove, set } = step else {
            return Ok(());
        };
        let mut kept = self.kept.lock().await;
        let known = kept.as_mut().ok_or(UserspaceError::NotReady)?;
        // The spec first: should the engine end now, replay gives the new one what this step asks.
        known.spec.peers.retain(|key, _| !remove.contains(key));
        known
            .spec
            .peers
            .extend(set.iter().map(|(key, peer)| (*key, Arc::clone(peer))));
        let (remove, set) = (remove.clone(), set.clone());
        Ok(self.done(Command::PatchPeers { remove, set }).await?)
    }

    async fn done(&self, command: Command) -> Result<(), UserspaceError> {
        match self.link.call(command).await? {
            Reply::Done { peers } => {
                tracing::debug!(interface = %self.interface, peers, "wireguard peers changed");
                Ok(())
            }
            Reply::NotReady => Err(UserspaceError::NotReady),
            Reply::Status(_) | Reply::Peers(_) => Err(UserspaceError::Answer),
        }
    }

    async fn peers<'k>(
        &self,
        keys: impl Iterator<Item = &'k PublicKey>,
    ) -> Result<Vec<WireGuardPeerStatus>, UserspaceError> {
        let command = Command::Peers(keys.copied().collect());
        match self.link.call(command).await? {
            Reply::Peers(peers) => Ok(peers),
            _ => Err(UserspaceError::Answer),
        }
    }
}

#[async_trait]
impl<L: EngineLink> WireGuard for Userspace<L> {
    fn backend(&self) -> WireGuardBackend {
        WireGuardBackend::Userspace
    }

    async fn observe(&self) -> Result<Option<WireGuardStatus>, WireGuardError> {
        if self.kept.lock().await.is_none() {
            return Ok(None);
        }
        match self.link.call(Command::Status).await {
            Ok(Reply::Status(status)) => Ok(status),
            Ok(_) => Err(UserspaceError::Answer.into()),
            Err(error) => Err(UserspaceError::from(error).into()),
        }
    }

    async fn apply(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        match step {
            WireGuardStep::Ensure(spec) => self.ensure(spec).await,
            WireGuardStep::PatchPeers { .. } => self.patch(step).await,
            WireGuardStep::Remove => {
                let mut kept = self.kept.lock().await;
                self.link.stop().await.map_err(UserspaceError::from)?;
                *kept = None;
                self.wait_until_gone().await
            }
        }
    }

    async fn verify(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        match step {
            WireGuardStep::Ensure(spec) => {
                let status = self.observe().await?.ok_or(Mismatch::Missing)?;
                verify::interface(spec, &status)?;
                addresses::verify(spec).await
            }
            WireGuardStep::PatchPeers { remove, set } => {
                let seen = self.peers(remove.iter().chain(set.keys())).await?;
                Ok(verify::peers(remove, set, &seen)?)
            }
            WireGuardStep::Remove => match addresses::exists(&self.interface).await? {
                true => Err(Mismatch::Present.into()),
                false => Ok(()),
            },
        }
    }
}
