//! What may pass through the box.

use std::net::SocketAddr;

use cell_model::config::ServiceToggle;
use cell_model::container::Protocol;
use cell_model::spec::{FirewallSpec, FirewallVpn, Phase, PortSpec};
use nftables::expr::Expression;
use nftables::types::{NfChainPolicy, NfChainType, NfHook};

use super::chains::{Chains, FILTER};
use super::sets::Group;
use super::words::{
    Family, accept, address, arrives, clamp_segment_size, differs, equals, field, give_up, jump,
    leaves, name, networks, one_of, port, state, tcp_opening, together, was_led,
};
use super::{exits, links, services};

pub(super) fn render(chains: &mut Chains, spec: &FirewallSpec) {
    if let Some(vpn) = &spec.vpn {
        device_forward(chains, spec, vpn);
        links::forward(chains, spec);
    }
    services::forward(chains, spec);
    let filter = NfChainType::Filter;
    chains.hook(
        "forward",
        filter,
        NfHook::Forward,
        FILTER,
        NfChainPolicy::Drop,
    );
    let narrow = spec.vpn.iter().map(|vpn| &vpn.interface);
    let narrow = [&spec.wan]
        .into_iter()
        .chain(narrow)
        .chain(exits::interfaces(spec));
    chains.rule(
        "forward",
        [
            leaves(one_of(narrow.map(name))),
            tcp_opening(),
            clamp_segment_size(),
        ],
    );
    if let Some(vpn) = &spec.vpn {
        // Ahead of connection tracking's shortcut: a flow ends with the right to it.
        for family in Family::BOTH {
            let mut unknown = vec![leaves(name(&vpn.interface))];
            unknown.extend(links::is_stranger(spec, family, Family::destination));
            unknown.push(give_up());
            chains.rule("forward", unknown);
            let mut uninvited = vec![
                arrives(name(&spec.wan)),
                leaves(name(&vpn.interface)),
                differs(family.destination(), Group::Internet.reference(family)),
            ];
            // Of a one-armed box, the home is there too.
            let links = links::networks(spec, family).filter(|_| spec.lan.is_none());
            uninvited.extend(links.map(|links| differs(family.destination(), links)));
            uninvited.push(give_up());
            chains.rule("forward", uninvited);
        }
        exits::answers(chains, spec, vpn);
        links::hear_no_more(chains, vpn, "forward");
        links::divert(chains, spec, vpn, "forward", "link_forward");
        chains.rule(
            "forward",
            [arrives(name(&vpn.interface)), jump("device_forward")],
        );
    }
    chains.established("forward");
    if let Some(bridges) = services::bridges(spec) {
        chains.rule("forward", [arrives(bridges), jump("service_forward")]);
    }
    if spec.phase == Phase::Open {
        let home = spec.lan.as_ref().unwrap_or(&spec.wan);
        if let Some(local) = networks(Family::V4, &spec.local_sources) {
            for &(_, protocol) in Protocol::ALL {
                if let Some([asked, backends]) =
                    services::backends(protocol, &spec.containers.ports)
                {
                    chains.rule(
                        "forward",
                        [
                            arrives(name(home)),
                            equals(Family::V4.source(), local.clone()),
                            equals(asked, backends),
                            accept(),
                        ],
                    );
                }
            }
        }
    }
    if spec.phase == Phase::Open {
        for &(_, protocol) in Protocol::ALL {
            if let Some([asked, backends]) = services::backends(protocol, &spec.containers.public) {
                chains.rule(
                    "forward",
                    [
                        arrives(name(&spec.wan)),
                        was_led(),
                        equals(asked, backends),
                        accept(),
                    ],
                );
            }
        }
    }
    if let (Some(lan), Phase::Open) = (&spec.lan, spec.phase) {
        // A source the home does not have gets no answer, and would tell the internet what stands behind it.
        for family in Family::BOTH {
            if let Some(local) = networks(family, &spec.local_sources) {
                chains.rule(
                    "forward",
                    [
                        arrives(name(lan)),
                        leaves(name(&spec.wan)),
                        equals(family.source(), local),
                        accept(),
                    ],
                );
            }
        }
    }
    if let (Some(vpn), Phase::Open) = (&spec.vpn, spec.phase) {
        links::from_home(chains, spec, vpn);
    }
    chains.end("forward");
}

/// Where a device may go. Devices open every flow they take part in (nothing new goes to them from elsewhere), so
/// each packet from one is held against the sets, not only the first.
fn device_forward(chains: &mut Chains, spec: &FirewallSpec, vpn: &FirewallVpn) {
    const CHAIN: &str = "device_forward";
    chains.chain(CHAIN);
    chains.rule(CHAIN, [state(&["invalid"]), give_up()]);
    if spec.phase == Phase::Closed {
        chains.rule(CHAIN, [state(&["new"]), give_up()]);
    }
    exits::leave(chains, spec, CHAIN);
    exits::keep_in(chains, spec, CHAIN);
    for family in Family::BOTH {
        let member = |group: Group| equals(family.source(), group.reference(family));
        chains.rule(
            CHAIN,
            [
                leaves(name(&vpn.interface)),
                member(Group::PeerToPeer),
                equals(family.destination(), Group::PeerToPeer.reference(family)),
                accept(),
            ],
        );
        if let Some(links) = links::networks(spec, family) {
            chains.rule(
                CHAIN,
                [
                    leaves(name(&vpn.interface)),
                    equals(family.destination(), links),
                    accept(),
                ],
            );
        }
        let outside = [Some(&spec.wan), spec.lan.as_ref()];
        chains.rule(
            CHAIN,
            [
                leaves(one_of(outside.into_iter().flatten().map(name))),
                member(Group::Internet),
                accept(),
            ],
        );
        exits::to_home(chains, spec, CHAIN, family);
        for toggle in ServiceToggle::ALL {
            if let Some(services) = behind(spec, toggle, family) {
                chains.rule(
                    CHAIN,
                    [
                        member(Group::Service(toggle)),
                        equals(
                            together([family.destination(), field("tcp", "dport")]),
                            services,
                        ),
                        accept(),
                    ],
                );
            }
        }
    }
    // What is behind no toggle is for every device.
    let for_all = |port: &&PortSpec| {
        let mut behind = spec.services.iter();
        !behind.any(|service| SocketAddr::new(service.address, service.port) == port.backend.into())
    };
    for &(_, protocol) in Protocol::ALL {
        let ports = spec.containers.ports.iter().filter(for_all);
        if let Some([asked, backends]) = services::backends(protocol, ports) {
            chains.rule(CHAIN, [equals(asked, backends), accept()]);
        }
    }
    chains.rule(CHAIN, [give_up()]);
}

/// Addresses and ports behind a toggle, or nothing when it has none in this family.
fn behind(
    spec: &FirewallSpec,
    toggle: ServiceToggle,
    family: Family,
) -> Option<Expression<'static>> {
    let items: Vec<_> = spec
        .services
        .iter()
        .filter(|service| service.toggle == toggle && Family::of(service.address) == family)
        .map(|service| together([address(service.address), port(service.port)]))
        .collect();
    (!items.is_empty()).then(|| one_of(items))
}
