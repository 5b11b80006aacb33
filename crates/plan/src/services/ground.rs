//! Where a service is: its network, and whom its users are outside.

use std::net::{Ipv4Addr, SocketAddrV4};

use cell_catalogue::{Backend, Manifest};
use cell_model::container::IdRange;
use ipnet::Ipv4Net;

/// Length of the prefix of a service's network: the box, and more containers than a manifest may have.
const SERVICE_PREFIX: u8 = 27;
/// Above all ids that systems give out by themselves.
pub(super) const FIRST_ID: u32 = 0x4000_0000;
/// Some programs make negative numbers of larger ones.
const LAST_ID: u32 = 0x7fff_ffff;
/// As many as user namespaces usually have, so that images find the ids they expect (user_namespaces(7)).
pub(super) const IDS: u32 = 65_536;
/// The first address of a service's network is the box's.
const FIRST_HOST: usize = 1;

/// Where a service is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    pub(super) network: Ipv4Net,
    pub(super) ids: IdRange,
}

impl Ground {
    pub(super) fn of(slot: u16, pool: Ipv4Net) -> Option<Self> {
        let network = pool.subnets(SERVICE_PREFIX).ok()?.nth(slot.into())?;
        let first = FIRST_ID.checked_add(u32::from(slot).checked_mul(IDS)?)?;
        first.checked_add(IDS).filter(|end| *end <= LAST_ID)?;
        Some(Self {
            network,
            ids: IdRange { first, size: IDS },
        })
    }

    /// The address of a container by its place in the manifest.
    pub(super) fn address(&self, at: usize) -> Ipv4Addr {
        let mut hosts = self.network.hosts();
        hosts
            .nth(FIRST_HOST + at)
            .expect("a network holds more than a manifest may have")
    }

    pub(super) fn backend(&self, manifest: &Manifest, backend: &Backend) -> Option<SocketAddrV4> {
        let mut containers = manifest.containers.iter();
        let at = containers.position(|container| container.name == backend.container)?;
        Some(SocketAddrV4::new(self.address(at), backend.port))
    }
}
