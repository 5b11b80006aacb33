//! Podman, asked over its socket.

mod api;
mod body;
mod client;

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use cell_model::container::{ImageDigest, ImageRef};
use cell_model::name::ServiceId;
use cell_model::spec::{ContainerSpec, ContainersSpec, ProbeSpec, ServiceSpec};
use tracing::{info, warn};

use self::client::Client;
use crate::difference::{Act, additions, removals};
use crate::probe::{self, Unwell};
use crate::render::{self, Place};
use crate::seen::ContainersSeen;
use crate::{Containers, ContainersError, names};

/// Where podman is, and where logs go.
#[derive(Debug, Clone)]
pub struct PodmanOptions {
    /// The socket of `podman system service`; only the core may open it.
    pub socket: PathBuf,
    /// A folder in memory.
    pub logs: PathBuf,
}

/// The containers of one podman.
#[derive(Debug)]
pub struct Podman {
    client: Client,
    logs: PathBuf,
}

impl Podman {
    /// Talks to podman from the first call on.
    pub fn new(options: PodmanOptions) -> Self {
        Self {
            client: Client::new(options.socket),
            logs: options.logs,
        }
    }

    /// Brings an image from an OCI archive (OCI image specification, "image layout", as a tar file).
    ///
    /// # Errors
    /// [`ContainersError`]; what is in the archive is not checked against a digest here but by [`Self::has_image`].
    pub async fn load(&self, archive: &Path) -> Result<(), ContainersError> {
        api::load(&self.client, archive).await
    }

    /// Whether an image is on the box.
    ///
    /// # Errors
    /// [`ContainersError`]
    pub async fn has_image(&self, digest: ImageDigest) -> Result<bool, ContainersError> {
        let images = api::images(&self.client).await?;
        Ok(images.iter().any(|image| image.is(digest)))
    }

    async fn carry_out(&self, act: Act<'_>, has_limits: bool) -> Result<(), ContainersError> {
        match act {
            Act::RemoveContainer(name) => {
                info!(container = name, "container is taken away");
                api::remove_container(&self.client, name).await
            }
            Act::RemoveNetwork(name) => api::remove_network(&self.client, name).await,
            Act::CreateNetwork(service) => api::create_network(&self.client, service).await,
            Act::CreateVolume(service, volume) => {
                api::create_volume(&self.client, service, volume).await
            }
            Act::CreateContainer(service, container) => {
                self.create(service, container, has_limits).await
            }
            Act::Start(service, container) => {
                let name = names::container(&service.id, &container.name);
                api::start(&self.client, &name).await?;
                info!(container = name, "container started");
                Ok(())
            }
        }
    }

    /// Makes a container, and takes it away again when podman made something else of it.
    async fn create(
        &self,
        service: &ServiceSpec,
        container: &ContainerSpec,
        has_limits: bool,
    ) -> Result<(), ContainersError> {
        let image_id = self.image_id(&container.image).await?;
        let name = names::container(&service.id, &container.name);
        let log = self.logs.join(format!("{name}.log"));
        let place = Place {
            image_id: &image_id,
            log: &log,
            has_limits,
        };
        api::create_container(
            &self.client,
            &name,
            &render::container(service, container, &place),
        )
        .await?;
        let made = api::inspect(&self.client, &name).await?;
        if let Err(error) = made.check(&name, service, container, &image_id) {
            api::remove_container(&self.client, &name).await?;
            return Err(error);
        }
        Ok(())
    }

    async fn image_id(&self, image: &ImageRef) -> Result<String, ContainersError> {
        let images = api::images(&self.client).await?;
        let found = images.into_iter().find(|found| found.is(image.digest));
        found
            .map(|found| found.id)
            .ok_or_else(|| ContainersError::ImageMissing(image.clone()))
    }

    async fn bring_up(
        &self,
        service: &ServiceSpec,
        seen: &ContainersSeen,
        has_limits: bool,
    ) -> Result<(), ContainersError> {
        for act in additions(service, seen) {
            self.carry_out(act, has_limits).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Containers for Podman {
    async fn observe(&self) -> Result<ContainersSeen, ContainersError> {
        Ok(ContainersSeen {
            containers: api::containers(&self.client).await?,
            networks: api::networks(&self.client).await?,
            volumes: api::volumes(&self.client, None).await?,
        })
    }

    async fn apply(&self, spec: &ContainersSpec) -> Result<(), ContainersError> {
        let seen = self.observe().await?;
        let has_limits = api::has_limits(&self.client).await?;
        if !has_limits {
            warn!(
                "the kernel gives podman no cgroups: memory, processor and processes of services are not limited"
            );
        }
        for act in removals(spec, &seen) {
            self.carry_out(act, has_limits).await?;
        }
        let mut first = Ok(());
        for service in &spec.services {
            let brought = self.bring_up(service, &seen, has_limits).await;
            if let Err(error) = &brought {
                warn!(service = %service.id, %error, "service does not run");
            }
            first = first.and(brought);
        }
        first
    }

    async fn probe(
        &self,
        service: &ServiceSpec,
        container: &ContainerSpec,
    ) -> Result<(), ContainersError> {
        let at = |port| SocketAddrV4::new(container.address, port);
        let limit = Duration::from_secs(container.health.timeout_s.into());
        probe::within(limit, async {
            match &container.health.probe {
                ProbeSpec::Http { port, path } => Ok(probe::http(at(*port), path).await?),
                ProbeSpec::Tcp { port } => Ok(probe::tcp(at(*port)).await.map(drop)?),
                ProbeSpec::Command(words) => {
                    let name = names::container(&service.id, &container.name);
                    match api::execute(&self.client, &name, words).await? {
                        0 => Ok(()),
                        status => Err(Unwell::Command(status).into()),
                    }
                }
            }
        })
        .await
    }

    async fn remove_data(&self, id: &ServiceId) -> Result<(), ContainersError> {
        for volume in api::volumes(&self.client, Some(id)).await? {
            api::remove_volume(&self.client, &volume).await?;
        }
        Ok(())
    }
}
