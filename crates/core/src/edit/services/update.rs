//! A service becomes a newer one, on trial, and stays that or becomes what it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_catalogue::Manifest;
use cell_model::config::{Config, FailedUpdateConfig, FormerConfig, NextConfig, ServiceConfig};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;
use cell_packages::Offer;
use cell_plan::services::{self, ServiceProblem};

use crate::sources::refuse_stranger;

use super::{Edit, add, check, discard, find, keep_fitting, manifest, refuse_secrets};

/// Updates to the last of these; the others are services that it needs and that are not there. The old one goes on until
/// the images of the new one are here.
pub(crate) fn update(config: &Config, offers: &[Offer]) -> Result<Edit, Problem> {
    let (wanted, needed) = offers.split_last().ok_or_else(Problem::internal)?;
    let new = &wanted.manifest;
    let id = &new.id;
    let service = find(config, id)?;
    let old = manifest(id, &service.manifest)?;
    refuse_on_trial(&old, service)?;
    refuse_other_than_newer(&old, new)?;
    if !service.enabled {
        return Err(Problem::conflict(
            "service_stopped",
            "The service is stopped",
            format!(
                "Whether {} gets well as a newer version is only seen when it runs. Start it first.",
                old.name
            ),
        ));
    }
    for offer in offers {
        refuse_stranger(&config.services, offer)?;
    }
    refuse_secrets(new)?;
    refuse_moved_data(&old, new)?;
    let mut after = config.clone();
    for offer in needed {
        add(&mut after, offer, BTreeMap::new())?;
    }
    let next = NextConfig {
        manifest: wanted.text.clone(),
        origin: wanted.origin.clone(),
    };
    let tried = on_trial(&after, id, &next)?;
    check(config, &tried, offers.iter().map(|offer| &offer.manifest))?;
    let is_here = needed.is_empty() && new.images().is_subset(&old.images());
    match is_here {
        true => after = tried,
        false => replace(&mut after, id, |service| {
            (service.next, service.failed_update) = (Some(next), None);
        }),
    }
    let summary = format!(
        "Began to update {} from version {} to {}",
        new.name, old.version, new.version
    );
    Ok(Edit::new(after, "service.update", id.to_string(), summary))
}

/// The images of what a service becomes are here: it becomes that, on trial. `None`: it becomes nothing else.
pub(crate) fn try_update(config: &Config, id: &ServiceId) -> Option<Edit> {
    let service = config.services.installed.get(id)?;
    let next = service.next.as_ref()?;
    let tried = manifest(id, &next.manifest).and_then(|manifest| {
        let after = on_trial(config, id, next)?;
        // What came since may be in its way.
        check(config, &after, [&manifest])?;
        Ok((after, manifest))
    });
    let (after, manifest) = match tried {
        Ok(tried) => tried,
        Err(problem) => return give_up_update(config, id, &problem.detail),
    };
    let summary = format!(
        "Version {} of {} is here, and is tried",
        manifest.version, manifest.name
    );
    let object = id.to_string();
    Some(Edit::new(after, "service.update-try", object, summary))
}

/// A service does not become what it was to be, and goes on as it is. `None`: it becomes nothing else.
pub(crate) fn give_up_update(config: &Config, id: &ServiceId, reason: &str) -> Option<Edit> {
    let service = config.services.installed.get(id)?;
    let next = service.next.as_ref()?;
    let failed_update = failed(&next.manifest, reason);
    let summary = format!("Gave up the update of {}: {reason}", name(id, service));
    let mut after = config.clone();
    replace(&mut after, id, |service| {
        (service.next, service.failed_update) = (None, failed_update);
    });
    let object = id.to_string();
    Some(Edit::new(after, "service.update-revert", object, summary))
}

/// The config with a service as it is next, which works on a copy of what it has kept, so that there is a way back.
fn on_trial(config: &Config, id: &ServiceId, next: &NextConfig) -> Result<Config, Problem> {
    let service = find(config, id)?;
    let new = manifest(id, &next.manifest)?;
    let number = config.services.next_number();
    let number = number.ok_or_else(Problem::internal)?;
    // What the new one does not ask any more, or not so, is as its manifest says.
    let mut answers = service.answers.clone();
    keep_fitting(&mut answers, &new);
    let mut updated = ServiceConfig::new(next.manifest.clone(), service.data, answers);
    updated.data.number = number;
    updated.origin = next.origin.clone();
    updated.published = service.published && new.can_be_published();
    updated.groups.clone_from(&service.groups);
    updated.former = Some(FormerConfig {
        manifest: service.manifest.clone(),
        number: service.data.number,
        origin: service.origin.clone(),
        answers: service.answers.clone(),
    });
    let mut after = config.clone();
    let installed = &mut after.services.installed;
    installed.insert(id.clone(), Arc::new(updated));
    refuse_in_the_way(config, &after, &new)?;
    Ok(after)
}

/// 409 when another service could not run any more beside the new version once that stays.
fn refuse_in_the_way(before: &Config, after: &Config, new: &Manifest) -> Result<(), Problem> {
    let mut stays = after.clone();
    replace(&mut stays, &new.id, |service| service.former = None);
    refuse_to_stop(before, &services::of(&stays, None).problems, new)
}

/// 409 when a service that could run before has a problem now.
pub(super) fn refuse_to_stop(
    before: &Config,
    found: &BTreeMap<ServiceId, ServiceProblem>,
    new: &Manifest,
) -> Result<(), Problem> {
    let known = services::of(before, None).problems;
    let mut others = found.iter().filter(|(id, _)| **id != new.id);
    match others.find(|(id, _)| !known.contains_key(*id)) {
        None => Ok(()),
        Some((other, problem)) => Err(Problem::conflict(
            "service_clash",
            "Another service is in the way",
            format!(
                "Beside version {} of {} the service {other} does not run: it {problem}.",
                new.version, new.name
            ),
        )),
    }
}

/// Changes a service that is installed.
fn replace(config: &mut Config, id: &ServiceId, change: impl FnOnce(&mut ServiceConfig)) {
    if let Some(service) = config.services.installed.get_mut(id) {
        change(Arc::make_mut(service));
    }
}

/// The update stays; what the service had before is deleted. `None`: none is on trial.
pub(crate) fn keep_update(config: &Config, id: &ServiceId) -> Option<Edit> {
    let service = config.services.installed.get(id)?;
    let former = service.former.as_ref()?;
    let mut kept = ServiceConfig::clone(service);
    kept.former = None;
    let mut after = config.clone();
    discard(&mut after.services, id, [former.number].into_iter());
    let installed = &mut after.services.installed;
    installed.insert(id.clone(), Arc::new(kept));
    let summary = format!("The update of {} stays: it is well", name(id, service));
    Some(Edit::new(
        after,
        "service.update-keep",
        id.to_string(),
        summary,
    ))
}

/// The service becomes what it was, with what it had; the copy is deleted. `None`: no update is on trial.
pub(crate) fn take_back_update(config: &Config, id: &ServiceId, reason: &str) -> Option<Edit> {
    let service = config.services.installed.get(id)?;
    let former = service.former.as_ref()?;
    let mut back = ServiceConfig::new(
        former.manifest.clone(),
        service.data,
        former.answers.clone(),
    );
    back.data.number = former.number;
    back.origin = former.origin.clone();
    back.enabled = service.enabled;
    back.published = service.published;
    back.groups.clone_from(&service.groups);
    back.failed_update = failed(&service.manifest, reason);
    let mut after = config.clone();
    discard(&mut after.services, id, [service.data.number].into_iter());
    let installed = &mut after.services.installed;
    installed.insert(id.clone(), Arc::new(back));
    let summary = format!("Took back the update of {}: {reason}", name(id, service));
    Some(Edit::new(
        after,
        "service.update-revert",
        id.to_string(),
        summary,
    ))
}

/// 409 while an update is open: what is changed now would be lost or left behind.
pub(crate) fn refuse_on_trial(manifest: &Manifest, service: &ServiceConfig) -> Result<(), Problem> {
    let refused = |what: String| {
        let what = format!("{what} Wait for that, then try again.");
        Problem::conflict("service_updating", "The service is being updated", what)
    };
    let (name, version) = (&manifest.name, &manifest.version);
    match (&service.next, &service.former) {
        (None, None) => Ok(()),
        (Some(_), _) => Err(refused(format!(
            "The next version of {name} is fetched; until it is here, version {version} goes on."
        ))),
        (None, Some(_)) => Err(refused(format!(
            "Whether {name} stays at version {version} is known once it is well or has failed."
        ))),
    }
}

fn refuse_other_than_newer(old: &Manifest, new: &Manifest) -> Result<(), Problem> {
    if new.release == old.release {
        return Err(Problem::conflict(
            "up_to_date",
            "There is no newer version",
            format!(
                "{} is at version {}, the newest the box knows of.",
                old.name, old.version
            ),
        ));
    }
    if new.release < old.release {
        return Err(Problem::conflict(
            "older_release",
            "There is only an older version",
            format!(
                "{} is at version {}, and the box has version {}. An older one may not be able to read what a newer one wrote.",
                old.name, old.version, new.version
            ),
        ));
    }
    Ok(())
}

/// A volume that was copied for updates and is not any more, or the other way round, would be looked for where it is not.
fn refuse_moved_data(old: &Manifest, new: &Manifest) -> Result<(), Problem> {
    let is_moved = |volume: &&cell_catalogue::Volume| {
        let mut had = old.volumes.iter();
        had.any(|had| had.name == volume.name && had.snapshot != volume.snapshot)
    };
    match new.volumes.iter().find(is_moved) {
        None => Ok(()),
        Some(volume) => Err(Problem::conflict(
            "service_unfit",
            "The service cannot be updated",
            format!(
                "Version {} of {} does not treat its volume {} as the one before did in updates. Tell its publisher.",
                new.version, new.name, volume.name
            ),
        )),
    }
}

/// The update to what this manifest describes, taken back. `None`: nothing can be said of it.
fn failed(manifest: &str, reason: &str) -> Option<FailedUpdateConfig> {
    let manifest = Manifest::parse(manifest.as_bytes()).ok()?;
    Some(FailedUpdateConfig {
        release: manifest.release,
        version: manifest.version,
        reason: reason.to_owned(),
    })
}

fn name(id: &ServiceId, service: &ServiceConfig) -> String {
    let manifest = Manifest::parse(service.manifest.as_bytes());
    manifest.map_or_else(|_| id.to_string(), |manifest| manifest.name)
}
