//! How ways out are: looked at from time to time, since who may leaves by the uplink while theirs leads nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cell_exits::Exits;
use cell_model::Timestamp;
use cell_model::problem::chain;
use cell_model::spec::WaySpec;
use cell_model::status::{ExitStatus, State};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{Nudge, Parts, Published};

/// How each way out is.
pub type ExitsStatus = Arc<BTreeMap<Uuid, ExitStatus>>;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long the process may take to say how they are.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts to look after them.
pub(crate) fn watch(
    parts: &Parts,
    published: watch::Receiver<Arc<Published>>,
    nudge: mpsc::Sender<Nudge>,
    clock: fn() -> Timestamp,
) -> (watch::Receiver<ExitsStatus>, JoinHandle<()>) {
    let (status, view) = watch::channel(ExitsStatus::default());
    let watch = Watch {
        exits: Arc::clone(&parts.exits),
        published,
        nudge,
        status,
        clock,
        ways: BTreeMap::new(),
    };
    (view, tokio::spawn(watch.run()))
}

struct Watch {
    exits: Arc<dyn Exits>,
    published: watch::Receiver<Arc<Published>>,
    nudge: mpsc::Sender<Nudge>,
    status: watch::Sender<ExitsStatus>,
    clock: fn() -> Timestamp,
    /// As they were asked for at the last look.
    ways: BTreeMap<Uuid, WaySpec>,
}

impl Watch {
    async fn run(mut self) {
        loop {
            if self.wanted().is_empty() {
                self.status.send_if_modified(|status| {
                    let had_some = !status.is_empty();
                    *status = ExitsStatus::default();
                    had_some
                });
                if self.published.changed().await.is_err() {
                    return;
                }
                continue;
            }
            self.look().await;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ways that are to be in service.
    fn wanted(&mut self) -> BTreeMap<Uuid, WaySpec> {
        let published = self.published.borrow_and_update();
        let relays = published.spec.iter().flat_map(|spec| &spec.exits.relays);
        relays.map(|(id, relay)| (*id, relay.way.clone())).collect()
    }

    async fn look(&mut self) {
        let seen = match tokio::time::timeout(PATIENCE, self.exits.observe()).await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err("the process that carries flows does not answer".to_owned()),
        };
        let before = self.status.borrow().clone();
        let now = (self.clock)();
        let wanted = self.wanted();
        let status = wanted.iter().map(|(id, way)| {
            // Where one was called that leads elsewhere by now says nothing.
            let is_same = self.ways.get(id).is_none_or(|before| before == way);
            let before = before.get(id).filter(|_| is_same);
            (*id, status(*id, way, &seen, before, now))
        });
        let status: BTreeMap<Uuid, ExitStatus> = status.collect();
        self.ways = wanted;
        let meant = |status: &BTreeMap<Uuid, ExitStatus>| -> BTreeMap<Uuid, _> {
            let meant = |way: &ExitStatus| (way.state, way.place);
            status.iter().map(|(id, way)| (*id, meant(way))).collect()
        };
        let is_other = meant(&status) != meant(&before);
        if *before != status {
            self.status.send_replace(Arc::new(status));
        }
        if is_other {
            // Should nobody hear it, the loop is at its end.
            let _ = self.nudge.send(Nudge::ExitsChanged).await;
        }
    }
}

/// How one is: what its process says, or that it says nothing.
fn status(
    id: Uuid,
    way: &WaySpec,
    seen: &Result<BTreeMap<Uuid, ExitStatus>, String>,
    before: Option<&ExitStatus>,
    now: Timestamp,
) -> ExitStatus {
    let place = before.and_then(|before| before.place);
    let (state, detail) = match seen {
        Ok(seen) => match seen.get(&id) {
            Some(status) => {
                return ExitStatus {
                    // A process that was started again does not know it yet.
                    place: status.place.or(place),
                    ..status.clone()
                };
            }
            None => (State::Pending, "is not in service yet".to_owned()),
        },
        // The kernel carries packets all the same, so that nobody goes another way for it.
        Err(error) if matches!(way, WaySpec::Interface(_)) => (State::Pending, error.clone()),
        Err(error) => (State::Failed, error.clone()),
    };
    let since = before.filter(|before| before.state == state);
    ExitStatus {
        state,
        since: since.map_or(now, |before| before.since),
        detail,
        latency: None,
        place,
    }
}
