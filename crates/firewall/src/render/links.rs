//! Other cells: what their people reach here, and who of ours reaches them. Their addresses are proven by the tunnel's
//! keys.

use std::net::IpAddr;

use cell_model::container::Protocol;
use cell_model::spec::{FirewallLink, FirewallSpec, FirewallVpn, Phase};
use cell_model::subnet::{cell_address, matching_v6};
use ipnet::IpNet;
use nftables::expr::Expression;
use nftables::stmt::Statement;

use super::chains::Chains;
use super::services;
use super::sets::Group;
use super::words::{
    self, Family, accept, address, arrives, arrives_not, differs, equals, field, give_up,
    is_answer, jump, leaves, masquerade, name, one_of, port, prefix, state, text, was_led,
};

/// All networks of other cells of one family; nothing without other cells.
pub(super) fn networks(spec: &FirewallSpec, family: Family) -> Option<Expression<'static>> {
    let networks: Vec<IpNet> = spec.links.iter().flat_map(networks_of).collect();
    words::networks(family, &networks)
}

pub(super) fn networks_of(link: &FirewallLink) -> [IpNet; 2] {
    [link.subnet.into(), link.subnet6.into()]
}

/// It is no address of a device that is known, nor of another cell: this end of the packet has no business at the VPN.
pub(super) fn is_stranger(
    spec: &FirewallSpec,
    family: Family,
    end: fn(Family) -> Expression<'static>,
) -> Vec<Statement<'static>> {
    let peers = differs(end(family), Group::Peers.reference(family));
    let links = networks(spec, family).map(|networks| differs(end(family), networks));
    [peers].into_iter().chain(links).collect()
}

/// Where other cells speak from when they say what has changed; nothing without other cells.
fn speakers(vpn: &FirewallVpn) -> Option<Expression<'static>> {
    let cells = vpn.sync.iter().flat_map(|sync| &sync.cells);
    let cells: Vec<IpNet> = cells.map(|cell| IpAddr::V6(*cell).into()).collect();
    words::networks(Family::V6, &cells)
}

/// As [`is_stranger`], of who sends: the other cells themselves are none.
pub(super) fn is_unknown_sender(
    spec: &FirewallSpec,
    vpn: &FirewallVpn,
    family: Family,
) -> Vec<Statement<'static>> {
    let mut is_unknown = is_stranger(spec, family, Family::source);
    let speakers = speakers(vpn).filter(|_| family == Family::V6);
    is_unknown.extend(speakers.map(|speakers| differs(family.source(), speakers)));
    is_unknown
}

/// Other cells come by the VPN alone.
pub(super) fn antispoof(chains: &mut Chains, spec: &FirewallSpec, vpn: &FirewallVpn) {
    let by_family = |family| networks(spec, family).map(|networks| (family, networks));
    let networks = Family::BOTH.into_iter().filter_map(by_family);
    let speakers = speakers(vpn).map(|speakers| (Family::V6, speakers));
    for (family, theirs) in networks.chain(speakers) {
        chains.rule(
            "antispoof",
            [
                arrives_not(one_of([text("lo"), name(&vpn.interface)])),
                equals(family.source(), theirs),
                give_up(),
            ],
        );
    }
}

/// Lets other cells say what has changed.
pub(super) fn hear(chains: &mut Chains, spec: &FirewallSpec, vpn: &FirewallVpn) {
    let heard = vpn.sync.as_ref().zip(speakers(vpn));
    if let (Some((sync, speakers)), Phase::Open) = (heard, spec.phase) {
        chains.rule(
            "input",
            [
                arrives(name(&vpn.interface)),
                equals(Family::V6.source(), speakers),
                equals(Family::V6.destination(), address(sync.own.into())),
                equals(field("tcp", "dport"), port(vpn.listen_port)),
                accept(),
            ],
        );
    }
}

/// Nothing else comes from where they speak. Must come before the rule for all of the VPN.
pub(super) fn hear_no_more(chains: &mut Chains, vpn: &FirewallVpn, chain: &'static str) {
    if let Some(speakers) = speakers(vpn) {
        chains.rule(
            chain,
            [
                arrives(name(&vpn.interface)),
                equals(Family::V6.source(), speakers),
                give_up(),
            ],
        );
    }
}

/// Sends to a chain of its own what comes from other cells. Must come before the rule for all of the VPN.
pub(super) fn divert(
    chains: &mut Chains,
    spec: &FirewallSpec,
    vpn: &FirewallVpn,
    chain: &'static str,
    to: &'static str,
) {
    for family in Family::BOTH {
        if let Some(networks) = networks(spec, family) {
            chains.rule(
                chain,
                [
                    arrives(name(&vpn.interface)),
                    equals(family.source(), networks),
                    jump(to),
                ],
            );
        }
    }
}

/// What another cell may ask of the box: names, and whether it is there.
pub(super) fn input(chains: &mut Chains, spec: &FirewallSpec, vpn: &FirewallVpn) {
    const CHAIN: &str = "link";
    if spec.links.is_empty() {
        return;
    }
    chains.chain(CHAIN);
    if spec.phase == Phase::Open {
        let own = cell_address(vpn.subnet);
        let own6 = matching_v6(vpn.subnet6, vpn.subnet, own);
        for (family, own) in [(Family::V4, own.into()), (Family::V6, own6.into())] {
            let asked = || equals(family.destination(), address(own));
            for protocol in ["udp", "tcp"] {
                let dns = equals(field(protocol, "dport"), port(spec.dns_port));
                chains.rule(CHAIN, [asked(), dns, accept()]);
            }
            chains.rule(CHAIN, [asked(), family.ping(), accept()]);
        }
    }
    chains.end(CHAIN);
}

/// Where another cell may go. Every packet from there is held against what it was given, not only the first: a flow
/// ends with the right to it. Flows that were opened from here are answered.
pub(super) fn forward(chains: &mut Chains, spec: &FirewallSpec) {
    const CHAIN: &str = "link_forward";
    if spec.links.is_empty() {
        return;
    }
    chains.chain(CHAIN);
    chains.rule(CHAIN, [state(&["invalid"]), give_up()]);
    chains.rule(
        CHAIN,
        [is_answer(), state(&["established", "related"]), accept()],
    );
    if spec.phase == Phase::Closed {
        chains.rule(CHAIN, [state(&["new"]), give_up()]);
    }
    for link in &spec.links {
        for &(_, protocol) in Protocol::ALL {
            if let Some([asked, backends]) = services::backends(protocol, &link.ports) {
                chains.rule(
                    CHAIN,
                    [
                        equals(Family::V4.source(), prefix(link.subnet.into())),
                        was_led(),
                        equals(asked, backends),
                        accept(),
                    ],
                );
            }
        }
    }
    chains.end(CHAIN);
}

/// People at home reach other cells.
pub(super) fn from_home(chains: &mut Chains, spec: &FirewallSpec, vpn: &FirewallVpn) {
    let home = spec.lan.as_ref().unwrap_or(&spec.wan);
    for (there, local) in at_home(spec) {
        let [source, destination] = between(there, local);
        chains.rule(
            "forward",
            [
                arrives(name(home)),
                leaves(name(&vpn.interface)),
                source,
                destination,
                accept(),
            ],
        );
    }
}

/// Other cells know the box and its devices, and nobody behind it.
pub(super) fn nat(chains: &mut Chains, spec: &FirewallSpec, vpn: &FirewallVpn) {
    for (there, local) in at_home(spec) {
        let [source, destination] = between(there, local);
        chains.rule(
            "nat",
            [
                leaves(name(&vpn.interface)),
                source,
                destination,
                masquerade(),
            ],
        );
    }
}

/// Networks of other cells with those of people at home, by family, where there are both.
fn at_home(
    spec: &FirewallSpec,
) -> impl Iterator<Item = ((Family, Expression<'static>), Expression<'static>)> {
    Family::BOTH.into_iter().filter_map(|family| {
        let there = networks(spec, family)?;
        let local = words::networks(family, &spec.local_sources)?;
        Some(((family, there), local))
    })
}

fn between(
    (family, there): (Family, Expression<'static>),
    local: Expression<'static>,
) -> [Statement<'static>; 2] {
    [
        equals(family.source(), local),
        equals(family.destination(), there),
    ]
}
