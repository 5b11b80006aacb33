//! Reads the network: once for reconcile ([`facts`]), once for the plan ([`state`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use cell_model::facts::{DhcpFacts, InterfaceFacts, NetworkFacts};
use cell_model::name::InterfaceName;
use cell_model::spec::DhcpSpec;
use cell_netlink::{Address, Link, Netlink, NetlinkError, Route};
use ipnet::IpNet;

use crate::NetworkError;
use crate::resolver;
use crate::setting::Setting;
use crate::state::{DefaultRoute, ForwardingState, InterfaceState, NetworkState};

/// What the kernel says, unsorted.
struct Listing {
    links: Vec<Link>,
    addresses: Vec<Address>,
    routes: Vec<Route>,
}

async fn list(netlink: Netlink) -> Result<Listing, NetworkError> {
    let list = async || -> Result<Listing, NetlinkError> {
        Ok(Listing {
            links: netlink.links().await?,
            addresses: netlink.addresses().await?,
            routes: netlink.routes().await?,
        })
    };
    list()
        .await
        .map_err(|source| NetworkError::Observe { source })
}

/// The network as reconcile wants to know it. The servers the uplink was given are those of its lease, if it has one.
pub(crate) async fn facts(
    netlink: Netlink,
    uplink: &InterfaceName,
    dhcp: BTreeMap<InterfaceName, DhcpFacts>,
    resolv_conf: &Path,
) -> Result<NetworkFacts, NetworkError> {
    let listing = list(netlink).await?;
    let lease = dhcp.get(uplink).and_then(|known| known.lease.as_ref());
    let own = listing.addresses.iter().map(|found| found.address.addr());
    let own = own.collect();
    let resolvers = if let Some(lease) = lease {
        resolver::granted(&lease.resolvers, &own)
    } else {
        let text = resolver_text(resolv_conf)?;
        let links = listing.links.iter();
        let indexes = links.map(|link| (link.name.clone(), link.index));
        resolver::parse(&text, &own, &indexes.collect())
    };
    let best = default_routes(&listing.routes)
        .into_iter()
        .find_map(|route| route.gateway);
    Ok(NetworkFacts {
        gateway: best,
        resolvers,
        interfaces: interfaces(listing.links, listing.addresses),
        dhcp,
        found_as: None,
    })
}

/// The text that names the resolvers; empty when there is none.
pub(crate) fn resolver_text(path: &Path) -> Result<String, NetworkError> {
    match fs::read(path) {
        // A comment may be in any encoding.
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(NetworkError::Resolvers {
            path: path.to_owned(),
            source,
        }),
    }
}

fn interfaces(
    links: Vec<Link>,
    addresses: Vec<Address>,
) -> BTreeMap<InterfaceName, InterfaceFacts> {
    let mut interfaces: BTreeMap<InterfaceName, InterfaceFacts> = links
        .into_iter()
        .map(|link| {
            let facts = InterfaceFacts {
                up: link.up,
                carrier: link.carrier,
                addresses: BTreeSet::new(),
            };
            (link.name, facts)
        })
        .collect();
    for found in addresses {
        let host = found.address.addr();
        let is_link_local = matches!(host, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if let Some(facts) = interfaces.get_mut(&found.interface)
            && !is_link_local
        {
            facts.addresses.insert(found.address);
        }
    }
    interfaces
}

/// The network as the plan wants to know it.
pub(crate) async fn state(
    netlink: Netlink,
    uplink: &InterfaceName,
    clients: BTreeMap<InterfaceName, DhcpSpec>,
) -> Result<NetworkState, NetworkError> {
    let listing = list(netlink).await?;
    let mut interfaces: BTreeMap<InterfaceName, InterfaceState> = listing
        .links
        .into_iter()
        .map(|link| {
            let state = InterfaceState {
                up: link.up,
                addresses: BTreeSet::new(),
            };
            (link.name, state)
        })
        .collect();
    for found in listing.addresses {
        if let IpNet::V4(address) = found.address
            && let Some(state) = interfaces.get_mut(&found.interface)
        {
            state.addresses.insert(address);
        }
    }
    Ok(NetworkState {
        interfaces,
        default_routes: default_routes(&listing.routes),
        forwarding: forwarding(uplink)?,
        clients,
    })
}

fn default_routes(routes: &[Route]) -> BTreeSet<DefaultRoute> {
    routes
        .iter()
        .filter(|route| route.destination == IpNet::from(ipnet::Ipv4Net::default()))
        .map(|route| DefaultRoute {
            metric: route.metric,
            interface: route.interface.clone(),
            gateway: route.gateway.and_then(v4),
        })
        .collect()
}

fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

fn forwarding(uplink: &InterfaceName) -> Result<ForwardingState, NetworkError> {
    let advertisements = Setting::Advertisements(uplink).read()?;
    let ipv6 = Setting::ForwardIpv6.read()?;
    Ok(ForwardingState {
        ipv4: Setting::ForwardIpv4.read()?.as_deref() == Some("1"),
        ipv6: ipv6.map(|value| value == "1"),
        host_only_uplink: (advertisements.as_deref() == Some("1")).then(|| uplink.clone()),
    })
}

#[cfg(test)]
mod tests {
    use cell_netlink::{MAIN_TABLE, Scope};

    use super::*;

    fn route(destination: &str, gateway: Option<&str>, metric: u32) -> Route {
        Route {
            destination: destination.parse().unwrap(),
            gateway: gateway.map(|text| text.parse().unwrap()),
            interface: "eth0".parse().unwrap(),
            metric,
            table: MAIN_TABLE,
        }
    }

    #[test]
    fn preferred_default_route_comes_first_and_others_are_not_taken() {
        let routes = [
            route("0.0.0.0/0", Some("10.0.0.2"), 100),
            route("0.0.0.0/0", Some("10.0.0.1"), 50),
            route("0.0.0.0/1", Some("10.0.0.3"), 0),
            route("::/0", Some("fe80::1"), 1),
        ];
        let gateways: Vec<_> = default_routes(&routes)
            .into_iter()
            .map(|route| route.gateway.unwrap().to_string())
            .collect();
        assert_eq!(gateways, ["10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn link_local_addresses_are_left_out_for_ipv6_only() {
        let link = Link {
            name: "eth0".parse().unwrap(),
            index: 2,
            up: true,
            carrier: true,
            carrier_changes: 1,
            kind: None,
            mtu: 1500,
            mac: None,
        };
        let address = |text: &str| Address {
            interface: link.name.clone(),
            address: text.parse().unwrap(),
            scope: Scope::Link,
        };
        let addresses = ["fe80::1/64", "169.254.1.1/16", "fd00::1/64"].map(address);
        let name = link.name.clone();
        let facts = interfaces(vec![link], addresses.into())
            .remove(&name)
            .unwrap();
        let shown: Vec<String> = facts.addresses.iter().map(IpNet::to_string).collect();
        assert_eq!(shown, ["169.254.1.1/16", "fd00::1/64"]);
    }

    #[test]
    fn absent_list_of_resolvers_is_an_empty_one_and_an_unreadable_one_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("resolv.conf");
        assert_eq!(resolver_text(&absent).unwrap(), "");
        let error = resolver_text(folder.path()).unwrap_err();
        assert!(matches!(error, NetworkError::Resolvers { path, .. } if path == folder.path()));
    }
}
