//! Containers that only are remembered: for tests of whoever asks for them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::container::ImageDigest;
use cell_model::name::ServiceId;
use cell_model::spec::{ContainerSpec, ContainersSpec, ServiceSpec};

use crate::probe::Unwell;
use crate::render::{self, Limiting};
use crate::seen::{ContainerSeen, ContainerState, ContainersSeen};
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

    async fn apply(&self, spec: &ContainersSpec) -> Result<(), ContainersError> {
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
            seen.volumes
                .extend(volumes.map(|volume| names::volume(&service.id, volume, service.data)));
            for container in &service.containers {
                let found = ContainerSeen {
                    service: Some(service.id.clone()),
                    part: Some(container.name.clone()),
                    state: ContainerState::Running,
                    made_from: render::container_digest(service, container, Limiting::Possible),
                };
                seen.containers
                    .insert(names::container(&service.id, &container.name), found);
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
            Some(ContainerState::Running) => Ok(()),
            _ => Err(Unwell::Answer.into()),
        }
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

    async fn remove_data(&self, id: &ServiceId, number: u32) -> Result<(), ContainersError> {
        let (begin, end) = (format!("{}.", names::network(id)), format!(".{number}"));
        self.willing()?
            .seen
            .volumes
            .retain(|volume| !(volume.starts_with(&begin) && volume.ends_with(&end)));
        Ok(())
    }
}
