//! The two sides of a router. WAN and LAN must be networks apart: with one network, or one within the other, nothing
//! tells on which side an address is.

use std::fmt;

use cell_model::config::{AddressingConfig, Config, InterfaceConfig};
use cell_model::facts::{NetworkFacts, StartOptions};
use cell_model::name::InterfaceName;
use cell_model::problem::Problem;
use ipnet::{IpNet, Ipv4Net};

/// A network of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Side<'a> {
    name: &'static str,
    interface: &'a InterfaceName,
    network: Ipv4Net,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Asked,
    Found,
}

impl fmt::Display for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            interface,
            network,
            origin,
        } = self;
        let origin = match origin {
            Origin::Asked => "asked for",
            Origin::Found => "found",
        };
        write!(f, "the {name}'s {network} ({origin} on {interface})")
    }
}

/// Refuses a config that gives one side a network of the other. What both sides were found with is no fault of it.
///
/// # Errors
/// 409 `sides_overlap`.
pub fn check(config: &Config, facts: &NetworkFacts, options: &StartOptions) -> Result<(), Problem> {
    let Some((wan, lan)) = overlapping(config, facts, options) else {
        return Ok(());
    };
    let at_fault = match (wan.origin, lan.origin) {
        (_, Origin::Asked) => lan,
        (Origin::Asked, Origin::Found) => wan,
        (Origin::Found, Origin::Found) => return Ok(()),
    };
    Err(Problem::conflict(
        "sides_overlap",
        "WAN and LAN would have the same network",
        format!(
            "{lan} and {wan} overlap, so the box could not tell on which side an address is, and devices at home \
             would lose the internet or the box. Choose another network for the {}.",
            at_fault.name
        )
        .replacen("the", "The", 1),
    ))
}

/// What to know when both sides have one network already.
pub fn finding(config: &Config, facts: &NetworkFacts, options: &StartOptions) -> Option<String> {
    let (wan, lan) = overlapping(config, facts, options)?;
    Some(
        format!(
            "{lan} and {wan} overlap: the box cannot tell on which side an address is, and devices at home may lose \
             the internet. Give the LAN another network."
        )
        .replacen("the", "The", 1),
    )
}

/// The first networks of WAN and LAN that overlap; none on a box with one interface.
fn overlapping<'a>(
    config: &Config,
    facts: &NetworkFacts,
    options: &'a StartOptions,
) -> Option<(Side<'a>, Side<'a>)> {
    let lan = options.lan.as_ref()?;
    let wan = side("WAN", &options.wan, &config.network.wan, facts);
    let lan = side("LAN", lan, &config.network.lan, facts);
    let pairs = wan
        .into_iter()
        .flat_map(|wan| lan.iter().map(move |lan| (wan, *lan)));
    pairs
        .into_iter()
        .find(|(wan, lan)| wan.network.contains(&lan.network) || lan.network.contains(&wan.network))
}

/// The networks a side will have: what is asked for, else what is there.
fn side<'a>(
    name: &'static str,
    interface: &'a InterfaceName,
    config: &InterfaceConfig,
    facts: &NetworkFacts,
) -> Vec<Side<'a>> {
    let side = |network: Ipv4Net, origin| Side {
        name,
        interface,
        network: network.trunc(),
        origin,
    };
    if let AddressingConfig::Static { address, .. } = &config.addressing {
        return vec![side(*address, Origin::Asked)];
    }
    let found = facts
        .addresses(interface)
        .filter_map(|network| match network {
            IpNet::V4(network) => Some(network),
            IpNet::V6(_) => None,
        });
    found
        .filter(|network| !network.addr().is_link_local())
        .map(|network| side(network, Origin::Found))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn asked(address: &str) -> AddressingConfig {
        AddressingConfig::Static {
            address: address.parse().unwrap(),
            gateway: None,
        }
    }

    fn verdict(sample: &Sample) -> Result<(), Problem> {
        check(
            sample.config.as_ref().unwrap(),
            &sample.facts,
            &sample.options,
        )
    }

    fn sample(wan: Option<&str>, lan: Option<&str>) -> Sample {
        let mut sample = Sample::two_armed();
        let network = &mut sample.config.as_mut().unwrap().network;
        if let Some(address) = wan {
            network.wan.addressing = asked(address);
        }
        if let Some(address) = lan {
            network.lan.addressing = asked(address);
        }
        sample
    }

    #[test]
    fn same_or_overlapping_networks_are_refused_whether_asked_for_or_found() {
        for (wan, lan, fault) in [
            (Some("192.168.1.2/24"), Some("192.168.1.1/24"), Some("LAN")),
            (Some("192.168.0.2/16"), Some("192.168.1.1/24"), Some("LAN")),
            (Some("192.168.1.2/24"), Some("192.168.1.9/30"), Some("LAN")),
            (Some("192.168.1.2/24"), Some("192.168.2.1/24"), None),
            // Found: 203.0.113.2/24 on wan0, 192.168.77.1/24 on lan0.
            (None, Some("203.0.113.9/24"), Some("LAN")),
            (Some("192.168.77.9/24"), None, Some("WAN")),
            (Some("192.168.78.9/24"), None, None),
            (None, None, None),
        ] {
            let verdict = verdict(&sample(wan, lan)).err();
            let told = verdict.as_ref().map(|problem| problem.detail.as_str());
            assert_eq!(told.is_some(), fault.is_some(), "{wan:?} {lan:?}: {told:?}");
            if let (Some(told), Some(fault)) = (told, fault) {
                let end = format!("Choose another network for the {fault}.");
                assert!(told.ends_with(&end), "{told}");
            }
        }
    }

    #[test]
    fn refusal_says_which_what_it_means_and_what_to_do() {
        let problem = verdict(&sample(None, Some("203.0.113.9/24"))).unwrap_err();
        assert_eq!((problem.status, &*problem.code), (409, "sides_overlap"));
        assert_eq!(
            problem.detail,
            "The LAN's 203.0.113.0/24 (asked for on lan0) and the WAN's 203.0.113.0/24 (found on wan0) overlap, so the \
             box could not tell on which side an address is, and devices at home would lose the internet or the box. \
             Choose another network for the LAN."
        );
    }

    #[test]
    fn networks_that_were_found_are_told_and_not_refused() {
        let mut sample = Sample::two_armed();
        let config = sample.config.clone().unwrap();
        assert_eq!(finding(&config, &sample.facts, &sample.options), None);
        sample.set_addresses("wan0", &["192.168.77.50/24"]);
        assert_eq!(verdict(&sample), Ok(()));
        let finding = finding(&config, &sample.facts, &sample.options).unwrap();
        assert!(
            finding.starts_with("The LAN's 192.168.77.0/24 (found on lan0)"),
            "{finding}"
        );
    }

    #[test]
    fn box_with_one_interface_has_one_side() {
        let mut sample = sample(Some("192.168.1.2/24"), Some("192.168.1.1/24"));
        sample.options.lan = None;
        assert_eq!(verdict(&sample), Ok(()));
    }
}
