//! What was granted, and whether it is fit for use.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use cell_model::facts::LeaseFacts;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// What a server granted, word for word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) address: Ipv4Addr,
    pub(super) netmask: Option<Ipv4Addr>,
    pub(super) router: Option<Ipv4Addr>,
    pub(super) resolvers: Vec<Ipv4Addr>,
    pub(super) server: Option<Ipv4Addr>,
    /// When it ends, since boot.
    pub(super) until: Duration,
}

/// What is made of a grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What of it can be used.
    pub(super) lease: Option<LeaseFacts>,
    /// What cannot, in a sentence.
    pub(super) complaint: Option<String>,
}

/// The shortest prefix that is believed: no network is larger than 10.0.0.0/8, and a mistaken one would take
/// addresses of the internet for neighbours.
const SHORTEST_PREFIX: u8 = 8;

/// Judges a grant. An address that would do harm is refused; a router that cannot be reached is left out.
pub(super) fn judge(grant: &Grant, avoid: &BTreeSet<Ipv4Net>) -> Verdict {
    match usable(grant, avoid) {
        Err(reason) => Verdict {
            lease: None,
            complaint: Some(format!(
                "The DHCP server's offer of {} was refused: {reason}.",
                grant.address
            )),
        },
        Ok(address) => {
            let router = grant
                .router
                .filter(|router| is_neighbour(*router, address) && !taken(*router, avoid));
            let complaint = grant.router.filter(|_| router.is_none()).map(|named| {
                format!(
                    "The router {named} that the DHCP server names is no other host of {}, so there is no way out.",
                    address.trunc()
                )
            });
            let lease = LeaseFacts {
                address,
                router,
                resolvers: resolvers(grant),
                server: grant.server,
                until: grant.until,
            };
            Verdict {
                lease: Some(lease),
                complaint,
            }
        }
    }
}

fn usable(grant: &Grant, avoid: &BTreeSet<Ipv4Net>) -> Result<Ipv4Net, String> {
    let host = grant.address;
    let address = grant.net().ok_or("it has no netmask that is one")?;
    if address.prefix_len() < SHORTEST_PREFIX {
        return Err(format!(
            "a network as large as /{} does not exist",
            address.prefix_len()
        ));
    }
    let whole =
        address.prefix_len() < 31 && (host == address.network() || host == address.broadcast());
    if whole || !is_unicast(host) || host.is_link_local() {
        return Err("it is not the address of a host".to_owned());
    }
    match avoid.iter().find(|other| overlap(**other, address)) {
        Some(other) => Err(format!(
            "its network {} overlaps {other}, which the box uses elsewhere",
            address.trunc()
        )),
        None => Ok(address),
    }
}

fn resolvers(grant: &Grant) -> Vec<Ipv4Addr> {
    let mut servers = Vec::new();
    for server in &grant.resolvers {
        if is_unicast(*server) && *server != grant.address && !servers.contains(server) {
            servers.push(*server);
        }
    }
    servers
}

/// Another host of the same network.
fn is_neighbour(router: Ipv4Addr, address: Ipv4Net) -> bool {
    let whole =
        address.prefix_len() < 31 && (router == address.network() || router == address.broadcast());
    address.contains(&router) && router != address.addr() && !whole
}

fn taken(router: Ipv4Addr, avoid: &BTreeSet<Ipv4Net>) -> bool {
    avoid.iter().any(|net| net.contains(&router))
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// An address of one host: not of "this network" (RFC 791), loopback, multicast or reserved (RFC 1112 section 4).
fn is_unicast(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(address: &str, netmask: &str, router: &str) -> Grant {
        Grant {
            address: address.parse().unwrap(),
            netmask: netmask.parse().ok(),
            router: router.parse().ok(),
            resolvers: Vec::new(),
            server: None,
            until: Duration::from_secs(60),
        }
    }

    fn avoid(nets: &[&str]) -> BTreeSet<Ipv4Net> {
        nets.iter().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn ordinary_grant_is_used_whole() {
        let verdict = judge(
            &grant("192.168.1.7", "255.255.255.0", "192.168.1.1"),
            &avoid(&["10.31.7.0/24"]),
        );
        let lease = verdict.lease.unwrap();
        assert_eq!(lease.address.to_string(), "192.168.1.7/24");
        assert_eq!(lease.router, Some(Ipv4Addr::new(192, 168, 1, 1)));
        assert_eq!(verdict.complaint, None);
    }

    #[test]
    fn address_that_would_do_harm_is_refused_with_the_reason() {
        for (address, netmask, reason) in [
            ("192.168.1.7", "0.0.0.0", "/0 does not exist"),
            ("192.168.1.7", "", "no netmask"),
            ("192.168.1.7", "255.0.255.0", "no netmask"),
            ("192.168.1.0", "255.255.255.0", "not the address of a host"),
            (
                "192.168.1.255",
                "255.255.255.0",
                "not the address of a host",
            ),
            ("127.0.0.1", "255.0.0.0", "not the address of a host"),
            ("240.0.0.1", "255.0.0.0", "not the address of a host"),
            ("169.254.3.3", "255.255.0.0", "not the address of a host"),
            ("10.31.7.20", "255.255.255.0", "overlaps 10.31.7.0/24"),
            ("10.1.2.3", "255.0.0.0", "overlaps 10.31.7.0/24"),
        ] {
            let verdict = judge(&grant(address, netmask, ""), &avoid(&["10.31.7.0/24"]));
            assert_eq!(verdict.lease, None, "{address}");
            let complaint = verdict.complaint.unwrap();
            assert!(complaint.contains(reason), "{address}: {complaint}");
        }
    }

    #[test]
    fn router_elsewhere_is_left_out_and_the_address_used() {
        for router in ["192.168.2.1", "192.168.1.7", "192.168.1.255", "0.0.0.0"] {
            let verdict = judge(&grant("192.168.1.7", "255.255.255.0", router), &avoid(&[]));
            assert_eq!(verdict.lease.unwrap().router, None, "{router}");
            assert!(verdict.complaint.unwrap().contains("no way out"));
        }
    }

    #[test]
    fn the_box_itself_and_nonsense_are_no_name_servers() {
        let mut grant = grant("192.168.1.7", "255.255.255.0", "192.168.1.1");
        grant.resolvers = ["127.0.0.1", "192.168.1.7", "9.9.9.9", "0.0.0.0", "9.9.9.9"]
            .map(|text| text.parse().unwrap())
            .into();
        let lease = judge(&grant, &avoid(&[])).lease.unwrap();
        assert_eq!(lease.resolvers, [Ipv4Addr::new(9, 9, 9, 9)]);
    }

    proptest! {
        #[test]
        fn whatever_is_granted_what_is_used_is_sane(
            address in any::<u32>(), netmask in any::<u32>(), prefix in 0_u32..=32, even in any::<bool>(),
            router in any::<u32>(), near in any::<bool>(),
        ) {
            let netmask = if even { u32::MAX.checked_shl(32 - prefix).unwrap_or(0) } else { netmask };
            let router = if near { address ^ (router & !netmask) } else { router };
            let avoid = avoid(&["10.31.7.0/24", "192.168.77.0/24"]);
            let grant = Grant {
                address: address.into(),
                netmask: Some(netmask.into()),
                router: Some(router.into()),
                resolvers: vec![router.into()],
                server: None,
                until: Duration::ZERO,
            };
            let verdict = judge(&grant, &avoid);
            prop_assert!(verdict.lease.is_some() || verdict.complaint.is_some());
            if let Some(lease) = verdict.lease {
                prop_assert!(lease.address.prefix_len() >= SHORTEST_PREFIX);
                prop_assert!(is_unicast(lease.address.addr()));
                prop_assert!(!avoid.iter().any(|net| overlap(*net, lease.address)));
                if let Some(router) = lease.router {
                    prop_assert!(lease.address.contains(&router));
                    prop_assert!(router != lease.address.addr());
                }
            }
        }
    }
}
