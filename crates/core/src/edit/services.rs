//! Services come, change and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_catalogue::{Manifest, SettingKind};
use cell_control::change::ServiceUpdate;
use cell_model::config::{Config, ServiceConfig, SettingValue};
use cell_model::name::{ServiceId, SettingKey};
use cell_model::problem::Problem;
use cell_packages::Offer;
use cell_plan::services::{self, ServiceProblem};

use super::Edit;
use crate::sources::{note_owner, refuse_stranger};

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
        let mut settings = offer.manifest.settings.iter();
        if settings.any(|setting| setting.kind == SettingKind::Secret) {
            return Err(Problem::conflict(
                "service_unfit",
                "The service cannot run on this box",
                format!(
                    "{} asks for a secret, which this version of the box cannot keep for it.",
                    offer.manifest.name
                ),
            ));
        }
        let answers = match offer.manifest.id == *id {
            true => answers.clone(),
            false => BTreeMap::new(),
        };
        add(&mut after, offer, answers)?;
    }
    check(&after, offers.iter().map(|offer| &offer.manifest))?;
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

fn add(
    config: &mut Config,
    offer: &Offer,
    answers: BTreeMap<SettingKey, SettingValue>,
) -> Result<(), Problem> {
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
        manifest: offer.text.clone(),
        data,
        origin: offer.origin.clone(),
        enabled: true,
        answers,
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
    let manifest = manifest(id, service)?;
    let mut after = ServiceConfig::clone(service);
    after.enabled = update.enabled.unwrap_or(service.enabled);
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
    let summary = match (service.enabled, after.enabled) {
        (true, false) => format!("Stopped {}", manifest.name),
        (false, true) => format!("Started {}", manifest.name),
        _ => format!("Changed the settings of {}", manifest.name),
    };
    let mut changed = config.clone();
    changed
        .services
        .installed
        .insert(id.clone(), Arc::new(after));
    check(&changed, [&manifest])?;
    Ok(Edit::new(
        changed,
        "service.change",
        id.to_string(),
        summary,
    ))
}

pub(super) fn remove(config: &Config, id: &ServiceId, delete_data: bool) -> Result<Edit, Problem> {
    let mut after = config.clone();
    let services = &mut after.services;
    let (data, summary) = match config.services.installed.get(id) {
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
            let source = service.source().filter(|_| !delete_data);
            note_owner(&mut services.kept_from, id, source);
            let with = if delete_data { " and its data" } else { "" };
            (service.data, format!("Removed {name}{with}"))
        }
        None => match services.kept.remove(id) {
            Some(kept) if delete_data => {
                services.kept_from.remove(id);
                (kept, format!("Deleted the data of {id}"))
            }
            _ => return Err(Problem::not_found(format!("service {id}"))),
        },
    };
    match delete_data {
        true => {
            let discarded = services.discarded.entry(id.clone()).or_default();
            discarded.insert(data.number);
        }
        false => drop(services.kept.insert(id.clone(), data)),
    }
    Ok(Edit::new(after, "service.remove", id.to_string(), summary))
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
    config: &Config,
    services: impl IntoIterator<Item = &'a Manifest>,
) -> Result<(), Problem> {
    let manifests: Vec<&Manifest> = services.into_iter().collect();
    let mut running = config.clone();
    for manifest in &manifests {
        // What is wrong with one that does not run would be found when it is to run, and nobody looks then.
        if let Some(service) = running.services.installed.get_mut(&manifest.id) {
            Arc::make_mut(service).enabled = true;
        }
    }
    let found = services::of(&running, None);
    for manifest in manifests {
        if let Some(problem) = found.problems.get(&manifest.id) {
            return Err(problem_of(manifest, problem));
        }
    }
    Ok(())
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

fn manifest(id: &ServiceId, service: &ServiceConfig) -> Result<Manifest, Problem> {
    Manifest::parse(service.manifest.as_bytes()).map_err(|error| {
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
mod tests {
    use cell_control::change::Change;
    use cell_model::config::DataConfig;

    use super::*;
    use crate::edit::{apply, sample};

    const DIGEST: &str = "sha256:0011223344556677889900112233445566778899001122334455667788990011";

    fn offer(id: &str, head: &str, rest: &str) -> Offer {
        let text = format!(
            "schema = 1\nid = \"{id}\"\nname = \"The {id}\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n{head}\n\
             [[container]]\nname = \"web\"\nimage = \"a@{DIGEST}\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
             health = {{ port = 80 }}\n{rest}"
        );
        Offer {
            manifest: Manifest::parse(text.as_bytes()).unwrap(),
            text,
            origin: None,
        }
    }

    fn files() -> Offer {
        let rest = "[[route]]\nhost = \"files\"\nbackend = \"web:80\"\n[[setting]]\nkey = \"size\"\nlabel = \"Size\"\n\
                    kind = \"number\"\nmin = 1\nmax = 9\ndefault = 3\n";
        offer("files", "", rest)
    }

    fn id(text: &str) -> ServiceId {
        text.parse().unwrap()
    }

    fn with(offers: &[Offer]) -> Config {
        let config = sample::with_peers(&[]);
        install(&config, offers, &BTreeMap::new()).unwrap().config
    }

    fn submit(config: &Config, change: &Change) -> Result<Edit, Problem> {
        sample::with_context(|context| apply(config, change, context))
    }

    fn removed(config: &Config, name: &str, delete_data: bool) -> Result<Edit, Problem> {
        let id = id(name);
        submit(config, &Change::RemoveService { id, delete_data })
    }

    #[test]
    fn what_a_service_needs_is_installed_with_it_and_cannot_go_before_it() {
        let photos = offer("photos", "requires = [\"files\"]", "");
        let config = sample::with_peers(&[]);
        let edit = install(&config, &[files(), photos], &BTreeMap::new()).unwrap();
        assert_eq!(edit.summary, "Installed The photos, and The files with it");
        let slots: Vec<u16> = edit
            .config
            .services
            .installed
            .values()
            .map(|one| one.data.slot)
            .collect();
        assert_eq!(slots, [1, 2]);

        let refused = removed(&edit.config, "files", false).unwrap_err();
        assert_eq!(
            (refused.status, refused.code.as_ref()),
            (409, "service_needed")
        );
        assert!(
            refused
                .detail
                .contains("The photos cannot do without The files"),
            "{refused:?}"
        );
        let stop = Change::ChangeService {
            id: id("files"),
            update: ServiceUpdate {
                enabled: Some(false),
                ..ServiceUpdate::default()
            },
        };
        let problem = submit(&edit.config, &stop).unwrap_err();
        assert_eq!(problem.code, "service_needed");
        assert!(problem.detail.ends_with("Stop it first."), "{problem}");

        let config = removed(&edit.config, "photos", false).unwrap().config;
        let config = submit(&config, &stop).unwrap().config;
        assert!(!config.services.installed[&id("files")].enabled);
        assert!(services::of(&config, None).containers.services.is_empty());
        let config = removed(&config, "files", true).unwrap().config;
        assert!(config.services.installed.is_empty());
        let photos = DataConfig { slot: 2, number: 2 };
        assert_eq!(
            config.services.kept,
            BTreeMap::from([(id("photos"), photos)])
        );
        let discarded = BTreeMap::from([(id("files"), [1].into())]);
        assert_eq!(config.services.discarded, discarded);
    }

    #[test]
    fn data_that_was_kept_is_found_again_or_deleted_later() {
        let config = removed(&with(&[files()]), "files", false).unwrap().config;
        let again = install(&config, &[offer("a", "", "")], &BTreeMap::new())
            .unwrap()
            .config;
        let again = install(&again, &[files()], &BTreeMap::new())
            .unwrap()
            .config;
        let data = DataConfig { slot: 1, number: 1 };
        assert_eq!(again.services.installed[&id("files")].data, data);
        assert!(again.services.kept.is_empty());

        let deleted = removed(&config, "files", true).unwrap();
        assert_eq!(deleted.summary, "Deleted the data of files");
        assert!(deleted.config.services.discarded.contains_key(&id("files")));
        assert_eq!(
            removed(&deleted.config, "files", true).unwrap_err().status,
            404
        );
        let back = install(&deleted.config, &[files()], &BTreeMap::new())
            .unwrap()
            .config;
        // What is new has another number: what is deleted stays deleted, and takes nothing new along.
        assert_eq!(back.services.installed[&id("files")].data.number, 2);
        assert_eq!(back.services.discarded[&id("files")], [1].into());
    }

    #[test]
    fn answers_are_those_the_manifest_takes() {
        let config = with(&[files()]);
        let change = |key: &str, answer: Option<SettingValue>| {
            let answers = BTreeMap::from([(key.parse().unwrap(), answer)]);
            let update = ServiceUpdate {
                answers,
                ..ServiceUpdate::default()
            };
            submit(
                &config,
                &Change::ChangeService {
                    id: id("files"),
                    update,
                },
            )
        };
        let edit = change("size", Some(SettingValue::Number(7))).unwrap();
        assert_eq!(edit.summary, "Changed the settings of The files");
        for (key, answer) in [
            ("size", Some(SettingValue::Number(10))),
            ("size", Some(SettingValue::Switch(true))),
            ("other", Some(SettingValue::Number(1))),
            ("other", None),
        ] {
            let refused = change(key, answer).unwrap_err();
            assert_eq!(refused.status, 400, "{refused:?}");
        }
        let none = Change::ChangeService {
            id: id("moon"),
            update: ServiceUpdate::default(),
        };
        assert_eq!(submit(&config, &none).unwrap_err().status, 404);
        let answers = BTreeMap::from([("size".parse().unwrap(), SettingValue::Number(0))]);
        let refused = install(&sample::with_peers(&[]), &[files()], &answers).unwrap_err();
        assert_eq!(refused.status, 400);
    }

    #[test]
    fn two_services_do_not_share_a_host_and_one_is_not_installed_twice() {
        let config = with(&[files()]);
        let twin = offer(
            "twin",
            "",
            "[[route]]\nhost = \"files\"\nbackend = \"web:80\"\n",
        );
        let refused = install(&config, &[twin], &BTreeMap::new()).unwrap_err();
        assert_eq!(refused.code, "service_clash");
        let refused = install(&config, &[files()], &BTreeMap::new()).unwrap_err();
        assert_eq!(refused.code, "already_installed");
    }
}
