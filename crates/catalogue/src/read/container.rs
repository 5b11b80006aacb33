//! The part of a manifest that is about containers: what runs, with which powers, limits and folders.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::container::{ContainerPath, Hand, Limits};
use cell_model::name::PartName;
use cell_model::toml_text::{Field, Reader, Section, field};

use super::known::{For, Known, NAMES_OF_THE_BOX};
use super::{MAX_PARTS, NAME, distinct, needed, pairs, value_at};
use crate::manifest::{Container, Health, Mount, Probe};
use crate::template::Template;

const IMAGE: Field = field("image", "\"radicale@sha256:…\"");
const COMMAND: Field = field(
    "command",
    "[\"radicale\", \"--config\", \"/etc/radicale/config\"]",
);
const ENVIRONMENT: Field = field("environment", "{ LOG_LEVEL = \"info\" }");
const CAPABILITIES: Field = field("capabilities", "[\"NET_BIND_SERVICE\"]");
const MEMORY: Field = field("memory_mib", "128");
const CPU: Field = field("cpu_percent", "50");
const PROCESSES: Field = field("processes", "64");
const SCRATCH: Field = field("scratch", "[\"/tmp\"]");
const HANDS: Field = field("hands", "[\"certificate\"]");
const RELOAD: Field = field("reload", "[\"doveadm\", \"reload\"]");
const INTERNET: Field = field("internet", "false");
const VOLUME: Field = field("volume", "\"data\"");
const PATH: Field = field("path", "\"/var/lib/radicale\"");
const READ_ONLY: Field = field("read_only", "true");
const HEALTH: Field = field("health", "{ http = \"/\", port = 5232 }");
const HTTP: Field = field("http", "\"/\"");
const HEALTH_PORT: Field = field("port", "5232");
const HEALTH_COMMAND: Field = field("command", "[\"pg_isready\"]");
const INTERVAL: Field = field("interval_s", "30");
const TIMEOUT: Field = field("timeout_s", "5");
const RETRIES: Field = field("retries", "3");
const START: Field = field("start_s", "60");

/// The most variables of an environment, and words of a command.
const MAX_WORDS: usize = 64;
/// Less than 8 MiB runs nothing; more than 16 GiB no box of this kind has.
const MEMORY_MIB: std::ops::RangeInclusive<u32> = 8..=16_384;
/// 16 processors.
const CPU_PERCENT: std::ops::RangeInclusive<u32> = 1..=1_600;
/// As many as a small box can start at all.
const MOST_PROCESSES: u32 = 4_096;

/// All containers.
pub(super) fn containers(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    known: &Known,
) -> Vec<Container> {
    let sections = reader.sections(root, "container", "container", MAX_PARTS);
    if !root.has("container") {
        reader.report(
            0,
            "there is nothing to run: a service has a [[container]] at least",
        );
    }
    let mut containers = Vec::new();
    for section in &sections {
        containers.extend(container(reader, section, known));
    }
    containers
}

fn container(reader: &mut Reader<'_>, section: &Section<'_>, known: &Known) -> Option<Container> {
    reader.only(
        section,
        &[
            "name",
            "image",
            "command",
            "environment",
            "capabilities",
            "memory_mib",
            "cpu_percent",
            "processes",
            "mount",
            "scratch",
            "hands",
            "reload",
            "internet",
            "health",
        ],
    );
    let name: Option<PartName> = reader.required(section, NAME);
    if name
        .as_ref()
        .is_some_and(|name| NAMES_OF_THE_BOX.contains(&name.as_str()))
    {
        let at = value_at(section, NAME);
        reader.wrong(
            section,
            NAME,
            at,
            "is refused: it would be taken for the box itself",
        );
    }
    let image = reader.required(section, IMAGE);
    let command = words(reader, section, COMMAND, known);
    let environment = environment(reader, section, known);
    let capabilities = distinct(reader, section, CAPABILITIES);
    let limits = limits(reader, section);
    let mounts = mounts(reader, section, known);
    let scratch: Vec<ContainerPath> = reader.values(section, SCRATCH, MAX_PARTS);
    let folders: Vec<_> = mounts
        .iter()
        .map(|mount| &mount.path)
        .chain(&scratch)
        .collect();
    for (at, path) in folders.iter().enumerate() {
        if folders[..at].iter().any(|other| other.overlaps(path)) {
            reader.report(
                section.at,
                format!("the folder {path} is in another mount or scratch folder of the container, or holds one"),
            );
        }
    }
    let hands: BTreeSet<Hand> = distinct(reader, section, HANDS);
    let reload = words(reader, section, RELOAD, known);
    if hands.is_empty() && !reload.is_empty() {
        let at = value_at(section, RELOAD);
        let message = "must go with hands: it is run when something else is handed in";
        reader.wrong(section, RELOAD, at, message);
    }
    let internet = match section.has(INTERNET.key) {
        true => reader.flag(section, INTERNET),
        false => true,
    };
    let health = match needed(reader, section, HEALTH) {
        true => health(reader, section, known),
        false => None,
    };
    Some(Container {
        name: name?,
        image: image?,
        command,
        environment,
        capabilities,
        limits: limits?,
        mounts,
        scratch,
        hands,
        reload,
        internet,
        health: health?,
    })
}

/// The words of a command.
fn words(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    field: Field,
    known: &Known,
) -> Vec<Template> {
    command(reader, section, field, known, For::Container)
}

/// The words of a command, filled for a container or for somebody.
pub(super) fn command(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    field: Field,
    known: &Known,
    filled_for: For,
) -> Vec<Template> {
    let texts = match section.find(field.key) {
        // A shell would take it apart; there is none.
        Some((_, value)) if value.get_ref().is_str() => {
            let message = "must be a list of words in square brackets: no shell reads it";
            reader.wrong(section, field, value.span().start, message);
            Vec::new()
        }
        _ => reader.texts(section, field, MAX_WORDS),
    };
    let mut words = Vec::new();
    for text in texts {
        words.extend(known.template(reader, (section, field), text, filled_for));
    }
    words
}

fn environment(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    known: &Known,
) -> BTreeMap<String, Template> {
    let pairs = pairs(reader, section, "environment", "container.environment");
    if pairs.len() > MAX_WORDS {
        let at = value_at(section, ENVIRONMENT);
        reader.wrong(
            section,
            ENVIRONMENT,
            at,
            format!("must have at most {MAX_WORDS} variables"),
        );
    }
    let mut environment = BTreeMap::new();
    for (key, text, at) in pairs {
        if !is_variable(key) {
            let message =
                "must have names of upper-case letters, digits and '_' that start with a letter";
            reader.wrong(section, ENVIRONMENT, at, message);
        }
        let template = known.template(reader, (section, ENVIRONMENT), (text, at), For::Container);
        if let Some(template) = template {
            environment.insert(key.to_owned(), template);
        }
    }
    environment
}

/// A variable that a program may find in its environment (POSIX.1-2024, section 8.1).
fn is_variable(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let starts = key.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
    // What decides which code a program loads is the image's.
    let loads = ["PATH", "IFS"].contains(&key) || key.starts_with("LD_");
    starts && key.len() <= 64 && key.bytes().all(plain) && !loads
}

fn limits(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Limits> {
    let mut required = |field: Field, limits| {
        needed(reader, section, field).then(|| reader.number(section, field, limits))?
    };
    let memory_mib = required(MEMORY, MEMORY_MIB);
    let cpu_percent = required(CPU, CPU_PERCENT);
    let processes = required(PROCESSES, 1..=MOST_PROCESSES);
    Some(Limits {
        memory_mib: memory_mib?,
        cpu_percent: cpu_percent?,
        processes: processes?,
    })
}

fn mounts(reader: &mut Reader<'_>, section: &Section<'_>, known: &Known) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for mount in reader.sections(section, "mount", "container.mount", MAX_PARTS) {
        reader.only(&mount, &["volume", "path", "read_only"]);
        let volume = known.volume(reader, &mount, VOLUME);
        let path = reader.required(&mount, PATH);
        let read_only = reader.flag(&mount, READ_ONLY);
        if let (Some(volume), Some(path)) = (volume, path) {
            mounts.push(Mount {
                volume,
                path,
                read_only,
            });
        }
    }
    mounts
}

fn health(reader: &mut Reader<'_>, parent: &Section<'_>, known: &Known) -> Option<Health> {
    let section = reader.section(parent, "health", "container.health")?;
    reader.only(
        &section,
        &[
            "http",
            "port",
            "command",
            "interval_s",
            "timeout_s",
            "retries",
            "start_s",
        ],
    );
    let http = match section.has(HTTP.key) {
        true => reader.text(&section, HTTP).map(|(text, at)| {
            if !is_request_path(text) {
                reader.wrong(
                    &section,
                    HTTP,
                    at,
                    "must be a path that begins with a slash",
                );
            }
            text.to_owned()
        }),
        false => None,
    };
    let port = reader.number(&section, HEALTH_PORT, 1..=u16::MAX.into());
    let port = port.and_then(|port| u16::try_from(port).ok());
    let command = words(reader, &section, HEALTH_COMMAND, known);
    let probe = match (
        section.has(HEALTH_PORT.key),
        section.has(HEALTH_COMMAND.key),
    ) {
        (true, false) => port.map(|port| match http {
            Some(path) => Probe::Http { port, path },
            None => Probe::Tcp { port },
        }),
        (false, true) if http.is_none() && !command.is_empty() => Some(Probe::Command(command)),
        _ => {
            let message = "must have a port, with or without http, or a command";
            reader.wrong(parent, HEALTH, section.at, message);
            None
        }
    };
    let mut time =
        |field, limits, default| reader.number(&section, field, limits).unwrap_or(default);
    let interval_s = time(INTERVAL, 5..=3_600, 30);
    let timeout_s = time(TIMEOUT, 1..=60, 5);
    let retries = time(RETRIES, 1..=20, 3);
    let start_s = time(START, 1..=900, 60);
    Some(Health {
        probe: probe?,
        interval_s,
        timeout_s,
        retries,
        start_s,
    })
}

/// A path of a request, without what a shell or a line would make of it.
pub(super) fn is_request_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-%=".contains(&b);
    text.starts_with('/') && !text.starts_with("//") && text.len() <= 255 && text.bytes().all(plain)
}
