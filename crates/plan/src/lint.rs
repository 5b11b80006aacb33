//! What is wrong or risky about a config, before it is made so.

pub mod exits;
pub mod links;
mod publish;

use cell_model::config::{AddressingConfig, AddressingError, Config, RecordData};
use cell_model::facts::{NetworkFacts, is_global};
use cell_model::name::{DnsLabel, InterfaceName};
use cell_model::problem::Problem;
use ipnet::{IpNet, Ipv4Net};

use crate::services;

/// Networks the config and the interfaces stand on, each with what to call it.
fn occupied(config: &Config, facts: &NetworkFacts, ours: &InterfaceName) -> Vec<(Ipv4Net, String)> {
    let mut networks = Vec::new();
    let sides = [("WAN", &config.network.wan), ("LAN", &config.network.lan)];
    for (side, interface) in sides {
        if let AddressingConfig::Static { address, .. } = interface.addressing {
            networks.push((address.trunc(), format!("the {side} network")));
        }
    }
    for (name, interface) in &facts.interfaces {
        if name == ours || services::is_bridge(name) || exits::is_tunnel(name) {
            continue;
        }
        for network in &interface.addresses {
            if let IpNet::V4(network) = network
                && !network.addr().is_loopback()
            {
                networks.push((network.trunc(), format!("the network of interface {name}")));
            }
        }
    }
    networks
}

/// Refuses a config that cannot work. The first reason found is the one told.
pub fn check(
    config: &Config,
    facts: &NetworkFacts,
    vpn_interface: &InterfaceName,
) -> Result<(), Problem> {
    if config.cell.name.is_a_page() {
        let why = "is kept for a page that every box has: no other cell could be linked";
        return Err(Problem::field("cell.name", why));
    }
    let subnet = config.vpn.subnet;
    for (network, name) in occupied(config, facts, vpn_interface) {
        if overlap(network, subnet) {
            return Err(Problem::conflict(
                "subnet_overlap",
                "The VPN's network is taken",
                format!(
                    "{subnet} overlaps {name} ({network}). Choose another network for the VPN."
                ),
            ));
        }
    }
    for (field, interface) in [
        ("network.wan", &config.network.wan),
        ("network.lan", &config.network.lan),
    ] {
        interface.addressing.check().map_err(|error| {
            let part = match error {
                AddressingError::Address => "address",
                AddressingError::Gateway => "gateway",
            };
            Problem::field(format!("{field}.addressing.{part}"), error)
        })?;
    }
    check_services(config, facts, vpn_interface)?;
    links::check(config)?;
    exits::check(config, facts, vpn_interface)?;
    check_records(config)
}

/// Services have their networks for themselves, and their hosts.
fn check_services(
    config: &Config,
    facts: &NetworkFacts,
    vpn_interface: &InterfaceName,
) -> Result<(), Problem> {
    if config.services.installed.is_empty() {
        return Ok(());
    }
    check_services_network(config, facts, vpn_interface)?;
    for host in services::of(config, None).hosts() {
        if let Some(peer) = config.peer_with_label(&host) {
            return Err(name_taken(&host, &format!("The device {peer}")));
        }
        if config.dns.records.iter().any(|record| record.name == host) {
            return Err(name_taken(&host, "A DNS record of yours"));
        }
    }
    Ok(())
}

/// Refuses a network for services that somebody else has.
///
/// # Errors
/// 409, with who has it.
pub fn check_services_network(
    config: &Config,
    facts: &NetworkFacts,
    vpn_interface: &InterfaceName,
) -> Result<(), Problem> {
    let network = config.services.network;
    let mut others = occupied(config, facts, vpn_interface);
    others.push((config.vpn.subnet, "the VPN's network".to_owned()));
    for (other, name) in others {
        if overlap(network, other) {
            return Err(Problem::conflict(
                "subnet_overlap",
                "The network of services is taken",
                format!(
                    "{network} overlaps {name} ({other}). Choose another network for services in the settings."
                ),
            ));
        }
    }
    Ok(())
}

fn name_taken(host: &DnsLabel, by: &str) -> Problem {
    Problem::conflict(
        "name_taken",
        "The name is taken",
        format!("{by} has the name {host} already, and a service needs it. Rename one of them."),
    )
}

/// What to know about a config that can work.
pub fn warnings(config: &Config, facts: &NetworkFacts) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.dns.upstreams.is_empty() && facts.resolvers.is_empty() {
        warnings.push(
            "No DNS server is named and the uplink gave none: only the cell's own names will resolve."
                .to_owned(),
        );
    }
    if config.cell.endpoint.is_none() && !has_global_address(facts) {
        warnings.push(
            "No public address is known: devices will find the box only at home. Set an endpoint."
                .to_owned(),
        );
    }
    warnings.extend(dhcp_warnings(facts));
    warnings
}

/// What to know about the addresses that are asked for by DHCP.
pub fn dhcp_warnings(facts: &NetworkFacts) -> Vec<String> {
    let mut warnings = Vec::new();
    for (interface, known) in &facts.dhcp {
        warnings.extend(known.complaint.clone());
        if let Some(fallback) = known.fallback {
            warnings.push(format!(
                "No DHCP server answers on {interface}: it has the address {} of its own. A computer on the same cable \
                 reaches it there. The box goes on asking.",
                fallback.addr()
            ));
        }
    }
    warnings
}

/// Whether going from one config to the other can cut the person off who does it: the box is no longer where it was, or
/// no longer answers to the name it was reached by.
pub fn is_risky(before: &Config, after: &Config) -> bool {
    moves(before, after) || renames(before, after)
}

/// Whether addresses change.
pub fn moves(before: &Config, after: &Config) -> bool {
    before.network != after.network || before.vpn != after.vpn
}

/// Whether a change is to be held against the networks that are there.
pub fn takes_addresses(before: &Config, after: &Config) -> bool {
    moves(before, after) || exits::takes_addresses(before, after)
}

fn renames(before: &Config, after: &Config) -> bool {
    before.domain != after.domain
}

/// What going from one config to the other means beyond its steps.
pub fn consequences(before: &Config, after: &Config) -> Vec<String> {
    let mut consequences = publish::consequences(before, after);
    if renames(before, after) {
        let (old, new) = (&before.domain.name, &after.domain.name);
        consequences.push(format!(
            "The box stops answering to {old} and admin.{old}; from then on it is {new} and admin.{new}, with \
             certificates issued anew. Open the page at the new name, or at an address of the box, to sign in there and \
             confirm. Devices need their files again to find the new names."
        ));
    }
    consequences
}

/// An own record must not hide a device or the box itself, and a CNAME stands alone (RFC 1034 section 3.6.2).
fn check_records(config: &Config) -> Result<(), Problem> {
    let records = &config.dns.records;
    for (index, record) in records.iter().enumerate() {
        let field = || format!("dns.records.{index}.name");
        if let RecordData::Txt(text) = &record.data
            && text.len() > 255
        {
            return Err(Problem::field(
                format!("dns.records.{index}.value"),
                "must have at most 255 bytes",
            ));
        }
        if record.name.is_reserved() {
            return Err(Problem::conflict(
                "name_reserved",
                "The name is reserved",
                format!(
                    "The box keeps {} for itself. Choose another name.",
                    record.name
                ),
            ));
        }
        if let Some(peer) = config.peer_with_label(&record.name) {
            return Err(Problem::conflict(
                "name_taken",
                "The name is taken",
                format!("The device {peer} has the name {} already.", record.name),
            ));
        }
        let same_name = records
            .iter()
            .enumerate()
            .filter(|(_, other)| other.name == record.name);
        for (other_index, other) in same_name {
            if other_index != index
                && (other.data == record.data || matches!(record.data, RecordData::Cname(_)))
            {
                return Err(Problem::field(
                    field(),
                    "must not stand twice, nor beside a CNAME of the same name",
                ));
            }
        }
    }
    Ok(())
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

fn has_global_address(facts: &NetworkFacts) -> bool {
    let interfaces = facts.interfaces.iter();
    let addresses = interfaces
        .filter(|(name, _)| !exits::is_tunnel(name))
        .flat_map(|(_, interface)| &interface.addresses);
    addresses
        .into_iter()
        .any(|network| is_global(network.addr()))
}

#[cfg(test)]
mod tests {
    use cell_model::config::DnsRecordConfig;
    use cell_model::facts::DhcpFacts;

    use super::*;
    use crate::resolve::vpn_interface;
    use crate::sample::Sample;

    fn verdict(sample: &Sample) -> Result<(), String> {
        let config = sample.config.as_ref().unwrap();
        check(config, &sample.facts, &vpn_interface()).map_err(|problem| problem.code.into_owned())
    }

    #[test]
    fn vpn_may_not_overlap_a_network_that_is_there() {
        let mut sample = Sample::two_armed();
        assert_eq!(verdict(&sample), Ok(()));
        sample.set_addresses("lan0", &["10.31.0.1/16"]);
        assert_eq!(verdict(&sample), Err("subnet_overlap".into()));
    }

    #[test]
    fn own_interface_does_not_count_as_taken() {
        let mut sample = Sample::two_armed();
        sample.set_addresses("wg0", &["10.31.7.1/24"]);
        assert_eq!(verdict(&sample), Ok(()));
    }

    #[test]
    fn record_may_not_hide_a_device_or_the_box() {
        let mut sample = Sample::two_armed();
        sample.add_peer("Anna.Phone", 2);
        for (name, code) in [("anna-phone", "name_taken"), ("admin", "name_reserved")] {
            let config = sample.config.as_mut().unwrap();
            config.dns.records = vec![DnsRecordConfig {
                name: name.parse().unwrap(),
                data: RecordData::A([192, 168, 77, 9].into()),
            }];
            assert_eq!(verdict(&sample), Err(code.into()));
        }
    }

    #[test]
    fn cname_stands_alone() {
        let mut sample = Sample::two_armed();
        let record = |data| DnsRecordConfig {
            name: "nas".parse().unwrap(),
            data,
        };
        let config = sample.config.as_mut().unwrap();
        config.dns.records = vec![
            record(RecordData::A([192, 168, 77, 9].into())),
            record(RecordData::Cname("box.example".parse().unwrap())),
        ];
        assert_eq!(verdict(&sample), Err("invalid_field".into()));
    }

    #[test]
    fn static_address_must_be_a_host_with_a_gateway_beside_it() {
        let mut sample = Sample::two_armed();
        for (address, gateway, fits) in [
            ("192.168.5.1/24", None, true),
            ("192.168.5.0/24", None, false),
            ("192.168.5.255/24", None, false),
            ("127.0.0.1/8", None, false),
            ("192.168.5.1/24", Some("192.168.5.254"), true),
            ("192.168.5.1/24", Some("192.168.6.254"), false),
            ("192.168.5.1/24", Some("192.168.5.1"), false),
        ] {
            let config = sample.config.as_mut().unwrap();
            config.network.wan.addressing = AddressingConfig::Static {
                address: address.parse().unwrap(),
                gateway: gateway.map(|text| text.parse().unwrap()),
            };
            assert_eq!(verdict(&sample).is_ok(), fits, "{address} {gateway:?}");
        }
    }

    #[test]
    fn change_of_addresses_or_of_the_domain_is_risky_and_a_new_name_is_told() {
        let before = Sample::two_armed().config.unwrap();
        let mut after = before.clone();
        after.cell.timezone = "Europe/Vienna".parse().unwrap();
        assert!(!is_risky(&before, &after));
        assert_eq!(consequences(&before, &after), Vec::<String>::new());
        after.domain.name = "cabin.cell".parse().unwrap();
        assert!(is_risky(&before, &after) && !moves(&before, &after));
        let told = consequences(&before, &after);
        assert!(
            told[0].contains("stops answering to hut.cell and admin.hut.cell"),
            "{told:?}"
        );
        let mut after = before.clone();
        after.vpn.subnet = "10.99.0.0/24".parse().unwrap();
        assert!(is_risky(&before, &after) && moves(&before, &after));
        assert_eq!(consequences(&before, &after), Vec::<String>::new());
    }

    #[test]
    fn refused_offer_and_silence_are_told() {
        let mut sample = Sample::two_armed();
        let known = DhcpFacts {
            fallback: Some("169.254.7.7/16".parse().unwrap()),
            complaint: Some("It was refused.".to_owned()),
            ..DhcpFacts::default()
        };
        sample.facts.dhcp.insert("wan0".parse().unwrap(), known);
        let warnings = warnings(sample.config.as_ref().unwrap(), &sample.facts);
        let told = |part: &str| warnings.iter().any(|warning| warning.contains(part));
        assert!(
            told("It was refused.") && told("169.254.7.7"),
            "{warnings:?}"
        );
    }

    #[test]
    fn shared_and_private_addresses_are_not_global() {
        for (address, global) in [
            ("203.0.113.2", true),
            ("100.64.0.1", false),
            ("10.0.0.1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("2001:db8::1", true),
        ] {
            assert_eq!(is_global(address.parse().unwrap()), global, "{address}");
        }
    }
}
