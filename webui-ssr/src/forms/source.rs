//! A source of services. Fields are named as the core names them, so its errors find them.

use cell_control::change::{Change, SettingsUpdate};
use cell_model::config::{PublisherKeys, ServicesSettings, SourceConfig};
use cell_model::name::SourceName;
use cell_model::problem::Problem;
use cell_signed::KeyList;

use super::field::Field;
use super::{Draft, REVIEWED, REVISION, revision};

const NAME: Field = Field::text("name", "Name")
    .hint("What you call it: a lower-case letter, then letters, digits and hyphens.");
const URL: Field = Field::text("url", "Address")
    .hint("The https address of its folder, such as https://store.example.org/cell. For a folder of a USB stick, usb: and its name, such as usb:services.");
const KEYS: Field = Field::lines("keys", "Publisher's keys")
    .hint("As the publisher hands them out: {\"threshold\":2,\"keys\":[…]}. Take them from a place that you trust, not from that server or stick.");
const AUTHORITIES: Field = Field::lines("authorities", "Authorities of the server")
    .hint("Only for a server of your own: the certificates (PEM) that vouch for it beside the public ones.")
    .optional();

/// Fields of a new source.
pub(crate) const NEW: &[Field] = &[NAME, URL, KEYS, AUTHORITIES, REVISION, REVIEWED];
/// Fields of one that there is.
pub(crate) const CHANGE: &[Field] = &[URL, KEYS, AUTHORITIES, REVISION, REVIEWED];

/// A source as it was typed, and the change that it makes.
#[derive(Debug)]
pub(crate) struct Typed {
    /// What it is called.
    pub(crate) name: SourceName,
    /// What it is.
    pub(crate) source: SourceConfig,
    /// The settings with it.
    pub(crate) change: Change,
}

/// The form of a new source.
pub(crate) fn empty(at_revision: u64) -> Draft<'static> {
    Draft::new(NEW, [(REVISION.name, at_revision.to_string())])
}

/// The form as a source is now.
pub(crate) fn of(source: &SourceConfig, at_revision: u64) -> Draft<'static> {
    let authorities = source.authorities.as_ref().map(ToString::to_string);
    let keys = serde_json::to_string(&source.keys);
    Draft::new(
        CHANGE,
        [
            ("url", source.url.to_string()),
            ("keys", keys.unwrap_or_default()),
            ("authorities", authorities.unwrap_or_default()),
            (REVISION.name, at_revision.to_string()),
        ],
    )
}

/// Reads a new source.
pub(crate) fn parse_new(draft: &mut Draft, services: ServicesSettings) -> Option<Typed> {
    let name: Option<SourceName> = draft.require("name");
    if name
        .as_ref()
        .is_some_and(|name| services.sources.contains_key(name))
    {
        draft.note("name", "is taken");
    }
    let source = source(draft);
    let revision = revision(draft);
    let typed = typed(services, name?, source?, revision?);
    draft.accept(Some(typed))
}

/// Reads what becomes of a source.
pub(crate) fn parse_change(
    draft: &mut Draft,
    services: ServicesSettings,
    name: SourceName,
) -> Option<Typed> {
    let source = source(draft);
    let revision = revision(draft);
    let typed = typed(services, name, source?, revision?);
    draft.accept(Some(typed))
}

/// The settings without a source.
pub(crate) fn without(
    mut services: ServicesSettings,
    name: &SourceName,
    at_revision: u64,
) -> Change {
    services.sources.remove(name);
    change(services, at_revision)
}

/// The core names fields of the whole section (`services.sources.friends.url`); this form has only one source.
pub(crate) fn own_fields(mut problem: Problem) -> Problem {
    for error in &mut problem.errors {
        if error.field == "services.sources" {
            error.field = NAME.name.to_owned();
            error.message = format!(
                "would be one too many: there may be {} sources",
                ServicesSettings::MAX_SOURCES
            );
        } else if let Some((_, last)) = error.field.rsplit_once('.') {
            error.field = last.to_owned();
        }
    }
    problem
}

fn source(draft: &mut Draft) -> Option<SourceConfig> {
    let url = draft.require("url");
    let keys = draft.require_with("keys", keys);
    let authorities = draft.maybe("authorities");
    Some(SourceConfig {
        url: url?,
        authorities: authorities?,
        keys: keys?,
    })
}

fn keys(text: &str) -> Result<PublisherKeys, String> {
    let keys: PublisherKeys = serde_json::from_str(text).map_err(|_| {
        "must be as the publisher hands them out, from the first brace to the last".to_owned()
    })?;
    KeyList::given(&keys).map_err(|_| {
        "must be 2 to 16 different keys, at least two of which must have signed (threshold)"
            .to_owned()
    })?;
    Ok(keys)
}

fn typed(
    mut services: ServicesSettings,
    name: SourceName,
    source: SourceConfig,
    at_revision: u64,
) -> Typed {
    services.sources.insert(name.clone(), source.clone());
    Typed {
        name,
        source,
        change: change(services, at_revision),
    }
}

fn change(services: ServicesSettings, at_revision: u64) -> Change {
    Change::Settings(Box::new(SettingsUpdate {
        revision: Some(at_revision),
        services: Some(services),
        ..SettingsUpdate::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::{Form, encode};

    fn settings() -> ServicesSettings {
        serde_json::from_value(serde_json::json!({ "network": "172.20.0.0/16" })).unwrap()
    }

    fn pasted(threshold: usize) -> String {
        let (one, other) = ("1F".repeat(32), "a0".repeat(32));
        encode(&format!(
            r#" {{"threshold":{threshold},"keys":["{one}", "{other}"]}} "#
        ))
    }

    fn draft(body: &str) -> Draft<'static> {
        Draft::read(NEW, &Form::parse(body.as_bytes()).unwrap())
    }

    fn good() -> String {
        format!(
            "name=friends&url=https://store.example.org/cell&keys={}&authorities=&revision=3",
            pasted(2)
        )
    }

    #[test]
    fn source_is_added_to_those_there_are_and_comes_back_as_it_was_typed() {
        let typed = parse_new(&mut draft(&good()), settings()).unwrap();
        let Change::Settings(update) = typed.change else {
            panic!("another change");
        };
        let services = update.services.unwrap();
        assert_eq!(services.sources[&typed.name], typed.source);
        assert_eq!(typed.source.keys.keys[0].as_str(), "1f".repeat(32));
        let mut again = of(&typed.source, 4);
        let changed = parse_change(&mut again, services.clone(), typed.name.clone()).unwrap();
        assert_eq!(changed.source, typed.source);
        let mut taken = draft(&good());
        assert!(parse_new(&mut taken, services.clone()).is_none());
        assert_eq!(taken.error("name"), Some("is taken"));
        let Change::Settings(update) = without(services, &typed.name, 5) else {
            panic!("another change");
        };
        assert!(update.services.unwrap().sources.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let good = good();
        for (right, wrong, field) in [
            ("=friends", "=Friends", "name"),
            ("=https:", "=http:", "url"),
            ("authorities=", "authorities=abc", "authorities"),
            (&*pasted(2), &*pasted(1), "keys"),
            (&*pasted(2), "1f1f", "keys"),
            ("revision=3", "revision=", "revision"),
        ] {
            let mut draft = draft(&good.replace(right, wrong));
            assert!(parse_new(&mut draft, settings()).is_none(), "{field}");
            assert!(draft.error(field).is_some(), "{field}");
        }
    }

    #[test]
    fn errors_of_the_core_land_on_this_forms_fields() {
        for (theirs, ours) in [
            ("services.sources.friends.url", "url"),
            ("services.sources.friends.authorities", "authorities"),
            ("services.sources", "name"),
        ] {
            let problem = own_fields(Problem::field(theirs, "must be another"));
            assert_eq!(problem.errors[0].field, ours);
        }
    }
}
