//! The status of each part, with the time it last changed, and what a part says of itself.

use std::collections::BTreeSet;

use cell_model::Timestamp;
use cell_model::name::DnsLabel;
use cell_model::spec::{BoxSpec, MdnsSpec, NetworkSpec};
use cell_model::status::{ItemStatus, Part, State};
use cell_model::step::Step;
use cell_plan::explain::{count, peers, with_cells};
use ipnet::Ipv4Net;

/// One line a part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Items(Vec<ItemStatus>);

impl Items {
    /// Nothing is known yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        let unknown = |part: Part| ItemStatus {
            id: part.as_str().to_owned(),
            state: State::Unknown,
            since: now,
            detail: "Not looked at yet.".to_owned(),
        };
        Self(Part::ALL.map(unknown).into())
    }

    /// Sets a part; the time moves only when the state does.
    pub(crate) fn set(&mut self, part: Part, state: State, detail: String, now: Timestamp) {
        let Some(item) = self.0.iter_mut().find(|item| item.id == part.as_str()) else {
            return;
        };
        if item.state != state {
            item.state = state;
            item.since = now;
            match state {
                State::Failed => tracing::warn!(part = part.as_str(), detail, "part failed"),
                _ => tracing::info!(part = part.as_str(), state = state.as_str(), "part changed"),
            }
        }
        item.detail = detail;
    }

    pub(crate) fn state(&self, part: Part) -> State {
        self.0
            .iter()
            .find(|item| item.id == part.as_str())
            .map_or(State::Unknown, |item| item.state)
    }

    pub(crate) fn list(&self) -> Vec<ItemStatus> {
        self.0.clone()
    }
}

/// The part a step is carried out by.
pub(crate) fn part_of(step: &Step) -> Part {
    match step {
        Step::Firewall(_) => Part::Firewall,
        Step::Network(_) => Part::Network,
        Step::WireGuard(_) => Part::Wireguard,
        Step::Leaf(_) => Part::Vault,
        Step::Dns(_) => Part::Dns,
        Step::Exits(_) => Part::Exits,
        Step::Web(_) => Part::Web,
        Step::Mdns(_) => Part::Mdns,
        Step::Containers(_) => Part::Containers,
        Step::Proxy(_) => Part::Proxy,
    }
}

/// What a part that is as asked says of itself.
pub(crate) fn detail(part: Part, spec: &BoxSpec) -> String {
    match part {
        Part::Firewall => format!(
            "Open for {}; everything else is dropped.",
            with_cells(spec.firewall.peers.len(), spec.firewall.links.len())
        ),
        Part::Network => addresses(&spec.network),
        Part::Wireguard => spec.wireguard.as_ref().map_or_else(
            || "There is no VPN before setup.".to_owned(),
            |wireguard| {
                let (port, peers) = (wireguard.listen_port, peers(wireguard));
                format!("{} on UDP port {port} knows {peers}.", wireguard.interface)
            },
        ),
        Part::Vault => match &spec.leaf.domain {
            Some(domain) => format!("The certificate for {domain} is signed by the cell's own CA."),
            None => "A throw-away certificate is shown until setup.".to_owned(),
        },
        Part::Dns => spec.dns.zone.as_ref().map_or_else(
            || "Questions are passed on; there is no zone before setup.".to_owned(),
            |zone| {
                let names = count(zone.names.len(), "name", "names");
                format!("{} answers with {names}.", zone.domain)
            },
        ),
        Part::Exits => match spec.exits.relays.len() {
            0 => "All leaves by the uplink.".to_owned(),
            number => format!(
                "What leaves by {} is carried there.",
                count(number, "way", "ways")
            ),
        },
        Part::Web => {
            let listen: Vec<String> = spec.web.listen.iter().map(ToString::to_string).collect();
            format!("Listens on {}.", listen.join(", "))
        }
        Part::Mdns => found(spec.mdns.as_ref(), None),
        Part::Containers => running(spec) + &unfit(spec),
        Part::Proxy => spec.proxy.as_ref().map_or_else(
            || "No service has pages.".to_owned(),
            |proxy| {
                let names = proxy.hosts.iter().map(|host| host.names.len()).sum();
                format!("It answers for {}.", count(names, "name", "names"))
            },
        ),
    }
}

/// How many services run.
fn running(spec: &BoxSpec) -> String {
    match spec.containers.services.len() {
        0 => "No service runs.".to_owned(),
        number => format!("{} in containers.", count(number, "service", "services")),
    }
}

/// Which services cannot be run as they are.
fn unfit(spec: &BoxSpec) -> String {
    let unfit = spec.unfit_services.iter();
    unfit
        .map(|(id, problem)| format!(" {id} does not run: it {problem}."))
        .collect()
}

/// By which name the box is found; the name is not known at once.
pub(crate) fn found(spec: Option<&MdnsSpec>, found_as: Option<&DnsLabel>) -> String {
    let Some(spec) = spec else {
        return "There is nobody at home to find the box by name.".to_owned();
    };
    let wanted = spec.label.local_name();
    match found_as {
        Some(label) if *label != spec.label => format!(
            "Another device at home is called {wanted}, so the box is found as {}.",
            label.local_name()
        ),
        _ => format!("The box is found at home as {wanted}."),
    }
}

/// Which addresses the interfaces have, and how they came by them.
fn addresses(spec: &NetworkSpec) -> String {
    let dhcp = spec.dhcp.keys().map(|name| {
        let known = spec.interfaces.get(name).map(|known| &known.addresses);
        match known {
            None => format!("{name} asks for an address by DHCP."),
            Some(none) if none.is_empty() => {
                format!("{name} asks for an address by DHCP and has none.")
            }
            Some(own) if own.iter().all(|net| net.addr().is_link_local()) => format!(
                "No DHCP server answers on {name}; it has {} of its own.",
                listed(own)
            ),
            Some(granted) => format!("{name} has {} by DHCP.", listed(granted)),
        }
    });
    let set = spec.interfaces.iter();
    let set = set
        .filter(|(name, _)| !spec.dhcp.contains_key(*name))
        .map(|(name, known)| format!("{name} has {}.", listed(&known.addresses)));
    let sentences: Vec<String> = dhcp.chain(set).collect();
    if sentences.is_empty() {
        return "Addresses of the interfaces are as they were found.".to_owned();
    }
    sentences.join(" ")
}

fn listed(addresses: &BTreeSet<Ipv4Net>) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(" and ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cell_model::spec::{DhcpSpec, InterfaceSpec};

    use super::*;

    #[test]
    fn name_that_was_taken_is_told_with_the_one_that_was_free() {
        let label: DnsLabel = "home".parse().unwrap();
        let spec = MdnsSpec {
            interface: "lan0".parse().unwrap(),
            label: label.clone(),
            addresses: BTreeSet::new(),
            admin_port: None,
        };
        assert!(found(None, None).contains("nobody"));
        for known in [None, Some(&label)] {
            assert_eq!(
                found(Some(&spec), known),
                "The box is found at home as home.local."
            );
        }
        let other = "home-2".parse().unwrap();
        let told = found(Some(&spec), Some(&other));
        assert!(told.ends_with("found as home-2.local."), "{told}");
    }

    #[test]
    fn addresses_are_told_with_how_they_were_come_by() {
        let mut spec = NetworkSpec {
            interfaces: BTreeMap::new(),
            dhcp: BTreeMap::new(),
            forwarding: false,
        };
        assert!(addresses(&spec).contains("as they were found"));
        spec.dhcp = [("wan0".parse().unwrap(), DhcpSpec::default())].into();
        assert_eq!(addresses(&spec), "wan0 asks for an address by DHCP.");
        for (nets, told) in [
            (&[][..], "wan0 asks for an address by DHCP and has none."),
            (&["192.0.2.7/24"], "wan0 has 192.0.2.7/24 by DHCP."),
            (
                &["169.254.7.7/16"],
                "No DHCP server answers on wan0; it has 169.254.7.7/16 of its own.",
            ),
            (
                &["169.254.7.7/16", "192.0.2.7/24"],
                "wan0 has 169.254.7.7/16 and 192.0.2.7/24 by DHCP.",
            ),
        ] {
            let known = InterfaceSpec {
                addresses: nets.iter().map(|net| net.parse().unwrap()).collect(),
                gateway: None,
            };
            spec.interfaces = [("wan0".parse().unwrap(), known)].into();
            assert_eq!(addresses(&spec), told);
        }
        spec.dhcp.clear();
        assert!(addresses(&spec).starts_with("wan0 has 169.254"));
    }
}
