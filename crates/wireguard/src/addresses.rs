//! What the interface has beside WireGuard: existence, MTU, addresses, routes.

use std::collections::BTreeSet;

use cell_model::config::ExitSlot;
use cell_model::name::InterfaceName;
use cell_model::spec::WireGuardSpec;
use cell_netlink::{MAIN_TABLE, Netlink, NetlinkError, Route, Scope};
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

/// Sets the MTU, exactly the addresses and routes of the spec, and the interface up. What is so already is left alone,
/// and so are routes that somebody else has added.
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
    // The kernel takes routes by way of an interface that is up alone.
    let routes = netlink.own_routes(interface).await?;
    let table = table(spec);
    let is_asked = |route: &Route| route.table == table && spec.routes.contains(&route.destination);
    for route in routes.iter().filter(|route| !is_asked(route)) {
        netlink.remove_own_route(route).await?;
    }
    for network in &spec.routes {
        let route = Route {
            table,
            ..Route::on_wire(interface.clone(), *network)
        };
        let mut asked = routes.iter().filter(|route| is_asked(route));
        if !asked.any(|present| present.destination == *network) {
            netlink.add_own_route(&route).await?;
        }
    }
    Ok(())
}

/// Where its routes are.
fn table(spec: &WireGuardSpec) -> u32 {
    spec.exit.map_or(MAIN_TABLE, ExitSlot::table)
}

/// Compares: it is up, has the MTU and exactly the addresses and routes of the spec.
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
    let routes = Netlink::new().own_routes(&spec.interface).await?;
    let elsewhere = routes.iter().find(|route| route.table != table(spec));
    if let Some(route) = elsewhere {
        return Err(Mismatch::RoutePresent(route.destination).into());
    }
    let routes: BTreeSet<IpNet> = routes.iter().map(|route| route.destination).collect();
    if let Some(missing) = spec.routes.difference(&routes).next() {
        return Err(Mismatch::RouteMissing(*missing).into());
    }
    if let Some(extra) = routes.difference(&spec.routes).next() {
        return Err(Mismatch::RoutePresent(*extra).into());
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
