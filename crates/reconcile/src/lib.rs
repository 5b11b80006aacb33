//! Brings the system to the config, and keeps it there: observe → plan → lint → apply → verify → publish.
//!
//! Promises: the system is changed step by step, in the plan's order, and no part does two things at a time; a part
//! that fails is shown and tried again with growing pauses while the others go on, and so they do while one takes long;
//! what is published was verified.
//! Must never: change the config, or open the firewall before everything behind it is up.
//! Start reading at [`start`], then `round.rs`.

mod execute;
mod exits;
mod handing;
mod images;
mod in_hand;
mod items;
mod listener;
mod pauses;
mod proxy;
mod resting;
mod round;
mod services;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cell_containers::Containers;
use cell_dns::Dns;
use cell_exits::Exits;
use cell_fetch::FetchLink;
use cell_firewall::Firewall;
use cell_mdns::Mdns;
use cell_model::Timestamp;
use cell_model::config::Config;
use cell_model::facts::{NetworkFacts, StartOptions};
use cell_model::key::PublicKey;
use cell_model::name::ServiceId;
use cell_model::spec::BoxSpec;
use cell_model::status::{ItemStatus, Part};
use cell_network::Network;
use cell_packages::Library;
use cell_plan::resolve::{Keys, Pairing};
use cell_vault::Vault;
use cell_wireguard::{Tunnels, WireGuard};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use exits::ExitsStatus;
pub use handing::{Handing, HandingError};
pub use listener::{AdminListener, ListenerError};
pub use proxy::{ProxyHost, ProxyHostError};
pub use services::{NextsStatus, ServicesStatus};

/// Time between two looks at the whole when nothing calls for one: expiries, certificates, repairs.
const IDLE: Duration = Duration::from_secs(30);
/// Pause before a failed part is tried again: doubled from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// No look comes sooner after another because a device expires.
const SOONEST: Duration = Duration::from_millis(50);
/// A burst of network events is looked at once.
const SETTLE: Duration = Duration::from_millis(100);
/// How long the step in hand may take at shutdown: the whole daemon has 10 s.
const SHUTDOWN: Duration = Duration::from_secs(4);

/// Everything that can change the system.
#[derive(Clone)]
pub struct Parts {
    /// Packet filter and NAT.
    pub firewall: Arc<dyn Firewall>,
    /// Addresses, routes, forwarding.
    pub network: Arc<dyn Network>,
    /// The VPN interface.
    pub wireguard: Arc<dyn WireGuard>,
    /// Tunnels that lead out.
    pub tunnels: Arc<dyn Tunnels>,
    /// Keys and certificates.
    pub vault: Arc<dyn Vault>,
    /// The name server.
    pub dns: Arc<dyn Dns>,
    /// Ways out that a program of the box carries flows by.
    pub exits: Arc<dyn Exits>,
    /// The admin listener.
    pub listener: Arc<dyn AdminListener>,
    /// Being found by name.
    pub mdns: Arc<dyn Mdns>,
    /// Services in containers.
    pub containers: Arc<dyn Containers>,
    /// What they are installed from, with the images that come with the box.
    pub library: Arc<Library>,
    /// Fetches images that did not come with the box.
    pub fetch: Arc<dyn FetchLink>,
    /// A folder for what has come of them, on the partition of containers.
    pub incoming: PathBuf,
    /// What they are handed.
    pub handing: Arc<dyn Handing>,
    /// The reverse proxy before their pages.
    pub proxy: Arc<dyn ProxyHost>,
}

/// What the system shall be.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The revision the config is of; 0 before setup.
    pub revision: u64,
    /// What was asked for; `None` before setup.
    pub config: Option<Arc<Config>>,
    /// Keys the config speaks of.
    pub keys: Arc<Keys>,
    /// What other cells know this one by, while one of them may come with an invite.
    pub pairing: Option<Arc<Pairing>>,
    /// Where boxes of other cells are called, as far as one was looked for.
    pub places: Arc<BTreeMap<PublicKey, SocketAddr>>,
}

/// What the system is.
#[derive(Debug, Clone)]
pub struct Published {
    /// Rises with every change of what is below.
    pub generation: u64,
    /// The revision the system was brought to, every part of it; `None` before the first time.
    pub applied_revision: Option<u64>,
    /// The newest revision that was tried, with or without success.
    pub tried_revision: Option<u64>,
    /// Part by part, in the order they come up.
    pub items: Vec<ItemStatus>,
    /// What the network looks like.
    pub facts: Arc<NetworkFacts>,
    /// What the parts were last asked to be.
    pub spec: Option<Arc<BoxSpec>>,
    /// Data of services that was deleted, by the number that it had; all that was to be when that was done last.
    pub deleted: BTreeSet<(ServiceId, u32)>,
}

/// Something the loop is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// Bring this part up again from whatever it is.
    Restart(Part),
    /// Look at the network again.
    NetworkChanged,
    /// A way out leads on, or does so no more.
    ExitsChanged,
    /// End what clients have open with the proxy: which connections are younger than a change has to be known.
    EndConnections {
        /// Now, since boot.
        opened_before: Duration,
    },
}

/// The running loop.
pub struct Reconciler {
    /// What the system is.
    pub published: watch::Receiver<Arc<Published>>,
    /// How each service is that runs.
    pub services: watch::Receiver<ServicesStatus>,
    /// How far that is which services become.
    pub next: watch::Receiver<NextsStatus>,
    /// How each way out is.
    pub exits: watch::Receiver<ExitsStatus>,
    /// To tell the loop something.
    pub nudge: mpsc::Sender<Nudge>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    watch: tokio::task::JoinHandle<()>,
    watch_exits: tokio::task::JoinHandle<()>,
}

impl Reconciler {
    /// Waits for the step in hand, but not for one that hangs, and ends the loop. The system stays as it is.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.watch.abort();
        self.watch_exits.abort();
        if tokio::time::timeout(SHUTDOWN, &mut self.task)
            .await
            .is_err()
        {
            tracing::warn!("a step was cut off at the end");
            self.task.abort();
        }
    }
}

/// Starts the loop. The first round brings the box up in the order of a cold start.
pub fn start(
    options: StartOptions,
    parts: Parts,
    desired: watch::Receiver<Desired>,
    clock: fn() -> Timestamp,
) -> Reconciler {
    let (nudge, nudges) = mpsc::channel(16);
    let (published, view) = watch::channel(Arc::new(Published {
        generation: 1,
        applied_revision: None,
        tried_revision: None,
        items: items::Items::new(clock()).list(),
        facts: Arc::default(),
        spec: None,
        deleted: BTreeSet::new(),
    }));
    let (stop, stopping) = watch::channel(false);
    let resting = resting::Resting::default();
    let watched = services::watch(&parts, view.clone(), nudge.clone(), clock, resting.clone());
    let (exits, watch_exits) = exits::watch(&parts, view.clone(), nudge.clone(), clock);
    let worker = round::Worker::new(
        options,
        parts,
        published,
        clock,
        stopping.clone(),
        resting,
        exits.clone(),
    );
    Reconciler {
        published: view,
        services: watched.services,
        next: watched.next,
        watch: watched.task,
        exits,
        watch_exits,
        nudge,
        stop,
        task: tokio::spawn(run(worker, desired, nudges, stopping, clock)),
    }
}

async fn run(
    mut worker: round::Worker,
    mut desired: watch::Receiver<Desired>,
    mut nudges: mpsc::Receiver<Nudge>,
    mut stopping: watch::Receiver<bool>,
    clock: fn() -> Timestamp,
) {
    let mut network_events = worker.watch_network();
    let mut pause = RETRY.0;
    let mut looked = Instant::now();
    while !*stopping.borrow() {
        let wanted = desired.borrow_and_update().clone();
        let wait = if worker.round(&wanted).await {
            pause = RETRY.0;
            IDLE
        } else {
            let wait = pause;
            pause = (pause * 2).min(RETRY.1);
            wait
        };
        let wait = wait.min(until_expiry(&wanted, clock()));
        let waited = tokio::time::sleep(wait);
        tokio::pin!(waited);
        loop {
            tokio::select! {
                changed = desired.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if is_another(&wanted, &desired.borrow()) {
                        pause = RETRY.0;
                    }
                    // Where other cells are called may change so often that it is never idle.
                    if looked.elapsed() >= IDLE {
                        worker.look_again();
                        looked = Instant::now();
                    }
                    break;
                }
                Some(nudge) = nudges.recv() => {
                    match nudge {
                        Nudge::Restart(part) => worker.forget(part),
                        Nudge::NetworkChanged => worker.look_again(),
                        // The next round plans with it.
                        Nudge::ExitsChanged => {}
                        Nudge::EndConnections { opened_before } => {
                            worker.end_connections(opened_before);
                        }
                    }
                    break;
                }
                Some(()) = next(&mut network_events) => {
                    tokio::time::sleep(SETTLE).await;
                    // A part that makes events while it fails must not be spared its pause by them.
                    if worker.network_changed().await {
                        break;
                    }
                }
                more = worker.late_result(), if worker.waits() => {
                    if more {
                        break;
                    }
                }
                () = &mut waited => {
                    worker.look_again();
                    looked = Instant::now();
                    break;
                }
                _ = stopping.changed() => return,
            }
        }
    }
}

/// Whether something else is asked for, and not merely found out.
fn is_another(wanted: &Desired, now: &Desired) -> bool {
    wanted.revision != now.revision || wanted.config != now.config
}

/// The next event; never, once there are none any more.
async fn next(events: &mut Option<mpsc::Receiver<()>>) -> Option<()> {
    match events {
        Some(receiver) => {
            let event = receiver.recv().await;
            if event.is_none() {
                *events = None;
            }
            event
        }
        None => std::future::pending().await,
    }
}

/// Time until the next device loses access by itself.
fn until_expiry(desired: &Desired, now: Timestamp) -> Duration {
    let peers = desired
        .config
        .iter()
        .flat_map(|config| config.peers.values());
    peers
        .filter_map(|peer| peer.expires_at.filter(|expiry| *expiry > now))
        .min()
        .map_or(Duration::MAX, |expiry| {
            let left = expiry.duration_since(now);
            Duration::try_from(left).unwrap_or_default().max(SOONEST)
        })
}
