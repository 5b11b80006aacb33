//! Steps in words, for a person who is about to say yes.

use cell_model::spec::Phase;
use cell_model::step::{DnsStep, FirewallStep, Step, WireGuardStep};

/// One sentence a step.
pub fn explain(steps: &[Step]) -> Vec<String> {
    steps.iter().map(sentence).collect()
}

fn sentence(step: &Step) -> String {
    match step {
        Step::Firewall(FirewallStep::Replace(spec)) => match spec.phase {
            Phase::Closed => "Close the firewall.".to_owned(),
            Phase::Open => format!(
                "Replace the firewall's rules ({}).",
                devices(spec.peers.len())
            ),
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
        Step::Network(step) => {
            let changes: Vec<String> = step
                .spec
                .interfaces
                .iter()
                .map(|(name, interface)| match interface.gateway {
                    Some(gateway) => format!("{name} to {} by way of {gateway}", interface.address),
                    None => format!("{name} to {}", interface.address),
                })
                .collect();
            if changes.is_empty() {
                "Leave the addresses of all interfaces as they are.".to_owned()
            } else {
                format!("Set the address of {}.", changes.join(", "))
            }
        }
        Step::WireGuard(WireGuardStep::Ensure(spec)) => {
            format!(
                "Set up the VPN interface {} with {}.",
                spec.interface,
                devices(spec.peers.len())
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
        Step::Web(spec) => {
            let listen: Vec<String> = spec.listen.iter().map(ToString::to_string).collect();
            format!("Serve the admin page on {}.", listen.join(", "))
        }
    }
}

/// So many devices, in words.
pub fn devices(number: usize) -> String {
    count(number, "device", "devices")
}

/// So many of something, in words.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
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
        assert_eq!(words.len(), 6);
        assert_eq!(words[1], "Set up the VPN interface wg0 with 0 devices.");
    }
}
