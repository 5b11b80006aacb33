//! A service becomes a newer one, on trial, and stays that or becomes what it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_catalogue::Manifest;
use cell_model::config::{Config, FailedUpdateConfig, FormerConfig, ServiceConfig};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;
use cell_packages::Offer;

use crate::sources::refuse_stranger;

use super::{Edit, add, check, discard, find, keep_fitting, manifest, refuse_secrets};

/// Updates to the last of these; the others are services that it needs and that are not there. The new one works on a
/// copy of what the old one has kept, so that there is a way back.
pub(crate) fn update(config: &Config, offers: &[Offer]) -> Result<Edit, Problem> {
    let (wanted, needed) = offers.split_last().ok_or_else(Problem::internal)?;
    let new = &wanted.manifest;
    let id = &new.id;
    let service = find(config, id)?;
    let old = manifest(id, service)?;
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
    let number = after.services.next_number();
    let number = number.ok_or_else(Problem::internal)?;
    // What the new one does not ask any more, or not so, is as its manifest says.
    let mut answers = service.answers.clone();
    keep_fitting(&mut answers, new);
    let mut updated = ServiceConfig::new(wanted.text.clone(), service.data, answers);
    updated.data.number = number;
    updated.origin = wanted.origin.clone();
    updated.former = Some(FormerConfig {
        manifest: service.manifest.clone(),
        number: service.data.number,
        origin: service.origin.clone(),
        answers: service.answers.clone(),
    });
    let installed = &mut after.services.installed;
    installed.insert(id.clone(), Arc::new(updated));
    check(&after, offers.iter().map(|offer| &offer.manifest))?;
    let summary = format!(
        "Began to update {} from version {} to {}",
        new.name, old.version, new.version
    );
    Ok(Edit::new(after, "service.update", id.to_string(), summary))
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
    let failed = Manifest::parse(service.manifest.as_bytes()).ok();
    let mut back = ServiceConfig::new(
        former.manifest.clone(),
        service.data,
        former.answers.clone(),
    );
    back.data.number = former.number;
    back.origin = former.origin.clone();
    back.enabled = service.enabled;
    back.failed_update = failed.map(|failed| FailedUpdateConfig {
        release: failed.release,
        version: failed.version,
        reason: reason.to_owned(),
    });
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

/// 409 while it is not known whether an update stays: what is changed now would be lost or left behind.
pub(crate) fn refuse_on_trial(manifest: &Manifest, service: &ServiceConfig) -> Result<(), Problem> {
    match service.former {
        None => Ok(()),
        Some(_) => Err(Problem::conflict(
            "service_updating",
            "The service is being updated",
            format!(
                "Whether {} stays at version {} is known once it is well or has failed. Wait for that, then try again.",
                manifest.name, manifest.version
            ),
        )),
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

fn name(id: &ServiceId, service: &ServiceConfig) -> String {
    let manifest = Manifest::parse(service.manifest.as_bytes());
    manifest.map_or_else(|_| id.to_string(), |manifest| manifest.name)
}
