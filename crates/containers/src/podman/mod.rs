//! Podman, asked over its socket.

mod api;
mod body;
mod client;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use cell_model::container::{ImageDigest, ImageRef};
use cell_model::name::ServiceId;
use cell_model::spec::{ContainerSpec, ContainersSpec, ProbeSpec, ServiceSpec};
use tracing::{info, warn};

use self::api::Image;
use self::client::Client;
use crate::difference::{Act, additions, removals};
use crate::probe::{self, Unwell};
use crate::render::{self, Limiting, Place};
use crate::seen::ContainersSeen;
use crate::{Containers, ContainersError, names};

/// How long podman may take to listen: it reads its whole store first.
const STARTING: Duration = Duration::from_secs(120);
/// Time between two looks whether it listens.
const LOOK: Duration = Duration::from_millis(200);

/// Where podman is, and where logs go.
#[derive(Debug, Clone)]
pub struct PodmanOptions {
    /// The socket of `podman system service`; only the core may open it.
    pub socket: PathBuf,
    /// A folder in memory.
    pub logs: PathBuf,
    /// The file that is made to have podman started, by whoever looks after it.
    pub wanted: Option<PathBuf>,
}

/// The containers of one podman.
#[derive(Debug)]
pub struct Podman {
    client: Client,
    logs: PathBuf,
    wanted: Option<PathBuf>,
}

impl Podman {
    /// Talks to podman from the first call on.
    pub fn new(options: PodmanOptions) -> Self {
        Self {
            client: Client::new(options.socket),
            logs: options.logs,
            wanted: options.wanted,
        }
    }

    /// Has podman started, and waits until it listens.
    async fn wake(&self) -> Result<(), ContainersError> {
        let Some(wanted) = &self.wanted else {
            return Ok(());
        };
        if let Some(folder) = wanted.parent() {
            fs::create_dir_all(folder).map_err(ContainersError::Wake)?;
        }
        fs::write(wanted, "").map_err(ContainersError::Wake)?;
        let deadline = tokio::time::Instant::now() + STARTING;
        loop {
            match self.client.connects().await {
                Err(_) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(LOOK).await;
                }
                connected => return connected,
            }
        }
    }

    async fn carry_out(
        &self,
        act: Act<'_>,
        limiting: Limiting,
        images: &[Image],
    ) -> Result<(), ContainersError> {
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
                self.create(service, container, limiting, images).await
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
        limiting: Limiting,
        images: &[Image],
    ) -> Result<(), ContainersError> {
        let image = find(images, &container.image)?;
        let name = names::container(&service.id, &container.name);
        let log = self.logs.join(format!("{name}.log"));
        let place = Place {
            image_id: &image.id,
            log: &log,
            limiting,
        };
        let body = render::container(service, container, &place);
        let warnings = api::create_container(&self.client, &name, &body).await?;
        let made = api::inspect(&self.client, &name).await?;
        let warned = match warnings.is_empty() {
            true => Ok(()),
            false => Err(ContainersError::Mismatch {
                name: name.clone(),
                expected: "all it was told".to_owned(),
                found: warnings.join("; "),
            }),
        };
        let checked = warned.and_then(|()| made.check(&name, service, container, &place));
        if checked.is_err()
            && let Err(error) = api::remove_container(&self.client, &name).await
        {
            // The next round takes it away: what was made and not started is never started.
            warn!(container = name, %error, "container is not taken away");
        }
        checked
    }

    async fn bring_up(
        &self,
        service: &ServiceSpec,
        seen: &ContainersSeen,
        limiting: Limiting,
        images: &[Image],
    ) -> Result<(), ContainersError> {
        for act in additions(service, seen, limiting) {
            self.carry_out(act, limiting, images).await?;
        }
        Ok(())
    }
}

fn find<'a>(images: &'a [Image], wanted: &ImageRef) -> Result<&'a Image, ContainersError> {
    let found = images.iter().find(|image| image.is(wanted.digest));
    found.ok_or_else(|| ContainersError::ImageMissing(wanted.clone()))
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
        if !spec.is_empty() {
            self.wake().await?;
        }
        let seen = match self.observe().await {
            // Where podman never ran, nothing of it runs.
            Err(ContainersError::Connect(_)) if spec.is_empty() => return Ok(()),
            seen => seen?,
        };
        let limiting = api::limiting(&self.client).await?;
        let images = api::images(&self.client).await?;
        if limiting == Limiting::Impossible && !spec.services.is_empty() {
            warn!(
                "the kernel gives podman no cgroups: memory, processor and processes of services are not limited"
            );
        }
        let mut first = Ok(());
        let mut note = |tried: Result<(), ContainersError>| {
            if first.is_ok() {
                first = tried;
            }
        };
        // What runs goes on until its successor can be made.
        let mut left_alone = BTreeSet::new();
        let mut missing = Ok(());
        for service in &spec.services {
            let mut containers = service.containers.iter();
            let all = containers.try_for_each(|part| find(&images, &part.image).map(drop));
            if let Err(error) = all {
                warn!(service = %service.id, %error, "service is left as it is");
                left_alone.insert(service.id.clone());
                missing = missing.and(Err(error));
            }
        }
        let mut left = seen.clone();
        for act in removals(spec, &seen, &left_alone, limiting) {
            match self.carry_out(act, limiting, &images).await {
                Ok(()) => left.forget(act),
                Err(error) => {
                    warn!(%error, "something is not taken away");
                    note(Err(error));
                }
            }
        }
        let services = spec.services.iter();
        for service in services.filter(|service| !left_alone.contains(&service.id)) {
            let brought = self.bring_up(service, &left, limiting, &images).await;
            if let Err(error) = &brought {
                warn!(service = %service.id, %error, "service does not run");
            }
            note(brought);
        }
        for (id, number) in &spec.discarded {
            let removed = self.remove_data(id, *number).await;
            if let Err(error) = &removed {
                warn!(service = %id, %error, "what a service has kept is not deleted");
            }
            note(removed);
        }
        // An image may be on its way; what else went wrong tells more.
        first.and(missing)
    }

    async fn probe(
        &self,
        service: &ServiceSpec,
        container: &ContainerSpec,
    ) -> Result<(), ContainersError> {
        let at = |port| SocketAddrV4::new(container.address, port);
        let limit = Duration::from_secs(container.health.timeout_s.into());
        match &container.health.probe {
            ProbeSpec::Http { port, path } => {
                Ok(probe::within(limit, probe::http(at(*port), path)).await?)
            }
            ProbeSpec::Tcp { port } => Ok(probe::within(limit, probe::tcp(at(*port)))
                .await
                .map(drop)?),
            ProbeSpec::Command(words) => {
                let name = names::container(&service.id, &container.name);
                match api::execute(&self.client, &name, words, limit).await? {
                    Some(0) => Ok(()),
                    Some(status) => Err(Unwell::Command(status).into()),
                    None => Err(Unwell::TimedOut(limit.as_secs()).into()),
                }
            }
        }
    }

    async fn remove_data(&self, id: &ServiceId, number: u32) -> Result<(), ContainersError> {
        for volume in api::volumes(&self.client, Some((id, number))).await? {
            api::remove_volume(&self.client, &volume).await?;
            info!(volume, "what a service had kept was deleted");
        }
        Ok(())
    }

    async fn has_image(&self, digest: ImageDigest) -> Result<bool, ContainersError> {
        self.wake().await?;
        let images = api::images(&self.client).await?;
        Ok(images.iter().any(|image| image.is(digest)))
    }

    async fn load(&self, archive: File) -> Result<(), ContainersError> {
        api::load(&self.client, archive).await
    }
}
