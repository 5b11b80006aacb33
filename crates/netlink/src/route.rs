use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cell_model::name::InterfaceName;
use ipnet::{IpNet, Ipv4Net};
use neli::consts::nl::NlmF;
use neli::consts::rtnl::{RtAddrFamily, RtScope, RtTable, Rta, Rtm, Rtn, Rtprot};
use neli::rtnl::{Rtattr, Rtmsg, RtmsgBuilder};
use neli::types::Buffer;
use rustix::io::Errno;

use crate::attribute::{self, as_address, as_number, attribute, family};
use crate::error::settled;
use crate::{Netlink, NetlinkError, socket};

/// The number of the table that is used where no rule says otherwise (`RT_TABLE_MAIN`).
pub const MAIN_TABLE: u32 = 254;

/// Who says to have added [own routes](Netlink::own_routes) and rules (`rtm_protocol`, `FRA_PROTOCOL`). Neither the kernel (`RTPROT_*`,
/// linux/rtnetlink.h) nor iproute2 (`rt_protos`) knows a program of this number.
pub(crate) const OWN: Rtprot = Rtprot::UnrecognizedConst(206);

/// A unicast route by way of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it leads; prefix length 0 is the default route.
    pub destination: IpNet,
    /// Next hop; none when the destination is on the wire.
    pub gateway: Option<IpAddr>,
    /// The interface packets leave by.
    pub interface: InterfaceName,
    /// Lower is preferred. 0 is the kernel's default: none for IPv4, 1024 for IPv6.
    pub metric: u32,
    /// The table it is in, such as [`MAIN_TABLE`].
    pub table: u32,
}

impl Route {
    /// A route to a network on the wire of an interface.
    pub fn on_wire(interface: InterfaceName, destination: IpNet) -> Self {
        Self {
            destination,
            gateway: None,
            interface,
            metric: 0,
            table: MAIN_TABLE,
        }
    }

    /// The IPv4 default route by way of a neighbour, preferred over any other.
    pub fn default_v4(interface: InterfaceName, gateway: Ipv4Addr) -> Self {
        Self {
            destination: Ipv4Net::default().into(),
            gateway: Some(gateway.into()),
            interface,
            metric: 0,
            table: MAIN_TABLE,
        }
    }

    /// Whether it is the default route of its family.
    pub fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0
    }
}

impl Netlink {
    /// Unicast routes of the main table, IPv4 then IPv6. Left out: routes over several next hops, and those by way of
    /// interfaces that [`Netlink::links`] leaves out.
    pub async fn routes(&self) -> Result<Vec<Route>, NetlinkError> {
        let mut routes = self.routes_of(|_| true).await?;
        routes.retain(|route| route.table == MAIN_TABLE);
        Ok(routes)
    }

    /// Those that [`Netlink::add_own_route`] has added, by way of one interface, in all tables.
    pub async fn own_routes(&self, interface: &InterfaceName) -> Result<Vec<Route>, NetlinkError> {
        let mut routes = self.routes_of(|origin| origin == OWN).await?;
        routes.retain(|route| route.interface == *interface);
        Ok(routes)
    }

    async fn routes_of(&self, is_meant: fn(Rtprot) -> bool) -> Result<Vec<Route>, NetlinkError> {
        let names = self.names().await?;
        let mut routes = Vec::new();
        for family in [RtAddrFamily::Inet, RtAddrFamily::Inet6] {
            let request = filter(family);
            let parts = match socket::list("list routes", Rtm::Getroute, request).await {
                // No table has a route yet (NOENT), or the kernel is without IPv6 (OPNOTSUPP).
                Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::OPNOTSUPP)) => {
                    continue;
                }
                other => other?,
            };
            let parts = parts.iter().filter(|part| is_meant(*part.rtm_protocol()));
            routes.extend(parts.filter_map(|part| read(part, &names)));
        }
        Ok(routes)
    }

    /// Adds a route beside the existing ones.
    pub async fn add_route(&self, route: &Route) -> Result<(), NetlinkError> {
        self.add_route_of(route, Rtprot::Static).await
    }

    /// As [`Netlink::add_route`], for a route that is found again among [`Netlink::own_routes`].
    pub async fn add_own_route(&self, route: &Route) -> Result<(), NetlinkError> {
        self.add_route_of(route, OWN).await
    }

    async fn add_route_of(&self, route: &Route, origin: Rtprot) -> Result<(), NetlinkError> {
        let attempt = format!("add route {}", describe(route));
        let request = self.message(route, origin).await?;
        let flags = NlmF::CREATE | NlmF::EXCL;
        let result = socket::change(&attempt, Rtm::Newroute, flags, request).await;
        settled(result, &[Errno::EXIST])
    }

    /// Adds a route in place of one with the same destination, metric and table, whatever its gateway and interface.
    pub async fn replace_route(&self, route: &Route) -> Result<(), NetlinkError> {
        let attempt = format!("replace route {}", describe(route));
        let request = self.message(route, Rtprot::Static).await?;
        let flags = NlmF::CREATE | NlmF::REPLACE;
        socket::change(&attempt, Rtm::Newroute, flags, request).await
    }

    /// Removes a route, whoever added it. With metric 0, the preferred one of those that are the same but for the
    /// metric.
    pub async fn remove_route(&self, route: &Route) -> Result<(), NetlinkError> {
        self.remove_route_of(route, Rtprot::Unspec).await
    }

    /// Removes a route if it is one of [`Netlink::own_routes`].
    pub async fn remove_own_route(&self, route: &Route) -> Result<(), NetlinkError> {
        self.remove_route_of(route, OWN).await
    }

    async fn remove_route_of(&self, route: &Route, origin: Rtprot) -> Result<(), NetlinkError> {
        let attempt = format!("remove route {}", describe(route));
        let request = match self.message(route, origin).await {
            // Its routes went with it.
            Err(NetlinkError::NoInterface(_)) => return Ok(()),
            other => other?,
        };
        let result = socket::change(&attempt, Rtm::Delroute, NlmF::empty(), request).await;
        settled(result, &[Errno::SRCH, Errno::NODEV])
    }

    async fn message(&self, route: &Route, origin: Rtprot) -> Result<Rtmsg, NetlinkError> {
        let index = self.link(&route.interface).await?.index;
        Ok(message(route, index, origin))
    }
}

fn describe(route: &Route) -> String {
    let by = route.gateway.map(|gateway| format!(" by {gateway}"));
    format!(
        "to {}{} on {}",
        route.destination,
        by.unwrap_or_default(),
        route.interface
    )
}

/// A header without anything that depends on what it is for; that of a rule is the same.
pub(crate) fn builder(family: RtAddrFamily) -> RtmsgBuilder {
    RtmsgBuilder::default()
        .rtm_family(family)
        .rtm_dst_len(0)
        .rtm_src_len(0)
        .rtm_tos(0)
        .rtm_protocol(Rtprot::Unspec)
        .rtm_scope(RtScope::Universe)
        .rtm_type(Rtn::Unspec)
        .rtm_table(RtTable::Unspec)
}

/// What asks for all of a family.
pub(crate) fn filter(family: RtAddrFamily) -> Rtmsg {
    builder(family)
        .build()
        .expect("every required field is set")
}

/// `origin` is who says to have added the route; unspecified matches all.
fn message(route: &Route, index: u32, origin: Rtprot) -> Rtmsg {
    let mut attributes: Vec<Rtattr<Rta, Buffer>> = vec![
        // The header's field holds 8 bits only.
        attribute(Rta::Table, route.table),
        attribute(Rta::Oif, index),
    ];
    if !route.is_default() {
        let network = route.destination.network();
        attributes.push(attribute::address(Rta::Dst, network));
    }
    if let Some(gateway) = route.gateway {
        attributes.push(attribute::address(Rta::Gateway, gateway));
    }
    if route.metric != 0 {
        attributes.push(attribute(Rta::Priority, route.metric));
    }
    // What is on the wire has the narrower scope: IPv4 gateways in it would be refused, and its removal would hit a
    // route that has a gateway.
    let scope = match (route.gateway, route.destination) {
        (None, IpNet::V4(_)) => RtScope::Link,
        _ => RtScope::Universe,
    };
    builder(family(route.destination.addr()))
        .rtm_dst_len(route.destination.prefix_len())
        .rtm_protocol(origin)
        .rtm_scope(scope)
        .rtm_type(Rtn::Unicast)
        .rtattrs(attributes.into_iter().collect())
        .build()
        .expect("every required field is set")
}

fn read(message: &Rtmsg, names: &BTreeMap<u32, InterfaceName>) -> Option<Route> {
    let attributes = message.rtattrs();
    let table =
        as_number(attributes, Rta::Table).unwrap_or_else(|| u8::from(*message.rtm_table()).into());
    if *message.rtm_type() != Rtn::Unicast {
        return None;
    }
    let any: IpAddr = match message.rtm_family() {
        RtAddrFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    let network = as_address(attributes, Rta::Dst).unwrap_or(any);
    Some(Route {
        destination: IpNet::new(network, *message.rtm_dst_len()).ok()?,
        gateway: as_address(attributes, Rta::Gateway),
        interface: names.get(&as_number(attributes, Rta::Oif)?)?.clone(),
        metric: as_number(attributes, Rta::Priority).unwrap_or_default(),
        table,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> BTreeMap<u32, InterfaceName> {
        [(3, "eth0".parse().unwrap())].into()
    }

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
    fn route_is_read_as_it_was_written() {
        for route in [
            route("0.0.0.0/0", Some("192.0.2.1"), 0),
            route("10.1.0.0/16", None, 0),
            route("10.2.0.0/16", Some("192.0.2.1"), 700),
            route("::/0", Some("fe80::1"), 1024),
            route("fd00:1::/64", None, 256),
            Route {
                table: 1000,
                ..route("0.0.0.0/0", None, 0)
            },
        ] {
            assert_eq!(
                read(&message(&route, 3, Rtprot::Static), &names()),
                Some(route)
            );
        }
    }

    #[test]
    fn destination_loses_its_host_part() {
        let written = message(&route("10.1.2.3/16", None, 0), 3, Rtprot::Static);
        let read = read(&written, &names()).unwrap();
        assert_eq!(read.destination, "10.1.0.0/16".parse::<IpNet>().unwrap());
    }
}
