//! The part of a manifest that is about people: how a service learns who they are, and what they have to do.

use cell_model::name::ServiceId;
use cell_model::toml_text::{Field, Reader, Section, field};

use super::container::command;
use super::known::{For, Known};
use super::outside::word;
use super::value_at;
use crate::manifest::{Accounts, Guide, PersonCommand, Platform};
use crate::template::{Template, Variable};

const HEADER: Field = field("header", "\"X-Remote-User\"");
const SOCKET: Field = field("socket", "true");
const SERVICE: Field = field("service", "\"mail\"");
const CONTAINER: Field = field("container", "\"dovecot\"");
const COMMAND: Field = field("command", "[\"doveadm\", \"kick\", \"{username}\"]");
const PLATFORM: Field = field("platform", "\"android\"");
const STEPS: Field = field("steps", "[\"Open Settings and choose Accounts.\"]");

/// The most commands that end what somebody has open.
const MAX_ENDS: usize = 16;
/// The most steps: whoever has to do more gives up.
const MAX_STEPS: usize = 20;

pub(super) fn accounts(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    known: &Known,
) -> Option<Accounts> {
    let section = reader.section(root, "accounts", "accounts")?;
    reader.only(&section, &["header", "socket", "service", "end", "remove"]);
    let socket = section.has(SOCKET.key) && reader.flag(&section, SOCKET);
    let service = service(reader, &section, known);
    // Who is who is learnt in one way at least.
    let is_learnt = socket || section.has(SERVICE.key);
    let header = match section.has(HEADER.key) || !is_learnt {
        true => header(reader, root, &section),
        false => None,
    };
    let ends = reader.sections(&section, "end", "accounts.end", MAX_ENDS);
    let end = ends
        .iter()
        .filter_map(|end| person_command(reader, end, known));
    let end = end.collect();
    let remove = reader.section(&section, "remove", "accounts.remove");
    Some(Accounts {
        header,
        socket,
        service,
        end,
        remove: remove.and_then(|remove| person_command(reader, &remove, known)),
    })
}

fn header(reader: &mut Reader<'_>, root: &Section<'_>, section: &Section<'_>) -> Option<String> {
    if !root.has("route") {
        reader.report(
            section.at,
            "accounts.header needs a [[route]]: the box asks for passwords before it passes a request on",
        );
    }
    let (text, at) = reader.require(section, HEADER)?;
    if !is_own_header(text) {
        let message = "must be a header of letters and hyphens that begins with X- or Remote-";
        reader.wrong_text(section, HEADER, at, text, message);
        return None;
    }
    Some(text.to_owned())
}

/// The service whose sign-in counts here too.
fn service(reader: &mut Reader<'_>, section: &Section<'_>, known: &Known) -> Option<ServiceId> {
    if !section.has(SERVICE.key) {
        return None;
    }
    let service = reader.required(section, SERVICE)?;
    if !known.requires.contains(&service) {
        let at = value_at(section, SERVICE);
        let message = "must be a service that is listed in requires";
        reader.wrong(section, SERVICE, at, message);
    }
    Some(service)
}

fn person_command(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    known: &Known,
) -> Option<PersonCommand> {
    reader.only(section, &["container", "command"]);
    let container = known.container(reader, section, CONTAINER);
    let command = command(reader, section, COMMAND, known, For::Account);
    let names_somebody = |word: &Template| word.variables().any(|name| *name == Variable::Username);
    if !command.iter().any(names_somebody) {
        let at = value_at(section, COMMAND);
        reader.wrong(
            section,
            COMMAND,
            at,
            "must say whom it is about, by {username}",
        );
    }
    Some(PersonCommand {
        container: container?,
        command,
    })
}

/// A header that means nothing to anybody else on the way.
fn is_own_header(text: &str) -> bool {
    let own = ["x-", "remote-"].iter().any(|start| {
        text.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    });
    let forwarded = text.to_ascii_lowercase().starts_with("x-forwarded-");
    let plain = |b: u8| b.is_ascii_alphabetic() || b == b'-';
    own && !forwarded && text.len() <= 40 && !text.ends_with('-') && text.bytes().all(plain)
}

pub(super) fn guides(reader: &mut Reader<'_>, root: &Section<'_>, known: &Known) -> Vec<Guide> {
    let mut guides: Vec<Guide> = Vec::new();
    for section in reader.sections(root, "guide", "guide", Platform::ALL.len()) {
        reader.only(&section, &["platform", "steps"]);
        let platform = word(reader, &section, PLATFORM, Platform::ALL);
        let mut steps = Vec::new();
        for text in reader.texts(&section, STEPS, MAX_STEPS) {
            steps.extend(known.template(reader, (&section, STEPS), text, For::Person));
        }
        if !section.has(STEPS.key) {
            reader.missing(&section, STEPS);
        }
        let Some(platform) = platform else { continue };
        if guides.iter().any(|guide| guide.platform == platform) {
            let at = value_at(&section, PLATFORM);
            reader.wrong(
                &section,
                PLATFORM,
                at,
                "must not be that of another [[guide]]",
            );
        }
        guides.push(Guide { platform, steps });
    }
    guides
}
