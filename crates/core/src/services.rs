//! Services: which there are, which are installed, and how they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use cell_catalogue::requires::{self, Needs, RequiresError};
use cell_catalogue::{Manifest, Route, Setting, SettingKind};
use cell_control::change::ServiceForm;
use cell_control::query::Range;
use cell_control::view::{
    FailedUpdateView, GuideView, OfferView, OwnServiceView, Page, ServiceContainerView,
    ServiceUpdateView, ServiceView, SettingKindView, SettingView, WellKnownView,
};
use cell_model::account::Identity;
use cell_model::config::{Config, ServiceConfig};
use cell_model::name::ServiceId;
use cell_model::problem::{Problem, chain};
use cell_model::status::{Part, ServiceStatus, State};
use cell_packages::{Library, Offer, PackagesError};
use cell_plan::services::guides;

use crate::answer::{cut, parse_cursor};
use crate::edit::Edit;
use crate::edit::services::{
    answer, has_something_to_publish, install, needed_by, not_offered, refuse_taken_ports, update,
};
use crate::{Core, sources};

impl Core {
    /// The config with a service, and with those that it needs.
    pub(crate) fn installing(&self, config: &Config, form: &ServiceForm) -> Result<Edit, Problem> {
        if !self.settings.options.containers {
            return Err(Problem::conflict(
                "no_containers",
                "This box runs no services",
                "It was started without containers. Start it without --no-containers.",
            ));
        }
        let offers = self.wanted(config, &form.id)?;
        refuse_taken_ports(self.settings.options.in_place_of_proxy(), &offers)?;
        install(config, &offers, &form.answers)
    }

    /// The config with the newest version of a service, on trial, and with what that needs.
    pub(crate) fn updating(&self, config: &Config, id: &ServiceId) -> Result<Edit, Problem> {
        if !config.services.installed.contains_key(id) {
            return Err(Problem::not_found(format!("service {id}")));
        }
        update(config, &self.wanted(config, id)?)
    }

    /// What the box has of a service and of all that it needs and that is not there, in the order in which they come; the
    /// service itself is the last.
    fn wanted(&self, config: &Config, wanted: &ServiceId) -> Result<Vec<Offer>, Problem> {
        let library = self.library()?;
        let installed: BTreeSet<ServiceId> = config.services.installed.keys().cloned().collect();
        let mut needs = Needs::new();
        let mut open = vec![wanted.clone()];
        let mut offers = Vec::new();
        while let Some(id) = open.pop() {
            // Whom the box does not know is told by the order.
            if needs.contains_key(&id) || (installed.contains(&id) && id != *wanted) {
                continue;
            }
            let offer = match sources::offer(&library, &config.services, &id) {
                Ok(offer) => offer,
                Err(PackagesError::NoService(_)) if id != *wanted => continue,
                Err(error) => return Err(offer_problem(&id, &error)),
            };
            open.extend(offer.manifest.requires.iter().cloned());
            needs.insert(id, offer.manifest.requires.clone());
            offers.push(offer);
        }
        let mut others = installed;
        others.remove(wanted);
        let order =
            requires::install_order(wanted, &needs, &others).map_err(|error| match error {
                RequiresError::Missing { .. } | RequiresError::Circle(_) => Problem::conflict(
                    "service_needs",
                    "Another service is missing",
                    format!("It cannot be installed: {error}."),
                ),
            })?;
        let ordered: Vec<Offer> = order
            .iter()
            .filter_map(|id| {
                offers
                    .iter()
                    .find(|offer| offer.manifest.id == *id)
                    .cloned()
            })
            .collect();
        Ok(ordered)
    }

    pub(crate) fn services(
        &self,
        identity: &Identity,
        range: &Range,
    ) -> Result<Page<ServiceView>, Problem> {
        let config = self.config()?;
        let after: Option<ServiceId> = parse_cursor(range.cursor.as_deref())?;
        let installed = config.services.installed.iter();
        let rest = installed.skip_while(|(id, _)| after.as_ref().is_some_and(|after| *id <= after));
        let mut items: Vec<ServiceView> = rest
            .take(range.limit.saturating_add(1))
            .map(|(id, service)| self.view(identity, &config, id, service))
            .collect();
        let next = cut(&mut items, range.limit, |service| service.id.to_string());
        Ok(Page { items, next })
    }

    /// Those that run, for whoever uses them.
    pub(crate) fn own_services(
        &self,
        identity: &Identity,
    ) -> Result<Page<OwnServiceView>, Problem> {
        let config = self.config()?;
        let running = config.services.installed.iter();
        let running = running
            .filter(|(id, service)| service.enabled && config.may_use(&identity.username, id));
        let items = running.map(|(id, service)| self.view(identity, &config, id, service).into());
        Ok(Page {
            items: items.collect(),
            next: None,
        })
    }

    pub(crate) fn service(
        &self,
        identity: &Identity,
        id: &ServiceId,
    ) -> Result<ServiceView, Problem> {
        let config = self.config()?;
        let service = config.services.installed.get(id);
        let service = service.ok_or_else(|| Problem::not_found(format!("service {id}")))?;
        Ok(self.view(identity, &config, id, service))
    }

    pub(crate) fn offers(&self, range: &Range) -> Result<Page<OfferView>, Problem> {
        let config = self.config()?;
        let library = self.library()?;
        let after: Option<ServiceId> = parse_cursor(range.cursor.as_deref())?;
        let rest = library.ids().into_iter();
        let rest = rest.filter(|id| after.as_ref().is_none_or(|after| id > after));
        let offers = rest.filter_map(|id| match sources::offer(&library, &config.services, &id) {
            Ok(offer) => Some(offer),
            Err(error) => {
                tracing::warn!(service = %id, error = %chain(&error), "a service of the store cannot be offered");
                None
            }
        });
        let mut items: Vec<OfferView> = offers
            .take(range.limit.saturating_add(1))
            .map(|offer| offer_view(&config, &offer))
            .collect();
        let next = cut(&mut items, range.limit, |offer| offer.id.to_string());
        Ok(Page { items, next })
    }

    /// What services can be installed from, as the config has it now.
    pub(crate) fn library(&self) -> Result<Arc<Library>, Problem> {
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let library = Arc::clone(&system.parts.library);
        library.follow(&self.config()?.services.sources);
        Ok(library)
    }

    fn view(
        &self,
        identity: &Identity,
        config: &Config,
        id: &ServiceId,
        service: &ServiceConfig,
    ) -> ServiceView {
        let mut status = self.service_status(id, service);
        let next = service.next.as_ref();
        if let Some(next) = next {
            let known = self.next_status(id, next);
            let detail = known.map(|known| known.detail);
            let detail = detail.unwrap_or_else(|| "The next version is fetched.".to_owned());
            status.1 = format!("{} {detail}", status.1);
        }
        let next = next.and_then(|next| version(&next.manifest));
        let Ok(manifest) = Manifest::parse(service.manifest.as_bytes()) else {
            return unreadable(id, service, status);
        };
        // With answers that are none it does not run, and is told so.
        let guides = guides(config, &manifest, &service.answers, &identity.username);
        let guides = guides.unwrap_or_default().into_iter();
        let guides = guides.map(|(platform, steps)| GuideView {
            platform: platform.word().to_owned(),
            steps,
        });
        let guides = guides.collect();
        let hosts = manifest.routes.iter();
        let published = has_something_to_publish(&manifest).then_some(service.published);
        let newest = next.as_ref().map_or(manifest.release, |next| next.release);
        ServiceView {
            id: id.clone(),
            name: manifest.name,
            summary: manifest.summary,
            version: manifest.version,
            release: manifest.release,
            enabled: service.enabled,
            groups: service.groups.clone(),
            published,
            state: status.0,
            since: status.2,
            detail: status.1,
            urls: hosts
                .map(|route| format!("https://{}.{}/", route.host, config.domain.name))
                .collect(),
            internet: manifest.internet,
            requires: manifest.requires,
            needed_by: needed_by(config, id, false).into_keys().collect(),
            containers: manifest
                .containers
                .iter()
                .map(|container| ServiceContainerView {
                    name: container.name.to_string(),
                    image: container.image.to_string(),
                    memory_mib: container.limits.memory_mib,
                    cpu_percent: container.limits.cpu_percent,
                    processes: container.limits.processes,
                    usage: None,
                })
                .collect(),
            data_bytes: None,
            volumes: Vec::new(),
            settings: settings(&manifest.settings, Some(service)),
            well_known: well_known(config, &manifest.routes),
            mail: None,
            guides,
            on_trial: is_updated(service),
            update: self.newer(config, id, newest),
            next,
            failed_update: failed_update(service),
        }
    }

    /// What the box has of a service that is newer.
    fn newer(&self, config: &Config, id: &ServiceId, release: u32) -> Option<ServiceUpdateView> {
        let library = self.library().ok()?;
        let offer = sources::offer(&library, &config.services, id).ok()?;
        sources::refuse_stranger(&config.services, &offer).ok()?;
        let manifest = offer.manifest;
        (manifest.release > release).then_some(ServiceUpdateView {
            version: manifest.version,
            release: manifest.release,
        })
    }

    /// How a service is, in a sentence, and since when.
    fn service_status(&self, id: &ServiceId, service: &ServiceConfig) -> Status {
        if !service.enabled {
            return (State::Ok, "It is stopped.".to_owned(), None);
        }
        let Some(system) = self.system.get() else {
            return (State::Unknown, "The box is starting.".to_owned(), None);
        };
        let published = system.published.borrow().clone();
        if let Some(problem) = published
            .spec
            .as_ref()
            .and_then(|spec| spec.unfit_services.get(id))
        {
            return (
                State::Failed,
                format!("It does not run: it {problem}."),
                None,
            );
        }
        if let Some(ServiceStatus {
            state,
            since,
            detail,
            ..
        }) = system.services.borrow().get(id)
        {
            return on_trial(service, *state, detail.clone(), *since);
        }
        let item = published
            .items
            .iter()
            .find(|item| item.id == Part::Containers.as_str());
        match item.filter(|item| item.state == State::Failed) {
            Some(item) => (State::Failed, item.detail.clone(), Some(item.since)),
            None => (State::Pending, "It is being installed.".to_owned(), None),
        }
    }
}

/// How something is, in a sentence, and since when.
type Status = (State, String, Option<cell_model::Timestamp>);

/// A new version that is well still has to stay so before anybody is let in.
fn on_trial(
    service: &ServiceConfig,
    state: State,
    detail: String,
    since: cell_model::Timestamp,
) -> Status {
    match (&service.former, state) {
        (None, _) => (state, detail, Some(since)),
        (Some(_), State::Failed) => {
            let detail = format!("{detail} It becomes what it was unless it gets well.");
            (state, detail, Some(since))
        }
        (Some(_), State::Ok) => {
            let detail = "The new version runs, and is watched for a moment.".to_owned();
            (State::Pending, detail, Some(since))
        }
        (Some(_), _) => (state, format!("It is updated. {detail}"), Some(since)),
    }
}

/// Whether an update is open.
fn is_updated(service: &ServiceConfig) -> bool {
    service.next.is_some() || service.former.is_some()
}

/// The version that a manifest describes.
fn version(manifest: &str) -> Option<ServiceUpdateView> {
    let manifest = Manifest::parse(manifest.as_bytes()).ok()?;
    Some(ServiceUpdateView {
        version: manifest.version,
        release: manifest.release,
    })
}

fn failed_update(service: &ServiceConfig) -> Option<FailedUpdateView> {
    let failed = service.failed_update.as_ref()?;
    Some(FailedUpdateView {
        version: failed.version.clone(),
        release: failed.release,
        reason: failed.reason.clone(),
    })
}

/// A service of which nothing but its id is known.
fn unreadable(
    id: &ServiceId,
    service: &ServiceConfig,
    (state, detail, since): Status,
) -> ServiceView {
    ServiceView {
        id: id.clone(),
        name: id.to_string(),
        summary: String::new(),
        version: String::new(),
        release: 0,
        enabled: service.enabled,
        published: None,
        groups: service.groups.clone(),
        state,
        since,
        detail,
        urls: Vec::new(),
        internet: None,
        requires: BTreeSet::new(),
        needed_by: BTreeSet::new(),
        containers: Vec::new(),
        data_bytes: None,
        volumes: Vec::new(),
        settings: Vec::new(),
        well_known: Vec::new(),
        mail: None,
        guides: Vec::new(),
        on_trial: is_updated(service),
        update: None,
        next: None,
        failed_update: failed_update(service),
    }
}

fn offer_view(config: &Config, offer: &Offer) -> OfferView {
    let manifest = &offer.manifest;
    let installed = config.services.installed.get(&manifest.id);
    OfferView {
        id: manifest.id.clone(),
        name: manifest.name.clone(),
        summary: manifest.summary.clone(),
        version: manifest.version.clone(),
        release: manifest.release,
        requires: manifest.requires.clone(),
        internet: manifest.internet.clone(),
        installed: installed.map(|service| {
            let known = Manifest::parse(service.manifest.as_bytes());
            known.map_or(0, |known| known.release)
        }),
        kept_data: config.services.kept.contains_key(&manifest.id),
        source: offer.source().cloned(),
        settings: settings(&manifest.settings, installed.map(Arc::as_ref)),
    }
}

fn well_known(config: &Config, routes: &[Route]) -> Vec<WellKnownView> {
    let of = |route: &Route| {
        let host = format!("{}.{}", route.host, config.domain.name);
        let names = route.well_known.keys();
        let views = names.map(|name| WellKnownView {
            name: name.word().to_owned(),
            host: host.clone(),
        });
        views.collect::<Vec<_>>()
    };
    routes.iter().flat_map(of).collect()
}

fn settings(settings: &[Setting], service: Option<&ServiceConfig>) -> Vec<SettingView> {
    let of = |setting: &Setting| {
        let given = service.and_then(|service| service.answers.get(&setting.key));
        let (value, is_default) = answer(&setting.kind, given);
        SettingView {
            key: setting.key.clone(),
            label: setting.label.clone(),
            help: setting.help.clone(),
            kind: match &setting.kind {
                SettingKind::Text { max, .. } => SettingKindView::Text { max: *max },
                SettingKind::Number { min, max, .. } => SettingKindView::Number {
                    min: *min,
                    max: *max,
                },
                SettingKind::Switch { .. } => SettingKindView::Switch,
                SettingKind::Choice { choices, .. } => SettingKindView::Choice {
                    choices: choices.clone(),
                },
                SettingKind::Secret => SettingKindView::Secret,
            },
            value,
            is_default,
            default: setting.kind.default_value(),
        }
    };
    settings.iter().map(of).collect()
}

fn offer_problem(id: &ServiceId, error: &PackagesError) -> Problem {
    match error {
        PackagesError::NoService(_) => not_offered(id),
        other => {
            tracing::error!(service = %id, error = %chain(other), "a service of the store cannot be read");
            Problem::conflict(
                "service_unfit",
                "The service cannot run on this box",
                format!(
                    "What the box has of {id} is damaged, or made for another version. The log says more."
                ),
            )
        }
    }
}
