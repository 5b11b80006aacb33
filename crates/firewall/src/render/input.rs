//! What may be asked of the box itself.

use std::net::Ipv6Addr;

use cell_model::spec::{FirewallSpec, Phase};
use ipnet::Ipv6Net;
use nftables::expr::Expression;
use nftables::types::{NfChainPolicy, NfChainType, NfHook};

use super::chains::{Chains, FILTER};
use super::words::{
    Family, accept, arrives, arrives_not, equals, field, jump, name, networks, one_of, port, ports,
    prefix, text,
};
use super::{exits, links, services};

const SSH: u16 = 22;
/// RFC 6762.
const MDNS: u16 = 5353;
/// RFC 2131.
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
/// RFC 8415.
const DHCP6_SERVER: u16 = 547;
const DHCP6_CLIENT: u16 = 546;
/// RFC 4861: what crossed no router still bears it.
const NEIGHBOUR_HOP_LIMIT: u32 = 255;

pub(super) fn render(chains: &mut Chains, spec: &FirewallSpec) {
    home(chains, spec);
    if let Some(vpn) = &spec.vpn {
        chains.chain("device");
        base_services(chains, "device", spec);
        links::input(chains, spec, vpn);
    }
    services::input(chains, spec);
    let filter = NfChainType::Filter;
    chains.hook("input", filter, NfHook::Input, FILTER, NfChainPolicy::Drop);
    chains.rule("input", [arrives(text("lo")), accept()]);
    if let Some(vpn) = &spec.vpn {
        exits::input(chains, spec, vpn);
    }
    chains.established("input");
    exits::hear_answers(chains, spec);
    if let Some(bridges) = services::bridges(spec) {
        chains.rule("input", [arrives(bridges), jump("service")]);
    }
    link(chains, spec);
    let home = spec.lan.as_ref().unwrap_or(&spec.wan);
    for family in Family::BOTH {
        if let Some(local) = networks(family, &spec.local_sources) {
            chains.rule(
                "input",
                [
                    arrives(name(home)),
                    equals(family.source(), local),
                    jump("home"),
                ],
            );
        }
    }
    if !spec.local_sources.is_empty() {
        // Over IPv6, neighbours ask for names from their link-local addresses, which belong to no network above.
        chains.rule(
            "input",
            [
                arrives(name(home)),
                equals(Family::V6.source(), link_local()),
                equals(field("udp", "dport"), port(MDNS)),
                accept(),
            ],
        );
    }
    if let Some(vpn) = &spec.vpn {
        links::hear(chains, spec, vpn);
        links::hear_no_more(chains, vpn, "input");
        links::divert(chains, spec, vpn, "input", "link");
        chains.rule("input", [arrives(name(&vpn.interface)), jump("device")]);
        if spec.phase == Phase::Open {
            chains.rule(
                "input",
                [
                    equals(field("udp", "dport"), port(vpn.listen_port)),
                    accept(),
                ],
            );
            if vpn.pairing {
                chains.rule(
                    "input",
                    [
                        arrives_not(name(&vpn.interface)),
                        equals(field("tcp", "dport"), port(vpn.listen_port)),
                        accept(),
                    ],
                );
            }
        }
    }
    chains.end("input");
}

/// What the home side may ask of the box, in either phase.
fn home(chains: &mut Chains, spec: &FirewallSpec) {
    chains.chain("home");
    base_services(chains, "home", spec);
    chains.rule(
        "home",
        [equals(field("udp", "dport"), port(MDNS)), accept()],
    );
    if let Some(vpn) = &spec.vpn {
        chains.rule(
            "home",
            [
                equals(field("udp", "dport"), port(vpn.listen_port)),
                accept(),
            ],
        );
    }
}

/// DNS, the admin page, SSH and ping: what home and devices may use, in either phase.
fn base_services(chains: &mut Chains, chain: &'static str, spec: &FirewallSpec) {
    let mut tcp = spec.admin_ports.clone();
    tcp.extend([spec.dns_port, SSH]);
    chains.rule(
        chain,
        [equals(field("udp", "dport"), port(spec.dns_port)), accept()],
    );
    chains.rule(
        chain,
        [equals(field("tcp", "dport"), ports(&tcp)), accept()],
    );
    for family in Family::BOTH {
        chains.rule(chain, [family.ping(), accept()]);
    }
}

/// What a link needs to work at all. ICMP errors are not among it: those that matter are `related` to a flow.
fn link(chains: &mut Chains, spec: &FirewallSpec) {
    let wan = || arrives(name(&spec.wan));
    let sides = || {
        let sides = [Some(&spec.wan), spec.lan.as_ref()];
        arrives(one_of(sides.into_iter().flatten().map(name)))
    };
    let dport = || field("udp", "dport");
    let sport = || field("udp", "sport");
    let icmp6 = |types: &[&'static str]| {
        equals(
            field("icmpv6", "type"),
            one_of(types.iter().map(|word| text(word))),
        )
    };
    let from_neighbour = || equals(Family::V6.source(), link_local());
    let not_routed = || {
        let limit = Expression::Number(NEIGHBOUR_HOP_LIMIT);
        equals(field("ip6", "hoplimit"), limit)
    };

    chains.rule(
        "input",
        [
            wan(),
            equals(sport(), port(DHCP_SERVER)),
            equals(dport(), port(DHCP_CLIENT)),
            accept(),
        ],
    );
    chains.rule(
        "input",
        [
            wan(),
            from_neighbour(),
            equals(sport(), port(DHCP6_SERVER)),
            equals(dport(), port(DHCP6_CLIENT)),
            accept(),
        ],
    );
    if let Some(lan) = &spec.lan {
        chains.rule(
            "input",
            [
                arrives(name(lan)),
                equals(sport(), port(DHCP_CLIENT)),
                equals(dport(), port(DHCP_SERVER)),
                accept(),
            ],
        );
    }
    let neighbour = ["nd-neighbor-solicit", "nd-neighbor-advert"];
    chains.rule(
        "input",
        [sides(), icmp6(&neighbour), not_routed(), accept()],
    );
    chains.rule(
        "input",
        [
            wan(),
            from_neighbour(),
            icmp6(&["nd-router-advert"]),
            not_routed(),
            accept(),
        ],
    );
    // Unanswered queries make a snooping switch forget us, and neighbour discovery with it (RFC 4541).
    chains.rule(
        "input",
        [
            sides(),
            from_neighbour(),
            icmp6(&["mld-listener-query"]),
            accept(),
        ],
    );
}

/// fe80::/10, RFC 4291 section 2.4.
fn link_local() -> Expression<'static> {
    let start = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
    prefix(Ipv6Net::new_assert(start, 10).into())
}
