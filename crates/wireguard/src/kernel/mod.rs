//! WireGuard in the kernel, spoken to over generic netlink (include/uapi/linux/wireguard.h).
//!
//! The interface outlives the daemon; what differs from the spec is changed and nothing else.

mod device;
mod exchange;
mod patch;
mod uapi;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use async_trait::async_trait;
use cell_model::key::PublicKey;
use cell_model::name::InterfaceName;
use cell_model::spec::WireGuardSpec;
use cell_model::status::{WireGuardBackend, WireGuardStatus};
use cell_model::step::WireGuardStep;
use cell_netlink::Netlink;
use tokio::sync::Mutex;

use crate::{Mismatch, WireGuard, WireGuardError, addresses, verify};
use device::Device;
pub use exchange::KernelError;
use patch::DevicePatch;
pub(crate) use uapi::FAMILY as LINK_KIND;

/// Who can carry the packets on this system. The kernel loads its module when asked for it.
pub fn probe() -> WireGuardBackend {
    match exchange::family() {
        Ok(_) => WireGuardBackend::Kernel,
        Err(_) => WireGuardBackend::Userspace,
    }
}

/// A VPN interface of the kernel's module.
pub struct Kernel {
    interface: InterfaceName,
    family: u16,
    /// Held while a step is carried out: reading and changing by difference belong together.
    changing: Mutex<Places>,
}

/// Where each peer was said to be, last.
type Places = BTreeMap<PublicKey, SocketAddr>;

impl Kernel {
    /// Responsible for the interface of this name. Nothing happens yet.
    ///
    /// # Errors
    /// [`KernelError::NoModule`] when the kernel has no WireGuard.
    pub fn new(interface: InterfaceName) -> Result<Self, KernelError> {
        Ok(Self {
            interface,
            family: exchange::family()?,
            changing: Mutex::default(),
        })
    }

    async fn device(&self) -> Result<Option<Device>, KernelError> {
        exchange::get(self.family, &self.interface).await
    }

    async fn change(&self, patch: &DevicePatch) -> Result<(), KernelError> {
        if patch.is_empty() {
            return Ok(());
        }
        for message in patch.messages(&self.interface) {
            exchange::set(self.family, message).await?;
        }
        Ok(())
    }

    async fn ensure(
        &self,
        spec: &WireGuardSpec,
        places: &mut Places,
    ) -> Result<(), WireGuardError> {
        if spec.interface != self.interface {
            return Err(WireGuardError::OtherInterface {
                asked: spec.interface.clone(),
                this: self.interface.clone(),
            });
        }
        let name = &self.interface;
        Netlink::new().add_link(name, uapi::FAMILY).await?;
        let device = self.device().await?.ok_or(Mismatch::Missing)?;
        self.change(&DevicePatch::between(&device, spec, places))
            .await?;
        let peers = spec.peers.iter();
        *places = peers
            .filter_map(|(key, peer)| Some((*key, peer.endpoint?)))
            .collect();
        Ok(addresses::configure(spec).await?)
    }
}

#[async_trait]
impl WireGuard for Kernel {
    fn backend(&self) -> WireGuardBackend {
        WireGuardBackend::Kernel
    }

    async fn observe(&self) -> Result<Option<WireGuardStatus>, WireGuardError> {
        let device = self.device().await?;
        Ok(device.map(|device| device.status(&self.interface)))
    }

    async fn apply(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        let mut places = self.changing.lock().await;
        match step {
            WireGuardStep::Ensure(spec) => self.ensure(spec, &mut places).await,
            WireGuardStep::PatchPeers { remove, set } => {
                let patch = DevicePatch::of_peers(remove, set, &places);
                self.change(&patch).await?;
                places.retain(|key, _| !remove.contains(key));
                let set = set.iter();
                places.extend(set.filter_map(|(key, peer)| Some((*key, peer.endpoint?))));
                Ok(())
            }
            WireGuardStep::Remove => {
                places.clear();
                Ok(Netlink::new().remove_link(&self.interface).await?)
            }
        }
    }

    /// The kernel always shows all peers, so a patch is read back with one dump: about 2 MB for 10,000 peers.
    async fn verify(&self, step: &WireGuardStep) -> Result<(), WireGuardError> {
        let seen = self.observe().await?;
        match (step, seen) {
            (WireGuardStep::Remove, None) => Ok(()),
            (WireGuardStep::Remove, Some(_)) => Err(Mismatch::Present.into()),
            (_, None) => Err(Mismatch::Missing.into()),
            (WireGuardStep::Ensure(spec), Some(seen)) => {
                verify::interface(spec, &seen)?;
                addresses::verify(spec).await
            }
            (WireGuardStep::PatchPeers { remove, set }, Some(seen)) => {
                Ok(verify::peers(remove, set, &seen.peers)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_agrees_with_the_constructor() {
        let interface: InterfaceName = "wg0".parse().unwrap();
        let made = Kernel::new(interface).is_ok();
        assert_eq!(probe() == WireGuardBackend::Kernel, made);
    }
}
