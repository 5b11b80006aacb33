//! A source belongs to the side it came from, and a device or another cell is known.

use cell_model::spec::{FirewallSpec, FirewallVpn};
use ipnet::IpNet;
use nftables::expr::Expression;
use nftables::types::{NfChainPolicy, NfChainType, NfHook};

use super::chains::Chains;
use super::words::{
    Family, arrives, arrives_not, equals, give_up, is_link_local, name, networks, one_of, prefix,
    text,
};
use super::{links, services};

/// Before connection tracking, so that a forged packet leaves no entry there (`NF_IP_PRI_RAW`, linux/netfilter_ipv4.h).
const RAW: i32 = -300;

pub(super) fn render(chains: &mut Chains, spec: &FirewallSpec) {
    let filter = NfChainType::Filter;
    chains.hook(
        "antispoof",
        filter,
        NfHook::Prerouting,
        RAW,
        NfChainPolicy::Accept,
    );
    if let Some(vpn) = &spec.vpn {
        for (family, network) in vpn_networks(vpn) {
            chains.rule(
                "antispoof",
                [
                    arrives_not(one_of([text("lo"), name(&vpn.interface)])),
                    equals(family.source(), network),
                    give_up(),
                ],
            );
            let mut unknown = vec![arrives(name(&vpn.interface))];
            unknown.extend(links::is_unknown_sender(spec, vpn, family));
            unknown.push(give_up());
            chains.rule("antispoof", unknown);
        }
        links::antispoof(chains, spec, vpn);
    }
    services::antispoof(chains, spec);
    if let Some(lan) = &spec.lan {
        for family in Family::BOTH {
            let local = spec.local_sources.iter().filter(|net| !is_link_local(net));
            if let Some(local) = networks(family, local) {
                chains.rule(
                    "antispoof",
                    [
                        arrives_not(one_of([text("lo"), name(lan)])),
                        equals(family.source(), local),
                        give_up(),
                    ],
                );
            }
        }
    }
}

fn vpn_networks(vpn: &FirewallVpn) -> [(Family, Expression<'static>); 2] {
    [
        (Family::V4, prefix(IpNet::V4(vpn.subnet))),
        (Family::V6, prefix(IpNet::V6(vpn.subnet6))),
    ]
}
