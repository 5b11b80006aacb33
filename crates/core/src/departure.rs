//! Services learn that somebody may not use them any more: what they are signed in to ends, and of who has left, what was
//! kept goes.
//!
//! A service with a socket asks at each sign-in, and a sign-in may last for days. So it is told as well: within a moment
//! of whatever ends a right, and once more when it could not be told; when the box starts, of all who have no right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cell_catalogue::Manifest;
use cell_containers::{ContainerState, names};
use cell_model::config::{Config, ServiceConfig};
use cell_model::name::{PartName, ServiceId, Username};
use cell_model::problem::{Problem, chain};
use cell_model::spec::{PersonCommandSpec, ServiceSpec};
use cell_store::Batch;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::people::DEPARTURES;
use crate::set_up::internal;
use crate::{Core, sources};

/// Ends of access come by themselves; what could not be told is told again.
const LOOK: Duration = Duration::from_secs(15);
/// What was on its way when somebody's things were removed may have come after that: they are removed once more after this
/// time, before somebody else can have the name.
const AFTERMATH: Duration = Duration::from_secs(60);

/// Somebody who has left, and the services that still have something of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Departure {
    pub(crate) username: Username,
    pub(crate) services: BTreeSet<ServiceId>,
}

/// What services are to be told.
#[derive(Debug, Default)]
pub(crate) struct Dismissals {
    woken: Notify,
    state: std::sync::Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whose sign-ins end, and where.
    due: BTreeSet<(Place, Username)>,
    /// Who could use a service at the last look.
    admitted: BTreeMap<ServiceId, BTreeSet<Username>>,
    /// Whose things were removed once, and when.
    removed: BTreeMap<(ServiceId, Username), Instant>,
}

/// Where sign-ins end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Everywhere,
    Service(ServiceId),
    /// The others have been told: once more might end what is rightly open.
    Container(ServiceId, PartName),
}

impl Place {
    fn has(&self, service: &ServiceId, container: &PartName) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Service(id) => id == service,
            Self::Container(id, name) => id == service && name == container,
        }
    }
}

impl Core {
    /// What is open to somebody at services ends: an app password of theirs does not count any more.
    pub(crate) fn dismiss(&self, username: &Username) {
        let due = (Place::Everywhere, username.clone());
        self.dismissals.state().due.insert(due);
        self.dismissals.woken.notify_one();
    }

    /// A departure of somebody whom services that have something of them can be told of; `None` if there is none. Services
    /// that were removed and left their data have something, too.
    pub(crate) fn departure_of(&self, config: &Config, username: &Username) -> Option<Departure> {
        let installed = config.services.installed.iter();
        let installed = installed.filter(|(_, service)| removes_people(service));
        let library = self.library().ok();
        let kept = config.services.kept.keys().filter(|id| {
            let offer = |library: &Arc<_>| sources::offer(library, &config.services, id).ok();
            let offer = library.as_ref().and_then(offer);
            offer.is_none_or(|offer| is_told_to_remove(&offer.manifest))
        });
        let installed = installed.map(|(id, _)| id);
        let services: BTreeSet<ServiceId> = installed.chain(kept).cloned().collect();
        (!services.is_empty()).then(|| Departure {
            username: username.clone(),
            services,
        })
    }

    /// Refuses a name of which services still have something: whoever has it next would find that.
    pub(crate) fn check_departed(&self, username: &Username) -> Result<(), Problem> {
        let people = self.people();
        let Some(departure) = people.departures.get(username) else {
            return Ok(());
        };
        let services: Vec<&str> = departure.services.iter().map(ServiceId::as_str).collect();
        let services = services.join(", ");
        Err(Problem::conflict(
            "name_departing",
            "What services have of this name is still being removed",
            format!(
                "Somebody called {username} was removed, and {services} may still have what was theirs. It goes within two \
                 minutes of that service's running: start or install it, delete what it has kept, or choose another name."
            ),
        ))
    }

    /// Tells services from now on.
    pub(crate) fn keep_services_told(self: &Arc<Self>) {
        let (core, mut desired) = (Arc::downgrade(self), self.desired.subscribe());
        let dismissals = Arc::clone(&self.dismissals);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = dismissals.woken.notified() => {}
                    changed = desired.changed() => {
                        if changed.is_err() {
                            return;
                        }
                    }
                    () = tokio::time::sleep(LOOK) => {}
                }
                let Some(core) = core.upgrade() else { return };
                core.tell_services().await;
            }
        });
    }

    pub(crate) async fn tell_services(&self) {
        let Some(system) = self.system.get() else {
            return;
        };
        let published = system.published.borrow().clone();
        let Some(spec) = published.spec.as_ref() else {
            return;
        };
        let services = spec.containers.services.iter();
        let told: Vec<&ServiceSpec> = services
            .filter(|service| !service.end.is_empty() || service.remove.is_some())
            .collect();
        self.note_dismissed(&told);
        let due = std::mem::take(&mut self.dismissals.state().due);
        let departures: Vec<Departure> = self.people().departures.values().cloned().collect();
        self.forget_removals(&departures);
        let departures: Vec<Departure> = self.without_what_is_gone(departures).await;
        let awaits = |service: &&ServiceSpec| {
            let mut all = departures.iter();
            all.any(|departure| departure.services.contains(&service.id))
        };
        // Whatever does not run has nobody signed in.
        if told.is_empty() || due.is_empty() && !told.iter().any(awaits) {
            return;
        }
        let Ok(seen) = system.parts.containers.observe().await else {
            // Nothing runs that somebody could be signed in to, or it is told at the next look.
            self.dismissals.state().due.extend(due);
            return;
        };
        let runs = |service: &ServiceSpec, command: &PersonCommandSpec| {
            let name = names::container(&service.id, &command.container);
            let found = seen.containers.get(&name);
            found.is_some_and(|found| found.state == ContainerState::Running)
        };
        for service in &told {
            for end in service.end.iter().filter(|end| runs(service, end)) {
                let whom = due
                    .iter()
                    .filter(|(place, _)| place.has(&service.id, &end.container));
                let whom: BTreeSet<&Username> = whom.map(|(_, username)| username).collect();
                for username in whom {
                    if !self.told(service, end, username).await {
                        let place = Place::Container(service.id.clone(), end.container.clone());
                        let again = (place, username.clone());
                        self.dismissals.state().due.insert(again);
                    }
                }
            }
        }
        for departure in departures {
            let mut left = departure.services.clone();
            for service in &told {
                // What is on trial works on a copy: it may go, and what it was before comes back.
                let remove = service
                    .remove
                    .as_ref()
                    .filter(|remove| runs(service, remove) && !self.is_on_trial(&service.id));
                let Some(remove) = remove.filter(|_| left.contains(&service.id)) else {
                    continue;
                };
                let about = (service.id.clone(), departure.username.clone());
                let removed = self.dismissals.state().removed.get(&about).copied();
                if removed.is_some_and(|removed| removed.elapsed() < AFTERMATH)
                    || !self.told(service, remove, &departure.username).await
                {
                    continue;
                }
                match removed {
                    None => drop(
                        self.dismissals
                            .state()
                            .removed
                            .insert(about, Instant::now()),
                    ),
                    Some(_) => {
                        self.dismissals.state().removed.remove(&about);
                        left.remove(&service.id);
                    }
                }
            }
            if left != departure.services {
                self.keep_departure(Departure {
                    services: left,
                    ..departure
                })
                .await;
            }
        }
    }

    /// Forgets what was removed once of whoever has left no more: somebody else may have the name.
    fn forget_removals(&self, departures: &[Departure]) {
        let mut state = self.dismissals.state();
        state.removed.retain(|(id, username), _| {
            let mut departures = departures.iter();
            let left = departures.find(|departure| departure.username == *username);
            left.is_some_and(|departure| departure.services.contains(id))
        });
    }

    /// The departures that are left without services whose data is gone.
    async fn without_what_is_gone(&self, departures: Vec<Departure>) -> Vec<Departure> {
        let mut left = Vec::new();
        for departure in departures {
            let mut services = departure.services.clone();
            services.retain(|id| self.has_something(id));
            let known = departure.services.len();
            let departure = Departure {
                services,
                ..departure
            };
            if departure.services.len() < known {
                self.keep_departure(departure.clone()).await;
            }
            if !departure.services.is_empty() {
                left.push(departure);
            }
        }
        left
    }

    fn is_on_trial(&self, id: &ServiceId) -> bool {
        let desired = self.desired.borrow();
        let config = desired.config.as_ref();
        let service = config.and_then(|config| config.services.installed.get(id));
        service.is_some_and(|service| service.former.is_some())
    }

    /// Whether a service may still have something of people that it removes when it is told.
    fn has_something(&self, id: &ServiceId) -> bool {
        let desired = self.desired.borrow();
        let services = desired.config.as_ref().map(|config| &config.services);
        services.is_some_and(|services| match services.installed.get(id) {
            Some(service) => removes_people(service),
            None => services.kept.contains_key(id),
        })
    }

    /// Whether a service took what it was told about somebody.
    async fn told(
        &self,
        service: &ServiceSpec,
        command: &PersonCommandSpec,
        username: &Username,
    ) -> bool {
        let Some(system) = self.system.get() else {
            return false;
        };
        let words = command.about(username);
        let containers = &system.parts.containers;
        let ran = containers
            .run(&service.id, &command.container, &words)
            .await;
        if let Err(error) = &ran {
            let error = chain(error);
            tracing::warn!(service = %service.id, account = %username, error, "a service does not take that somebody may not use it any more");
        }
        ran.is_ok()
    }

    /// Finds who could use a service at the last look and may not any more.
    fn note_dismissed(&self, services: &[&ServiceSpec]) {
        let now = (self.clock)();
        let desired = self.desired.borrow().clone();
        let Some(config) = desired.config.as_ref() else {
            return;
        };
        let everybody: BTreeSet<Username>;
        let admitted: BTreeMap<ServiceId, BTreeSet<Username>> = {
            let people = self.people();
            let left = people.departures.keys();
            everybody = people.accounts.keys().chain(left).cloned().collect();
            let of = |service: &&ServiceSpec| {
                let accounts = people.accounts.values();
                let may_use = accounts.filter(|account| {
                    !people.access_is_over(account, now)
                        && config.may_use(&account.username, &service.id)
                });
                let names = may_use.map(|account| account.username.clone()).collect();
                (service.id.clone(), names)
            };
            services.iter().map(of).collect()
        };
        let mut state = self.dismissals.state();
        let State {
            due,
            admitted: before,
            ..
        } = &mut *state;
        for (id, now) in &admitted {
            let gone: Vec<Username> = match before.get(id) {
                Some(names) => names.difference(now).cloned().collect(),
                // What ended a right while the box did not look is not known: it is told of all who have none.
                None => everybody.difference(now).cloned().collect(),
            };
            let service = Place::Service(id.clone());
            due.extend(gone.into_iter().map(|username| (service.clone(), username)));
        }
        *before = admitted;
    }

    /// Notes which services still have something of somebody.
    async fn keep_departure(&self, departure: Departure) {
        let _writer = self.writer.lock().await;
        let username = departure.username.clone();
        let mut batch = Batch::new(
            (self.clock)(),
            None,
            "a service removed what it had of an account",
        );
        batch.urgent();
        let put = match departure.services.is_empty() {
            true => {
                batch.remove(DEPARTURES, username.to_string());
                Ok(())
            }
            false => put(&mut batch, &departure),
        };
        if put.is_err() {
            return;
        }
        let store = Arc::clone(&self.store);
        let kept = tokio::task::spawn_blocking(move || store.commit(batch)).await;
        match kept {
            Ok(Ok(_)) => {
                let mut people = self.people();
                match departure.services.is_empty() {
                    true => drop(people.departures.remove(&username)),
                    false => drop(people.departures.insert(username, departure)),
                }
            }
            // It is removed once more, which changes nothing.
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "that a service removed what it had of an account is not kept");
                self.recover();
            }
            Err(error) => tracing::error!(%error, "the store broke off"),
        }
    }
}

impl Dismissals {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether a service may have something of people that it removes when it is told. One that cannot be read may.
fn removes_people(service: &ServiceConfig) -> bool {
    let manifest = Manifest::parse(service.manifest.as_bytes());
    manifest.map_or(true, |manifest| is_told_to_remove(&manifest))
}

fn is_told_to_remove(manifest: &Manifest) -> bool {
    let accounts = manifest.accounts.as_ref();
    accounts.is_some_and(|accounts| accounts.remove.is_some())
}

pub(crate) fn put(batch: &mut Batch, departure: &Departure) -> Result<(), Problem> {
    let put = batch.put(DEPARTURES, departure.username.to_string(), departure);
    put.map(drop).map_err(|error| internal(&error))
}
