//! Sources of services: asked for their catalogues when somebody wants that, and never by itself.

mod known;
mod problem;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cell_catalogue::{Index, Manifest};
use cell_control::action::Outcome;
use cell_control::caller::Caller;
use cell_control::view::{RefreshState, RefreshView, SourceView};
use cell_fetch::{Command, FetchError, FetchLink, WholeError, whole};
use cell_model::Timestamp;
use cell_model::account::Identity;
use cell_model::config::{ServicesConfig, SourceConfig};
use cell_model::name::{ServiceId, SourceName};
use cell_model::problem::{Problem, chain};
use cell_packages::{Fetched, INDEX_FILE, KEYS_FILE, Library, Offer, PackagesError, SourceError};
use tokio::task::JoinSet;

pub(crate) use self::known::Asked;

use self::known::Answered;
use self::problem::Refusal;
use crate::{Core, submit};

/// How long a catalogue or a manifest may take, which are small.
const FILE: Duration = Duration::from_secs(30);
/// How long a source may take in all.
const SOURCE: Duration = Duration::from_secs(3 * 60);
/// A manifest in the folder of its service.
const MANIFEST: &str = "service.toml";

impl Core {
    /// Asks all sources what they offer. One that does not answer as it should changes nothing of what is known of it.
    pub(crate) async fn refresh_store(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        let _one_at_a_time = self.refreshing.try_lock().map_err(|_| problem::running())?;
        let library = self.library()?;
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let config = self.config()?;
        let services = &config.services;
        let mut asked = JoinSet::new();
        for (name, source) in &services.sources {
            let ask = Ask {
                name: name.clone(),
                source: source.clone(),
                library: Arc::clone(&library),
                link: Arc::clone(&system.parts.fetch),
                name_servers: self.name_servers(),
            };
            let clock = self.clock;
            asked.spawn(async move {
                let answered = ask.answered(ask.in_time().await, clock());
                (ask.name, answered)
            });
        }
        let asked: Asked = asked.join_all().await.into_iter().collect();
        // What is not in the settings any more is forgotten with this.
        *self.asked() = asked;
        let names = services.sources.keys();
        let items: Vec<SourceView> = names
            .map(|name| self.source_view(&library, services, name))
            .collect();
        let failed = items
            .iter()
            .filter(|item| item.state == RefreshState::Failed);
        let failed: Vec<&str> = failed.map(|item| item.source.as_str()).collect();
        let event = submit::event("store.refresh", identity, caller);
        let event = match failed.is_empty() {
            true => event,
            false => event.detail(format!("failed: {}", failed.join(", "))),
        };
        self.note(event).await;
        Ok(Outcome::Refreshed(RefreshView { items }))
    }
}

/// One source that is asked.
struct Ask {
    name: SourceName,
    source: SourceConfig,
    library: Arc<Library>,
    link: Arc<dyn FetchLink>,
    name_servers: Vec<SocketAddr>,
}

impl Ask {
    async fn in_time(&self) -> Result<(), Refusal> {
        match tokio::time::timeout(SOURCE, self.refresh()).await {
            Ok(refreshed) => refreshed,
            Err(_) => Err(FetchError::Stalled(self.source.url.keeper()).into()),
        }
    }

    async fn refresh(&self) -> Result<(), Refusal> {
        let limit = Index::MAX_BYTES as u64;
        let keys = match self.file(KEYS_FILE, limit).await {
            Ok(keys) => Some(keys),
            // A publisher that has replaced none.
            Err(WholeError::Fetch(FetchError::Status(404) | FetchError::NotOnStick(_))) => None,
            Err(WholeError::TooLarge(_)) => return Err(SourceError::TooLarge(KEYS_FILE).into()),
            Err(error) => return Err(error.into()),
        };
        let index = match self.file(INDEX_FILE, limit).await {
            Err(WholeError::TooLarge(_)) => return Err(SourceError::TooLarge(INDEX_FILE).into()),
            index => index?,
        };
        let fetched = Fetched {
            keys: keys.as_deref(),
            index: &index,
        };
        let examined = self.library.examine(&self.name, &fetched);
        let mut examined = examined.ok_or(Refusal::Gone)??;
        for id in examined.missing() {
            let place = format!("{id}/{MANIFEST}");
            let bytes = match self.file(&place, Manifest::MAX_BYTES as u64).await {
                Err(WholeError::TooLarge(_)) => return Err(SourceError::Altered(id).into()),
                bytes => bytes?,
            };
            examined.add(&id, bytes)?;
        }
        let (library, name) = (Arc::clone(&self.library), self.name.clone());
        let kept = tokio::task::spawn_blocking(move || library.keep(&name, examined));
        Ok(kept.await.map_err(|_| Refusal::Gone)??)
    }

    async fn file(&self, place: &str, limit: u64) -> Result<Vec<u8>, WholeError> {
        let command = Command {
            url: self.source.url.join(place),
            authorities: self.source.authorities.as_ref().map(ToString::to_string),
            name_servers: self.name_servers.clone(),
            parts: Vec::new(),
            same_as: None,
        };
        whole(&*self.link, command, limit, FILE).await
    }

    /// What came of it.
    fn answered(&self, refreshed: Result<(), Refusal>, at: Timestamp) -> Answered {
        let known = self.library.catalogue(&self.name);
        let (state, code, detail) = match &refreshed {
            Ok(()) => {
                let unfit = known.map_or(0, |known| known.unfit);
                (RefreshState::Ok, None, problem::taken(unfit))
            }
            Err(refusal) => {
                tracing::warn!(source = %self.name, error = %chain(refusal), "a source was not taken");
                let (code, detail) = refusal.words(known.is_some());
                (RefreshState::Failed, Some(code.to_owned()), detail)
            }
        };
        Answered {
            source: self.source.clone(),
            at,
            state,
            code,
            detail,
        }
    }
}

/// What is offered of a service: to whom has it or its data, only what comes from where they have it, or with the box.
pub(crate) fn offer(
    library: &Library,
    services: &ServicesConfig,
    id: &ServiceId,
) -> Result<Offer, PackagesError> {
    match owner(services, id) {
        Some(source) => library.successor(id, source).or_else(|_| library.offer(id)),
        None => library.offer(id),
    }
}

/// Refuses what a source would take over: a service, or what it has kept, of another one.
pub(crate) fn refuse_stranger(services: &ServicesConfig, offer: &Offer) -> Result<(), Problem> {
    let id = &offer.manifest.id;
    match (owner(services, id), offer.source()) {
        (Some(owner), Some(source)) if owner != Some(source) => {
            Err(problem::stranger(&offer.manifest.name, source, owner))
        }
        _ => Ok(()),
    }
}

/// Whose a service, or what is left of it, is: a source's, or (`Some(None)`) the box's own. `None`: there is nothing of it.
fn owner<'a>(services: &'a ServicesConfig, id: &ServiceId) -> Option<Option<&'a SourceName>> {
    if let Some(service) = services.installed.get(id) {
        return Some(service.source());
    }
    let kept = services.kept.get(id);
    kept.map(|_| services.kept_from.get(id))
}

/// Notes or forgets whose the data of a service is that is removed.
pub(crate) fn note_owner(
    kept_from: &mut BTreeMap<ServiceId, SourceName>,
    id: &ServiceId,
    source: Option<&SourceName>,
) {
    match source {
        Some(source) => drop(kept_from.insert(id.clone(), source.clone())),
        None => drop(kept_from.remove(id)),
    }
}
