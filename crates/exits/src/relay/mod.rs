//! What runs in the process: accepts flows that the packet filter leads here, and carries each by its way.
//!
//! ```text
//! device ──▶ listen ─┐                      ┌─▶ where the device wanted to (SO_ORIGINAL_DST)
//!                    ├─▶ Flow ── Way::reach ┤
//! name server ─▶ names ┘                    └─▶ a resolver out there
//! ```

mod carry;
mod pipes;
mod probe;
mod way;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cell_lookup::Resolver;
use cell_model::Timestamp;
use cell_model::spec::{ExitRelaySpec, ExitsSpec};
use cell_model::status::{ExitStatus, State};
use rustix::net::sockopt;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use pipes::Pipes;
use way::{Names, Reached, Way, WayError};

/// Flows in all, where the process may have as many descriptors as they need: two sockets and two pipes each, at most.
const MOST: usize = 4_096;
const DESCRIPTORS_OF_ONE: usize = 6;
/// Descriptors for all else: two listeners for each of 100 ways, twice while they change, empty pipes, questions for names.
const DESCRIPTORS_BESIDE: usize = 640;
/// Descriptors that the process has a use for. It takes as many as it may have, up to this.
pub const DESCRIPTORS: usize = MOST * DESCRIPTORS_OF_ONE + DESCRIPTORS_BESIDE;
/// Flows of one device.
const MOST_OF_ONE: usize = 1_024;
/// Connections of the box's own name server, beside those.
const MOST_FOR_NAMES: usize = 256;
/// How long one resolver may take to be reached for a question: there may be others, and who asks waits four seconds.
const RESOLVER: Duration = Duration::from_secs(3);
/// Pause after a flow could not be accepted, usually for want of descriptors.
const REST: Duration = Duration::from_millis(100);
/// Between two looks whether a way leads out, and while it does not.
const LOOK: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(5));
/// How long the other end of a tunnel is called at one place while it does not answer.
const TURN: Duration = Duration::from_secs(20);
/// Idle time after which an end is asked whether it is still there, and how often, until it is given up.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);

/// The sockets of a way.
#[derive(Debug)]
pub struct Doors {
    /// Where flows are led to; `None`: none are.
    pub flows: Option<std::net::TcpListener>,
    /// Where the box's own name server asks.
    pub names: std::net::TcpListener,
}

/// All ways, in the process that carries them.
pub struct Relays {
    ways: Mutex<BTreeMap<Uuid, Running>>,
    room: Arc<Room>,
    names: Names,
}

/// A way that is in service.
struct Running {
    spec: Arc<ExitRelaySpec>,
    relay: Arc<Relay>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its flows go with it.
        self.task.abort();
    }
}

/// What flows share, whichever way they take.
struct Room {
    pipes: Pipes,
    flows: Arc<Semaphore>,
    questions: Arc<Semaphore>,
    of_one: Mutex<HashMap<IpAddr, usize>>,
}

/// One way.
struct Relay {
    spec: Arc<ExitRelaySpec>,
    way: Way,
    status: Mutex<ExitStatus>,
    /// The resolver that answered last.
    resolver: Mutex<Option<SocketAddr>>,
    /// That it does not lead out was met by a flow.
    doubt: Notify,
}

impl Default for Relays {
    fn default() -> Self {
        Self::new()
    }
}

impl Relays {
    /// None yet.
    pub fn new() -> Self {
        Self {
            ways: Mutex::default(),
            room: Arc::new(Room {
                pipes: Pipes::default(),
                flows: Arc::new(Semaphore::new(room_for(raise_descriptors()))),
                questions: Arc::new(Semaphore::new(MOST_FOR_NAMES)),
                of_one: Mutex::default(),
            }),
            names: Names::default(),
        }
    }

    /// Has exactly these ways in service, each with its doors. Flows of a way that stays as it is go on; all others end.
    ///
    /// # Errors
    /// A door cannot be watched.
    pub fn replace(&self, spec: &ExitsSpec, mut doors: BTreeMap<Uuid, Doors>) -> io::Result<()> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        ways.retain(|id, running| {
            let wanted = spec.relays.get(id);
            wanted.is_some_and(|wanted| *wanted == running.spec)
        });
        let names = Resolver::new(&spec.name_servers);
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
        for (id, wanted) in &spec.relays {
            if ways.contains_key(id) {
                continue;
            }
            let Some(Doors { flows, names }) = doors.remove(id) else {
                let missing = format!("the way {id} has no sockets");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, missing));
            };
            let (flows, names) = (flows.map(watched).transpose()?, watched(names)?);
            let relay = Arc::new(Relay {
                spec: Arc::clone(wanted),
                way: Way::new(wanted.way.clone(), Arc::clone(&self.names)),
                status: Mutex::new(unknown()),
                resolver: Mutex::default(),
                doubt: Notify::new(),
            });
            let task = tokio::spawn(serve(
                Arc::clone(&relay),
                Arc::clone(&self.room),
                flows,
                names,
            ));
            let running = Running {
                spec: Arc::clone(wanted),
                relay,
                task: task.abort_handle(),
            };
            ways.insert(*id, running);
        }
        Ok(())
    }

    /// How each way is.
    pub fn status(&self) -> BTreeMap<Uuid, ExitStatus> {
        let ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |running: &Running| running.relay.status().clone();
        ways.iter()
            .map(|(id, running)| (*id, status(running)))
            .collect()
    }
}

impl Relay {
    fn status(&self) -> std::sync::MutexGuard<'_, ExitStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, state: State, detail: String, latency: Option<Duration>) {
        let mut status = self.status();
        if status.state != state {
            status.since = Timestamp::now();
        }
        (status.state, status.detail, status.latency) = (state, detail, latency);
    }

    /// Has the other end of its tunnel called where its name leads to by now: at another of those places than before, which
    /// is where it did not answer.
    async fn look_elsewhere(&self) {
        let found = self.way.places().await;
        let mut status = self.status();
        let before = found.iter().position(|place| Some(*place) == status.place);
        let next = before.map_or(0, |at| (at + 1) % found.len());
        if let Some(place) = found.get(next) {
            status.place = Some(*place);
        }
    }

    /// Name servers out there, the one that answered last before the others.
    fn resolvers(&self) -> impl Iterator<Item = SocketAddr> {
        let first = *self.resolver.lock().unwrap_or_else(PoisonError::into_inner);
        let others = self.spec.resolvers.iter().copied();
        let others = others.filter(move |resolver| Some(*resolver) != first);
        first.into_iter().chain(others)
    }

    /// Looks again and again whether it leads out.
    async fn look(&self) {
        let mut called: Option<Instant> = None;
        loop {
            if self.status().state != State::Ok && called.is_none_or(|at| at.elapsed() >= TURN) {
                self.look_elsewhere().await;
                called = Some(Instant::now());
            }
            let pause = match probe::probe(&self.way, self.resolvers()).await {
                Ok((resolver, latency)) => {
                    *self.resolver.lock().unwrap_or_else(PoisonError::into_inner) = Some(resolver);
                    let detail = format!("leads out, {} ms", latency.as_millis());
                    self.is(State::Ok, detail, Some(latency));
                    LOOK.0
                }
                Err(error) => {
                    self.is(State::Failed, error.to_string(), None);
                    LOOK.1
                }
            };
            let doubted = async {
                self.doubt.notified().await;
                // Many flows meet the same.
                tokio::time::sleep(REST).await;
            };
            let _ = tokio::time::timeout(pause, doubted).await;
        }
    }
}

fn unknown() -> ExitStatus {
    ExitStatus {
        state: State::Pending,
        since: Timestamp::now(),
        detail: "was not looked at yet".to_owned(),
        latency: None,
        place: None,
    }
}

fn watched(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Lets the process have as many descriptors as all flows may need, or as many as it may have. How many that are.
fn raise_descriptors() -> usize {
    let needed = DESCRIPTORS as u64;
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(needed, |most| most.min(needed));
    let current = limit.current.unwrap_or(needed);
    if current < most {
        limit.current = Some(most);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, current, "there cannot be as many flows at a time as usual");
            return usize::try_from(current).unwrap_or(usize::MAX);
        }
    }
    usize::try_from(current.max(most)).unwrap_or(usize::MAX)
}

/// How many flows so many descriptors are enough for.
fn room_for(descriptors: usize) -> usize {
    (descriptors.saturating_sub(DESCRIPTORS_BESIDE) / DESCRIPTORS_OF_ONE).min(MOST)
}

/// Serves both doors of a way, and looks after it, until dropped.
async fn serve(relay: Arc<Relay>, room: Arc<Room>, flows: Option<TcpListener>, names: TcpListener) {
    let flows = async {
        if let Some(flows) = &flows {
            accept(&relay, &room, flows, Door::Flows).await;
        }
    };
    tokio::join!(
        relay.look(),
        flows,
        accept(&relay, &room, &names, Door::Names),
    );
}

/// Which door somebody came by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Flows,
    Names,
}

async fn accept(relay: &Arc<Relay>, room: &Arc<Room>, listener: &TcpListener, door: Door) {
    // Dropped with the way, and its flows with it.
    let mut flows = JoinSet::new();
    loop {
        let (stream, source) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a flow could not be accepted");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        while flows.try_join_next().is_some() {}
        let place = match door {
            Door::Flows => Place::take(room, source.ip()),
            Door::Names => Place::take_for_names(room),
        };
        let Some(place) = place else {
            // Told at once, and not kept waiting.
            refuse(stream);
            continue;
        };
        let relay = Arc::clone(relay);
        flows.spawn(async move {
            pass(&relay, &place, stream, door).await;
        });
    }
}

/// Carries a flow from its beginning to its end.
async fn pass(relay: &Relay, place: &Place, stream: TcpStream, door: Door) {
    let reached = match door {
        Door::Flows => match relay.spec.listen.and_then(|listen| target(&stream, listen)) {
            Some(target) => relay.way.reach(target, way::LONGEST).await,
            None => return refuse(stream),
        },
        Door::Names => match reach_resolver(relay).await {
            Some(reached) => reached,
            None => return refuse(stream),
        },
    };
    match reached {
        Ok(reached) => {
            keep_alive(&stream);
            keep_alive(&reached.stream);
            if let Err(error) = join(stream, reached, &place.room.pipes).await {
                tracing::trace!(%error, "a flow was torn down");
            }
        }
        Err(error) => {
            // One that is known to lead nowhere is looked at often enough.
            if error.is_of_the_way() && relay.status().state == State::Ok {
                relay.doubt.notify_one();
            }
            // Where to is nobody's business: only the kind of error is written down, and only when asked for.
            tracing::debug!(
                of_the_way = error.is_of_the_way(),
                "a flow does not get out"
            );
            refuse(stream);
        }
    }
}

/// The first resolver that is reached; `None` when there is none.
async fn reach_resolver(relay: &Relay) -> Option<Result<Reached, WayError>> {
    let mut last = None;
    for resolver in relay.resolvers() {
        let reached = relay.way.reach(resolver, RESOLVER).await;
        let is_last = reached.as_ref().err().is_none_or(WayError::is_of_the_way);
        last = Some(reached);
        if is_last {
            break;
        }
    }
    last
}

async fn join(mut stream: TcpStream, reached: Reached, pipes: &Pipes) -> io::Result<()> {
    if !reached.early.is_empty() {
        stream.write_all(&reached.early).await?;
    }
    let carried = carry::carry(&stream, &reached.stream, pipes).await;
    if carried.is_err() {
        refuse(stream);
        refuse(reached.stream);
    }
    carried
}

/// Where somebody wanted to who was led here; `None` when nobody led him, or in a circle.
fn target(stream: &TcpStream, listen: SocketAddr) -> Option<SocketAddr> {
    let wanted = match listen {
        SocketAddr::V4(_) => sockopt::ip_original_dst(stream).map(SocketAddr::V4),
        SocketAddr::V6(_) => sockopt::ipv6_original_dst(stream).map(SocketAddr::V6),
    };
    // An error: connection tracking knows of no other destination.
    wanted.ok().filter(|wanted| *wanted != listen)
}

/// Tears a connection down, so that whoever is at its other end learns at once that nothing comes of it.
fn refuse(stream: TcpStream) {
    let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
}

/// Has the kernel find out when an end went away without a word.
fn keep_alive(stream: &TcpStream) {
    let (idle, pause, count) = KEEPALIVE;
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, idle);
    let _ = sockopt::set_tcp_keepintvl(stream, pause);
    let _ = sockopt::set_tcp_keepcnt(stream, count);
}

/// A place among the flows.
struct Place {
    room: Arc<Room>,
    /// Whose; `None`: the box's own name server's.
    source: Option<IpAddr>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Place {
    /// A place, unless all are taken, or this source has too many.
    fn take(room: &Arc<Room>, source: IpAddr) -> Option<Self> {
        let permit = Arc::clone(&room.flows).try_acquire_owned().ok()?;
        let mut of_one = room.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of_one.entry(source).or_insert(0);
        if *count >= MOST_OF_ONE {
            return None;
        }
        *count += 1;
        drop(of_one);
        Some(Self {
            room: Arc::clone(room),
            source: Some(source),
            _permit: permit,
        })
    }

    /// A place beside them, so that nobody's flows keep names from being found.
    fn take_for_names(room: &Arc<Room>) -> Option<Self> {
        let permit = Arc::clone(&room.questions).try_acquire_owned().ok()?;
        Some(Self {
            room: Arc::clone(room),
            source: None,
            _permit: permit,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(source) = self.source else {
            return;
        };
        let of_one = &self.room.of_one;
        let mut of_one = of_one.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of_one.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                of_one.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests;
