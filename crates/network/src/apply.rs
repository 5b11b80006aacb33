//! Carries a plan out.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cell_model::name::InterfaceName;
use cell_netlink::{MAIN_TABLE, Netlink, Route};
use ipnet::Ipv4Net;
use tracing::{info, warn};

use crate::dhcp::Clients;
use crate::setting::Setting;
use crate::state::DefaultRoute;
use crate::{Change, NetworkError, NetworkPlan};

/// Carries a plan out. After a failure the rest of that interface is left as it is: an old address must not go before
/// the new one is there. Everything else goes on.
///
/// # Errors
/// The first failure; the others are logged.
pub(crate) async fn apply(
    netlink: Netlink,
    clients: &Clients,
    plan: &NetworkPlan,
) -> Result<(), NetworkError> {
    let mut failed: BTreeSet<&InterfaceName> = BTreeSet::new();
    let mut first = None;
    for change in &plan.changes {
        if change
            .interface()
            .is_some_and(|interface| failed.contains(interface))
        {
            continue;
        }
        match make(netlink, clients, change).await {
            Ok(()) => info!(%change, "network changed"),
            Err(error) => {
                failed.extend(change.interface());
                note(&mut first, error);
            }
        }
    }
    if !plan.missing.is_empty() {
        note(&mut first, NetworkError::Missing(plan.missing.clone()));
    }
    first.map_or(Ok(()), Err)
}

/// Keeps the first error and logs the others, which nobody else will see.
fn note(first: &mut Option<NetworkError>, error: NetworkError) {
    if first.is_none() {
        *first = Some(error);
    } else {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        warn!(%error, source, "another change of the network failed");
    }
}

async fn make(netlink: Netlink, clients: &Clients, change: &Change) -> Result<(), NetworkError> {
    let made = match change {
        Change::SetUp(interface) => netlink.set_up(interface).await,
        Change::AddAddress(interface, address) => {
            netlink.add_address(interface, (*address).into()).await
        }
        Change::RemoveAddress(interface, address) => {
            netlink.remove_address(interface, (*address).into()).await
        }
        Change::SetDefaultRoute(interface, gateway) => {
            let route = default_route(interface, Some(*gateway), 0);
            netlink.replace_route(&route).await
        }
        Change::RemoveDefaultRoute(DefaultRoute {
            metric,
            interface,
            gateway,
        }) => {
            let route = default_route(interface, *gateway, *metric);
            netlink.remove_route(&route).await
        }
        Change::PromoteAddresses(interface) => {
            return Setting::PromoteAddresses(interface).write("1");
        }
        Change::KeepAdvertisements(interface) => {
            return Setting::Advertisements(interface).write("2");
        }
        Change::ForwardIpv4(on) => return Setting::ForwardIpv4.write(digit(*on)),
        Change::ForwardIpv6(on) => return Setting::ForwardIpv6.write(digit(*on)),
        Change::Ask(interface, spec) => {
            clients.ask(interface, spec);
            return Ok(());
        }
        Change::StopAsking(interface) => {
            clients.stop(interface);
            return Ok(());
        }
    };
    made.map_err(|source| NetworkError::Change {
        change: Box::new(change.clone()),
        source,
    })
}

fn default_route(interface: &InterfaceName, gateway: Option<Ipv4Addr>, metric: u32) -> Route {
    Route {
        destination: Ipv4Net::default().into(),
        gateway: gateway.map(Into::into),
        interface: interface.clone(),
        metric,
        table: MAIN_TABLE,
    }
}

fn digit(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}
