//! What leaves by the uplink bears its address, what leaves by a tunnel that one's, and what leaves to another cell that of the
//! VPN.

use std::collections::BTreeSet;

use cell_model::spec::FirewallSpec;
use ipnet::IpNet;
use nftables::types::{NfChainPolicy, NfChainType, NfHook};

use super::chains::Chains;
use super::words::{Family, equals, leaves, masquerade, name, networks};
use super::{exits, links};

/// `NF_IP_PRI_NAT_SRC`, linux/netfilter_ipv4.h.
const SOURCE_NAT: i32 = 100;

pub(super) fn render(chains: &mut Chains, spec: &FirewallSpec) {
    let kind = NfChainType::NAT;
    chains.hook(
        "nat",
        kind,
        NfHook::Postrouting,
        SOURCE_NAT,
        NfChainPolicy::Accept,
    );
    let mut inside: BTreeSet<IpNet> = BTreeSet::new();
    if let Some(vpn) = &spec.vpn {
        inside.extend([IpNet::V4(vpn.subnet), IpNet::V6(vpn.subnet6)]);
    }
    if spec.lan.is_some() {
        inside.extend(&spec.local_sources);
    }
    inside.extend(spec.containers.networks.values().copied().map(IpNet::V4));
    // Global IPv6 addresses leave as they are.
    inside.retain(|net| match net {
        IpNet::V4(_) => true,
        IpNet::V6(net) => net.network().is_unique_local(),
    });
    for family in Family::BOTH {
        if let Some(inside) = networks(family, &inside) {
            chains.rule(
                "nat",
                [
                    leaves(name(&spec.wan)),
                    equals(family.source(), inside),
                    masquerade(),
                ],
            );
        }
    }
    if let Some(vpn) = &spec.vpn {
        links::nat(chains, spec, vpn);
    }
    exits::nat(chains, spec);
}
