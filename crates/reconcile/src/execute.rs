//! Carrying out one step: apply, then verify. Nothing else here changes the system.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use cell_containers::{ContainerState, Containers, ContainersError, ContainersSeen, names};
use cell_model::Timestamp;
use cell_model::container::ImageDigest;
use cell_model::problem::chain;
use cell_model::spec::ContainersSpec;
use cell_model::step::Step;
use cell_packages::PackagesError;

use crate::Parts;
use crate::images::is_awaited;
use crate::resting::Resting;

/// What does not end by then is given up, so that it can be tried again.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// As [`LIMIT`], for containers: they are started one after the other, each in up to a minute on the slowest board.
const CONTAINERS_LIMIT: Duration = Duration::from_secs(30 * 60);

/// As [`LIMIT`], for the proxy: its container may just be starting.
const PROXY_LIMIT: Duration = Duration::from_secs(180);

/// Why a step failed, with all causes in one line.
pub(crate) type StepError = Box<dyn Error + Send + Sync>;

/// Carries a step out and reads back whether it worked.
pub(crate) async fn execute(
    parts: &Parts,
    step: &Step,
    resting: &Resting,
    now: Timestamp,
) -> Result<(), StepError> {
    match step {
        Step::Firewall(step) => {
            limited(LIMIT, parts.firewall.apply(step)).await?;
            limited(LIMIT, parts.firewall.verify(step)).await
        }
        Step::Network(step) => {
            limited(LIMIT, parts.network.apply(step)).await?;
            let left = limited(LIMIT, parts.network.verify(&step.spec)).await?;
            if left.is_empty() {
                Ok(())
            } else {
                Err("the kernel does not show what was asked for".into())
            }
        }
        Step::WireGuard(step) => {
            limited(LIMIT, parts.wireguard.apply(step)).await?;
            limited(LIMIT, parts.wireguard.verify(step)).await
        }
        Step::Leaf(spec) => {
            limited(LIMIT, parts.vault.ensure_leaf(spec, now)).await?;
            Ok(())
        }
        Step::Dns(step) => {
            limited(LIMIT, parts.dns.apply(step)).await?;
            limited(LIMIT, parts.dns.verify(step)).await
        }
        Step::Exits(spec) => {
            // A tunnel that cannot be made keeps nobody from other ways.
            let made = limited(LIMIT, parts.tunnels.apply(&spec.tunnels)).await;
            let verified = match made {
                Ok(()) => limited(LIMIT, parts.tunnels.verify(&spec.tunnels)).await,
                Err(error) => Err(error),
            };
            limited(LIMIT, parts.exits.apply(spec)).await.and(verified)
        }
        Step::Web(spec) => limited(LIMIT, parts.listener.apply(spec)).await,
        Step::Mdns(spec) => {
            limited(LIMIT, parts.mdns.apply(spec.as_ref())).await?;
            limited(LIMIT, parts.mdns.verify(spec.as_ref())).await
        }
        Step::Containers(spec) => {
            // One that cannot be brought keeps nobody but its own service.
            let brought = bring(parts, spec).await;
            // What starts finds what it is handed; what is not so far fails, and is started again.
            let handed = limited(LIMIT, parts.handing.hand(spec, now)).await;
            let running = in_time(CONTAINERS_LIMIT, to_tell(parts, spec)).await;
            let applied = limited(CONTAINERS_LIMIT, apply(parts, spec, resting)).await;
            let told = match running {
                Ok(running) => in_time(CONTAINERS_LIMIT, tell(parts, spec, running)).await,
                Err(error) => Err(error),
            };
            // Why an image was not brought tells more than that it is not there.
            brought.and(handed).and(applied).and(told)
        }
        Step::Proxy(spec) => limited(PROXY_LIMIT, parts.proxy.apply(spec.as_ref())).await,
    }
}

/// A service whose images are being fetched waits for them, and is then asked for once more.
async fn apply(
    parts: &Parts,
    spec: &ContainersSpec,
    resting: &Resting,
) -> Result<(), ContainersError> {
    let resting = resting.now();
    match parts.containers.apply(spec, &resting).await {
        Err(ContainersError::ImageMissing(image))
            if is_awaited(spec, &parts.library, &image.digest) =>
        {
            Ok(())
        }
        applied => applied,
    }
}

/// Containers that run, by name, and since when.
type Running = BTreeMap<String, i64>;

/// The containers that run, and have not been told that they are handed something else.
async fn to_tell(parts: &Parts, spec: &ContainersSpec) -> Result<Running, StepError> {
    let untold = parts.handing.untold();
    if untold.is_empty() || spec.services.is_empty() {
        return Ok(Running::new());
    }
    match parts.containers.observe().await {
        // Nothing runs yet.
        Err(ContainersError::Connect(_)) => Ok(Running::new()),
        seen => Ok(running(seen?)),
    }
}

fn running(seen: ContainersSeen) -> Running {
    let containers = seen.containers.into_iter();
    let running = containers.filter(|(_, found)| found.state == ContainerState::Running);
    running.map(|(name, found)| (name, found.started)).collect()
}

/// Tells those of these containers that still run what they are handed now. Those that were started since have found it.
async fn tell(parts: &Parts, spec: &ContainersSpec, before: Running) -> Result<(), StepError> {
    let untold = parts.handing.untold();
    let now = match untold.is_empty() || before.is_empty() {
        true => Running::new(),
        false => running(parts.containers.observe().await?),
    };
    let mut first = Ok(());
    for (id, hand) in untold {
        let services = spec.services.iter().filter(|service| service.id == id);
        let containers = services.flat_map(|service| &service.containers);
        let mut all = true;
        for container in containers.filter(|container| container.hands.contains(&hand)) {
            let name = names::container(&id, &container.name);
            let since = now.get(&name);
            let is_same = since.is_some() && since == before.get(&name);
            if !is_same || container.reload.is_empty() {
                continue;
            }
            let command = &container.reload;
            let told = parts.containers.run(&id, &container.name, command).await;
            if let Err(error) = told {
                tracing::warn!(service = %id, container = %container.name, error = chain(&error), "it does not take what it is handed");
                all = false;
                first = first.and(Err(chain(&error).into()));
            }
        }
        if all {
            parts.handing.told(&id, hand);
        }
    }
    first
}

/// Brings the images that are needed and not there, as far as the box has them. The first failure is told at the end.
async fn bring(parts: &Parts, spec: &ContainersSpec) -> Result<(), StepError> {
    let mut first = Ok(());
    for image in spec.images() {
        if !parts.library.has_image(&image) {
            continue;
        }
        match parts.containers.has_image(image).await {
            Ok(true) => {}
            Ok(false) => {
                let library = Arc::clone(&parts.library);
                let write = move |pipe| library.write_archive(&image, pipe);
                let handed_over = hand_over(&*parts.containers, image, write);
                let brought = limited(CONTAINERS_LIMIT, handed_over).await;
                first = first.and(brought);
            }
            // Whoever asks next is told the same.
            Err(_) => return first,
        }
    }
    first
}

/// Why an image is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BringError {
    /// Its archive cannot be made.
    #[error("an image cannot be brought")]
    Packages(#[source] PackagesError),
    /// Podman does not take it.
    #[error("an image is not taken")]
    Containers(#[source] ContainersError),
    /// Podman made another one of it.
    #[error("the image {0} was brought, and is not there")]
    Other(ImageDigest),
    /// There is no pipe, or nobody to write into it.
    #[error("an image cannot be passed on")]
    Pipe(#[source] io::Error),
}

/// From where an image lies to podman by way of a pipe: the archive is never in memory, and on disk only while it is taken
/// in.
pub(crate) async fn hand_over(
    containers: &dyn Containers,
    image: ImageDigest,
    write: impl FnOnce(PipeWriter) -> Result<(), PackagesError> + Send + 'static,
) -> Result<(), BringError> {
    let (reader, writer) = io::pipe().map_err(BringError::Pipe)?;
    let writing = tokio::task::spawn_blocking(move || write(writer));
    let loaded = containers.load(File::from(OwnedFd::from(reader))).await;
    let written = writing
        .await
        .map_err(|error| BringError::Pipe(io::Error::other(error)))?;
    match (written, loaded) {
        // Podman hung up, and says why.
        (Err(PackagesError::Write(_)), Err(error)) | (Ok(()), Err(error)) => {
            return Err(BringError::Containers(error));
        }
        (Err(error), _) => return Err(BringError::Packages(error)),
        (Ok(()), Ok(())) => {}
    }
    match containers.has_image(image).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(BringError::Other(image)),
        Err(error) => Err(BringError::Containers(error)),
    }
}

/// Runs one act of a part, but not for longer, and keeps why it failed with all its causes.
pub(crate) async fn limited<T, E: Error + Send + Sync + 'static>(
    limit: Duration,
    act: impl Future<Output = Result<T, E>>,
) -> Result<T, StepError> {
    in_time(limit, async {
        act.await.map_err(|error| chain(&error).into())
    })
    .await
}

/// As [`limited`], for what knows itself how to say what went wrong.
async fn in_time<T>(
    limit: Duration,
    act: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    let ended = tokio::time::timeout(limit, act).await;
    ended.unwrap_or_else(|_| Err(format!("no end within {} s", limit.as_secs()).into()))
}
