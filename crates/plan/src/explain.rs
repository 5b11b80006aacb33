//! Steps in words, for a person who is about to say yes.

use cell_model::spec::{InterfaceSpec, NetworkSpec, Phase, WireGuardSpec};
use cell_model::step::{DnsStep, FirewallStep, Step, WireGuardStep};

/// One sentence a step.
pub fn explain(steps: &[Step]) -> Vec<String> {
    steps.iter().map(sentence).collect()
}

fn sentence(step: &Step) -> String {
    match step {
        Step::Firewall(FirewallStep::Replace(spec)) => match spec.phase {
            Phase::Closed => "Close the firewall.".to_owned(),
            Phase::Open => {
                let open = match spec.containers.public.is_empty() {
                    true => "",
                    false => "; the internet reaches services at ports 80 and 443",
                };
                format!(
                    "Replace the firewall's rules ({}{open}).",
                    with_cells(spec.peers.len(), spec.links.len())
                )
            }
        },
        Step::Firewall(FirewallStep::PatchPeers { remove, add }) => format!(
            "Change what {} may do in the firewall.",
            devices(
                add.keys()
                    .chain(remove.keys())
                    .collect::<std::collections::BTreeSet<_>>()
                    .len()
            )
        ),
        Step::Network(step) => addresses(&step.spec)
            .unwrap_or_else(|| "Leave the addresses of all interfaces as they are.".to_owned()),
        Step::WireGuard(WireGuardStep::Ensure(spec)) => {
            format!(
                "Set up the VPN interface {} with {}.",
                spec.interface,
                peers(spec)
            )
        }
        Step::WireGuard(WireGuardStep::PatchPeers { remove, set }) => {
            match (remove.len(), set.len()) {
                (0, set) => format!("Let {} connect.", devices(set)),
                (removed, 0) => format!("Cut {} off.", devices(removed)),
                (removed, set) => format!(
                    "Cut {} off and let {} connect.",
                    devices(removed),
                    devices(set)
                ),
            }
        }
        Step::WireGuard(WireGuardStep::Remove) => "Take the VPN interface away.".to_owned(),
        Step::Leaf(_) => "Issue a new certificate for the admin page.".to_owned(),
        Step::Dns(DnsStep::Replace(_)) => "Replace what the name server answers.".to_owned(),
        Step::Dns(DnsStep::PatchNames { remove, set, .. }) => {
            format!(
                "Change {} in DNS.",
                count(remove.len() + set.len(), "name", "names")
            )
        }
        Step::Exits(spec) => match spec.relays.len() {
            0 => "Carry nothing out by another way than the uplink.".to_owned(),
            number => format!("Carry what leaves by {}.", count(number, "way", "ways")),
        },
        Step::Web(spec) => {
            let listen: Vec<String> = spec.listen.iter().map(ToString::to_string).collect();
            format!("Serve the admin page on {}.", listen.join(", "))
        }
        Step::Mdns(Some(spec)) => {
            format!("Be found at home as {}.", spec.label.local_name())
        }
        Step::Mdns(None) => "Be found at home by no name any more.".to_owned(),
        Step::Containers(spec) => match spec.services.len() {
            0 => "Run no services.".to_owned(),
            number => format!("Run {}.", count(number, "service", "services")),
        },
        Step::Proxy(None) => "Answer for no service's pages.".to_owned(),
        Step::Proxy(Some(spec)) => {
            let names = spec.hosts.iter().flat_map(|host| &host.names);
            let names: Vec<&str> = names.map(|name| name.as_str()).collect();
            format!("Answer for {}.", names.join(", "))
        }
    }
}

/// Where the addresses of the interfaces come from, in words; `None` when nothing is said of them.
fn addresses(spec: &NetworkSpec) -> Option<String> {
    let asked = spec.dhcp.keys();
    let asked = asked.map(|name| match spec.interfaces.get(name) {
        None => format!("Ask for the address of {name} by DHCP."),
        Some(known) => match list(known) {
            None => format!("Ask for the address of {name} by DHCP: it has none now."),
            Some(list) if known.addresses.iter().all(|net| net.addr().is_link_local()) => {
                format!(
                    "Ask for the address of {name} by DHCP; no server answers, so it is {list}."
                )
            }
            Some(list) => format!("Use the address {list} that {name} was given by DHCP."),
        },
    });
    let set: Vec<String> = spec
        .interfaces
        .iter()
        .filter(|(name, _)| !spec.dhcp.contains_key(*name))
        .filter_map(|(name, interface)| Some(format!("{name} to {}", list(interface)?)))
        .collect();
    let set = (!set.is_empty()).then(|| format!("Set the address of {}.", set.join(", ")));
    let sentences: Vec<String> = asked.chain(set).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn list(interface: &InterfaceSpec) -> Option<String> {
    let addresses: Vec<String> = interface
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    let addresses = (!addresses.is_empty()).then(|| addresses.join(" and "))?;
    Some(match interface.gateway {
        Some(gateway) => format!("{addresses} by way of {gateway}"),
        None => addresses,
    })
}

/// So many devices, in words.
pub fn devices(number: usize) -> String {
    count(number, "device", "devices")
}

/// The peers of the VPN, in words.
pub fn peers(spec: &WireGuardSpec) -> String {
    let peers = spec.peers.values();
    let cells = peers.filter(|peer| peer.is_box()).count();
    with_cells(spec.peers.len() - cells, cells)
}

/// So many devices and other cells, in words.
pub fn with_cells(number: usize, cells: usize) -> String {
    match cells {
        0 => devices(number),
        cells => format!(
            "{} and {}",
            devices(number),
            count(cells, "other cell", "other cells")
        ),
    }
}

/// So many of something, in words.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use cell_model::config::AddressingConfig;
    use cell_model::facts::DhcpFacts;

    use super::*;
    use crate::diff::{Applied, diff};
    use crate::resolve::resolve;
    use crate::sample::Sample;

    #[test]
    fn removal_of_a_device_is_told_as_such() {
        let mut sample = Sample::two_armed();
        sample.add_peer("phone", 2);
        let applied = Applied::all(&resolve(&sample.input()));
        sample.config.as_mut().unwrap().peers.clear();
        let words = explain(&diff(&applied, &resolve(&sample.input())));
        assert_eq!(
            words,
            [
                "Change what 1 device may do in the firewall.",
                "Cut 1 device off.",
                "Change 1 name in DNS.",
            ]
        );
    }

    #[test]
    fn cold_start_is_told_step_by_step() {
        let words = explain(&diff(
            &Applied::default(),
            &resolve(&Sample::two_armed().input()),
        ));
        assert_eq!(words.len(), 10);
        assert_eq!(words[7], "Be found at home as hut.local.");
        assert_eq!(words[1], "Set up the VPN interface wg0 with 0 devices.");
    }

    #[test]
    fn other_cell_is_not_counted_as_a_device() {
        let mut sample = Sample::two_armed();
        sample.add_peer("phone", 2);
        sample.add_link("cabin", 40);
        let words = explain(&diff(&Applied::default(), &resolve(&sample.input())));
        let with = "1 device and 1 other cell";
        assert_eq!(
            words[1],
            format!("Set up the VPN interface wg0 with {with}.")
        );
        assert!(words[6].contains(with), "{}", words[6]);
    }

    #[test]
    fn way_to_an_address_is_told() {
        let mut sample = Sample::two_armed();
        let config = sample.config.as_mut().unwrap();
        config.network.wan.addressing = AddressingConfig::Dhcp;
        let told = |sample: &Sample| addresses(&resolve(&sample.input()).network).unwrap();
        assert_eq!(told(&sample), "Ask for the address of wan0 by DHCP.");
        let wan = sample.options.wan.clone();
        let mut facts = DhcpFacts::default();
        sample.facts.dhcp.insert(wan.clone(), facts.clone());
        assert!(told(&sample).contains("it has none now"));
        facts.fallback = Some("169.254.7.7/16".parse().unwrap());
        sample.facts.dhcp.insert(wan, facts);
        assert!(told(&sample).contains("no server answers, so it is 169.254.7.7/16"));
        let config = sample.config.as_mut().unwrap();
        config.network.wan.addressing = AddressingConfig::Static {
            address: "192.0.2.10/24".parse().unwrap(),
            gateway: Some("192.0.2.1".parse().unwrap()),
        };
        assert_eq!(
            told(&sample),
            "Set the address of wan0 to 192.0.2.10/24 by way of 192.0.2.1."
        );
    }
}
