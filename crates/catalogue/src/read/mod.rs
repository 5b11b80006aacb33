//! From TOML to a manifest. Goes on after a finding, so that one look tells everything.

mod container;
mod hint;
mod known;
mod outside;
mod people;
mod setting;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Display;

use cell_model::container::Hand;
use cell_model::name::ServiceId;
use cell_model::toml_text::{self, Field, Reader, Section, TomlError, field};
use toml::de::DeValue;

use self::known::Known;
use crate::manifest::{Accounts, Container, Manifest, Port, Volume};

const SCHEMA: Field = field("schema", "1");
const ID: Field = field("id", "\"calendar\"");
pub(super) const NAME: Field = field("name", "\"data\"");
const TITLE: Field = field("name", "\"Calendar and contacts\"");
const SUMMARY: Field = field("summary", "\"Calendars and contacts on all your devices\"");
const VERSION: Field = field("version", "\"3.5.4\"");
const RELEASE: Field = field("release", "1");
const REQUIRES: Field = field("requires", "[\"mail\"]");
const INTERNET: Field = field(
    "internet",
    "\"It fetches the feeds that people subscribe to.\"",
);
const BACKUP: Field = field("backup", "true");
const SNAPSHOT: Field = field("snapshot", "false");
const MAX_MIB: Field = field("max_mib", "1024");

/// The form of manifests that this code reads.
const FORM: u32 = 1;
/// The most of each kind: far above what services have, far below what would cost memory.
const MAX_PARTS: usize = 16;
/// The most a volume may be limited to: 16 TiB, what ext4 holds in a file.
const MAX_VOLUME_MIB: u32 = 16 * 1024 * 1024;

/// The manifest, or everything that is wrong with it.
pub(crate) fn manifest(bytes: &[u8]) -> Result<Manifest, TomlError> {
    let text = toml_text::decode(bytes, Manifest::MAX_BYTES)?;
    let table = toml_text::parse(text)?;
    let mut reader = Reader::new(text).with_hint(hint::hint);
    let manifest = root(&mut reader, &Section::root(table.get_ref()));
    reader.finish(manifest)
}

fn root(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<Manifest> {
    reader.only(
        root,
        &[
            "schema",
            "id",
            "name",
            "summary",
            "version",
            "release",
            "requires",
            "internet",
            "container",
            "volume",
            "route",
            "document",
            "port",
            "edge",
            "accounts",
            "setting",
            "guide",
        ],
    );
    if needed(reader, root, SCHEMA) && reader.number(root, SCHEMA, 1..=u32::MAX) > Some(FORM) {
        let at = value_at(root, SCHEMA);
        let message = format!("must be {FORM}; this service needs a newer version of the box");
        reader.wrong(root, SCHEMA, at, message);
    }
    let id: Option<ServiceId> = reader.required(root, ID);
    if id.as_ref().is_some_and(ServiceId::is_reserved) {
        let at = value_at(root, ID);
        reader.wrong(root, ID, at, "is refused: the box keeps it for itself");
    }
    let name = line(reader, root, TITLE, 60);
    let summary = line(reader, root, SUMMARY, 200);
    let version = line(reader, root, VERSION, 40);
    let release = match needed(reader, root, RELEASE) {
        true => reader.number(root, RELEASE, 1..=u32::MAX),
        false => None,
    };
    let requires: BTreeSet<ServiceId> = distinct(reader, root, REQUIRES);
    if id.as_ref().is_some_and(|id| requires.contains(id)) {
        let at = value_at(root, REQUIRES);
        reader.wrong(root, REQUIRES, at, "must not name the service itself");
    }
    let internet = match root.has(INTERNET.key) {
        true => line(reader, root, INTERNET, 200),
        false => None,
    };

    let known = Known::find(reader, root, requires);
    let volumes = volumes(reader, root);
    let containers = container::containers(reader, root, &known);
    let routes = outside::routes(reader, root, &known);
    let documents = outside::documents(reader, root, &known);
    let ports = outside::ports(reader, root, &known);
    let edges = outside::edges(reader, root, &known);
    let accounts = people::accounts(reader, root, &known);
    check_hands(reader, id.as_ref(), &containers, accounts.as_ref(), &ports);
    if accounts
        .as_ref()
        .is_some_and(|accounts| accounts.header.is_some())
    {
        for port in &ports {
            if routes.iter().any(|route| route.backend == port.backend) {
                let message = "a [[port]] must not lead to where a [[route]] leads, where there are accounts: whoever \
                    comes by it could say that they are anybody";
                reader.report(0, message);
            }
        }
    }
    let settings = setting::settings(reader, root);
    let guides = people::guides(reader, root, &known);
    for (volume, at) in known.idle_volumes(&containers) {
        reader.report(
            at,
            format!("the volume {volume} is in no container; mount it or remove it"),
        );
    }
    Some(Manifest {
        id: id?,
        name: name?,
        summary: summary?,
        version: version?,
        release: release?,
        requires: known.requires,
        containers,
        volumes,
        routes,
        documents,
        ports,
        edges,
        internet,
        accounts,
        settings,
        guides,
    })
}

/// What is handed in is about something.
fn check_hands(
    reader: &mut Reader<'_>,
    id: Option<&ServiceId>,
    containers: &[Container],
    accounts: Option<&Accounts>,
    ports: &[Port],
) {
    let asks = accounts.is_some_and(|accounts| accounts.socket);
    let named = ports.iter().any(|port| port.host.is_some());
    let handed = |hand| {
        let mut all = containers.iter();
        all.any(|container| container.hands.contains(&hand))
    };
    if handed(Hand::People) != asks {
        let message =
            "accounts.socket = true and a [[container]] with hands = [\"people\"] go together";
        reader.report(0, message);
    }
    for hand in [Hand::Dkim, Hand::Relay] {
        if handed(hand) && id.is_some_and(|id| *id != ServiceId::mail()) {
            let message = format!("the hand {hand} is for the service mail alone");
            reader.report(0, message);
        }
    }
    if handed(Hand::Certificate) && !named {
        let message = "the hand certificate needs a [[port]] with a host: it is of that name";
        reader.report(0, message);
    }
}

fn volumes(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Volume> {
    let mut volumes = Vec::new();
    for section in reader.sections(root, "volume", "volume", MAX_PARTS) {
        reader.only(&section, &["name", "backup", "snapshot", "max_mib"]);
        let name = reader.required(&section, NAME);
        let backup = needed(reader, &section, BACKUP) && reader.flag(&section, BACKUP);
        let snapshot = match section.has(SNAPSHOT.key) {
            true => reader.flag(&section, SNAPSHOT),
            false => backup,
        };
        let max_mib = reader.number(&section, MAX_MIB, 1..=MAX_VOLUME_MIB);
        if let Some(name) = name {
            volumes.push(Volume {
                name,
                backup,
                snapshot,
                max_mib,
            });
        }
    }
    volumes
}

/// Whether a setting that must be there is.
pub(super) fn needed(reader: &mut Reader<'_>, section: &Section<'_>, field: Field) -> bool {
    let is_there = section.has(field.key);
    if !is_there {
        reader.missing(section, field);
    }
    is_there
}

/// The byte that a value begins at; its table's where it is missing.
pub(super) fn value_at(section: &Section<'_>, field: Field) -> usize {
    section
        .find(field.key)
        .map_or(section.at, |(_, value)| value.span().start)
}

/// A line for people that must be there.
pub(super) fn line(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    field: Field,
    max: usize,
) -> Option<String> {
    let (text, at) = reader.require(section, field)?;
    let problem = if text.trim().is_empty() {
        Some("must not be empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Some("must be one line without control characters".to_owned())
    } else if text.chars().count() > max {
        Some(format!("must have at most {max} characters"))
    } else {
        None
    };
    match problem {
        Some(problem) => {
            reader.wrong(section, field, at, problem);
            None
        }
        None => Some(text.to_owned()),
    }
}

/// The different values of a list.
pub(super) fn distinct<T: std::str::FromStr<Err: Display> + Ord + Display>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    field: Field,
) -> BTreeSet<T> {
    let mut distinct = BTreeSet::new();
    for value in reader.values::<T>(section, field, MAX_PARTS) {
        if distinct.contains(&value) {
            let at = value_at(section, field);
            reader.wrong(section, field, at, format!("must name {value} only once"));
        }
        distinct.insert(value);
    }
    distinct
}

/// The keys and texts of a table in a table that may be absent, each with the byte its value begins at.
pub(super) fn pairs<'a>(
    reader: &mut Reader<'_>,
    parent: &Section<'a>,
    key: &'static str,
    path: &'static str,
) -> Vec<(&'a str, &'a str, usize)> {
    let Some(section) = reader.section(parent, key, path) else {
        return Vec::new();
    };
    let mut pairs = Vec::new();
    for (name, value) in section.table {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => pairs.push((name.get_ref().as_ref(), text.as_ref(), at)),
            _ => reader.report(at, format!("{path} must have texts in quotes")),
        }
    }
    pairs
}
