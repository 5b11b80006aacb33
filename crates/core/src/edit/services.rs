//! Services come, change and go.

mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cell_catalogue::{Manifest, SettingKind};
use cell_control::change::ServiceUpdate;
use cell_model::config::{Config, ServiceConfig, ServicesConfig, SettingValue};
use cell_model::name::{GroupName, ServiceId, SettingKey};
use cell_model::problem::Problem;
use cell_packages::Offer;
use cell_plan::services::{self, ServiceProblem};

use super::Edit;
use crate::sources::{note_owner, refuse_stranger};
pub(crate) use update::{
    give_up_update, keep_update, refuse_on_trial, take_back_update, try_update, update,
};

/// Installs services in this order; the last is the one that was asked for, the others are those that it needs.
pub(crate) fn install(
    config: &Config,
    offers: &[Offer],
    answers: &BTreeMap<SettingKey, SettingValue>,
) -> Result<Edit, Problem> {
    let (wanted, needed) = offers.split_last().ok_or_else(Problem::internal)?;
    let id = &wanted.manifest.id;
    if config.services.installed.contains_key(id) {
        return Err(Problem::conflict(
            "already_installed",
            "The service is installed already",
            format!("{} runs on this box already.", wanted.manifest.name),
        ));
    }
    let mut after = config.clone();
    for offer in offers {
        refuse_stranger(&config.services, offer)?;
        let answers = match offer.manifest.id == *id {
            true => answers.clone(),
            false => BTreeMap::new(),
        };
        add(&mut after, offer, answers)?;
    }
    check(config, &after, offers.iter().map(|offer| &offer.manifest))?;
    let with = match needed {
        [] => String::new(),
        needed => {
            let names: Vec<&str> = needed
                .iter()
                .map(|offer| offer.manifest.name.as_str())
                .collect();
            format!(", and {} with it", names.join(", "))
        }
    };
    let summary = format!("Installed {}{with}", wanted.manifest.name);
    Ok(Edit::new(after, "service.install", id.to_string(), summary))
}

/// 409 where the box itself answers at the ports of services that are reached by name: `taken` says by what.
pub(crate) fn refuse_taken_ports(taken: Option<String>, offers: &[Offer]) -> Result<(), Problem> {
    let mut manifests = offers.iter().map(|offer| &offer.manifest);
    // Documents may stay unanswered.
    let named = manifests.find(|manifest| !manifest.routes.is_empty());
    match named.zip(taken) {
        None => Ok(()),
        Some((manifest, taken)) => Err(Problem::conflict(
            "port_taken",
            "The box itself uses a port of services",
            format!(
                "{} is reached at ports 80 and 443, and the box was started by {taken}. Start it with another port.",
                manifest.name
            ),
        )),
    }
}

/// There is nowhere yet to keep one for a service.
fn refuse_secrets(manifest: &Manifest) -> Result<(), Problem> {
    let mut settings = manifest.settings.iter();
    match settings.any(|setting| setting.kind == SettingKind::Secret) {
        false => Ok(()),
        true => Err(Problem::conflict(
            "service_unfit",
            "The service cannot run on this box",
            format!(
                "{} asks for a secret, which this version of the box cannot keep for it.",
                manifest.name
            ),
        )),
    }
}

fn add(
    config: &mut Config,
    offer: &Offer,
    answers: BTreeMap<SettingKey, SettingValue>,
) -> Result<(), Problem> {
    refuse_secrets(&offer.manifest)?;
    let id = &offer.manifest.id;
    let services = &mut config.services;
    let data = services.data_for(id).ok_or_else(|| {
        Problem::conflict(
            "too_many_services",
            "There are too many services",
            "Remove one that nobody uses, then try again.",
        )
    })?;
    services.kept.remove(id);
    services.kept_from.remove(id);
    let service = ServiceConfig {
        origin: offer.origin.clone(),
        ..ServiceConfig::new(offer.text.clone(), data, answers)
    };
    services.installed.insert(id.clone(), Arc::new(service));
    Ok(())
}

pub(super) fn change(
    config: &Config,
    id: &ServiceId,
    update: &ServiceUpdate,
) -> Result<Edit, Problem> {
    let service = find(config, id)?;
    let manifest = manifest(id, &service.manifest)?;
    if !closes_alone(update) {
        refuse_on_trial(&manifest, service)?;
    }
    let mut after = ServiceConfig::clone(service);
    after.enabled = update.enabled.unwrap_or(service.enabled);
    after.published = update.published.unwrap_or(service.published);
    if let Some(groups) = &update.groups {
        check_groups(config, groups.as_ref())?;
        after.groups.clone_from(groups);
    }
    if after.published && !manifest.can_be_published() {
        return Err(nothing_to_publish(&manifest));
    }
    for (key, answer) in &update.answers {
        if !manifest.settings.iter().any(|setting| setting.key == *key) {
            return Err(Problem::field(
                format!("answers.{key}"),
                "is no setting of the service",
            ));
        }
        match answer {
            Some(answer) => after.answers.insert(key.clone(), answer.clone()),
            None => after.answers.remove(key),
        };
    }
    if !after.enabled && service.enabled {
        refuse_needed(config, id, &manifest, true)?;
    }
    let name = &manifest.name;
    let after_groups = after.groups.clone();
    let summary = match (service.enabled, after.enabled) {
        (true, false) => format!("Stopped {name}"),
        (false, true) => format!("Started {name}"),
        _ => match (service.published, after.published) {
            (true, false) => format!("Closed {name} to the internet"),
            (false, true) => format!("Opened {name} to the internet"),
            _ if service.groups != after_groups => format!("Changed who may use {name}"),
            _ => format!("Changed the settings of {name}"),
        },
    };
    let mut changed = config.clone();
    changed
        .services
        .installed
        .insert(id.clone(), Arc::new(after));
    check(config, &changed, [&manifest])?;
    Ok(Edit::new(
        changed,
        "service.change",
        id.to_string(),
        summary,
    ))
}

/// Whether all that is asked is that the internet does not reach it: nobody has to wait with that.
fn closes_alone(update: &ServiceUpdate) -> bool {
    let ServiceUpdate {
        enabled,
        published,
        groups,
        answers,
    } = update;
    *published == Some(false) && enabled.is_none() && groups.is_none() && answers.is_empty()
}

fn check_groups(config: &Config, groups: Option<&BTreeSet<GroupName>>) -> Result<(), Problem> {
    let mut names = groups.into_iter().flatten();
    match names.find(|name| !config.groups.contains_key(*name)) {
        Some(name) => Err(Problem::field(
            "groups",
            format!("must be names of groups; there is no {name}"),
        )),
        None => Ok(()),
    }
}

fn nothing_to_publish(manifest: &Manifest) -> Problem {
    Problem::conflict(
        "nothing_to_publish",
        "The service has no address for the internet",
        format!(
            "{} has neither a name over HTTPS nor a port for others than home, so there is nothing to open to the internet.",
            manifest.name
        ),
    )
}

pub(super) fn remove(config: &Config, id: &ServiceId, delete_data: bool) -> Result<Edit, Problem> {
    let mut after = config.clone();
    let services = &mut after.services;
    let summary = match config.services.installed.get(id) {
        Some(service) => {
            // What cannot be read any more can still be taken away.
            let name = match Manifest::parse(service.manifest.as_bytes()) {
                Ok(manifest) => {
                    refuse_needed(config, id, &manifest, false)?;
                    manifest.name
                }
                Err(_) => id.to_string(),
            };
            services.installed.remove(id);
            leave(services, id, service, delete_data);
            let with = if delete_data { " and its data" } else { "" };
            format!("Removed {name}{with}")
        }
        None => match services.kept.remove(id) {
            Some(kept) if delete_data => {
                services.kept_from.remove(id);
                discard(services, id, kept.numbers().into_iter());
                format!("Deleted the data of {id}")
            }
            _ => return Err(Problem::not_found(format!("service {id}"))),
        },
    };
    Ok(Edit::new(after, "service.remove", id.to_string(), summary))
}

/// What becomes of the data of a service that goes. Of an update on trial nobody knows whether it had got well: what was
/// there before is what counts.
pub(super) fn leave(
    services: &mut ServicesConfig,
    id: &ServiceId,
    service: &ServiceConfig,
    delete: bool,
) {
    let (mut data, mut origin) = (service.data, &service.origin);
    if let Some(former) = &service.former {
        discard(services, id, [data.number].into_iter());
        (data.number, origin) = (former.number, &former.origin);
    }
    match delete {
        true => discard(services, id, data.numbers().into_iter()),
        false => drop(services.kept.insert(id.clone(), data)),
    }
    let source = origin.as_ref().map(|origin| &origin.source);
    note_owner(&mut services.kept_from, id, source.filter(|_| !delete));
}

/// A service as it is, with what was set at another time, as far as it still takes that.
pub(super) fn with_settings_of(present: &ServiceConfig, other: &ServiceConfig) -> ServiceConfig {
    let mut service = present.clone();
    if present.next.is_some() || present.former.is_some() {
        return service;
    }
    service.enabled = other.enabled;
    service.published = other.published;
    service.groups.clone_from(&other.groups);
    service.answers = other.answers.clone();
    if let Ok(manifest) = Manifest::parse(present.manifest.as_bytes()) {
        keep_fitting(&mut service.answers, &manifest);
    }
    service
}

/// Leaves out answers that a manifest does not take: to those questions, its own count.
fn keep_fitting(answers: &mut BTreeMap<SettingKey, SettingValue>, manifest: &Manifest) {
    answers.retain(|key, answer| {
        let mut settings = manifest.settings.iter();
        settings.any(|setting| setting.key == *key && setting.kind.check(answer).is_ok())
    });
}

/// Has data deleted.
fn discard(services: &mut ServicesConfig, id: &ServiceId, numbers: impl Iterator<Item = u32>) {
    let discarded = services.discarded.entry(id.clone()).or_default();
    discarded.extend(numbers);
}

/// Data is gone for good: nobody has to be told to delete it any more, and its numbers are not given again. `None`: none of
/// it is named.
pub(crate) fn forget_deleted(
    config: &Config,
    deleted: &BTreeSet<(ServiceId, u32)>,
) -> Option<Edit> {
    let mut after = config.clone();
    let services = &mut after.services;
    let mut ids = BTreeSet::new();
    for (id, number) in deleted {
        let Some(numbers) = services.discarded.get_mut(id) else {
            continue;
        };
        if numbers.remove(number) {
            services.deleted_to = services.deleted_to.max(*number);
            ids.insert(id.as_str());
        }
    }
    services.discarded.retain(|_, numbers| !numbers.is_empty());
    let ids = Vec::from_iter(ids).join(", ");
    if ids.is_empty() {
        return None;
    }
    let summary = format!("What was to be deleted of {ids} is gone");
    Some(Edit::new(after, "service.data-gone", ids, summary))
}

/// 409 while another service needs it: to run, or to be there at all.
fn refuse_needed(
    config: &Config,
    id: &ServiceId,
    manifest: &Manifest,
    only_running: bool,
) -> Result<(), Problem> {
    let names: Vec<String> = needed_by(config, id, only_running).into_values().collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(Problem::conflict(
            "service_needed",
            "Another service needs it",
            format!(
                "{} cannot do without {}. {} {} first.",
                names.join(", "),
                manifest.name,
                if only_running { "Stop" } else { "Remove" },
                if names.len() == 1 { "it" } else { "them" }
            ),
        )),
    }
}

/// Services that need this one, with their names.
pub(crate) fn needed_by(
    config: &Config,
    id: &ServiceId,
    only_running: bool,
) -> BTreeMap<ServiceId, String> {
    let others = config.services.installed.iter();
    others
        .filter(|(_, other)| other.enabled || !only_running)
        .filter_map(|(other_id, other)| {
            let other = Manifest::parse(other.manifest.as_bytes()).ok()?;
            other
                .requires
                .contains(id)
                .then(|| (other_id.clone(), other.name))
        })
        .collect()
}

/// Refuses services that could not run beside what is there.
fn check<'a>(
    before: &Config,
    after: &Config,
    services: impl IntoIterator<Item = &'a Manifest>,
) -> Result<(), Problem> {
    let manifests: Vec<&Manifest> = services.into_iter().collect();
    let mut running = after.clone();
    for manifest in &manifests {
        // What is wrong with one that does not run would be found when it is to run, and nobody looks then.
        // Nor would somebody see who has no port while its update is on trial.
        if let Some(service) = running.services.installed.get_mut(&manifest.id) {
            let service = Arc::make_mut(service);
            (service.enabled, service.former) = (true, None);
        }
    }
    let found = services::of(&running, None);
    for manifest in &manifests {
        if let Some(problem) = found.problems.get(&manifest.id) {
            return Err(problem_of(manifest, problem));
        }
    }
    let last = manifests.last();
    last.map_or(Ok(()), |last| {
        update::refuse_to_stop(before, &found.problems, last)
    })
}

fn problem_of(manifest: &Manifest, problem: &ServiceProblem) -> Problem {
    let told =
        |code, title| Problem::conflict(code, title, format!("{} {problem}.", manifest.name));
    match problem {
        ServiceProblem::Answer { key, error } => Problem::field(format!("answers.{key}"), error),
        ServiceProblem::Unknown(key) => {
            Problem::field(format!("answers.{key}"), "is no setting of the service")
        }
        ServiceProblem::Taken { .. } => told("service_clash", "Another service is in the way"),
        ServiceProblem::Needs(_) | ServiceProblem::NoBackend { .. } => {
            told("service_needs", "Another service is missing")
        }
        ServiceProblem::NoNetwork(_) => told("no_network", "There is no network for it"),
        ServiceProblem::Manifest(_) | ServiceProblem::Guarded { .. } => {
            told("service_unfit", "The service cannot run on this box")
        }
    }
}

/// The answer in force to each question, and whether it is the manifest's.
pub(crate) fn answer(
    kind: &SettingKind,
    given: Option<&SettingValue>,
) -> (Option<SettingValue>, bool) {
    match given {
        Some(given) => (Some(given.clone()), false),
        None => (kind.default_value(), true),
    }
}

fn find<'a>(config: &'a Config, id: &ServiceId) -> Result<&'a ServiceConfig, Problem> {
    let found = config.services.installed.get(id).map(Arc::as_ref);
    found.ok_or_else(|| Problem::not_found(format!("service {id}")))
}

fn manifest(id: &ServiceId, text: &str) -> Result<Manifest, Problem> {
    Manifest::parse(text.as_bytes()).map_err(|error| {
        tracing::warn!(service = %id, %error, "a manifest is not taken any more");
        Problem::conflict(
            "service_unfit",
            "The service cannot run on this box",
            "Its manifest is not one that this version of the box takes. Remove the service, or go back to the version before.",
        )
    })
}

/// 404: nobody has it.
pub(crate) fn not_offered(id: &ServiceId) -> Problem {
    Problem::not_found(format!("service {id} in the store"))
}

#[cfg(test)]
mod tests;
