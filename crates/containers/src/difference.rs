//! What has to be done to get from what there is to what shall be. Pure.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::name::{PartName, ServiceId};
use cell_model::spec::{ContainerSpec, ContainersSpec, ServiceSpec};

use crate::limits::{VolumeLimit, VolumeLimits};
use crate::names;
use crate::render::{self, Limiting};
use crate::seen::{ContainerSeen, ContainerState, ContainersSeen};

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act<'a> {
    /// End a container and take it away.
    RemoveContainer(&'a str),
    /// Take a network away; nothing is in it any more.
    RemoveNetwork(&'a str),
    /// Make the network of a service.
    CreateNetwork(&'a ServiceSpec),
    /// Make a volume: the service, the volume's name, and the number it is kept under.
    CreateVolume(&'a ServiceSpec, &'a PartName, u32),
    /// Give one a limit: its service, its name and number, and what it may hold.
    LimitVolume(&'a ServiceSpec, &'a PartName, u32, VolumeLimit),
    /// Copy into one what is kept under another number, given last.
    CopyVolume(&'a ServiceSpec, &'a PartName, u32, u32),
    /// Make a container, and see that it is as asked.
    CreateContainer(&'a ServiceSpec, &'a ContainerSpec),
    /// Start one that is there.
    Start(&'a ServiceSpec, &'a ContainerSpec),
}

/// What to take away first, in order. Of the services in `left_alone` nothing is.
pub(crate) fn removals<'a>(
    spec: &ContainersSpec,
    seen: &'a ContainersSeen,
    left_alone: &BTreeSet<ServiceId>,
    limiting: Limiting,
) -> Vec<Act<'a>> {
    let mut networks = BTreeMap::new();
    let mut containers = BTreeMap::new();
    for service in &spec.services {
        networks.insert(names::network(&service.id), render::network_digest(service));
        for container in &service.containers {
            let name = names::container(&service.id, &container.name);
            let digest = render::container_digest(service, container, limiting);
            containers.insert(name, digest);
        }
    }
    let stay: BTreeSet<_> = left_alone.iter().map(names::network).collect();
    let networks_gone: BTreeSet<_> = seen
        .networks
        .iter()
        .filter(|(name, made_from)| networks.get(*name) != Some(made_from) && !stay.contains(*name))
        .map(|(name, _)| name.as_str())
        .collect();
    let is_gone = |name: &str, container: &ContainerSeen| {
        let service = container.service.as_ref();
        let network = service.map(names::network).unwrap_or_default();
        let as_asked = containers.get(name) == Some(&container.made_from);
        // One that was made and not started was not read back; one that is neither is damaged.
        let is_whole = matches!(
            container.state,
            ContainerState::Running | ContainerState::Exited(_)
        );
        let is_left_alone = service.is_some_and(|id| left_alone.contains(id));
        !is_left_alone && (!as_asked || !is_whole || networks_gone.contains(network.as_str()))
    };
    let containers_gone = seen
        .containers
        .iter()
        .filter(|(name, container)| is_gone(name, container))
        .map(|(name, _)| Act::RemoveContainer(name));
    let networks_gone = networks_gone.iter().copied().map(Act::RemoveNetwork);
    containers_gone.chain(networks_gone).collect()
}

/// What to make and start of a service then, in order. A volume has its limit before anything is written into it; what
/// ended and is among the resting is not started.
pub(crate) fn additions<'a>(
    service: &'a ServiceSpec,
    seen: &ContainersSeen,
    limiting: Limiting,
    limits: &VolumeLimits,
    resting: &BTreeSet<String>,
) -> Vec<Act<'a>> {
    let mut acts = Vec::new();
    let network = seen.networks.get(&names::network(&service.id));
    if network != Some(&render::network_digest(service)) {
        acts.push(Act::CreateNetwork(service));
    }
    for (volume, asked) in &service.volumes {
        let number = asked.number;
        let name = names::volume(&service.id, volume, number);
        if !seen.volumes.contains(&name) {
            acts.push(Act::CreateVolume(service, volume, number));
        }
        if let Some(limit) = limits.get(&name)
            && seen.limits.as_ref().and_then(|seen| seen.get(&name)) != Some(limit)
        {
            acts.push(Act::LimitVolume(service, volume, number, *limit));
        }
        if let Some(original) = asked.copy_of.filter(|_| !seen.copied.contains(&name)) {
            acts.push(Act::CopyVolume(service, volume, number, original));
        }
    }
    for container in &service.containers {
        let name = names::container(&service.id, &container.name);
        let made_from = render::container_digest(service, container, limiting);
        let found = seen.containers.get(&name);
        match found.filter(|found| found.made_from == made_from) {
            None => acts.extend([
                Act::CreateContainer(service, container),
                Act::Start(service, container),
            ]),
            Some(found) if found.state != ContainerState::Running && !resting.contains(&name) => {
                acts.push(Act::Start(service, container));
            }
            Some(_) => {}
        }
    }
    acts
}

impl ContainersSeen {
    /// What is there once something was taken away.
    pub(crate) fn forget(&mut self, act: Act<'_>) {
        match act {
            Act::RemoveContainer(name) => drop(self.containers.remove(name)),
            Act::RemoveNetwork(name) => drop(self.networks.remove(name)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
