//! What follows from links to other cells. A paused one is as if it were not there, but that its names are asked of
//! nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use cell_model::config::{Claims, Config, LinkConfig, ServiceToggle};
use cell_model::container::Protocol;
use cell_model::endpoint::{Endpoint, Host};
use cell_model::key::PublicKey;
use cell_model::name::{Domain, ServiceId};
use cell_model::spec::{FirewallLink, FirewallSync, ForwardSpec, PortSpec, WireGuardPeerSpec};
use ipnet::IpNet;

use crate::lint::links::can_be_called;
use crate::resolve::Pairing;
use crate::services::Services;

/// Seconds between packets that keep the path open: below the 30 for which any home router remembers a silent one.
const KEEPALIVE: u16 = 25;
/// RFC 1035, section 4.2. Other cells are asked where every client asks, wherever this box answers.
const DNS_PORT: u16 = 53;

/// Where people of other cells are.
pub(crate) fn networks(config: &Config) -> BTreeSet<IpNet> {
    let links = config.open_links();
    links.flat_map(|link| link.claims.vpn.networks()).collect()
}

/// Those of them that are not on the wire of the VPN, and where their boxes are spoken to.
pub(crate) fn routes(config: &Config, pairing: Option<&Pairing>) -> BTreeSet<IpNet> {
    let own = config.vpn.networks();
    let mut networks = networks(config);
    networks.retain(|network| !own.iter().any(|own| own.contains(network)));
    networks.extend(spoken_with(config, pairing).map(link_network));
    networks
}

/// Cells that this one speaks with inside the tunnel: linked ones, be they paused, and those that are on the way there or to
/// learn that they are it no more.
fn spoken_with<'a>(
    config: &'a Config,
    pairing: Option<&'a Pairing>,
) -> impl Iterator<Item = &'a Claims> {
    let others = pairing.into_iter().flat_map(|pairing| &pairing.others);
    // A cell that is linked again comes last, and so counts.
    others.chain(config.links.iter().map(|link| &link.claims))
}

fn link_network(claims: &Claims) -> IpNet {
    IpAddr::V6(claims.identity.link_address()).into()
}

/// Where this cell is spoken to inside the VPN; nothing while there is nobody to speak with.
pub(crate) fn own_address(config: &Config, pairing: Option<&Pairing>) -> Option<IpNet> {
    spoken_with(config, pairing).next()?;
    Some(IpAddr::V6(pairing?.identity.link_address()).into())
}

/// The same, as the packet filter sees it.
pub(crate) fn sync(config: &Config, pairing: Option<&Pairing>) -> Option<FirewallSync> {
    let cells = spoken_with(config, pairing).map(|claims| claims.identity.link_address());
    let cells: BTreeSet<_> = cells.collect();
    let own = pairing?.identity.link_address();
    (!cells.is_empty()).then_some(FirewallSync { own, cells })
}

/// Their boxes, as peers of the VPN. To one that is paused, or not linked, nothing passes but what the boxes say to each
/// other.
pub(crate) fn peers<'a>(
    config: &'a Config,
    pairing: Option<&'a Pairing>,
    places: &'a BTreeMap<PublicKey, SocketAddr>,
) -> impl Iterator<Item = (PublicKey, WireGuardPeerSpec)> {
    spoken_with(config, pairing).map(|claims| {
        let mut open = config.open_links();
        let is_open = open.any(|link| link.claims.identity == claims.identity);
        let networks = claims.vpn.networks().into_iter().filter(move |_| is_open);
        let place = places.get(&claims.wireguard_key).copied();
        let peer = WireGuardPeerSpec {
            preshared_key: None,
            allowed_ips: networks.chain([link_network(claims)]).collect(),
            endpoint: place.or_else(|| {
                let mut places = claims.endpoints.iter().filter_map(address);
                places.find(|place| can_be_called(place.ip(), config))
            }),
            keepalive: Some(KEEPALIVE),
        };
        (claims.wireguard_key, peer)
    })
}

/// Where an endpoint is that has no name.
fn address(endpoint: &Endpoint) -> Option<SocketAddr> {
    let port = endpoint.port.unwrap_or(Endpoint::PORT);
    match &endpoint.host {
        Host::Address(address) => Some(SocketAddr::new(*address, port)),
        Host::Name(_) => None,
    }
}

/// Whom to ask for names in the domains of other cells.
pub(crate) fn forwards(config: &Config) -> BTreeMap<Domain, ForwardSpec> {
    let forward = |link: &LinkConfig| {
        let vpn = &link.claims.vpn;
        ForwardSpec {
            servers: [vpn.address().into(), vpn.address6().into()]
                .map(|address| SocketAddr::new(address, DNS_PORT))
                .into(),
            networks: vpn.networks().into(),
        }
    };
    let links = config.open_links();
    links
        .map(|link| (link.claims.domain.clone(), forward(link)))
        .collect()
}

/// Domains of other cells that nobody is asked for now.
pub(crate) fn withheld(config: &Config) -> BTreeSet<Domain> {
    let paused = config.links.iter().filter(|link| link.paused);
    paused.map(|link| link.claims.domain.clone()).collect()
}

/// Networks of the cells that were given this kind of service. One that no toggle stands for is for nobody of them.
pub(crate) fn guests(service: &ServiceId, config: &Config) -> BTreeSet<IpNet> {
    let Some(toggle) = ServiceToggle::of(service) else {
        return BTreeSet::new();
    };
    let given = config
        .open_links()
        .filter(|link| link.services.contains(&toggle));
    given.flat_map(|link| link.claims.vpn.networks()).collect()
}

/// Other cells, as the packet filter sees them.
pub(crate) fn firewall(config: &Config, services: &Services) -> Vec<FirewallLink> {
    let links = config.open_links();
    links
        .map(|link| FirewallLink {
            subnet: link.claims.vpn.subnet,
            subnet6: link.claims.vpn.subnet6,
            ports: ports(link, services),
        })
        .collect()
}

/// Ports behind the toggles that a cell was given, and those of the reverse proxy if it has a host for that cell.
fn ports(link: &LinkConfig, services: &Services) -> BTreeSet<PortSpec> {
    let network = IpNet::from(link.claims.vpn.subnet);
    let mut hosts = services.proxy.iter().flat_map(|proxy| &proxy.hosts);
    let by_proxy = hosts.any(|host| host.guests.contains(&network));
    let proxy = services.containers.services.iter();
    let proxy = proxy.filter(|service| service.id == ServiceId::proxy());
    let proxy: Vec<_> = proxy.map(|service| service.network).collect();
    let is_open = |port: &&PortSpec| {
        let mut proxy = proxy.iter();
        let is_proxy = proxy.any(|network| network.contains(port.backend.ip()));
        let backend = SocketAddr::from(port.backend);
        let mut behind = services.behind.iter();
        let is_given = behind.any(|service| {
            link.services.contains(&service.toggle)
                && SocketAddr::new(service.address, service.port) == backend
        });
        (is_proxy && by_proxy) || (is_given && port.protocol == Protocol::Tcp)
    };
    services.ports.iter().filter(is_open).cloned().collect()
}

#[cfg(test)]
mod tests {
    use cell_model::secret::Secret;

    use super::*;
    use crate::diff::{Applied, diff};
    use crate::resolve::{Input, closed, resolve};
    use crate::sample::Sample;

    /// Where the box of the cell is spoken to.
    const CABIN: &str = "fd28:2828:2828:2828:2828:2828:2828:2828/128";

    fn linked() -> Sample {
        let mut sample = Sample::two_armed();
        sample.add_peer("phone", 2);
        sample.add_link("cabin", 40);
        sample
    }

    fn nets(texts: &[&str]) -> BTreeSet<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn other_cell_is_a_peer_with_its_networks_and_routes_to_them() {
        let wireguard = resolve(&linked().input()).wireguard.unwrap();
        let cabin = &wireguard.peers[&PublicKey::from_bytes([40; 32])];
        // With where its box is spoken to.
        let there = nets(&["10.40.0.0/24", "fd00:40::/64", CABIN]);
        assert_eq!(cabin.allowed_ips, there);
        assert_eq!(wireguard.routes, there);
        assert_eq!((cabin.endpoint, cabin.keepalive), (None, Some(25)));
        assert_eq!(wireguard.peers.len(), 2);
    }

    #[test]
    fn box_is_called_where_it_was_found_or_else_at_its_first_address() {
        let mut sample = linked();
        sample.change_link(0, |link| {
            let endpoints = ["cabin.example.org:4500", "[2001:db8::7]:9", "203.0.113.7"];
            link.claims.endpoints = endpoints.map(|text| text.parse().unwrap()).into();
        });
        let called = |sample: &Sample| {
            let peers = resolve(&sample.input()).wireguard.unwrap();
            peers.peers[&PublicKey::from_bytes([40; 32])].endpoint
        };
        assert_eq!(called(&sample), Some("[2001:db8::7]:9".parse().unwrap()));
        let place: SocketAddr = "198.51.100.9:4500".parse().unwrap();
        sample.places.insert(PublicKey::from_bytes([40; 32]), place);
        assert_eq!(called(&sample), Some(place));
    }

    #[test]
    fn names_of_another_cell_are_asked_of_its_box() {
        let dns = resolve(&linked().input()).dns;
        let (domain, forward) = dns.forwards.first_key_value().unwrap();
        assert_eq!(domain.as_str(), "cabin.lan");
        let servers: Vec<String> = forward.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.40.0.1:53", "[fd00:40::1]:53"]);
        let there = nets(&["10.40.0.0/24", "fd00:40::/64"]);
        assert_eq!((&forward.networks, &dns.guests), (&there, &there));
        assert!(dns.allow.is_disjoint(&there));
    }

    #[test]
    fn paused_link_leaves_nothing_but_names_that_nobody_is_asked_for() {
        let mut sample = linked();
        sample.change_link(0, |link| link.paused = true);
        let spec = resolve(&sample.input());
        // But for the boxes, which tell each other.
        let wireguard = spec.wireguard.unwrap();
        let cabin = &wireguard.peers[&PublicKey::from_bytes([40; 32])];
        assert_eq!(cabin.allowed_ips, nets(&[CABIN]));
        assert_eq!(wireguard.routes, nets(&[CABIN]));
        assert!(spec.firewall.links.is_empty());
        assert!(spec.dns.forwards.is_empty() && spec.dns.guests.is_empty());
        assert_eq!(spec.dns.withheld, ["cabin.lan".parse().unwrap()].into());
    }

    /// Where the box listens to others, whom the packet filter lets speak, and what is sent to each of them.
    fn speaking(sample: &Sample, pairing: &Pairing) -> (BTreeSet<SocketAddr>, usize, Vec<usize>) {
        let spec = resolve(&Input {
            pairing: Some(pairing),
            ..sample.input()
        });
        let (web, wireguard) = (spec.web.pairing.unwrap(), spec.wireguard.unwrap());
        let own = pairing.identity.link_address();
        let sync = spec.firewall.vpn.as_ref().unwrap().sync.as_ref();
        let has_own = wireguard.addresses.iter().any(|net| net.addr() == own);
        assert_eq!(sync.map(|sync| sync.own), has_own.then_some(own));
        let boxes = wireguard.peers.values().filter(|peer| peer.is_box());
        (
            web.listen,
            sync.map_or(0, |sync| sync.cells.len()),
            boxes.map(|peer| peer.allowed_ips.len()).collect(),
        )
    }

    #[test]
    fn boxes_speak_with_each_other_beside_their_networks() {
        let mut sample = linked();
        let mut pairing = Pairing {
            identity: "07".repeat(32).parse().unwrap(),
            chain_der: Vec::new(),
            key_der: Secret::new(Vec::new()),
            invites: false,
            others: Vec::new(),
        };
        let own = SocketAddr::from((pairing.identity.link_address(), 51_820));
        let linked = (BTreeSet::from([own]), 1, vec![3]);
        assert_eq!(speaking(&sample, &pairing), linked);
        // Who comes with an invite comes beside the VPN.
        pairing.invites = true;
        assert!(speaking(&sample, &pairing).0.len() > 1);
        pairing.invites = false;
        // One that is linked is no other one.
        sample.change_link(0, |link| pairing.others.push(link.claims.clone()));
        assert_eq!(speaking(&sample, &pairing), linked);
        sample.config.as_mut().unwrap().links.clear();
        assert_eq!(speaking(&sample, &pairing), (linked.0, 1, vec![1]));
        pairing.others.clear();
        assert_eq!(speaking(&sample, &pairing), (BTreeSet::new(), 0, vec![]));
    }

    #[test]
    fn packet_filter_knows_of_no_other_cell_while_the_box_comes_up() {
        let sample = linked();
        assert_eq!(resolve(&sample.input()).firewall.links.len(), 1);
        assert!(closed(&sample.input()).links.is_empty());
    }

    #[test]
    fn change_of_links_reaches_all_parts() {
        let mut sample = linked();
        let applied = Applied::all(&resolve(&sample.input()));
        sample.change_link(0, |link| link.paused = true);
        let words = crate::explain::explain(&diff(&applied, &resolve(&sample.input())));
        assert_eq!(
            words,
            [
                "Set up the VPN interface wg0 with 1 device and 1 other cell.",
                "Replace what the name server answers.",
                "Replace the firewall's rules (1 device).",
            ]
        );
    }
}
