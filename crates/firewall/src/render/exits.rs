//! Ways out beside the uplink: who was given one leaves by it or not at all.
//!
//! What a device sends to the internet is marked with its way before anything else is decided. It leaves by the interface of
//! that way, or TCP of it is led to the port where a program of the box carries it on; all else is turned away, so that programs
//! learn at once that it does not pass. Each packet is marked anew, not only the first of a flow: one that was opened by another
//! way ends.

use std::collections::BTreeSet;

use cell_model::config::RelayPort;
use cell_model::name::InterfaceName;
use cell_model::spec::{FirewallExit, FirewallSpec, FirewallVpn, LeavesBy, Phase};
use cell_model::subnet::cell_address;
use ipnet::IpNet;
use nftables::expr::Expression;
use nftables::stmt::Statement;
use nftables::types::{NfChainPolicy, NfChainType, NfHook};

use super::chains::Chains;
use super::links;
use super::services::DESTINATION_NAT;
use super::sets::{Group, Ways};
use super::words::{
    Family, accept, address, arrives, destination_is_not_local, differs, equals, field, give_up,
    is_ipv4, is_ipv6, is_marked, is_marked_at_all, is_tcp, jump, lead_to, leaves, leaves_not, mark,
    masquerade, name, networks, one_of, port, ports, reject, reset, set_mark, together, was_led,
};

/// `NF_IP_PRI_MANGLE`, linux/netfilter_ipv4.h: after connection tracking, before destinations are changed.
const MANGLE: i32 = -150;
/// The chain that finds the way of a device.
const WAY: &str = "way";

/// Marks what devices send out, and leads what a program of the box carries.
pub(super) fn render(chains: &mut Chains, spec: &FirewallSpec) {
    mark_devices(chains, spec);
    lead(chains, spec);
}

fn mark_devices(chains: &mut Chains, spec: &FirewallSpec) {
    const CHAIN: &str = "exits";
    way(chains, spec);
    chains.hook(
        CHAIN,
        NfChainType::Filter,
        NfHook::Prerouting,
        MANGLE,
        NfChainPolicy::Accept,
    );
    let Some(vpn) = &spec.vpn else {
        return;
    };
    for family in Family::BOTH {
        let mut rule = vec![
            arrives(name(&vpn.interface)),
            equals(family.source(), Group::Exits.reference(family)),
            destination_is_not_local(),
        ];
        let inside = networks(family, &inside(spec, vpn));
        rule.extend(inside.map(|inside| differs(family.destination(), inside)));
        rule.push(jump(WAY));
        chains.rule(CHAIN, rule);
    }
}

/// Tries one mark after the other, until it is that of the device.
fn way(chains: &mut Chains, spec: &FirewallSpec) {
    chains.chain(WAY);
    for FirewallExit { slot, .. } in &spec.exits {
        chains.rule(WAY, [set_mark(slot.mark())]);
        for family in Family::BOTH {
            let pair = together([family.source(), mark()]);
            chains.rule(WAY, [equals(pair, Ways::reference(family)), accept()]);
        }
    }
    chains.rule(WAY, [set_mark(0)]);
}

/// Networks that are reached without leaving: each has rules of its own.
fn inside(spec: &FirewallSpec, vpn: &FirewallVpn) -> Vec<IpNet> {
    let mut inside = vec![IpNet::V4(vpn.subnet), IpNet::V6(vpn.subnet6)];
    inside.extend(spec.links.iter().flat_map(links::networks_of));
    inside.extend(spec.containers.networks.values().copied().map(IpNet::V4));
    if spec.lan.is_some() {
        inside.extend(&spec.local_sources);
    }
    inside
}

fn lead(chains: &mut Chains, spec: &FirewallSpec) {
    const CHAIN: &str = "lead";
    chains.hook(
        CHAIN,
        NfChainType::NAT,
        NfHook::Prerouting,
        DESTINATION_NAT,
        NfChainPolicy::Accept,
    );
    let Some(vpn) = spec.vpn.as_ref().filter(|_| spec.phase == Phase::Open) else {
        return;
    };
    for exit in &spec.exits {
        let Some(port) = exit.port() else {
            continue;
        };
        let mut rule = vec![
            arrives(name(&vpn.interface)),
            is_marked(exit.slot),
            is_tcp(),
        ];
        rule.extend(is_not_home(spec, Family::V4));
        rule.push(lead_to(cell_address(vpn.subnet), port.get()));
        chains.rule(CHAIN, rule);
    }
}

/// Where the box has one cable, home is where the internet is. What is meant for it is nothing for strangers out there.
fn is_not_home(spec: &FirewallSpec, family: Family) -> Option<Statement<'static>> {
    let local = networks(family, &spec.local_sources).filter(|_| spec.lan.is_none())?;
    Some(differs(family.destination(), local))
}

/// Ports of ways are for those who were led there by that way. Must come before what lets flows go on that are known.
pub(super) fn input(chains: &mut Chains, spec: &FirewallSpec, vpn: &FirewallVpn) {
    let ports_in_use = spec.exits.iter().filter_map(FirewallExit::port);
    let ports_in_use: BTreeSet<u16> = ports_in_use.map(RelayPort::get).collect();
    if ports_in_use.is_empty() || spec.phase == Phase::Closed {
        return;
    }
    let own = || {
        let own = cell_address(vpn.subnet);
        equals(Family::V4.destination(), address(own.into()))
    };
    for exit in &spec.exits {
        let Some(to) = exit.port() else {
            continue;
        };
        chains.rule(
            "input",
            [
                arrives(name(&vpn.interface)),
                own(),
                equals(field("tcp", "dport"), port(to.get())),
                is_marked(exit.slot),
                was_led(),
                accept(),
            ],
        );
    }
    chains.rule(
        "input",
        [
            arrives(name(&vpn.interface)),
            own(),
            equals(field("tcp", "dport"), ports(&ports_in_use)),
            reset(),
        ],
    );
}

/// Home is reached without leaving.
pub(super) fn to_home(
    chains: &mut Chains,
    spec: &FirewallSpec,
    chain: &'static str,
    family: Family,
) {
    let (Some(lan), Some(local)) = (&spec.lan, networks(family, &spec.local_sources)) else {
        return;
    };
    chains.rule(
        chain,
        [
            leaves(name(lan)),
            equals(family.source(), Group::Exits.reference(family)),
            equals(family.destination(), local),
            accept(),
        ],
    );
}

/// Interfaces that lead out beside the uplink.
pub(super) fn interfaces(spec: &FirewallSpec) -> impl Iterator<Item = &InterfaceName> {
    spec.exits.iter().filter_map(FirewallExit::interface)
}

/// Those of them that there are, or nothing.
fn any_interface(spec: &FirewallSpec) -> Option<Expression<'static>> {
    let mut interfaces = interfaces(spec).peekable();
    interfaces.peek()?;
    Some(one_of(interfaces.map(name)))
}

/// By the interface of a way leaves what bears its mark. Must come before what is turned away.
pub(super) fn leave(chains: &mut Chains, spec: &FirewallSpec, chain: &'static str) {
    if spec.phase == Phase::Closed {
        return;
    }
    for exit in &spec.exits {
        let Some(LeavesBy::Interface { interface, ipv6 }) = &exit.by else {
            continue;
        };
        for family in Family::BOTH {
            let of_family = match family {
                Family::V4 => is_ipv4(),
                Family::V6 if *ipv6 => is_ipv6(),
                Family::V6 => continue,
            };
            let mut rule = vec![leaves(name(interface)), is_marked(exit.slot), of_family];
            rule.extend(is_not_home(spec, family));
            rule.push(accept());
            chains.rule(chain, rule);
        }
    }
}

/// From out there come answers for those who have a way, and nothing else. Must come before what lets flows go on that are
/// known.
pub(super) fn answers(chains: &mut Chains, spec: &FirewallSpec, vpn: &FirewallVpn) {
    let Some(outside) = any_interface(spec) else {
        return;
    };
    chains.rule(
        "forward",
        [
            arrives(outside),
            leaves_not(name(&vpn.interface)),
            give_up(),
        ],
    );
    // For those who have that way. Where they go is settled by now, so that the mark changes nothing about it.
    for exit in &spec.exits {
        let Some(interface) = exit.interface() else {
            continue;
        };
        let from = || arrives(name(interface));
        chains.rule("forward", [from(), set_mark(exit.slot.mark())]);
        for family in Family::BOTH {
            let pair = together([family.destination(), mark()]);
            chains.rule(
                "forward",
                [from(), differs(pair, Ways::reference(family)), give_up()],
            );
        }
        chains.rule("forward", [from(), set_mark(0)]);
    }
}

/// The box itself only hears answers from there.
pub(super) fn hear_answers(chains: &mut Chains, spec: &FirewallSpec) {
    if let Some(outside) = any_interface(spec) {
        chains.rule("input", [arrives(outside), give_up()]);
    }
}

/// What leaves by an interface bears the box's address there.
pub(super) fn nat(chains: &mut Chains, spec: &FirewallSpec) {
    if let Some(outside) = any_interface(spec) {
        chains.rule("nat", [leaves(outside), masquerade()]);
    }
}

/// Tells programs that what they sent does not leave, and drops whatever else would leave by the uplink: where a service's
/// network is gone, that would be what was for the service. Must come before all that lets a device go anywhere.
pub(super) fn keep_in(chains: &mut Chains, spec: &FirewallSpec, chain: &'static str) {
    if spec.phase == Phase::Open {
        chains.rule(chain, [is_marked_at_all(), is_tcp(), reset()]);
        chains.rule(chain, [is_marked_at_all(), reject()]);
    }
    for family in Family::BOTH {
        chains.rule(
            chain,
            [
                leaves(name(&spec.wan)),
                equals(family.source(), Group::Exits.reference(family)),
                give_up(),
            ],
        );
    }
}
