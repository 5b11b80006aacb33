//! What the interface has beside WireGuard: existence, MTU, addresses.

use std::collections::BTreeSet;

use cell_model::name::InterfaceName;
use cell_model::spec::WireGuardSpec;
use cell_netlink::{Netlink, NetlinkError, Scope};
use ipnet::IpNet;

use crate::{Mismatch, WireGuardError};

/// Whether the interface exists, of whatever kind.
pub(crate) async fn exists(interface: &InterfaceName) -> Result<bool, NetlinkError> {
    match Netlink::new().link(interface).await {
        Ok(_) => Ok(true),
        Err(NetlinkError::NoInterface(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets the MTU, exactly the addresses of the spec, and the interface up. What is so already is left alone.
pub(crate) async fn configure(spec: &WireGuardSpec) -> Result<(), NetlinkError> {
    let netlink = Netlink::new();
    let interface = &spec.interface;
    let link = netlink.link(interface).await?;
    if link.mtu != spec.mtu {
        netlink.set_mtu(interface, spec.mtu).await?;
    }
    let present = present(interface).await?;
    // Removal first: it may take later addresses of the same subnet with it.
    for address in present.difference(&spec.addresses) {
        netlink.remove_address(interface, *address).await?;
    }
    for address in &spec.addresses {
        netlink.add_address(interface, *address).await?;
    }
    if !link.up {
        netlink.set_up(interface).await?;
    }
    Ok(())
}

/// Compares: it is up, has the MTU and exactly the addresses of the spec.
pub(crate) async fn verify(spec: &WireGuardSpec) -> Result<(), WireGuardError> {
    let link = match Netlink::new().link(&spec.interface).await {
        Err(NetlinkError::NoInterface(_)) => return Err(Mismatch::Missing.into()),
        link => link?,
    };
    if !link.up {
        return Err(Mismatch::Down.into());
    }
    if link.mtu != spec.mtu {
        return Err(Mismatch::Mtu {
            asked: spec.mtu,
            found: link.mtu,
        }
        .into());
    }
    if present(&spec.interface).await? != spec.addresses {
        return Err(Mismatch::Addresses.into());
    }
    Ok(())
}

/// Addresses without the link-local ones, which the kernel gives by itself.
async fn present(interface: &InterfaceName) -> Result<BTreeSet<IpNet>, NetlinkError> {
    let all = Netlink::new().addresses().await?;
    Ok(all
        .into_iter()
        .filter(|address| address.interface == *interface && address.scope != Scope::Link)
        .map(|address| address.address)
        .collect())
}
