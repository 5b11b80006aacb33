//! Config and facts to specs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cell_model::Timestamp;
use cell_model::config::{AddressingConfig, Claims, Config, ConnectionSecret, PeerConfig};
use cell_model::container::ImageRef;
use cell_model::facts::{DhcpFacts, NetworkFacts, StartOptions, is_private};
use cell_model::key::{PresharedKey, PrivateKey, PublicKey};
use cell_model::mail::DkimKey;
use cell_model::name::{CellName, DnsLabel, InterfaceName, PeerName, ServiceId};
use cell_model::secret::Secret;
use cell_model::signer::SignerKey;
use cell_model::spec::{
    BoxSpec, DhcpSpec, DnsSpec, FirewallContainers, FirewallSpec, FirewallVpn, HTTPS_PORT,
    InterfaceSpec, LeafSpec, MdnsSpec, NetworkSpec, OwnAddresses, PairingSpec, PeerAccess, Phase,
    WebSpec, WireGuardPeerSpec, WireGuardSpec, ZoneRecord, ZoneSpec,
};
use cell_model::status::ExitStatus;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use uuid::Uuid;

use crate::exits;
use crate::links;
use crate::mail::{self, MailNames};
use crate::services::{self, Front, Services};

/// Payload of an Ethernet frame less the largest WireGuard overhead (IPv6 and UDP headers and its own).
pub(crate) const MTU: u32 = 1420;

/// Everything the specs follow from.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// How the daemon was started.
    pub options: &'a StartOptions,
    /// What the network looks like.
    pub facts: &'a NetworkFacts,
    /// What was asked for; `None` before setup.
    pub config: Option<&'a Config>,
    /// Keys the config speaks of.
    pub keys: &'a Keys,
    /// Peers that expire at or before this time are left out.
    pub now: Timestamp,
    /// Serial of the zone, should it differ from the one in service.
    pub serial: u32,
    /// The image of the reverse proxy, if the box has one.
    pub proxy_image: Option<&'a ImageRef>,
    /// Since boot: connections to the reverse proxy of before are to end.
    pub opened_after: Duration,
    /// What other cells know this one by, while there are any, or one may come with an invite.
    pub pairing: Option<&'a Pairing>,
    /// Where boxes of other cells are called, as far as one was looked for.
    pub places: &'a BTreeMap<PublicKey, SocketAddr>,
    /// How ways out beside the uplink are, as far as they were looked at.
    pub exits: &'a BTreeMap<Uuid, ExitStatus>,
}

/// How other cells know this one, and speak with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// The identity of this one.
    pub identity: SignerKey,
    /// The certificate that it has issued, DER.
    pub chain_der: Vec<Vec<u8>>,
    /// Its key, PKCS #8 DER.
    pub key_der: Secret<Vec<u8>>,
    /// Whether a cell may come that is not linked, with an invite.
    pub invites: bool,
    /// Cells that are spoken with and not linked: on the way there, or to learn that they are it no more.
    pub others: Vec<Claims>,
}

/// Keys the config speaks of. They live sealed in the store, not in the config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// The VPN interface's own; `None` before setup.
    pub interface: Option<PrivateKey>,
    /// Pre-shared keys by peer.
    pub preshared: BTreeMap<PeerName, PresharedKey>,
    /// Of certificates that services are handed, PKCS #8 DER.
    pub certificates: BTreeMap<ServiceId, Secret<Vec<u8>>>,
    /// SHA-256 of the public half of each of them (SubjectPublicKeyInfo).
    pub certificate_hashes: BTreeMap<ServiceId, [u8; 32]>,
    /// The password of the box at the provider that brings mail on; `None` when it has none.
    pub relay_password: Option<Secret<String>>,
    /// Secrets of ways out beside the uplink.
    pub connections: BTreeMap<(Uuid, ConnectionSecret), Secret<String>>,
    /// Keys that mail is signed with, whatever has become of them.
    pub dkim: Vec<DkimKey>,
    /// Their private halves, PKCS #8 in PEM, as far as they are of use.
    pub dkim_private: BTreeMap<DnsLabel, Secret<String>>,
}

/// Name of the VPN interface.
pub fn vpn_interface() -> InterfaceName {
    "wg0".parse().expect("wg0 is a valid interface name")
}

/// The whole box, as it shall be.
pub fn resolve(input: &Input<'_>) -> BoxSpec {
    let home = Home::of(input);
    let peers = active_peers(input);
    let services = services(input, &home);
    BoxSpec {
        firewall: Arc::new(firewall(input, &home, &peers, &services)),
        network: network(input),
        wireguard: wireguard(input, &peers).map(Arc::new),
        dns: Arc::new(dns(input, &home, &peers, &services)),
        exits: Arc::new(exits::spec(input, &upstreams(input))),
        leaf: leaf(input, &home, &services),
        web: web(input, &home),
        mdns: mdns(input, &home),
        unfit_services: services
            .problems
            .iter()
            .map(|(id, problem)| (id.clone(), problem.to_string()))
            .collect(),
        proxy: services.proxy,
        containers: Arc::new(services.containers),
    }
}

/// What follows from the services; nothing before setup, and where none may run.
fn services(input: &Input<'_>, home: &Home) -> Services {
    let Some(config) = input.config.filter(|_| input.options.containers) else {
        return Services::default();
    };
    // The box's own pages and its VPN come first.
    let image = input.proxy_image;
    let image = image.filter(|_| input.options.in_place_of_proxy().is_none());
    let front = image.map(|image| Front {
        image,
        sources: home
            .sources
            .iter()
            .copied()
            .chain(config.vpn.networks())
            .collect(),
        opened_after: input.opened_after,
    });
    let mut services = services::of(config, front.as_ref());
    for service in &mut services.containers.services {
        let key = input.keys.certificates.get(&service.id);
        service.certificate_key = key.filter(|_| !service.names.is_empty()).cloned();
    }
    services.containers.mail = mail::handed(config, input.keys);
    services
}

/// The packet filter before anything else is up: closed, without devices and other cells.
pub fn closed(input: &Input<'_>) -> FirewallSpec {
    FirewallSpec {
        phase: Phase::Closed,
        links: Vec::new(),
        ..firewall(input, &Home::of(input), &[], &Services::default())
    }
}

/// The side people at home are on, and what listens where.
struct Home {
    addresses: BTreeSet<IpAddr>,
    /// Those of the addresses whose networks are served, with them.
    served: BTreeSet<IpNet>,
    sources: BTreeSet<IpNet>,
    admin: BTreeSet<SocketAddr>,
    vpn: Vec<IpAddr>,
}

impl Home {
    fn of(input: &Input<'_>) -> Self {
        let options = input.options;
        let one_armed = options.lan.is_none();
        let networks: BTreeSet<IpNet> = input
            .facts
            .addresses(options.home())
            .filter(|net| !net.addr().is_loopback())
            .collect();
        let addresses: BTreeSet<IpAddr> = networks.iter().map(IpNet::addr).collect();
        let served: BTreeSet<IpNet> = networks
            .iter()
            // On a one-armed box the same wire carries the internet: only private neighbours are people at home.
            .filter(|net| !one_armed || is_private(net.addr()))
            .copied()
            .collect();
        let sources = served.iter().map(IpNet::trunc).collect();
        let vpn: Vec<IpAddr> = input.config.map_or_else(Vec::new, |config| {
            vec![config.vpn.address().into(), config.vpn.address6().into()]
        });
        let port = options.admin_port();
        let named = options.admin.filter(|admin| !admin.ip().is_unspecified());
        let home_side: Vec<IpAddr> = named.map_or_else(
            || addresses.iter().copied().collect(),
            |admin| vec![admin.ip()],
        );
        let admin = home_side
            .into_iter()
            .chain(vpn.iter().copied())
            .chain([IpAddr::V4(Ipv4Addr::LOCALHOST)])
            .map(|address| SocketAddr::new(address, port))
            .collect();
        Self {
            addresses,
            served,
            sources,
            admin,
            vpn,
        }
    }
}

fn active_peers<'a>(input: &Input<'a>) -> Vec<(&'a PeerName, &'a PeerConfig)> {
    let peers = input.config.into_iter().flat_map(|config| &config.peers);
    peers
        .map(|(name, peer)| (name, peer.as_ref()))
        .filter(|(_, peer)| peer.expires_at.is_none_or(|expiry| expiry > input.now))
        .collect()
}

fn firewall(
    input: &Input<'_>,
    home: &Home,
    peers: &[(&PeerName, &PeerConfig)],
    services: &Services,
) -> FirewallSpec {
    FirewallSpec {
        phase: Phase::Open,
        wan: input.options.wan.clone(),
        lan: input.options.lan.clone(),
        vpn: input.config.map(|config| FirewallVpn {
            interface: vpn_interface(),
            subnet: config.vpn.subnet,
            subnet6: config.vpn.subnet6,
            listen_port: input.options.wireguard_port,
            pairing: input.pairing.is_some_and(|pairing| pairing.invites),
            sync: links::sync(config, input.pairing),
        }),
        local_sources: home.sources.clone(),
        admin_ports: BTreeSet::from([input.options.admin_port()]),
        https: https(input, services),
        dns_port: input.options.dns_port,
        peers: peers
            .iter()
            .map(|(_, peer)| (peer.address, access(input, peer)))
            .collect(),
        services: services.behind.clone(),
        containers: containers(input, services),
        links: input
            .config
            .map_or_else(Vec::new, |config| links::firewall(config, services)),
        exits: exits::firewall(input),
    }
}

/// Where who says no port finds the admin page, while there is no proxy that knows its names.
fn https(input: &Input<'_>, services: &Services) -> Option<u16> {
    let port = input.options.admin_port();
    let other = services.ports.iter().any(|taken| taken.port == HTTPS_PORT);
    (!other && port != HTTPS_PORT).then_some(port)
}

fn containers(input: &Input<'_>, services: &Services) -> FirewallContainers {
    let all = services.containers.services.iter();
    FirewallContainers {
        networks: all
            .map(|service| (service.bridge.clone(), service.network))
            .collect(),
        flows: services.flows.clone(),
        internet: services.internet.clone(),
        resolver: input.config.map(|config| config.vpn.address()),
        ports: services.ports.clone(),
        public: services.public.clone(),
    }
}

fn access(input: &Input<'_>, peer: &PeerConfig) -> PeerAccess {
    PeerAccess {
        address6: peer.address6,
        internet: exits::way_out(input, peer),
        peer_to_peer: peer.peer_to_peer,
        services: peer.services.clone(),
    }
}

fn network(input: &Input<'_>) -> NetworkSpec {
    let asked = input
        .config
        .map_or(&input.options.initial.network, |config| &config.network);
    let mut spec = NetworkSpec {
        interfaces: BTreeMap::new(),
        dhcp: BTreeMap::new(),
        forwarding: input.config.is_some(),
    };
    let sides = [
        (Some(&input.options.wan), &asked.wan, true),
        (input.options.lan.as_ref(), &asked.lan, false),
    ];
    for (interface, asked, uplink) in sides {
        let Some(interface) = interface else {
            continue;
        };
        let known = match &asked.addressing {
            AddressingConfig::Adopt => None,
            AddressingConfig::Dhcp => {
                let client = DhcpSpec {
                    avoid: elsewhere(input, interface),
                };
                spec.dhcp.insert(interface.clone(), client);
                let facts = input.facts.dhcp.get(interface);
                facts.and_then(granted)
            }
            AddressingConfig::Static { address, gateway } => Some(InterfaceSpec {
                addresses: BTreeSet::from([*address]),
                gateway: *gateway,
            }),
        };
        if let Some(mut known) = known {
            known.gateway = known.gateway.filter(|_| uplink);
            spec.interfaces.insert(interface.clone(), known);
        }
    }
    spec
}

/// What an interface has by DHCP; `None` while that is not known.
fn granted(facts: &DhcpFacts) -> Option<InterfaceSpec> {
    let lease = facts.lease.as_ref();
    let addresses = lease.map(|lease| lease.address);
    (!facts.undecided).then(|| InterfaceSpec {
        addresses: addresses.into_iter().chain(facts.fallback).collect(),
        gateway: lease.and_then(|lease| lease.router),
    })
}

/// Networks the box stands on by way of other interfaces, as far as it is ours to say: of the VPN and the other side.
fn elsewhere(input: &Input<'_>, interface: &InterfaceName) -> BTreeSet<Ipv4Net> {
    let options = input.options;
    let sides = [Some(&options.wan), options.lan.as_ref()];
    let others = sides
        .into_iter()
        .flatten()
        .filter(|side| *side != interface);
    let networks = others.flat_map(|side| input.facts.addresses(side));
    let networks = networks.filter_map(|network| match network {
        // Link-local addresses are the same network on every wire.
        IpNet::V4(v4) if !v4.addr().is_link_local() => Some(v4.trunc()),
        _ => None,
    });
    networks
        .chain(input.config.map(|config| config.vpn.subnet))
        .collect()
}

fn wireguard(input: &Input<'_>, peers: &[(&PeerName, &PeerConfig)]) -> Option<WireGuardSpec> {
    let config = input.config?;
    let private_key = input.keys.interface.clone()?;
    let own = [
        IpNet::V4(Ipv4Net::new(config.vpn.address(), config.vpn.subnet.prefix_len()).ok()?),
        IpNet::V6(Ipv6Net::new(config.vpn.address6(), config.vpn.subnet6.prefix_len()).ok()?),
    ];
    Some(WireGuardSpec {
        interface: vpn_interface(),
        private_key,
        listen_port: input.options.wireguard_port,
        mtu: MTU,
        addresses: own
            .into_iter()
            .chain(links::own_address(config, input.pairing))
            .collect(),
        routes: links::routes(config, input.pairing),
        exit: None,
        peers: links::peers(config, input.pairing, input.places)
            .map(|(key, peer)| (key, Arc::new(peer)))
            .chain(peers.iter().map(|(name, peer)| {
                let spec = WireGuardPeerSpec {
                    preshared_key: input
                        .keys
                        .preshared
                        .get(*name)
                        .filter(|_| peer.preshared_key)
                        .cloned(),
                    allowed_ips: [IpAddr::V4(peer.address), IpAddr::V6(peer.address6)]
                        .map(IpNet::from)
                        .into(),
                    endpoint: None,
                    keepalive: None,
                };
                (peer.public_key, Arc::new(spec))
            }))
            .collect(),
    })
}

fn dns(
    input: &Input<'_>,
    home: &Home,
    peers: &[(&PeerName, &PeerConfig)],
    services: &Services,
) -> DnsSpec {
    let listen = home.addresses.iter().chain(&home.vpn);
    let vpn_sources: BTreeSet<IpNet> = input
        .config
        .map_or_else(BTreeSet::new, |config| config.vpn.networks().into());
    let own_sources = home.addresses.iter().copied().map(IpNet::from);
    let loopback: [IpNet; 2] = [
        Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(),
        Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128).into(),
    ];
    DnsSpec {
        listen: listen
            .map(|&address| SocketAddr::new(address, input.options.dns_port))
            .collect(),
        allow: home
            .sources
            .iter()
            .copied()
            .chain(vpn_sources.iter().copied())
            .chain(own_sources)
            .chain(loopback)
            .chain(
                services
                    .internet
                    .iter()
                    .map(|address| IpNet::from(IpAddr::V4(*address))),
            )
            .collect(),
        upstreams: upstreams(input),
        zone: input.config.map(|config| ZoneSpec {
            domain: config.domain.name.clone(),
            serial: input.serial,
            own: OwnAddresses {
                lan: home.addresses.clone(),
                vpn: home.vpn.iter().copied().collect(),
                vpn_sources,
            },
            services: services.answered_hosts(),
            names: names(peers),
            records: config.dns.records.clone(),
            made: mail_records(config, input.keys, services),
        }),
        forwards: input.config.map(links::forwards).unwrap_or_default(),
        withheld: input.config.map(links::withheld).unwrap_or_default(),
        guests: input.config.map(links::networks).unwrap_or_default(),
        ways: peers
            .iter()
            .filter_map(|(_, peer)| Some((peer, exits::names_way(input, peer)?)))
            .flat_map(|(peer, way)| {
                let addresses = [IpAddr::V4(peer.address), IpAddr::V6(peer.address6)];
                addresses.map(|address| (address, way.clone()))
            })
            .collect(),
    }
}

/// Servers for all names that are not in the house: the owner's, or those the uplink gave.
fn upstreams(input: &Input<'_>) -> Vec<SocketAddr> {
    let own = input
        .config
        .into_iter()
        .flat_map(|config| &config.dns.upstreams);
    let own: Vec<SocketAddr> = own.map(|upstream| upstream.socket_addr()).collect();
    match own.is_empty() {
        true => input.facts.resolvers.clone(),
        false => own,
    }
}

/// What the box's own name server says about mail.
fn mail_records(config: &Config, keys: &Keys, services: &Services) -> Vec<ZoneRecord> {
    let names = MailNames::of(config, keys, None);
    names.map_or_else(Vec::new, |names| {
        mail::at_home(names, &services.answered_hosts())
    })
}

fn names(peers: &[(&PeerName, &PeerConfig)]) -> BTreeMap<DnsLabel, Arc<BTreeSet<IpAddr>>> {
    peers
        .iter()
        .map(|(name, peer)| {
            let addresses = BTreeSet::from([peer.address.into(), peer.address6.into()]);
            (name.label(), Arc::new(addresses))
        })
        .collect()
}

fn leaf(input: &Input<'_>, home: &Home, services: &Services) -> LeafSpec {
    let mut names = BTreeSet::from(["localhost".to_owned()]);
    let proxied = services.proxy.iter().flat_map(|proxy| &proxy.hosts);
    names.extend(proxied.flat_map(|host| host.names.iter().map(ToString::to_string)));
    names.extend(own_names(input));
    names.extend(local_names(input));
    LeafSpec {
        domain: input.config.map(|config| config.domain.name.clone()),
        names,
        addresses: home.admin.iter().map(SocketAddr::ip).collect(),
    }
}

fn web(input: &Input<'_>, home: &Home) -> WebSpec {
    WebSpec {
        listen: home.admin.clone(),
        hosts: own_names(input)
            .into_iter()
            .chain(local_names(input))
            .collect(),
        pairing: pairing(input),
    }
}

/// Where other cells are listened to, on TCP with the number of the VPN's port: those that are linked inside the VPN, and
/// who comes with an invite on every address of the box beside it.
fn pairing(input: &Input<'_>) -> Option<PairingSpec> {
    let pairing = input.pairing?;
    let options = input.options;
    let inside = links::own_address(input.config?, input.pairing);
    let sides = [Some(&options.wan), options.lan.as_ref()];
    let networks = sides.into_iter().flatten();
    let addresses =
        networks.flat_map(|side| input.facts.addresses(side).map(|network| network.addr()));
    let usable = addresses.filter(|address| match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_loopback(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_loopback(),
    });
    Some(PairingSpec {
        listen: usable
            .filter(|_| pairing.invites)
            .chain(inside.map(|network| network.addr()))
            .map(|address| SocketAddr::new(address, options.wireguard_port))
            .collect(),
        chain_der: pairing.chain_der.clone(),
        key_der: pairing.key_der.clone(),
    })
}

fn mdns(input: &Input<'_>, home: &Home) -> Option<MdnsSpec> {
    let interface = input.options.home();
    let facts = input.facts.interfaces.get(interface)?;
    // Whoever comes by another cable has to be asked whether the name is free (RFC 6762 section 8).
    if !facts.carrier || home.served.is_empty() {
        return None;
    }
    let listens = |network: &IpNet| {
        let mut admin = home.admin.iter();
        admin.any(|address| address.ip() == network.addr())
    };
    Some(MdnsSpec {
        interface: interface.clone(),
        label: label(input),
        addresses: home.served.clone(),
        admin_port: home
            .served
            .iter()
            .any(listens)
            .then(|| input.options.admin_port()),
    })
}

/// The label the box would like to be found by.
fn label(input: &Input<'_>) -> DnsLabel {
    input.config.map_or_else(
        || CellName::before_setup().label(),
        |config| config.cell.name.label(),
    )
}

/// The name the box would like to be found by, and the one it is found by (RFC 6762).
fn local_names(input: &Input<'_>) -> BTreeSet<String> {
    let wanted = label(input);
    let found_as = input.facts.found_as.clone();
    // A name from before the box was renamed is none of its own any more.
    let found_as = found_as.filter(|found| wanted.alternatives().any(|label| label == *found));
    let names = [Some(wanted), found_as].into_iter().flatten();
    names.map(|label| label.local_name()).collect()
}

/// Apex and admin page.
fn own_names(input: &Input<'_>) -> Vec<String> {
    input.config.map_or_else(Vec::new, |config| {
        let domain = &config.domain.name;
        vec![
            domain.to_string(),
            format!("{}.{domain}", DnsLabel::admin()),
        ]
    })
}

#[cfg(test)]
mod tests;
