//! Looking after a service that runs: what it uses, what it says, starting it anew; and what removed ones have left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cell_catalogue::{Manifest, Volume};
use cell_containers::{Containers, Usage};
use cell_control::action::Outcome;
use cell_control::caller::Caller;
use cell_control::view::{
    KeptDataView, Page, ServiceLogLine, ServiceUsageView, ServiceView, ServiceVolumeView,
};
use cell_model::account::Identity;
use cell_model::config::ServiceConfig;
use cell_model::name::{PartName, ServiceId};
use cell_model::problem::{Problem, chain};
use cell_model::spec::ServiceSpec;
use cell_model::status::Part;
use cell_reconcile::Nudge;

use crate::edit::services::refuse_on_trial;
use crate::{Core, submit};

/// How long who asks waits for what a service uses.
const LOOK: Duration = Duration::from_secs(2);
/// How long who has a service started anew waits for its end. It goes on by itself then.
const RESTART: Duration = Duration::from_secs(20);
/// Bytes of what a service has said that are answered at most.
const LOG_BYTES: usize = 64 * 1024;

impl Core {
    /// A service with what it uses and keeps.
    pub(crate) async fn service_in_use(
        &self,
        identity: &Identity,
        id: &ServiceId,
    ) -> Result<ServiceView, Problem> {
        let mut view = self.service(identity, id)?;
        let config = self.config()?;
        let (Some(system), Some(service)) = (self.system.get(), config.services.installed.get(id))
        else {
            return Ok(view);
        };
        let containers = &system.parts.containers;
        if let Some(spec) = self.running(id) {
            let used = tokio::time::timeout(LOOK, containers.usage(&spec)).await;
            let used = used.ok().and_then(Result::ok).unwrap_or_default();
            for container in &mut view.containers {
                container.usage = usage(&used, &container.name);
            }
        }
        view.volumes = self.volumes(id, containers, service).await;
        if let Some(full) = full(&view.volumes) {
            view.detail.push(' ');
            view.detail.push_str(&full);
        }
        view.data_bytes = self.sizes.of(containers, id, service.data).await;
        Ok(view)
    }

    /// The folders of a service with their room; nothing is known of that while it is stopped.
    async fn volumes(
        &self,
        id: &ServiceId,
        containers: &Arc<dyn Containers>,
        service: &ServiceConfig,
    ) -> Vec<ServiceVolumeView> {
        let rooms = match self.running(id) {
            Some(spec) => tokio::time::timeout(LOOK, containers.rooms(&spec)).await,
            None => Ok(Ok(BTreeMap::new())),
        };
        let rooms = rooms.ok().and_then(Result::ok).unwrap_or_default();
        let Ok(manifest) = Manifest::parse(service.manifest.as_bytes()) else {
            return Vec::new();
        };
        let view = |volume: Volume| {
            let room = rooms.get(&volume.name);
            ServiceVolumeView {
                name: volume.name.to_string(),
                free_bytes: room.map(|room| room.free_bytes),
                max_bytes: room.map(|room| room.max_bytes),
                full: room.is_some_and(|room| room.is_full),
            }
        };
        manifest.volumes.into_iter().map(view).collect()
    }

    /// What the containers of a service said last.
    pub(crate) async fn service_logs(
        &self,
        id: &ServiceId,
        limit: usize,
    ) -> Result<Page<ServiceLogLine>, Problem> {
        let config = self.config()?;
        let service = installed(config.services.installed.get(id).map(Arc::as_ref), id)?;
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let manifest = Manifest::parse(service.manifest.as_bytes());
        let containers = manifest.map_or_else(|_| Vec::new(), |manifest| manifest.containers);
        let mut lines = Vec::new();
        for container in containers {
            let name = container.name;
            let said = system.parts.containers.log(id, &name).await;
            let said = said.map_err(|error| unanswered(id, &chain(&error)))?;
            lines.extend(said.into_iter().map(|entry| ServiceLogLine {
                time: entry.time,
                container: name.to_string(),
                message: entry.message,
            }));
        }
        lines.sort_by_key(|line| line.time);
        Ok(Page {
            items: last(lines, limit),
            next: None,
        })
    }

    /// What services have kept that were removed.
    pub(crate) async fn kept_data(&self) -> Result<Page<KeptDataView>, Problem> {
        let config = self.config()?;
        let library = self.library().ok();
        let mut items = Vec::new();
        for (id, data) in &config.services.kept {
            let offer = library.as_ref().and_then(|library| library.offer(id).ok());
            let data_bytes = match self.system.get() {
                Some(system) => self.sizes.of(&system.parts.containers, id, *data).await,
                None => None,
            };
            items.push(KeptDataView {
                id: id.clone(),
                name: offer.map_or_else(|| id.to_string(), |offer| offer.manifest.name),
                data_bytes,
            });
        }
        Ok(Page { items, next: None })
    }

    /// Starts the containers of a service anew, also those that ended and wait.
    pub(crate) async fn restart_service(
        &self,
        identity: &Identity,
        caller: &Caller,
        id: ServiceId,
    ) -> Result<Outcome, Problem> {
        let config = self.config()?;
        let service = installed(config.services.installed.get(&id).map(Arc::as_ref), &id)?;
        if !service.enabled {
            return Err(Problem::conflict(
                "service_stopped",
                "The service is stopped",
                "What does not run cannot be started anew. Start it.",
            ));
        }
        if let Ok(manifest) = Manifest::parse(service.manifest.as_bytes()) {
            refuse_on_trial(&manifest, service)?;
        }
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let Some(spec) = self.running(&id) else {
            return Err(Problem::conflict(
                "service_unfit",
                "The service cannot run on this box",
                "It was not started at all. Its page says why.",
            ));
        };
        let (containers, nudge) = (Arc::clone(&system.parts.containers), system.nudge.clone());
        let restarting = tokio::spawn(async move {
            let restarted = containers.restart(&spec).await;
            // What is not there at all is made.
            let _ = nudge.send(Nudge::Restart(Part::Containers)).await;
            restarted
        });
        match tokio::time::timeout(RESTART, restarting).await {
            Ok(Ok(Ok(()))) | Err(_) => {}
            Ok(Ok(Err(error))) => return Err(unanswered(&id, &chain(&error))),
            Ok(Err(_)) => return Err(Problem::internal()),
        }
        let event = submit::event("service.restart", identity, caller);
        self.note(event.on(id.as_str())).await;
        Ok(Outcome::Done)
    }

    /// What a service was last asked to run; `None` when that is nothing.
    fn running(&self, id: &ServiceId) -> Option<ServiceSpec> {
        let published = self.system.get()?.published.borrow().clone();
        let services = &published.spec.as_ref()?.containers.services;
        services.iter().find(|service| service.id == *id).cloned()
    }
}

fn installed<'a>(
    service: Option<&'a ServiceConfig>,
    id: &ServiceId,
) -> Result<&'a ServiceConfig, Problem> {
    service.ok_or_else(|| Problem::not_found(format!("service {id}")))
}

fn usage(used: &BTreeMap<PartName, Usage>, name: &str) -> Option<ServiceUsageView> {
    let usage = used.get(&name.parse::<PartName>().ok()?)?;
    Some(ServiceUsageView {
        memory_bytes: usage.memory_bytes,
        cpu_percent: usage.cpu_percent,
        processes: usage.processes,
    })
}

/// What it means that a folder is full, if one is.
fn full(volumes: &[ServiceVolumeView]) -> Option<String> {
    let volume = volumes.iter().find(|volume| volume.full)?;
    let mib = |bytes: u64| bytes >> 20;
    let (free, max) = (mib(volume.free_bytes?), mib(volume.max_bytes?));
    Some(format!(
        "Of the {max} MiB that it may keep ({}), {free} MiB are free: it can save next to nothing more until something is deleted.",
        volume.name
    ))
}

/// The last lines, as many as asked for and no more than fit.
fn last(mut lines: Vec<ServiceLogLine>, limit: usize) -> Vec<ServiceLogLine> {
    let mut bytes = 0;
    let fit = lines.iter().rev().take(limit).take_while(|line| {
        bytes += line.message.len();
        bytes <= LOG_BYTES
    });
    lines.split_off(lines.len() - fit.count())
}

/// 503: podman, or its files, do not answer.
fn unanswered(id: &ServiceId, why: &str) -> Problem {
    tracing::warn!(service = %id, error = why, "a service cannot be looked after");
    Problem::new(
        503,
        "containers_unavailable",
        "The containers do not answer",
        format!("{id} goes on as it is: {why}. Try again in a moment."),
    )
}
