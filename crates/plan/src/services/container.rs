//! One container of a manifest, with the places of its templates filled, and what its service keeps.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use cell_catalogue::{
    Container, PersonCommand, Probe, Setting, Template, Values, Variable, Volume,
};
use cell_model::config::DataConfig;
use cell_model::name::{PartName, SettingKey};
use cell_model::spec::{
    ContainerSpec, HealthSpec, MountSpec, PersonCommandSpec, ProbeSpec, VolumeSpec,
};

use super::{Installed, Place, ServiceProblem};

/// What is kept, and where. An update on trial works on copies of what the one before had, if its manifest asks for that.
pub(super) fn volumes(service: &Installed<'_>) -> BTreeMap<PartName, VolumeSpec> {
    let DataConfig {
        number, lasting, ..
    } = service.data;
    let original = |volume: &Volume| {
        let former = service.former?;
        let mut had = former.manifest.volumes.iter();
        had.any(|had| had.name == volume.name && had.snapshot)
            .then_some(former.number)
    };
    let of = |volume: &Volume| match volume.snapshot {
        true => VolumeSpec {
            number,
            copy_of: original(volume),
            max_mib: volume.max_mib,
        },
        false => VolumeSpec {
            number: lasting,
            copy_of: None,
            max_mib: volume.max_mib,
        },
    };
    let volumes = service.manifest.volumes.iter();
    volumes
        .map(|volume| (volume.name.clone(), of(volume)))
        .collect()
}

/// What the places of templates are filled with.
pub(super) fn values(service: &Installed<'_>, place: &Place<'_>) -> Result<Values, ServiceProblem> {
    let manifest = service.manifest;
    let find = |key: &SettingKey| manifest.settings.iter().find(|setting| setting.key == *key);
    for (key, answer) in service.answers {
        let setting: &Setting = find(key).ok_or_else(|| ServiceProblem::Unknown(key.clone()))?;
        setting.kind.check(answer).map_err(|error| {
            let key = key.clone();
            ServiceProblem::Answer { key, error }
        })?;
    }
    let mut values = Values::from([
        (Variable::Domain, place.domain.to_string()),
        (Variable::Network, place.pool.to_string()),
        (Variable::TimeZone, place.time_zone.to_string()),
    ]);
    for host in manifest.hosts() {
        let name = format!("{host}.{}", place.domain);
        values.insert(Variable::Host(host.clone()), name);
    }
    for setting in &manifest.settings {
        let answer = service.answers.get(&setting.key).cloned();
        if let Some(value) = answer.or_else(|| setting.kind.default_value()) {
            values.insert(Variable::Setting(setting.key.clone()), value.to_string());
        }
    }
    Ok(values)
}

/// What is run about somebody, with the name's place kept.
pub(super) fn person_command(command: &PersonCommand, values: &Values) -> PersonCommandSpec {
    let mut values = values.clone();
    values.insert(Variable::Username, PersonCommandSpec::WHO.to_owned());
    let words = command.command.iter();
    PersonCommandSpec {
        container: command.container.clone(),
        command: words.map(|word| fill(word, &values)).collect(),
    }
}

pub(super) fn fill(template: &Template, values: &Values) -> String {
    template
        .fill(values)
        .expect("a manifest has no template that its service cannot fill")
}

pub(super) fn container_spec(
    container: &Container,
    address: Ipv4Addr,
    values: &Values,
) -> ContainerSpec {
    let fill = |template: &Template| fill(template, values);
    ContainerSpec {
        name: container.name.clone(),
        image: container.image.clone(),
        command: container.command.iter().map(fill).collect(),
        environment: container
            .environment
            .iter()
            .map(|(key, template)| (key.clone(), fill(template)))
            .collect(),
        capabilities: container.capabilities.clone(),
        limits: container.limits,
        mounts: container
            .mounts
            .iter()
            .map(|mount| MountSpec {
                volume: mount.volume.clone(),
                path: mount.path.clone(),
                read_only: mount.read_only,
            })
            .collect(),
        scratch: container.scratch.clone(),
        hands: container.hands.clone(),
        reload: container.reload.iter().map(fill).collect(),
        address,
        hosts: BTreeMap::new(),
        resolver: None,
        health: HealthSpec {
            probe: match &container.health.probe {
                Probe::Http { port, path } => ProbeSpec::Http {
                    port: *port,
                    path: path.clone(),
                },
                Probe::Tcp { port } => ProbeSpec::Tcp { port: *port },
                Probe::Command(words) => ProbeSpec::Command(words.iter().map(fill).collect()),
            },
            interval_s: container.health.interval_s,
            timeout_s: container.health.timeout_s,
            retries: container.health.retries,
            start_s: container.health.start_s,
        },
    }
}
