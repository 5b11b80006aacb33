//! Services in containers: what they reach, and who reaches them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use cell_model::container::Protocol;
use cell_model::spec::{FirewallSpec, HTTPS_PORT, Phase, PortSpec};
use ipnet::IpNet;
use nftables::expr::Expression;
use nftables::types::{NfChainPolicy, NfChainType, NfHook};

use super::chains::Chains;
use super::words::{
    Family, accept, address, arrives, arrives_not, destination_is_local, differs, equals, field,
    give_up, is_ipv6, lead_to, lead_to_port, leaves, name, networks, one_of, port, prefix, text,
    together,
};

/// `NF_IP_PRI_NAT_DST`, linux/netfilter_ipv4.h.
pub(super) const DESTINATION_NAT: i32 = -100;

/// What is not the internet: homes, carriers, links, groups (RFC 6890). Nobody behind the uplink either is a service's
/// business.
const NOT_INTERNET: [&str; 10] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// The box's sides of all services' networks; nothing without services.
pub(super) fn bridges(spec: &FirewallSpec) -> Option<Expression<'static>> {
    let bridges = spec.containers.networks.keys();
    (bridges.len() > 0).then(|| one_of(bridges.map(name)))
}

/// A container has the addresses of its service, and no others.
pub(super) fn antispoof(chains: &mut Chains, spec: &FirewallSpec) {
    let Some(all) = bridges(spec) else {
        return;
    };
    chains.rule("antispoof", [arrives(all), is_ipv6(), give_up()]);
    for (bridge, network) in &spec.containers.networks {
        let network = || prefix(IpNet::V4(*network));
        chains.rule(
            "antispoof",
            [
                arrives(name(bridge)),
                differs(Family::V4.source(), network()),
                give_up(),
            ],
        );
        chains.rule(
            "antispoof",
            [
                arrives_not(one_of([text("lo"), name(bridge)])),
                equals(Family::V4.source(), network()),
                give_up(),
            ],
        );
    }
}

/// What services may ask of the box: names, if they may reach the internet.
pub(super) fn input(chains: &mut Chains, spec: &FirewallSpec) {
    const CHAIN: &str = "service";
    chains.chain(CHAIN);
    let asking = sources(&spec.containers.internet);
    let asked = spec.containers.resolver.zip(asking);
    if let (Some((resolver, asking)), Phase::Open) = (asked, spec.phase) {
        for protocol in ["udp", "tcp"] {
            chains.rule(
                CHAIN,
                [
                    equals(Family::V4.source(), asking.clone()),
                    equals(Family::V4.destination(), address(IpAddr::V4(resolver))),
                    equals(field(protocol, "dport"), port(spec.dns_port)),
                    accept(),
                ],
            );
        }
    }
    chains.end(CHAIN);
}

/// Where services may go, and nowhere else.
pub(super) fn forward(chains: &mut Chains, spec: &FirewallSpec) {
    const CHAIN: &str = "service_forward";
    chains.chain(CHAIN);
    // Containers of one service are on one wire. Where the kernel has br_netfilter, it asks here all the same.
    for bridge in spec.containers.networks.keys() {
        chains.rule(
            CHAIN,
            [arrives(name(bridge)), leaves(name(bridge)), accept()],
        );
    }
    if spec.phase == Phase::Open {
        let flows = spec.containers.flows.iter().map(|flow| {
            together([
                address(IpAddr::V4(flow.from)),
                address(IpAddr::V4(*flow.to.ip())),
                port(flow.to.port()),
            ])
        });
        if flows.len() > 0 {
            let asked = together([
                Family::V4.source(),
                Family::V4.destination(),
                field("tcp", "dport"),
            ]);
            chains.rule(CHAIN, [equals(asked, one_of(flows)), accept()]);
        }
        if let Some(asking) = sources(&spec.containers.internet) {
            let inside: Vec<IpNet> = NOT_INTERNET
                .iter()
                .map(|net| net.parse().expect("a network"))
                .collect();
            let inside = networks(Family::V4, &inside).expect("there are some");
            chains.rule(
                CHAIN,
                [
                    leaves(name(&spec.wan)),
                    equals(Family::V4.source(), asking),
                    differs(Family::V4.destination(), inside),
                    accept(),
                ],
            );
        }
    }
    chains.end(CHAIN);
}

/// Containers that answer for ports of the box, as the protocol has it; nothing when none does.
pub(super) fn backends<'a>(
    protocol: Protocol,
    ports: impl IntoIterator<Item = &'a PortSpec>,
) -> Option<[Expression<'static>; 2]> {
    let ports = ports.into_iter().filter(|port| port.protocol == protocol);
    let backends: BTreeSet<_> = ports.map(|port| port.backend).collect();
    let items = backends
        .iter()
        .map(|backend| together([address(IpAddr::V4(*backend.ip())), port(backend.port())]));
    let asked = together([Family::V4.destination(), field(protocol.word(), "dport")]);
    (items.len() > 0).then(|| [asked, one_of(items)])
}

/// Leads what home and devices send to ports of the box to the containers that answer, and what the internet sends where
/// it may.
pub(super) fn lead(chains: &mut Chains, spec: &FirewallSpec) {
    const CHAIN: &str = "ports";
    chains.hook(
        CHAIN,
        NfChainType::NAT,
        NfHook::Prerouting,
        DESTINATION_NAT,
        NfChainPolicy::Accept,
    );
    lead_to_page(chains, CHAIN, spec);
    if spec.phase == Phase::Closed {
        return;
    }
    let home = spec.lan.as_ref().unwrap_or(&spec.wan);
    for lead in &spec.containers.ports {
        let asked = || equals(field(lead.protocol.word(), "dport"), port(lead.port));
        let to = || lead_to(*lead.backend.ip(), lead.backend.port());
        if let Some(local) = networks(Family::V4, &spec.local_sources) {
            chains.rule(
                CHAIN,
                [
                    arrives(name(home)),
                    equals(Family::V4.source(), local),
                    destination_is_local(),
                    asked(),
                    to(),
                ],
            );
        }
        if let Some(vpn) = &spec.vpn {
            chains.rule(
                CHAIN,
                [
                    arrives(name(&vpn.interface)),
                    destination_is_local(),
                    asked(),
                    to(),
                ],
            );
        }
    }
    for lead in &spec.containers.public {
        chains.rule(
            CHAIN,
            [
                arrives(name(&spec.wan)),
                destination_is_local(),
                equals(field(lead.protocol.word(), "dport"), port(lead.port)),
                lead_to(*lead.backend.ip(), lead.backend.port()),
            ],
        );
    }
}

/// Who says no port finds the admin page all the same.
fn lead_to_page(chains: &mut Chains, chain: &'static str, spec: &FirewallSpec) {
    let Some(page) = spec.https else {
        return;
    };
    let asked = || equals(field("tcp", "dport"), port(HTTPS_PORT));
    let home = spec.lan.as_ref().unwrap_or(&spec.wan);
    for family in Family::BOTH {
        if let Some(local) = networks(family, &spec.local_sources) {
            chains.rule(
                chain,
                [
                    arrives(name(home)),
                    equals(family.source(), local),
                    destination_is_local(),
                    asked(),
                    lead_to_port(page),
                ],
            );
        }
    }
    if let Some(vpn) = &spec.vpn {
        chains.rule(
            chain,
            [
                arrives(name(&vpn.interface)),
                destination_is_local(),
                asked(),
                lead_to_port(page),
            ],
        );
    }
}

fn sources(addresses: &BTreeSet<Ipv4Addr>) -> Option<Expression<'static>> {
    let items = addresses.iter().map(|one| address(IpAddr::V4(*one)));
    (items.len() > 0).then(|| one_of(items))
}
