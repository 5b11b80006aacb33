//! Images of services that did not come with the box: fetched from their sources beside the rounds, then handed to podman.

mod fetch;
mod next;
mod unneeded;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cell_containers::Containers;
use cell_fetch::FetchLink;
use cell_model::container::ImageDigest;
use cell_model::name::ServiceId;
use cell_model::problem::chain;
use cell_model::spec::{ContainersSpec, OriginSpec, ServiceSpec};
use cell_model::status::{Obstacle, State};
use cell_packages::{Incoming, Library};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::Parts;
use fetch::{Fetch, FetchImagesError};
use unneeded::Unneeded;

/// Pause before a source is asked again that did not give what it should: doubled from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// The longest before sticks are looked at again: that is cheap, and nobody tells when one is plugged in.
const PAUSE_OF_STICKS: Duration = Duration::from_secs(20);

/// Services whose images are fetched at a time: each has a process of its own, and a slow source keeps not all others.
const AT_A_TIME: usize = 3;

/// Whether this image is one that is fetched.
pub(crate) fn is_awaited(spec: &ContainersSpec, library: &Library, image: &ImageDigest) -> bool {
    let mut services = spec.services.iter();
    let is_of = |service: &ServiceSpec| service.images().any(|of| of == *image);
    !library.has_image(image)
        && services.any(|service| spec.origins.contains_key(&service.id) && is_of(service))
}

/// What is fetched, and how far that is.
pub(crate) struct Images {
    containers: Arc<dyn Containers>,
    library: Arc<Library>,
    link: Arc<dyn FetchLink>,
    folder: PathBuf,
    /// Images that podman has.
    there: BTreeSet<ImageDigest>,
    on_their_way: BTreeMap<ServiceId, OnTheirWay>,
    tasks: JoinSet<(ServiceId, Result<(), FetchImagesError>)>,
    /// The services whose folders may be there; none before the first look.
    folders: Option<BTreeSet<ServiceId>>,
    /// The revision that was looked at last.
    revision: Option<u64>,
    unneeded: Unneeded,
}

/// The images of a service.
struct OnTheirWay {
    needed: Needed,
    progress: Arc<Progress>,
    failures: u32,
    stage: Stage,
}

/// Images that have to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Needed {
    origin: OriginSpec,
    images: BTreeSet<ImageDigest>,
    /// Not for what the service is, but for what it becomes.
    is_next: bool,
}

enum Stage {
    /// They come.
    Coming(AbortHandle),
    /// They did not.
    Waiting {
        obstacle: Obstacle,
        again: Instant,
        pause: Duration,
    },
}

impl Drop for OnTheirWay {
    fn drop(&mut self) {
        if let Stage::Coming(task) = &self.stage {
            task.abort();
        }
    }
}

/// Bytes that have come, of those that are needed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    fn begin(&self, done: u64, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn sentence(&self) -> String {
        match self.mib() {
            None => "Its source is asked.".to_owned(),
            Some((done, total)) if done >= total => {
                "All of it is fetched, and is unpacked.".to_owned()
            }
            Some((done, total)) => format!("{done} of {total} MiB are fetched."),
        }
    }

    /// MiB that have come, whole ones, of those that are needed; `None` before that is known.
    fn mib(&self) -> Option<(u64, u64)> {
        let (done, total) = (&self.done, &self.total);
        let (done, total) = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
        let whole = total.div_ceil(1 << 20);
        match total {
            0 => None,
            _ if done >= total => Some((whole, whole)),
            _ => Some((done >> 20, whole)),
        }
    }
}

impl Images {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self {
            containers: Arc::clone(&parts.containers),
            library: Arc::clone(&parts.library),
            link: Arc::clone(&parts.fetch),
            folder: parts.incoming.clone(),
            there: BTreeSet::new(),
            on_their_way: BTreeMap::new(),
            tasks: JoinSet::new(),
            folders: None,
            revision: None,
            unneeded: Unneeded::default(),
        }
    }

    /// Begins with what is needed, gives up what is not, and takes note of what has ended. Whether images have come since
    /// the last time of services that wait for them to run.
    pub(crate) async fn look(
        &mut self,
        spec: &ContainersSpec,
        name_servers: &[SocketAddr],
        revision: Option<u64>,
    ) -> bool {
        let any = self.take_in();
        if self.revision != revision {
            self.revision = revision;
            self.end_pauses();
        }
        // Who does not say what it has is asked again; what comes meanwhile comes.
        let Some(needed) = self.needed(spec).await else {
            return any;
        };
        self.on_their_way
            .retain(|id, way| needed.get(id) == Some(&way.needed));
        self.clear(needed.keys().cloned().collect()).await;
        for (id, needed) in needed {
            self.begin(id, needed, name_servers);
        }
        any
    }

    /// With other settings, everything is tried at once.
    fn end_pauses(&mut self) {
        for way in self.on_their_way.values_mut() {
            if let Stage::Waiting { again, .. } = &mut way.stage {
                *again = Instant::now();
                way.failures = 0;
            }
        }
    }

    /// What has to be fetched. What a service becomes comes before what it is: its source may have that no more. `None`:
    /// podman does not say what it has.
    async fn needed(&mut self, spec: &ContainersSpec) -> Option<BTreeMap<ServiceId, Needed>> {
        let mut needed = BTreeMap::new();
        for service in &spec.services {
            let origin = spec.origins.get(&service.id);
            let is_waited_for = spec
                .next
                .values()
                .any(|next| next.needs.contains(&service.id));
            if origin.is_none() && !is_waited_for {
                continue;
            }
            let images = self.missing(service.images()).await?;
            if let Some(one) = self.of(origin, images, false) {
                needed.insert(service.id.clone(), one);
            }
        }
        for (id, next) in &spec.next {
            let images = self.missing(next.images.iter().copied()).await?;
            if let Some(one) = self.of(next.origin.as_ref(), images, true) {
                needed.insert(id.clone(), one);
            }
        }
        Some(needed)
    }

    /// What there is to be said of the images of a service.
    pub(crate) fn notice(&self, id: &ServiceId) -> Option<(State, String)> {
        let way = self.on_their_way.get(id)?;
        let way = (!way.needed.is_next).then_some(way)?;
        Some(match &way.stage {
            Stage::Coming(_) => (State::Pending, way.progress.sentence()),
            Stage::Waiting {
                obstacle, pause, ..
            } => {
                let (why, again) = (&obstacle.why, pause.as_secs());
                let said =
                    format!("It could not be fetched: {why}. That is tried again after {again} s.");
                (State::Failed, said)
            }
        })
    }

    fn take_in(&mut self) -> bool {
        let mut any = false;
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let Ok((task, (id, outcome))) = ended else {
                continue;
            };
            let is_it = |way: &&mut OnTheirWay| matches!(&way.stage, Stage::Coming(coming) if coming.id() == task);
            // One that was given up is not waited for.
            let Some(way) = self.on_their_way.get_mut(&id).filter(is_it) else {
                continue;
            };
            match outcome {
                Ok(()) => {
                    any |= !way.needed.is_next;
                    self.there.extend(&way.needed.images);
                    self.on_their_way.remove(&id);
                }
                Err(error) => {
                    let why = chain(&error);
                    let is_on_stick = way.needed.origin.is_on_stick();
                    match error.wants_a_stick() && way.failures > 0 {
                        false => {
                            tracing::warn!(service = %id, error = why, "images were not fetched");
                        }
                        true => tracing::debug!(service = %id, error = why, "still not there"),
                    }
                    let longest = if is_on_stick {
                        PAUSE_OF_STICKS
                    } else {
                        PAUSE.1
                    };
                    let doubled = PAUSE.0.saturating_mul(1 << way.failures.min(16));
                    let pause = doubled.min(longest);
                    way.failures = way.failures.saturating_add(1);
                    let is_network = error.is_network();
                    way.stage = Stage::Waiting {
                        obstacle: Obstacle { why, is_network },
                        again: Instant::now() + pause,
                        pause,
                    };
                }
            }
        }
        any
    }

    /// What of these images has to be fetched: the others come with the box. `None`: nothing.
    fn of(
        &self,
        origin: Option<&OriginSpec>,
        mut images: BTreeSet<ImageDigest>,
        is_next: bool,
    ) -> Option<Needed> {
        images.retain(|image| !self.library.has_image(image));
        let origin = origin.filter(|_| !images.is_empty())?.clone();
        Some(Needed {
            origin,
            images,
            is_next,
        })
    }

    /// Those of these images that podman does not have. `None`: it does not say.
    async fn missing(
        &mut self,
        images: impl Iterator<Item = ImageDigest>,
    ) -> Option<BTreeSet<ImageDigest>> {
        let mut missing = BTreeSet::new();
        for image in images {
            if self.there.contains(&image) {
                continue;
            }
            match self.containers.has_image(image).await {
                Ok(true) => drop(self.there.insert(image)),
                Ok(false) => drop(missing.insert(image)),
                Err(error) => {
                    tracing::debug!(error = chain(&error), "podman does not say what it has");
                    return None;
                }
            }
        }
        Some(missing)
    }

    /// Takes away what has come of services that do not need it.
    async fn clear(&mut self, needed: BTreeSet<ServiceId>) {
        let is_clear = self
            .folders
            .as_ref()
            .is_some_and(|there| there.is_subset(&needed));
        if is_clear {
            self.folders.get_or_insert_default().extend(needed);
            return;
        }
        let (folder, stay) = (self.folder.clone(), needed.clone());
        let cleared = tokio::task::spawn_blocking(move || {
            Incoming::clear(&folder, |name| stay.iter().any(|id| id.as_str() == name))
        });
        match cleared.await {
            Ok(Ok(())) => self.folders = Some(needed),
            Ok(Err(error)) => {
                tracing::warn!(error = chain(&error), "what nobody needs is not taken away");
            }
            Err(_) => {}
        }
    }

    fn begin(&mut self, id: ServiceId, needed: Needed, name_servers: &[SocketAddr]) {
        let coming = self.on_their_way.values();
        let coming = coming.filter(|way| matches!(way.stage, Stage::Coming(_)));
        if coming.count() >= AT_A_TIME {
            return;
        }
        let failures = match self.on_their_way.get(&id) {
            None => 0,
            Some(way) => match &way.stage {
                Stage::Waiting { again, .. } if *again <= Instant::now() => way.failures,
                _ => return,
            },
        };
        let progress = Arc::new(Progress::default());
        let fetch = Fetch {
            id: id.clone(),
            origin: needed.origin.clone(),
            images: needed.images.iter().copied().collect(),
            name_servers: name_servers.to_vec(),
            folder: self.folder.clone(),
            link: Arc::clone(&self.link),
            containers: Arc::clone(&self.containers),
            progress: Arc::clone(&progress),
        };
        let task = self.tasks.spawn({
            let id = id.clone();
            async move { (id, fetch.run().await) }
        });
        let way = OnTheirWay {
            needed,
            progress,
            failures,
            stage: Stage::Coming(task),
        };
        self.on_their_way.insert(id, way);
    }
}
