//! What is to be done for a spec to hold. Pure; leaves whoever carries it out no choice.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use cell_model::name::InterfaceName;
use cell_model::spec::{DhcpSpec, InterfaceSpec, NetworkSpec};
use ipnet::Ipv4Net;

use crate::state::{DefaultRoute, ForwardingState, InterfaceState, NetworkState};

/// What is to be done, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Interfaces the spec names and the box does not have.
    pub missing: BTreeSet<InterfaceName>,
    /// Changes; one that fails keeps later ones of the same interface from making sense.
    pub changes: Vec<Change>,
}

impl NetworkPlan {
    /// Whether the spec holds.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.changes.is_empty()
    }
}

/// One change of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets the interface up.
    SetUp(InterfaceName),
    /// Adds an address beside the present ones.
    AddAddress(InterfaceName, Ipv4Net),
    /// Keeps later addresses of a subnet when its first one goes (`promote_secondaries`); without it, removing the old
    /// address of a subnet removes the new one too.
    PromoteAddresses(InterfaceName),
    /// Removes an address.
    RemoveAddress(InterfaceName, Ipv4Net),
    /// Makes this the preferred IPv4 default route, in place of one with metric 0.
    SetDefaultRoute(InterfaceName, Ipv4Addr),
    /// Removes an IPv4 default route.
    RemoveDefaultRoute(DefaultRoute),
    /// Keeps the interface listening to router advertisements while the box forwards (`accept_ra` = 2).
    KeepAdvertisements(InterfaceName),
    /// Passes IPv4 packets between interfaces, or no longer.
    ForwardIpv4(bool),
    /// Passes IPv6 packets between interfaces, or no longer.
    ForwardIpv6(bool),
    /// Asks for the interface's address by DHCP, or tells the client that does.
    Ask(InterfaceName, DhcpSpec),
    /// Ends the DHCP client of the interface.
    StopAsking(InterfaceName),
}

impl Change {
    /// The interface it is about.
    pub fn interface(&self) -> Option<&InterfaceName> {
        match self {
            Self::SetUp(interface)
            | Self::AddAddress(interface, _)
            | Self::PromoteAddresses(interface)
            | Self::RemoveAddress(interface, _)
            | Self::SetDefaultRoute(interface, _)
            | Self::KeepAdvertisements(interface)
            | Self::Ask(interface, _)
            | Self::StopAsking(interface) => Some(interface),
            Self::RemoveDefaultRoute(route) => Some(&route.interface),
            Self::ForwardIpv4(_) | Self::ForwardIpv6(_) => None,
        }
    }
}

/// In the infinitive: "add 192.168.1.1/24 to eth0".
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = |on: &bool| if *on { "start" } else { "stop" };
        match self {
            Self::SetUp(interface) => write!(f, "set {interface} up"),
            Self::AddAddress(interface, address) => write!(f, "add {address} to {interface}"),
            Self::PromoteAddresses(interface) => {
                write!(f, "keep later addresses of {interface} when the first goes")
            }
            Self::RemoveAddress(interface, address) => {
                write!(f, "remove {address} from {interface}")
            }
            Self::SetDefaultRoute(interface, gateway) => {
                write!(f, "set the default route to {gateway} on {interface}")
            }
            Self::RemoveDefaultRoute(route) => match route.gateway {
                Some(gateway) => write!(
                    f,
                    "remove the default route to {gateway} on {}",
                    route.interface
                ),
                None => write!(f, "remove the default route on {}", route.interface),
            },
            Self::KeepAdvertisements(interface) => {
                write!(f, "keep listening to router advertisements on {interface}")
            }
            Self::ForwardIpv4(on) => write!(f, "{} forwarding IPv4", start(on)),
            Self::ForwardIpv6(on) => write!(f, "{} forwarding IPv6", start(on)),
            Self::Ask(interface, _) => write!(f, "ask for the address of {interface} by DHCP"),
            Self::StopAsking(interface) => {
                write!(f, "stop asking for the address of {interface} by DHCP")
            }
        }
    }
}

/// The interface and next hop of the default route. There is one default route: of several gateways the first counts.
pub fn default_gateway(spec: &NetworkSpec) -> Option<(&InterfaceName, Ipv4Addr)> {
    spec.interfaces
        .iter()
        .find_map(|(name, wanted)| Some((name, wanted.gateway?)))
}

/// What is to be done for `spec` to hold.
pub fn plan(state: &NetworkState, spec: &NetworkSpec) -> NetworkPlan {
    let mut plan = NetworkPlan::default();
    let gateway = default_gateway(spec);
    for (name, wanted) in &spec.interfaces {
        let Some(found) = state.interfaces.get(name) else {
            plan.missing.insert(name.clone());
            continue;
        };
        let gateway = gateway
            .filter(|(by, _)| *by == name)
            .map(|(_, gateway)| gateway);
        reach(&mut plan.changes, name, found, wanted);
        route(&mut plan.changes, name, &state.default_routes, gateway);
        retire(&mut plan.changes, name, found, wanted);
    }
    forward(&mut plan.changes, &state.forwarding, spec.forwarding);
    ask(&mut plan, state, spec);
    plan
}

/// Brings the interface up with its addresses.
fn reach(
    changes: &mut Vec<Change>,
    name: &InterfaceName,
    found: &InterfaceState,
    wanted: &InterfaceSpec,
) {
    if !found.up {
        changes.push(Change::SetUp(name.clone()));
    }
    let missing = wanted.addresses.difference(&found.addresses);
    changes.extend(missing.map(|address| Change::AddAddress(name.clone(), *address)));
}

/// Leaves the interface with the one default route that is wanted, or with none.
fn route(
    changes: &mut Vec<Change>,
    name: &InterfaceName,
    found: &BTreeSet<DefaultRoute>,
    gateway: Option<Ipv4Addr>,
) {
    let wanted = gateway.map(|gateway| DefaultRoute {
        metric: 0,
        interface: name.clone(),
        gateway: Some(gateway),
    });
    if let (Some(wanted), Some(gateway)) = (&wanted, gateway)
        && !found.contains(wanted)
    {
        changes.push(Change::SetDefaultRoute(name.clone(), gateway));
    }
    let others = found
        .iter()
        .filter(|route| route.interface == *name && Some(*route) != wanted.as_ref());
    changes.extend(others.cloned().map(Change::RemoveDefaultRoute));
}

/// Takes every other address away, now that the wanted ones are in use.
fn retire(
    changes: &mut Vec<Change>,
    name: &InterfaceName,
    found: &InterfaceState,
    wanted: &InterfaceSpec,
) {
    let mut others = found.addresses.difference(&wanted.addresses).peekable();
    if others.peek().is_some() {
        changes.push(Change::PromoteAddresses(name.clone()));
    }
    changes.extend(others.map(|address| Change::RemoveAddress(name.clone(), *address)));
}

fn forward(changes: &mut Vec<Change>, found: &ForwardingState, wanted: bool) {
    if wanted
        && found.ipv6.is_some()
        && let Some(uplink) = &found.host_only_uplink
    {
        // First: the moment IPv6 is forwarded, the kernel drops the routes it learned from advertisements.
        changes.push(Change::KeepAdvertisements(uplink.clone()));
    }
    if found.ipv4 != wanted {
        changes.push(Change::ForwardIpv4(wanted));
    }
    if found.ipv6.is_some_and(|forwards| forwards != wanted) {
        changes.push(Change::ForwardIpv6(wanted));
    }
}

/// Leaves exactly the wanted clients at work, each on an interface that is up.
fn ask(plan: &mut NetworkPlan, state: &NetworkState, spec: &NetworkSpec) {
    for (name, wanted) in &spec.dhcp {
        let Some(found) = state.interfaces.get(name) else {
            plan.missing.insert(name.clone());
            continue;
        };
        if !found.up && !spec.interfaces.contains_key(name) {
            plan.changes.push(Change::SetUp(name.clone()));
        }
        if state.clients.get(name) != Some(wanted) {
            plan.changes.push(Change::Ask(name.clone(), wanted.clone()));
        }
    }
    let others = state
        .clients
        .keys()
        .filter(|name| !spec.dhcp.contains_key(*name));
    plan.changes.extend(others.cloned().map(Change::StopAsking));
}

#[cfg(test)]
mod tests;
