//! Whether services that run are well, and when one that ended is started again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cell_containers::{ContainerState, Containers, ContainersSeen, names};
use cell_model::Timestamp;
use cell_model::name::ServiceId;
use cell_model::problem::chain;
use cell_model::spec::{ContainerSpec, ContainersSpec, ServiceSpec};
use cell_model::status::{NextStatus, Part, ServiceStatus, State};
use cell_plan::services;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::execute::limited;
use crate::images::Images;
use crate::resting::Resting;
use crate::{Nudge, Parts, Published};

/// How each service is that runs.
pub type ServicesStatus = Arc<BTreeMap<ServiceId, ServiceStatus>>;
/// How far that is which services become.
pub type NextsStatus = Arc<BTreeMap<ServiceId, NextStatus>>;

const WELL: &str = "It runs, and is well.";
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Who is well says so by then; the others are heard at the next look.
const SOON: Duration = Duration::from_millis(500);
/// How long podman may take to say what there is.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause before a container that ended is started again: doubled from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Who does not run so long after it was asked for has ended already.
const STARTING: Duration = Duration::from_secs(30);
/// Who ran for so long ended for another reason than the last time.
const STEADY: Duration = Duration::from_secs(600);

/// The services that are looked after.
pub(crate) struct Watched {
    /// How each is.
    pub(crate) services: watch::Receiver<ServicesStatus>,
    /// How far that is which they become.
    pub(crate) next: watch::Receiver<NextsStatus>,
    /// Whoever looks after them.
    pub(crate) task: JoinHandle<()>,
}

/// Starts to look after the services.
pub(crate) fn watch(
    parts: &Parts,
    published: watch::Receiver<Arc<Published>>,
    nudge: mpsc::Sender<Nudge>,
    clock: fn() -> Timestamp,
    resting: Resting,
) -> Watched {
    let (status, services) = watch::channel(ServicesStatus::default());
    let (next, nexts) = watch::channel(NextsStatus::default());
    let watch = Watch {
        containers: Arc::clone(&parts.containers),
        published,
        nudge,
        status,
        next,
        clock,
        resting,
        known: BTreeMap::new(),
        tries: JoinSet::new(),
        trying: BTreeSet::new(),
        images: Images::new(parts),
        proxy_began: false,
    };
    Watched {
        services,
        next: nexts,
        task: tokio::spawn(watch.run()),
    }
}

struct Watch {
    containers: Arc<dyn Containers>,
    published: watch::Receiver<Arc<Published>>,
    nudge: mpsc::Sender<Nudge>,
    status: watch::Sender<ServicesStatus>,
    next: watch::Sender<NextsStatus>,
    clock: fn() -> Timestamp,
    resting: Resting,
    /// Containers by their names.
    known: BTreeMap<String, Known>,
    /// Tries on their way, of which containers, and on which data they work.
    tries: JoinSet<(String, u32, Result<(), String>)>,
    trying: BTreeSet<String>,
    images: Images,
    /// The proxy was started, and knows of nothing: it keeps nothing of what it is told.
    proxy_began: bool,
}

/// What is known of a container that runs, or should.
#[derive(Debug, Default)]
struct Known {
    /// The number of the data it works on. After an update nothing of before counts.
    data: u32,
    /// When it was started last, as podman says; of one that ended, that time.
    started: Option<i64>,
    /// Since when it runs, as far as that was seen.
    running_since: Option<Instant>,
    /// When it was tried last, and what came of it.
    tried: Option<(Instant, Result<(), String>)>,
    /// Tries in a row that went wrong.
    failures: u32,
    /// It was well since it was started.
    was_well: bool,
    /// How often it ended.
    ends: u32,
    /// When it ended, while it has not been started again.
    ended: Option<Instant>,
    /// When it was asked for again after that.
    asked: Option<Instant>,
}

impl Known {
    fn of(data: u32) -> Self {
        Self {
            data,
            ..Self::default()
        }
    }

    /// Whether it ended since that was last taken note of. One that was asked for and is not seen to run ended between
    /// two looks, if it was started at all meanwhile; what cannot be started is as good as ended.
    fn has_ended_anew(&self, started: i64, now: Instant) -> bool {
        match (self.ended, self.asked) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(asked)) => self.started != Some(started) || now - asked > STARTING,
        }
    }
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Health {
    Well,
    Coming(String),
    Unwell(String),
}

impl Watch {
    async fn run(mut self) {
        loop {
            let published = self.published.borrow_and_update().clone();
            let wanted = published
                .spec
                .as_ref()
                .map(|spec| Arc::clone(&spec.containers));
            match wanted.filter(|wanted| is_any_needed(wanted)) {
                Some(wanted) => {
                    self.look(&wanted, &published).await;
                    // What is asked for is another thing now: nothing of before is to be told of it.
                    let is_other = |now: &Arc<Published>| {
                        let spec = now.spec.as_ref();
                        spec.is_none_or(|spec| spec.containers != wanted)
                    };
                    tokio::select! {
                        () = tokio::time::sleep(LOOK) => {}
                        _ = self.published.wait_for(is_other) => {}
                    }
                }
                None => {
                    if let Some(spec) = &published.spec {
                        // Whatever is on its way is wanted no more.
                        let none = ContainersSpec::default();
                        self.images.look(&none, &[], published.tried_revision).await;
                        let kept = spec.containers.kept_images.as_ref();
                        self.images.clear_unneeded(kept, is_quiet(&published)).await;
                    }
                    self.known.clear();
                    self.tell_resting();
                    self.tell(BTreeMap::new());
                    self.tell_next(BTreeMap::new());
                    let due = self
                        .images
                        .clears_at()
                        .map(|due| due.max(Instant::now() + LOOK));
                    tokio::select! {
                        changed = self.published.changed() => if changed.is_err() { return },
                        () = until(due) => {}
                    }
                }
            }
            if self.published.has_changed().is_err() {
                return;
            }
        }
    }

    async fn look(&mut self, wanted: &ContainersSpec, published: &Published) {
        let seen = match limited(PATIENCE, self.containers.observe()).await {
            Ok(seen) => seen,
            Err(error) => {
                let unknown = wanted.services.iter().map(|service| {
                    let how = (State::Unknown, error.to_string(), service.data);
                    (service.id.clone(), how)
                });
                let unknown = unknown.collect();
                self.tell_next(BTreeMap::new());
                return self.tell(unknown);
            }
        };
        let spec = published.spec.as_ref();
        let name_servers = spec.map(|spec| Vec::from_iter(spec.dns.listen.iter().copied()));
        let have_come = self
            .images
            .look(
                wanted,
                &name_servers.unwrap_or_default(),
                published.tried_revision,
            )
            .await;
        if have_come {
            let _ = self.nudge.send(Nudge::Restart(Part::Containers)).await;
        }
        self.take_in(wanted, &seen);
        self.tell_resting();
        self.probe(wanted).await;
        let item = published
            .items
            .iter()
            .find(|item| item.id == Part::Containers.as_str());
        let failed = item.filter(|item| item.state == State::Failed);
        let failed = failed.map(|item| item.detail.clone());
        let mut status = BTreeMap::new();
        for service in &wanted.services {
            let (state, detail) = self.service(service, failed.as_deref());
            status.insert(service.id.clone(), (state, detail, service.data));
        }
        self.tell(status);
        self.tell_next(self.images.next(wanted, failed.as_deref()));
        let kept = wanted.kept_images.as_ref();
        self.images.clear_unneeded(kept, is_quiet(published)).await;
        self.start_again().await;
        if std::mem::take(&mut self.proxy_began) {
            let _ = self.nudge.send(Nudge::Restart(Part::Proxy)).await;
        }
    }

    /// Takes note of what runs and what ended.
    fn take_in(&mut self, wanted: &ContainersSpec, seen: &ContainersSeen) {
        let now = Instant::now();
        let proxy = names::container(&ServiceId::proxy(), &services::proxy_container());
        let asked: BTreeMap<String, u32> = each(wanted)
            .map(|(name, service, _)| (name, service.data))
            .collect();
        self.known.retain(|name, _| asked.contains_key(name));
        for (name, data) in asked {
            let known = self.known.entry(name.clone()).or_default();
            if known.data != data {
                *known = Known::of(data);
            }
            let found = seen.containers.get(&name);
            // That of before an update goes on until there is another one, and says nothing of that.
            let found = found.filter(|found| found.data == Some(data));
            let started = found.map(|found| found.started);
            match found.map(|found| found.state) {
                Some(ContainerState::Running) => {
                    // It was started anew between two looks, and has to show that it is well.
                    if known.started.is_some() && known.started != started {
                        let ends = known.ends;
                        *known = Known {
                            ends,
                            ..Known::of(data)
                        };
                    }
                    known.started = started;
                    self.proxy_began |= name == proxy && known.running_since.is_none();
                    let since = *known.running_since.get_or_insert(now);
                    (known.ended, known.asked) = (None, None);
                    if now - since > STEADY {
                        known.ends = 0;
                    }
                }
                Some(ContainerState::Exited(status))
                    if known.has_ended_anew(started.unwrap_or_default(), now) =>
                {
                    tracing::warn!(container = name, status, "container ended");
                    *known = Known {
                        started,
                        ends: known.ends.saturating_add(1),
                        ended: Some(now),
                        ..Known::of(data)
                    };
                }
                Some(ContainerState::Exited(_)) => {}
                // It is made anew.
                Some(ContainerState::Created | ContainerState::Other) | None => {
                    let ends = known.ends;
                    *known = Known {
                        ends,
                        ..Known::of(data)
                    };
                }
            }
        }
    }

    /// Tries those whose time has come, all at once. A slow one holds up nobody: its end is taken note of when it comes.
    async fn probe(&mut self, wanted: &ContainersSpec) {
        let now = Instant::now();
        for (name, service, container) in each(wanted) {
            let known = &self.known[&name];
            let interval = match known.was_well {
                true => Duration::from_secs(container.health.interval_s.into()),
                // Somebody waits for it.
                false => LOOK,
            };
            let last = known.tried.as_ref().map(|(at, _)| *at);
            let waits = last.is_some_and(|last| now - last < interval);
            if known.running_since.is_none() || waits || !self.trying.insert(name.clone()) {
                continue;
            }
            let containers = Arc::clone(&self.containers);
            let (service, container) = (service.clone(), container.clone());
            self.tries.spawn(async move {
                let outcome = containers.probe(&service, &container).await;
                (name, service.data, outcome.map_err(|error| chain(&error)))
            });
        }
        let soon = tokio::time::sleep(SOON);
        tokio::pin!(soon);
        loop {
            let tried = tokio::select! {
                tried = self.tries.join_next() => tried,
                () = &mut soon => break,
            };
            let Some(Ok((name, data, outcome))) = tried else {
                break;
            };
            self.trying.remove(&name);
            let known = self.known.get_mut(&name);
            if let Some(known) = known.filter(|known| known.data == data) {
                known.failures = match &outcome {
                    Ok(()) => 0,
                    Err(_) => known.failures.saturating_add(1),
                };
                known.was_well |= outcome.is_ok();
                known.tried = Some((now, outcome));
            }
        }
    }

    fn service(&self, service: &ServiceSpec, failed: Option<&str>) -> (State, String) {
        let mut coming = None;
        let notice = self.images.notice(&service.id);
        for container in &service.containers {
            let name = names::container(&service.id, &container.name);
            match health(&self.known[&name], container) {
                Health::Well => {}
                Health::Unwell(why) => return (State::Failed, why),
                Health::Coming(what) => coming = coming.or(Some(what)),
            }
        }
        match (coming, notice, failed) {
            (None, None, _) => (State::Ok, WELL.to_owned()),
            // One that runs goes on until its successor is here.
            (None, Some((_, notice)), _) => {
                (State::Ok, format!("{WELL} What follows it: {notice}"))
            }
            (Some(_), Some(notice), _) => notice,
            (Some(_), None, Some(failed)) => (State::Failed, failed.to_owned()),
            (Some(what), None, None) => (State::Pending, what),
        }
    }

    /// Has those started again that ended and have waited for it.
    async fn start_again(&mut self) {
        let now = Instant::now();
        let mut any = false;
        for known in self.known.values_mut() {
            let is_due = known
                .ended
                .is_some_and(|ended| now - ended >= pause(known.ends));
            if is_due && known.asked.is_none() {
                known.asked = Some(now);
                any = true;
            }
        }
        if any {
            self.tell_resting();
            let _ = self.nudge.send(Nudge::Restart(Part::Containers)).await;
        }
    }

    /// Who is started because its time has come, or for another reason, takes nobody along whose time has not.
    fn tell_resting(&self) {
        let known = self.known.iter();
        let resting = known.filter(|(_, known)| known.ended.is_some() && known.asked.is_none());
        self.resting
            .set(resting.map(|(name, _)| name.clone()).collect());
    }

    fn tell_next(&self, after: BTreeMap<ServiceId, NextStatus>) {
        if **self.next.borrow() != after {
            self.next.send_replace(Arc::new(after));
        }
    }

    /// Publishes what is so now; since when moves only with the state.
    fn tell(&self, status: BTreeMap<ServiceId, (State, String, u32)>) {
        let now = (self.clock)();
        let before = self.status.borrow().clone();
        let after: BTreeMap<ServiceId, ServiceStatus> = status
            .into_iter()
            .map(|(id, (state, detail, data))| {
                let same = before.get(&id).filter(|before| before.state == state);
                if same.is_none() {
                    tracing::info!(service = %id, state = state.as_str(), detail, "service changed");
                }
                let since = same.map_or(now, |before| before.since);
                let status = ServiceStatus {
                    state,
                    since,
                    detail,
                    data,
                };
                (id, status)
            })
            .collect();
        if *before != after {
            self.status.send_replace(Arc::new(after));
        }
    }
}

/// Whether containers are as asked, and nothing is done about them.
fn is_quiet(published: &Published) -> bool {
    let mut items = published.items.iter();
    let item = items.find(|item| item.id == Part::Containers.as_str());
    item.is_some_and(|item| item.state == State::Ok)
}

/// Waits until then; `None`: for good.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

/// Whether there is anything to look after.
fn is_any_needed(wanted: &ContainersSpec) -> bool {
    !wanted.services.is_empty() || !wanted.next.is_empty()
}

/// All containers, by the names they have in podman.
fn each(wanted: &ContainersSpec) -> impl Iterator<Item = (String, &ServiceSpec, &ContainerSpec)> {
    wanted.services.iter().flat_map(|service| {
        let containers = service.containers.iter();
        containers.map(move |container| {
            let name = names::container(&service.id, &container.name);
            (name, service, container)
        })
    })
}

fn health(known: &Known, container: &ContainerSpec) -> Health {
    let name = &container.name;
    if known.ended.is_some() {
        let pause = pause(known.ends).as_secs();
        return Health::Unwell(format!(
            "{name} ended; it is started again {pause} s after that."
        ));
    }
    let Some(since) = known.running_since else {
        return Health::Coming(format!("{name} is being made."));
    };
    let Some((_, outcome)) = &known.tried else {
        return Health::Coming(format!("{name} starts."));
    };
    let start = Duration::from_secs(container.health.start_s.into());
    match outcome {
        Ok(()) => Health::Well,
        // Once it was well, one failure is none.
        Err(_) if known.was_well && known.failures < container.health.retries.max(1) => {
            Health::Well
        }
        Err(_) if !known.was_well && since.elapsed() < start => {
            Health::Coming(format!("{name} starts."))
        }
        Err(why) => Health::Unwell(format!("{name} runs and is not well: {why}.")),
    }
}

/// How long somebody waits who ended so often.
fn pause(ends: u32) -> Duration {
    let doubled = PAUSE.0.saturating_mul(1 << ends.saturating_sub(1).min(16));
    doubled.min(PAUSE.1)
}
