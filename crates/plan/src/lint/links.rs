//! What another cell may claim: nothing that is ours, or another's.

use std::net::{IpAddr, Ipv4Addr};

use cell_model::config::{Claims, Config};
use cell_model::facts::NetworkFacts;
use cell_model::key::PublicKey;
use cell_model::name::{CellName, Domain, InterfaceName};
use cell_model::problem::Problem;
use ipnet::IpNet;

use super::{exits, occupied, overlap};

/// Whether another cell's box can be at this address: it is outside of all tunnels, and of one other machine. It may be at
/// home, as two boxes of one house are.
pub fn can_be_called(address: IpAddr, config: &Config) -> bool {
    let address = address.to_canonical();
    let links = config.links.iter().map(|link| &link.claims);
    let mut tunnelled = links
        .clone()
        .map(|claims| &claims.vpn)
        .chain([&config.vpn])
        .flat_map(|vpn| vpn.networks());
    let mut boxes = links.map(|claims| IpAddr::V6(claims.identity.link_address()));
    let is_tunnelled = tunnelled.any(|network| network.contains(&address));
    let is_many = address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST);
    let is_here = address.is_loopback() || address.is_unspecified();
    !(is_tunnelled || is_many || is_here || boxes.any(|of| of == address))
}

/// Refuses what a cell claims that would be linked, or is and claims something else from now on.
///
/// # Errors
/// 409, with the cell that is to be changed.
pub fn check_claims(
    config: &Config,
    own_key: Option<PublicKey>,
    facts: &NetworkFacts,
    vpn_interface: &InterfaceName,
    claims: &Claims,
) -> Result<(), Problem> {
    check_own(config, claims)?;
    let name = &claims.name;
    if name.is_a_page() {
        let detail = format!("{name} is the name of a page. Give that cell another name.");
        return Err(conflict("link_name_page", detail));
    }
    if own_key == Some(claims.wireguard_key) {
        return Err(key_taken(name, "this cell itself"));
    }
    let taken = |network: IpNet, who: &str, other: IpNet| {
        conflict(
            "link_subnet_taken",
            format!(
                "{network}, the VPN's network of the cell {name}, overlaps {who} ({other}). Choose another network for \
                 the VPN of {name}."
            ),
        )
    };
    let mut others = occupied(config, facts, vpn_interface);
    others.push((
        config.services.network,
        "the network of services".to_owned(),
    ));
    for (other, who) in others {
        if overlap(claims.vpn.subnet, other) {
            return Err(taken(claims.vpn.subnet.into(), &who, other.into()));
        }
    }
    let subnet6 = claims.vpn.subnet6;
    for (interface, facts) in &facts.interfaces {
        let mut networks = facts
            .addresses
            .iter()
            .filter(|_| interface != vpn_interface);
        let shared = networks.find(|network| match network {
            IpNet::V6(network) => subnet6.contains(network) || network.contains(&subnet6),
            IpNet::V4(_) => false,
        });
        if let Some(network) = shared {
            let who = format!("the network of interface {interface}");
            return Err(taken(subnet6.into(), &who, network.trunc()));
        }
    }
    for (address, whose) in exits::addresses(config) {
        let mut networks = claims.vpn.networks().into_iter();
        if let Some(network) = networks.find(|network| network.contains(&address)) {
            return Err(taken(network, &whose, address.into()));
        }
    }
    let others = config.links.iter().map(|link| &link.claims);
    let mut others = others.filter(|other| other.identity != claims.identity);
    others.try_for_each(|other| check_two(other, claims))
}

/// Whether a domain is one that people may have on the internet.
pub fn is_public(domain: &Domain) -> bool {
    !domain.is_for_home()
}

/// Refuses links that cannot be beside each other, or beside what this cell is by now.
pub(super) fn check(config: &Config) -> Result<(), Problem> {
    for (at, link) in config.links.iter().enumerate() {
        check_own(config, &link.claims)?;
        if overlap(link.claims.vpn.subnet, config.services.network) {
            return Err(conflict(
                "link_subnet_taken",
                format!(
                    "The network of services, {}, overlaps {}, the VPN's network of the cell {}. Choose another one.",
                    config.services.network, link.claims.vpn.subnet, link.claims.name
                ),
            ));
        }
        let others = config.links.iter().take(at);
        others
            .map(|other| &other.claims)
            .try_for_each(|other| check_two(other, &link.claims))?;
    }
    Ok(())
}

/// This cell beside another.
fn check_own(config: &Config, claims: &Claims) -> Result<(), Problem> {
    let (own, name) = (&config.cell.name, &claims.name);
    if own == name {
        return Err(conflict(
            "link_name_own",
            format!("Both cells are called {name}. Give one of the two another name."),
        ));
    }
    if related(&config.domain.name, &claims.domain) {
        return Err(conflict(
            "link_domain_own",
            format!(
                "{}, the domain of the cell {name}, is the same as {} of the cell {own}, or lies above or below it. \
                 Choose another domain for one of the two.",
                claims.domain, config.domain.name
            ),
        ));
    }
    let mut peers = config.peers.iter();
    if let Some((device, _)) = peers.find(|(_, peer)| peer.public_key == claims.wireguard_key) {
        return Err(key_taken(name, &format!("the device {device} here")));
    }
    let (vpn, other) = (&config.vpn, &claims.vpn);
    if overlap(vpn.subnet, other.subnet) || vpn.subnet6 == other.subnet6 {
        return Err(conflict(
            "link_subnet_own",
            format!(
                "{}, the VPN's network of the cell {name}, overlaps {} of the cell {own}. Choose another network for the \
                 VPN of one of the two.",
                other.subnet, vpn.subnet
            ),
        ));
    }
    Ok(())
}

/// Two other cells, of which the second is the newer.
fn check_two(known: &Claims, claims: &Claims) -> Result<(), Problem> {
    let (first, name) = (&known.name, &claims.name);
    if first == name {
        return Err(conflict(
            "link_name_linked",
            format!("A cell called {name} is linked already. Give one of the two another name."),
        ));
    }
    if known.wireguard_key == claims.wireguard_key {
        return Err(conflict(
            "link_key_linked",
            format!(
                "The cell {name} has the VPN key of the cell {first}, which is linked already."
            ),
        ));
    }
    if related(&known.domain, &claims.domain) {
        return Err(conflict(
            "link_domain_linked",
            format!(
                "{}, the domain of the cell {name}, is the same as {} of the linked cell {first}, or lies above or below \
                 it. Choose another domain for one of the two.",
                claims.domain, known.domain
            ),
        ));
    }
    let (one, other) = (&known.vpn, &claims.vpn);
    if overlap(one.subnet, other.subnet) || one.subnet6 == other.subnet6 {
        return Err(conflict(
            "link_subnet_linked",
            format!(
                "{}, the VPN's network of the cell {name}, overlaps {} of the linked cell {first}. Choose another network \
                 for the VPN of one of the two.",
                other.subnet, one.subnet
            ),
        ));
    }
    Ok(())
}

fn key_taken(name: &CellName, whose: &str) -> Problem {
    conflict(
        "link_key_own",
        format!("The cell {name} has the VPN key of {whose}. Each needs a key of its own."),
    )
}

/// The same, or one below the other.
fn related(one: &Domain, other: &Domain) -> bool {
    let below = |domain: &Domain, above: &Domain| {
        let rest = domain.as_str().strip_suffix(above.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    below(one, other) || below(other, one)
}

fn conflict(code: &'static str, detail: String) -> Problem {
    Problem::conflict(code, "The cells cannot be linked as they are", detail)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cell_model::config::{LinkConfig, VpnConfig};
    use cell_model::key::PublicKey;

    use super::*;
    use crate::resolve::vpn_interface;
    use crate::sample::Sample;

    fn claims(number: u8) -> Claims {
        Claims {
            name: format!("cabin-{number}").parse().unwrap(),
            identity: format!("{number:02x}").repeat(32).parse().unwrap(),
            wireguard_key: PublicKey::from_bytes([number; 32]),
            endpoints: Vec::new(),
            domain: format!("cabin-{number}.cell").parse().unwrap(),
            vpn: VpnConfig {
                subnet: format!("10.40.{number}.0/24").parse().unwrap(),
                subnet6: format!("fd00:{number}::/64").parse().unwrap(),
            },
        }
    }

    fn refusal(sample: &Sample, claims: &Claims) -> Option<Problem> {
        let config = sample.config.as_ref().unwrap();
        let own = Some(PublicKey::from_bytes([99; 32]));
        check_claims(config, own, &sample.facts, &vpn_interface(), claims).err()
    }

    /// With cabin-1 linked.
    fn sample() -> Sample {
        let mut sample = Sample::two_armed();
        sample.config.as_mut().unwrap().links = vec![Arc::new(LinkConfig {
            claims: claims(1),
            services: Default::default(),
            paused: false,
            offers_exit: false,
            created_at: Default::default(),
        })];
        sample
    }

    #[test]
    fn other_boxes_are_called_outside_of_tunnels_alone() {
        let mut sample = Sample::two_armed();
        sample.add_link("cabin", 40);
        let config = sample.config.unwrap();
        let link = config.links[0].claims.identity.link_address();
        for (address, may) in [
            ("203.0.113.7", true),
            ("2001:db8::7", true),
            ("192.168.77.9", true),
            ("127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::1", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("224.0.0.1", false),
            ("10.31.7.9", false),
            ("10.40.0.9", false),
            ("::ffff:10.40.0.9", false),
            ("fd00:40::9", false),
            (&*link.to_string(), false),
        ] {
            let can = can_be_called(address.parse().unwrap(), &config);
            assert_eq!(can, may, "{address}");
        }
    }

    #[test]
    fn cell_claims_nothing_that_is_ours_or_anothers() {
        let sample = sample();
        assert_eq!(refusal(&sample, &claims(2)), None);
        // The same cell may say it again, and something else.
        assert_eq!(refusal(&sample, &claims(1)), None);
        let config = sample.config.as_ref().unwrap();
        let own_domain = config.domain.name.clone();
        type Change = Box<dyn Fn(&mut Claims)>;
        let cases: [(&str, &str, Change); 9] = [
            (
                "link_name_own",
                "hut",
                Box::new(|claims| claims.name = "hut".parse().unwrap()),
            ),
            (
                "link_name_linked",
                "cabin-1",
                Box::new(|claims| claims.name = "cabin-1".parse().unwrap()),
            ),
            (
                "link_domain_own",
                "hut.cell",
                Box::new(move |claims| claims.domain = own_domain.clone()),
            ),
            (
                "link_domain_own",
                "a.hut.cell",
                Box::new(|claims| claims.domain = "a.hut.cell".parse().unwrap()),
            ),
            (
                "link_domain_own",
                "cell",
                Box::new(|claims| claims.domain = "cell".parse().unwrap()),
            ),
            (
                "link_domain_linked",
                "cabin-1",
                Box::new(|claims| claims.domain = "b.cabin-1.cell".parse().unwrap()),
            ),
            (
                "link_subnet_own",
                "cabin-2",
                Box::new(|claims| claims.vpn.subnet = "10.31.0.0/16".parse().unwrap()),
            ),
            (
                "link_subnet_linked",
                "cabin-1",
                Box::new(|claims| claims.vpn.subnet = "10.40.0.0/16".parse().unwrap()),
            ),
            (
                "link_key_linked",
                "cabin-1",
                Box::new(|claims| claims.wireguard_key = PublicKey::from_bytes([1; 32])),
            ),
        ];
        for (code, told, change) in cases {
            let mut claims = claims(2);
            change(&mut claims);
            let found = refusal(&sample, &claims).unwrap();
            assert_eq!((found.status, &*found.code), (409, code), "{claims:?}");
            assert!(found.detail.contains(told), "{found}");
        }
        // Not related: only the letters are alike.
        let mut other = claims(2);
        other.domain = "shut.cell".parse().unwrap();
        assert_eq!(refusal(&sample, &other), None);
    }

    #[test]
    fn network_of_home_or_of_services_is_not_claimed() {
        let mut sample = sample();
        sample.set_addresses("lan0", &["10.40.2.1/24"]);
        assert_eq!(
            refusal(&sample, &claims(2)).unwrap().code,
            "link_subnet_taken"
        );
        let mut others = claims(3);
        others.vpn.subnet = sample.config.as_ref().unwrap().services.network;
        assert_eq!(refusal(&sample, &others).unwrap().code, "link_subnet_taken");
        sample.set_addresses("lan0", &["fd00:4::1/64"]);
        assert_eq!(
            refusal(&sample, &claims(4)).unwrap().code,
            "link_subnet_taken"
        );
    }

    #[test]
    fn network_that_holds_the_address_of_a_tunnel_is_not_claimed() {
        let mut sample = sample();
        sample.add_tunnel("10.40.2.7", "vpn.example.net:51820");
        let refused = refusal(&sample, &claims(2)).unwrap();
        assert_eq!(refused.code, "link_subnet_taken");
        assert!(refused.detail.contains("Sweden"), "{}", refused.detail);
        assert_eq!(refusal(&sample, &claims(3)), None);
    }

    #[test]
    fn key_of_this_cell_or_of_a_device_is_not_claimed() {
        let mut sample = sample();
        sample.add_peer("phone", 7);
        let device = sample.config.as_ref().unwrap().peers.values().next();
        for key in [device.unwrap().public_key, PublicKey::from_bytes([99; 32])] {
            let mut claims = claims(2);
            claims.wireguard_key = key;
            assert_eq!(refusal(&sample, &claims).unwrap().code, "link_key_own");
        }
    }

    #[test]
    fn own_change_does_not_clash_with_a_link() {
        let sample = sample();
        let check = |change: fn(&mut Config)| {
            let mut config = sample.config.clone().unwrap();
            change(&mut config);
            super::super::check(&config, &sample.facts, &vpn_interface())
                .map_err(|problem| problem.code.into_owned())
        };
        assert_eq!(check(|_| {}), Ok(()));
        type Change = fn(&mut Config);
        let clashes: [(&str, Change); 3] = [
            ("link_domain_own", |config| {
                config.domain.name = "x.cabin-1.cell".parse().unwrap()
            }),
            ("link_subnet_own", |config| {
                config.vpn.subnet = "10.40.1.0/25".parse().unwrap()
            }),
            ("link_subnet_taken", |config| {
                config.services.network = "10.40.0.0/16".parse().unwrap()
            }),
        ];
        for (code, change) in clashes {
            assert_eq!(check(change), Err(code.to_owned()));
        }
    }
}
