//! Podman, asked over its socket.

mod api;
mod body;
mod client;
mod usage;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cell_model::container::{ImageDigest, ImageRef};
use cell_model::name::{PartName, ServiceId};
use cell_model::spec::{ContainerSpec, ContainersSpec, ProbeSpec, ServiceSpec};
use tracing::{info, warn};

use self::api::Image;
use self::client::Client;
use self::usage::Looks;
use crate::copy;
use crate::difference::{Act, additions, removals};
use crate::limits::VolumeLimits;
use crate::log::{self, LogEntry};
use crate::probe::{self, Unwell};
use crate::quota::VolumeRoom;
use crate::render::{self, Limiting, Place};
use crate::seen::{ContainerState, ContainersSeen, Usage};
use crate::{Containers, ContainersError, names, size};

/// How long podman may take to listen: it reads its whole store first.
const STARTING: Duration = Duration::from_secs(120);
/// How long a program may take that is run in a container about something.
const RUNNING: Duration = Duration::from_secs(60);
/// Time between two looks whether it listens.
const LOOK: Duration = Duration::from_millis(200);

/// Where podman is, and where logs go.
#[derive(Debug, Clone)]
pub struct PodmanOptions {
    /// The socket of `podman system service`; only the core may open it.
    pub socket: PathBuf,
    /// Where podman writes what containers say: a folder in memory.
    pub logs: PathBuf,
    /// The same folder, as this process sees it.
    pub logs_here: PathBuf,
    /// Where it has volumes, as this process sees them.
    pub volumes: PathBuf,
    /// Where it finds what is handed to services ([`names::handed`]): a folder in memory.
    pub handed: PathBuf,
    /// The file that is made to have podman started, by whoever looks after it.
    pub wanted: Option<PathBuf>,
}

/// The containers of one podman.
#[derive(Debug)]
pub struct Podman {
    client: Client,
    logs: PathBuf,
    logs_here: PathBuf,
    volumes: PathBuf,
    handed: PathBuf,
    wanted: Option<PathBuf>,
    looks: Mutex<Looks>,
    /// Whether it was told that volumes have no limits.
    told: AtomicBool,
}

impl Podman {
    /// Talks to podman from the first call on.
    pub fn new(options: PodmanOptions) -> Self {
        Self {
            client: Client::new(options.socket),
            logs: options.logs,
            logs_here: options.logs_here,
            volumes: options.volumes,
            handed: options.handed,
            wanted: options.wanted,
            looks: Mutex::default(),
            told: AtomicBool::new(false),
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
            Act::CreateVolume(service, volume, number) => {
                api::create_volume(&self.client, service, volume, number).await
            }
            Act::LimitVolume(service, volume, number, limit) => {
                self.limit_volume(service, volume, number, limit).await
            }
            Act::CopyVolume(service, volume, number, original) => {
                self.copy_volume(service, volume, number, original).await
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
        let log = self.logs.join(log_file(&name));
        let place = Place {
            image_id: &image.id,
            log: &log,
            limiting,
            handed: &self.handed,
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
        limits: &VolumeLimits,
        images: &[Image],
        resting: &BTreeSet<String>,
    ) -> Result<(), ContainersError> {
        for act in additions(service, seen, limiting, limits, resting) {
            self.carry_out(act, limiting, images).await?;
        }
        Ok(())
    }
}

/// What the file is called that a container's words go to.
fn log_file(container: &str) -> String {
    format!("{container}.log")
}

/// Does what waits for the disk, beside the calls.
async fn on_disk<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(act).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn find<'a>(images: &'a [Image], wanted: &ImageRef) -> Result<&'a Image, ContainersError> {
    let found = images.iter().find(|image| image.is(wanted.digest));
    found.ok_or_else(|| ContainersError::ImageMissing(wanted.clone()))
}

#[async_trait]
impl Containers for Podman {
    async fn observe(&self) -> Result<ContainersSeen, ContainersError> {
        let volumes = api::volumes(&self.client, None).await?;
        let is_whole = |name: &&String| copy::is_whole(&self.content(name));
        Ok(ContainersSeen {
            containers: api::containers(&self.client).await?,
            networks: api::networks(&self.client).await?,
            copied: volumes.iter().filter(is_whole).cloned().collect(),
            limits: self.limits_of(&volumes).await?,
            volumes,
        })
    }

    async fn apply(
        &self,
        spec: &ContainersSpec,
        resting: &BTreeSet<String>,
    ) -> Result<(), ContainersError> {
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
        let limits = self.limits_for(spec).await?;
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
            let brought = self
                .bring_up(service, &left, limiting, &limits, &images, resting)
                .await;
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
        if !spec.discarded.is_empty() {
            // Who is told that it is gone does not have it deleted any more.
            note(self.flush().await);
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

    async fn run(
        &self,
        service: &ServiceId,
        container: &PartName,
        command: &[String],
    ) -> Result<(), ContainersError> {
        let name = names::container(service, container);
        let ended = api::execute(&self.client, &name, command, RUNNING).await?;
        match ended {
            Some(0) => Ok(()),
            Some(status) => Err(Unwell::Command(status).into()),
            None => Err(Unwell::TimedOut(RUNNING.as_secs()).into()),
        }
    }

    async fn restart(&self, service: &ServiceSpec) -> Result<(), ContainersError> {
        let seen = api::containers(&self.client).await?;
        for container in &service.containers {
            let name = names::container(&service.id, &container.name);
            // What was made and never started was not read back, and is not started.
            if let Some(ContainerState::Running | ContainerState::Exited(_)) =
                seen.get(&name).map(|found| found.state)
            {
                api::restart(&self.client, &name).await?;
                info!(container = name, "container started anew");
            }
        }
        Ok(())
    }

    async fn usage(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, Usage>, ContainersError> {
        let seen = api::containers(&self.client).await?;
        let of_it = |(name, found): (&String, &crate::ContainerSeen)| {
            let is_its = found.service.as_ref() == Some(&service.id);
            let runs = found.state == ContainerState::Running;
            Some((name.clone(), found.part.clone()?)).filter(|_| is_its && runs)
        };
        let running: BTreeMap<String, PartName> = seen.iter().filter_map(of_it).collect();
        if running.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names: Vec<&str> = running.keys().map(String::as_str).collect();
        let found = usage::look(&self.client, &names).await?;
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let used = found.into_iter().filter_map(|look| {
            let (name, usage) = looks.take_in(look);
            Some((running.get(&name)?.clone(), usage))
        });
        Ok(used.collect())
    }

    async fn log(
        &self,
        service: &ServiceId,
        container: &PartName,
    ) -> Result<Vec<LogEntry>, ContainersError> {
        let name = names::container(service, container);
        let path = self.logs_here.join(log_file(&name));
        let read = on_disk(move || log::tail(&path)).await;
        read.map_err(ContainersError::Log)
    }

    async fn rooms(
        &self,
        service: &ServiceSpec,
    ) -> Result<BTreeMap<PartName, VolumeRoom>, ContainersError> {
        Podman::rooms(self, service).await
    }

    async fn data_size(&self, id: &ServiceId, number: u32) -> Result<u64, ContainersError> {
        let volumes = api::volumes(&self.client, Some((id, number))).await?;
        let folders: Vec<PathBuf> = volumes
            .iter()
            .map(|name| self.volumes.join(name).join("_data"))
            .collect();
        let measured = on_disk(move || {
            let mut folders = folders.into_iter();
            folders.try_fold(0, |bytes, folder| Ok(bytes + size::on_disk(folder)?))
        });
        measured.await.map_err(ContainersError::Measure)
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

    async fn remove_images(&self, kept: &BTreeSet<ImageDigest>) -> Result<usize, ContainersError> {
        let images = api::images(&self.client).await?;
        let is_kept = |image: &&Image| kept.iter().any(|digest| image.is(*digest));
        let (mut gone, mut first) = (0, Ok(()));
        let nameless = images.iter().filter(|image| image.is_nameless());
        for image in nameless.filter(|image| !is_kept(image)) {
            match api::remove_image(&self.client, &image.id).await {
                Ok(true) => {
                    info!(image = image.id, "image that nobody needs was taken away");
                    gone += 1;
                }
                Ok(false) => {}
                Err(error) => first = first.and(Err(error)),
            }
        }
        first.map(|()| gone)
    }
}
