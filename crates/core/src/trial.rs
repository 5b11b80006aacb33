//! Trying what a part is there for.

use std::error::Error;
use std::time::Duration;

use cell_containers::ContainerState;
use cell_control::action::TestResult;
use cell_firewall::FirewallStatus;
use cell_model::problem::chain;
use cell_model::status::{MdnsStatus, Part, State};
use cell_plan::explain::count;

use crate::Core;
use crate::system::System;

/// How long a part is waited for. A person waits, too.
const PATIENCE: Duration = Duration::from_secs(10);

impl Core {
    /// Tries what the part is there for.
    pub(crate) async fn test(&self, part: Part) -> TestResult {
        let tried = match self.system.get() {
            Some(system) => self.try_part(system, part).await,
            None => Err("The box is starting.".to_owned()),
        };
        match tried {
            Ok(detail) => TestResult { ok: true, detail },
            Err(detail) => TestResult {
                ok: false,
                detail: vec![detail],
            },
        }
    }

    async fn try_part(&self, system: &System, part: Part) -> Result<Vec<String>, String> {
        let parts = &system.parts;
        let published = system.published.borrow().clone();
        let spec = published
            .spec
            .clone()
            .ok_or("Nothing was asked of it yet.")?;
        match part {
            Part::Firewall => {
                let seen = answered(parts.firewall.observe()).await?;
                if seen == FirewallStatus::of(&spec.firewall) {
                    Ok(vec![format!(
                        "The kernel holds all rules, for {} devices.",
                        spec.firewall.peers.len()
                    )])
                } else {
                    Err(
                        "The kernel's rules are not what was asked for. Restart the firewall."
                            .to_owned(),
                    )
                }
            }
            Part::Network => {
                let left = answered(parts.network.verify(&spec.network)).await?;
                if left.is_empty() {
                    Ok(vec![
                        "Addresses, default route and forwarding are as asked.".to_owned(),
                    ])
                } else {
                    Err("Addresses, default route or forwarding are not as asked.".to_owned())
                }
            }
            Part::Wireguard => {
                let seen = answered(parts.wireguard.observe()).await?;
                match (&spec.wireguard, seen) {
                    (None, _) => Ok(vec!["There is no VPN before setup.".to_owned()]),
                    (Some(_), None) => Err("The interface does not exist.".to_owned()),
                    (Some(spec), Some(seen)) if seen.peers.len() == spec.peers.len() => {
                        Ok(vec![format!(
                            "{} listens on UDP port {} and knows {} devices.",
                            seen.interface,
                            seen.listen_port,
                            seen.peers.len()
                        )])
                    }
                    (Some(spec), Some(seen)) => Err(format!(
                        "It knows {} devices instead of {}.",
                        seen.peers.len(),
                        spec.peers.len()
                    )),
                }
            }
            Part::Vault => {
                let leaf = parts.vault.leaf().await.ok_or("There is no certificate.")?;
                if leaf.is_due(&spec.leaf, (self.clock)()) {
                    return Err("The certificate is due for renewal.".to_owned());
                }
                Ok(vec![format!(
                    "The certificate is good until {}; fingerprint {}.",
                    leaf.not_after, leaf.fingerprint
                )])
            }
            Part::Dns => {
                let step = cell_model::step::DnsStep::Replace(std::sync::Arc::clone(&spec.dns));
                answered(parts.dns.verify(&step)).await?;
                Ok(vec![
                    "It answers questions for the cell's own names.".to_owned(),
                ])
            }
            Part::Web => {
                let mut detail = Vec::new();
                for address in &spec.web.listen {
                    let connected = tokio::time::timeout(
                        Duration::from_secs(2),
                        tokio::net::TcpStream::connect(address),
                    );
                    match connected.await {
                        Ok(Ok(_)) => detail.push(format!("{address} accepts connections.")),
                        _ => return Err(format!("{address} does not accept connections.")),
                    }
                }
                Ok(detail)
            }
            Part::Containers => {
                if spec.containers.services.is_empty() {
                    return Ok(vec!["No service runs.".to_owned()]);
                }
                let seen = answered(parts.containers.observe()).await?;
                let running = seen.containers.values();
                let running = running
                    .filter(|one| one.state == ContainerState::Running)
                    .count();
                let all: usize = spec
                    .containers
                    .services
                    .iter()
                    .map(|one| one.containers.len())
                    .sum();
                // How each service is, its own page tells.
                let all = count(all, "container", "containers");
                let limits = match seen.limits {
                    Some(_) => "Each has a limit to what it may keep on the disk.",
                    None => {
                        "Nothing limits what services keep on this disk: one of them could fill it."
                    }
                };
                Ok(vec![
                    format!("Podman answers; {running} of {all} run."),
                    limits.to_owned(),
                ])
            }
            Part::Exits => {
                let ways = answered(parts.exits.observe()).await?;
                let well = ways.values().filter(|way| way.state == State::Ok).count();
                Ok(vec![match spec.exits.relays.len() {
                    0 => "All leaves by the uplink.".to_owned(),
                    all => format!("{well} of {} lead out.", count(all, "way", "ways")),
                }])
            }
            Part::Proxy => {
                answered(parts.proxy.verify(spec.proxy.as_ref())).await?;
                Ok(vec!["It has loaded what it shall answer.".to_owned()])
            }
            Part::Mdns => match (&spec.mdns, answered(parts.mdns.observe()).await?) {
                (None, _) => Ok(vec![
                    "There is nobody at home to find the box by name.".to_owned(),
                ]),
                (Some(_), MdnsStatus::Answering { label }) => Ok(vec![format!(
                    "It answers to {} on {}.",
                    label.local_name(),
                    self.settings.options.home()
                )]),
                (Some(_), MdnsStatus::Probing) => {
                    Err("It still finds out whether the name is free.".to_owned())
                }
                (Some(_), MdnsStatus::Taken) => {
                    Err("Other devices have the name and all its alternatives.".to_owned())
                }
                (Some(_), MdnsStatus::Idle) => Err("It answers to no name.".to_owned()),
            },
        }
    }
}

/// What a part answers, if it does so in time.
pub(crate) async fn answered<T, E: Error>(
    act: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, act).await {
        Ok(answer) => answer.map_err(|error| chain(&error)),
        Err(_) => Err(format!(
            "It does not answer within {} s.",
            PATIENCE.as_secs()
        )),
    }
}
