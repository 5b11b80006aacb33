//! What has to be done to get from what there is to what shall be. Pure.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::spec::{ContainerSpec, ContainersSpec, ServiceSpec};

use crate::names;
use crate::render;
use crate::seen::{ContainerState, ContainersSeen};

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act<'a> {
    /// End a container and take it away.
    RemoveContainer(&'a str),
    /// Take a network away; nothing is in it any more.
    RemoveNetwork(&'a str),
    /// Make the network of a service.
    CreateNetwork(&'a ServiceSpec),
    /// Make a volume: the service, and the volume's name.
    CreateVolume(&'a ServiceSpec, &'a cell_model::name::PartName),
    /// Make a container, and see that it is as asked.
    CreateContainer(&'a ServiceSpec, &'a ContainerSpec),
    /// Start one that is there.
    Start(&'a ServiceSpec, &'a ContainerSpec),
}

/// What to take away first, in order.
pub(crate) fn removals<'a>(spec: &ContainersSpec, seen: &'a ContainersSeen) -> Vec<Act<'a>> {
    let mut networks = BTreeMap::new();
    let mut containers = BTreeMap::new();
    for service in &spec.services {
        networks.insert(names::network(&service.id), render::network_digest(service));
        for container in &service.containers {
            let name = names::container(&service.id, &container.name);
            containers.insert(name, render::container_digest(service, container));
        }
    }
    let changed_networks: BTreeSet<_> = seen
        .networks
        .iter()
        .filter(|(name, made_from)| networks.get(*name) != Some(made_from))
        .map(|(name, _)| name.as_str())
        .collect();
    // A container's digest is over its service's network too: it goes with the network.
    let gone = seen
        .containers
        .iter()
        .filter(|(name, container)| containers.get(*name) != Some(&container.made_from))
        .map(|(name, _)| Act::RemoveContainer(name));
    gone.chain(changed_networks.into_iter().map(Act::RemoveNetwork))
        .collect()
}

/// What to make and start of a service then, in order.
pub(crate) fn additions<'a>(service: &'a ServiceSpec, seen: &ContainersSeen) -> Vec<Act<'a>> {
    let mut acts = Vec::new();
    let network = seen.networks.get(&names::network(&service.id));
    if network != Some(&render::network_digest(service)) {
        acts.push(Act::CreateNetwork(service));
    }
    for volume in &service.volumes {
        if !seen.volumes.contains(&names::volume(&service.id, volume)) {
            acts.push(Act::CreateVolume(service, volume));
        }
    }
    for container in &service.containers {
        let name = names::container(&service.id, &container.name);
        let made_from = render::container_digest(service, container);
        let found = seen.containers.get(&name);
        match found.filter(|found| found.made_from == made_from) {
            None => acts.extend([
                Act::CreateContainer(service, container),
                Act::Start(service, container),
            ]),
            Some(found) if found.state != ContainerState::Running => {
                acts.push(Act::Start(service, container));
            }
            Some(_) => {}
        }
    }
    acts
}

#[cfg(test)]
mod tests;
