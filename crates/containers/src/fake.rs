//! Containers that only are remembered: for tests of whoever asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::Timestamp;
use cell_model::container::ImageDigest;
use cell_model::name::{PartName, ServiceId};
use cell_model::spec::{ContainerSpec, ContainersSpec, ServiceSpec};

use crate::log::LogEntry;
use crate::probe::Unwell;
use crate::quota::VolumeRoom;
use crate::render::{self, Limiting};
use crate::seen::{ContainerSeen, ContainerState, ContainersSeen, Usage};
use crate::{Containers, ContainersError, names};

/// Behaves as if everything had been carried out. Runs nothing.
#[derive(Debug, Default)]
pub struct FakeContainers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: ContainersSeen,
    images: BTreeSet<ImageDigest>,
    next_image: Option<ImageDigest>,
    failing: bool,
    unwell: bool,
    fleeting: bool,
    full: bool,
    ran: Vec<String>,
    deaf: Option<String>,
}

impl FakeContainers {
    /// One that runs nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every call fails (or succeeds again), as if podman were gone.
    pub fn set_failing(&self, failing: bool) {
        self.state().failing = failing;
    }

    /// From now on whatever runs is not well (or is again).
    pub fn set_unwell(&self, unwell: bool) {
        self.state().unwell = unwell;
    }

    /// From now on whatever is started ends before anybody sees it run.
    pub fn set_fleeting(&self, fleeting: bool) {
        self.state().fleeting = fleeting;
    }

    /// From now on volumes hold all that they may (or do not any more).
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// From now on nothing that is run in this container succeeds; `None`: all does again.
    pub fn set_deaf(&self, container: Option<&str>) {
        self.state().deaf = container.map(str::to_owned);
    }

    /// As if a container had ended by itself.
    pub fn end(&self, name: &str, status: i32) {
        if let Some(container) = self.state().seen.containers.get_mut(name) {
            container.state = ContainerState::Exited(status);
        }
    }

    /// The next archive that is loaded holds this image.
    pub fn set_next_image(&self, digest: ImageDigest) {
        self.state().next_image = Some(digest);
    }

    /// As if this image had been brought before.
    pub fn put_image(&self, digest: ImageDigest) {
        self.state().images.insert(digest);
    }

    /// What was run in containers since it was last asked: each the container's name and the words.
    pub fn take_ran(&self) -> Vec<String> {
        std::mem::take(&mut self.state().ran)
    }

    /// Whether this image was brought.
    pub fn has(&self, digest: &ImageDigest) -> bool {
        self.state().images.contains(digest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn willing(&self) -> Result<MutexGuard<'_, State>, ContainersError> {
        let state = self.state();
        match state.failing {
            true => Err(ContainersError::Fake),
            false => Ok(state),
        }
    }
}

#[async_trait]
impl Containers for FakeContainers {
    async fn observe(&self) -> Result<ContainersSeen, ContainersError> {
        Ok(self.willing()?.seen.clone())
    }

    async fn apply(
        &self,
        spec: &ContainersSpec,
        resting: &BTreeSet<String>,
    ) -> Result<(), ContainersError> {
        let mut state = self.willing()?;
        let mut seen = ContainersSeen {
            volumes: std::mem::take(&mut state.seen.volumes),
            ..ContainersSeen::default()
        };
        for service in &spec.services {
            let network = names::network(&service.id);
            seen.networks
                .insert(network, render::network_digest(service));
            let volumes = service.volumes.iter();
            for (volume, asked) in volumes {
                let name = names::volume(&service.id, volume, asked.number);
                if asked.copy_of.is_some() {
                    seen.copied.insert(name.clone());
                }
                seen.volumes.insert(name);
            }
            for container in &service.containers {
                let name = names::container(&service.id, &container.name);
                let before = state.seen.containers.remove(&name);
                let (run, started) = match state.fleeting {
                    true => (
                        ContainerState::Exited(1),
                        before.as_ref().map_or(0, |before| before.started) + 1,
                    ),
                    false => (ContainerState::Running, 0),
                };
                let found = ContainerSeen {
                    service: Some(service.id.clone()),
                    part: Some(container.name.clone()),
                    data: Some(service.data),
                    state: run,
                    made_from: render::container_digest(service, container, Limiting::Possible),
                    started,
                };
                let rests = before.filter(|before| {
                    let has_ended = matches!(before.state, ContainerState::Exited(_));
                    has_ended && before.made_from == found.made_from && resting.contains(&name)
                });
                seen.containers.insert(name, rests.unwrap_or(found));
            }
        }
        state.seen = seen;
        Ok(())
    }

    async fn probe(
        &self,
        service: &ServiceSpec,
        container: &ContainerSpec,
    ) -> Result<(), ContainersError> {
        let name = names::container(&service.id, &container.name);
        let state = self.willing()?;
        let found = state.seen.containers.get(&name).map(|found| found.state);
        match found {
            Some(ContainerState::Running) if !state.unwell => Ok(()),
            _ => Err(Unwell::Answer.into()),
        }
    }

    async fn run(
        &self,
        service: &ServiceId,
        container: &PartName,
        command: &[String],
    ) -> Result<(), ContainersError> {
        let name = names::container(service, container);
        let mut state = self.willing()?;
        match state.seen.containers.get(&name).map(|found| found.state) {
            Some(ContainerState::Running) => {
                state.ran.push(format!("{name}: {}", command.join(" ")));
                match state.deaf.as_ref() == Some(&name) {
                    true => Err(Unwell::Command(1).into()),
                    false => Ok(()),
                }
            }
            _ => Err(Unwell::Command(1).into()),
        }
    }

    async fn restart(&self, service: &ServiceSpec) -> Result<(), ContainersError> {
        let mut state = self.willing()?;
        for container in state.seen.containers.values_mut() {
            if container.service.as_ref() == Some(&service.id) {
                container.state = ContainerState::Running;
                container.started += 1;
            }
        }
        Ok(())
    }

    async fn usage(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, Usage>, ContainersError> {
        let state = self.willing()?;
        let of_it = |seen: &&ContainerSeen| {
            seen.service.as_ref() == Some(&service.id) && seen.state == ContainerState::Running
        };
        let used = Usage {
            memory_bytes: 12 << 20,
            cpu_percent: 3,
            processes: 4,
        };
        let seen = state.seen.containers.values().filter(of_it);
        Ok(seen
            .filter_map(|seen| Some((seen.part.clone()?, used)))
            .collect())
    }

    async fn log(
        &self,
        _: &ServiceId,
        container: &PartName,
    ) -> Result<Vec<LogEntry>, ContainersError> {
        drop(self.willing()?);
        let line = |second, message: &str| LogEntry {
            time: Timestamp::constant(second, 0),
            message: message.to_owned(),
        };
        Ok(vec![
            line(1_795_000_000, &format!("{container} starts")),
            line(1_795_000_002, &format!("{container} listens")),
        ])
    }

    async fn rooms(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, VolumeRoom>, ContainersError> {
        let state = self.willing()?;
        let room = VolumeRoom {
            free_bytes: if state.full { 4_096 } else { 1 << 29 },
            max_bytes: 1 << 30,
            is_full: state.full,
        };
        let volumes = service.volumes.keys();
        Ok(volumes.map(|volume| (volume.clone(), room)).collect())
    }

    async fn data_size(&self, id: &ServiceId, number: u32) -> Result<u64, ContainersError> {
        let (begin, end) = (format!("{}.", names::network(id)), format!(".{number}"));
        let state = self.willing()?;
        let volumes = state.seen.volumes.iter();
        let of_it = volumes.filter(|name| name.starts_with(&begin) && name.ends_with(&end));
        Ok(4_096 * of_it.count() as u64)
    }

    async fn has_image(&self, digest: ImageDigest) -> Result<bool, ContainersError> {
        Ok(self.willing()?.images.contains(&digest))
    }

    async fn load(&self, mut archive: File) -> Result<(), ContainersError> {
        let mut bytes = Vec::new();
        archive
            .read_to_end(&mut bytes)
            .map_err(ContainersError::Archive)?;
        let mut state = self.willing()?;
        let brought = state.next_image.take();
        state.images.extend(brought);
        Ok(())
    }

    async fn remove_images(&self, kept: &BTreeSet<ImageDigest>) -> Result<usize, ContainersError> {
        let mut state = self.willing()?;
        let before = state.images.len();
        state.images.retain(|image| kept.contains(image));
        Ok(before - state.images.len())
    }

    async fn remove_data(&self, id: &ServiceId, number: u32) -> Result<(), ContainersError> {
        let (begin, end) = (format!("{}.", names::network(id)), format!(".{number}"));
        self.willing()?
            .seen
            .volumes
            .retain(|volume| !(volume.starts_with(&begin) && volume.ends_with(&end)));
        Ok(())
    }
}
