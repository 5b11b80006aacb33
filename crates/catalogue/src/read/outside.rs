//! The part of a manifest that is about who reaches a service, and whom it reaches.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::container::Protocol;
use cell_model::name::{DnsLabel, PartName};
use cell_model::toml_text::{Field, Reader, Section, field};

use super::container::is_request_path;
use super::known::{For, Known, parse_backend};
use super::{MAX_PARTS, needed, pairs, value_at};
use crate::manifest::{Document, Edge, LetIn, MediaType, Port, Route, WellKnown};

const HOST: Field = field("host", "\"calendar\"");
const BACKEND: Field = field("backend", "\"radicale:5232\"");
const MAX_BODY: Field = field("max_body_mib", "100");
const PATH: Field = field("path", "\"/settings.xml\"");
const MEDIA_TYPE: Field = field("media_type", "\"application/xml\"");
const TEXT: Field = field("text", "\"<settings/>\"");
const PROTOCOL: Field = field("protocol", "\"tcp\"");
const PORT: Field = field("port", "993");
const FROM: Field = field("from", "\"roundcube\"");
const LET_IN: Field = field("from", "\"home\"");
const TO: Field = field("to", "\"mail/dovecot:143\"");

/// Body of a request where the manifest says nothing: a photograph.
const BODY_MIB: u32 = 16;
/// A film.
const MOST_BODY_MIB: u32 = 1024 * 1024;

/// Ports that the box answers itself: SSH, DNS, DHCP, the web, NTP, DHCPv6, mDNS, the admin page, WireGuard.
const KEPT_PORTS: [u16; 12] = [22, 53, 67, 68, 80, 123, 443, 546, 547, 5_353, 8_443, 51_820];

pub(super) fn routes(reader: &mut Reader<'_>, root: &Section<'_>, known: &Known) -> Vec<Route> {
    let mut routes = Vec::new();
    for section in reader.sections(root, "route", "route", MAX_PARTS) {
        reader.only(&section, &["host", "backend", "max_body_mib", "well_known"]);
        let host: Option<PartName> = reader.required(&section, HOST);
        refuse_reserved(reader, &section, host.as_ref());
        let backend = known.backend(reader, &section, BACKEND);
        let max_body_mib = reader.number(&section, MAX_BODY, 1..=MOST_BODY_MIB);
        let well_known = well_known(reader, &section);
        if let (Some(host), Some(backend)) = (host, backend) {
            routes.push(Route {
                host,
                backend,
                max_body_mib: max_body_mib.unwrap_or(BODY_MIB),
                well_known,
            });
        }
    }
    routes
}

pub(super) fn documents(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    known: &Known,
) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    for section in reader.sections(root, "document", "document", MAX_PARTS) {
        reader.only(&section, &["host", "path", "media_type", "text"]);
        let host: Option<PartName> = reader.required(&section, HOST);
        refuse_reserved(reader, &section, host.as_ref());
        let is_elsewhere = host.as_ref().is_some_and(|host| known.is_answered(host));
        if is_elsewhere {
            let at = value_at(&section, HOST);
            let message = "must not be that of a [[route]] or [[port]]";
            reader.wrong(&section, HOST, at, message);
        }
        let path = path(reader, &section);
        let media_type = word(reader, &section, MEDIA_TYPE, MediaType::ALL);
        let text = reader.require(&section, TEXT);
        let text =
            text.and_then(|text| known.template(reader, (&section, TEXT), text, For::Document));
        let (Some(host), Some(path), Some(media_type), Some(text)) = (host, path, media_type, text)
        else {
            continue;
        };
        let mut others = documents.iter();
        if others.any(|other| other.host == host && other.path.eq_ignore_ascii_case(&path)) {
            let at = value_at(&section, PATH);
            let message = "must not be that of another [[document]] of this host";
            reader.wrong(&section, PATH, at, message);
        }
        documents.push(Document {
            host,
            path,
            media_type,
            text,
        });
    }
    documents
}

fn path(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<String> {
    let (text, at) = reader.require(section, PATH)?;
    // Two paths that are one to Caddy, or a path that is none to it.
    let mut segments = text.split('/').skip(1);
    let is_clean = segments.all(|segment| !["", ".", ".."].contains(&segment));
    if !is_request_path(text) || !is_clean || text.contains('%') {
        let message =
            "must be a path that begins with a slash, without percent signs and steps back";
        reader.wrong_text(section, PATH, at, text, message);
        return None;
    }
    Some(text.to_owned())
}

fn refuse_reserved(reader: &mut Reader<'_>, section: &Section<'_>, host: Option<&PartName>) {
    if host.is_some_and(|host| DnsLabel::RESERVED.contains(&host.as_str())) {
        let at = value_at(section, HOST);
        let reserved = DnsLabel::RESERVED.join(", ");
        let message = format!("is refused: the box keeps {reserved} for itself");
        reader.wrong(section, HOST, at, message);
    }
}

fn well_known(reader: &mut Reader<'_>, section: &Section<'_>) -> BTreeMap<WellKnown, String> {
    let mut places = BTreeMap::new();
    for (word, path, at) in pairs(reader, section, "well_known", "route.well_known") {
        let found = WellKnown::ALL.iter().find(|(known, _)| *known == word);
        match found {
            Some((_, place)) if is_request_path(path) => {
                places.insert(*place, path.to_owned());
            }
            Some(_) => reader.report(
                at,
                "route.well_known must have paths that begin with a slash",
            ),
            None => reader.report(at, "route.well_known knows caldav and carddav only"),
        }
    }
    places
}

pub(super) fn ports(reader: &mut Reader<'_>, root: &Section<'_>, known: &Known) -> Vec<Port> {
    let mut ports = Vec::new();
    let mut taken = BTreeSet::new();
    for section in reader.sections(root, "port", "port", MAX_PARTS) {
        reader.only(&section, &["protocol", "port", "backend", "host", "from"]);
        let protocol = word(reader, &section, PROTOCOL, Protocol::ALL);
        let port = match needed(reader, &section, PORT) {
            true => reader.number(&section, PORT, 1..=u16::MAX.into()),
            false => None,
        };
        let port = port.and_then(|port| u16::try_from(port).ok());
        let backend = known.backend(reader, &section, BACKEND);
        let host: Option<PartName> = match section.has(HOST.key) {
            true => reader.required(&section, HOST),
            false => None,
        };
        refuse_reserved(reader, &section, host.as_ref());
        let from = match section.has(LET_IN.key) {
            true => word(reader, &section, LET_IN, LetIn::ALL),
            false => Some(LetIn::Internet),
        };
        let (Some(protocol), Some(port), Some(backend)) = (protocol, port, backend) else {
            continue;
        };
        let at = value_at(&section, PORT);
        if KEPT_PORTS.contains(&port) {
            reader.wrong(
                &section,
                PORT,
                at,
                "is refused: the box answers this port itself",
            );
        } else if !taken.insert((protocol, port)) {
            reader.wrong(&section, PORT, at, "must not be that of another [[port]]");
        }
        ports.push(Port {
            protocol,
            port,
            backend,
            host,
            from: from.unwrap_or(LetIn::Home),
        });
    }
    ports
}

pub(super) fn edges(reader: &mut Reader<'_>, root: &Section<'_>, known: &Known) -> Vec<Edge> {
    let mut edges = Vec::new();
    for section in reader.sections(root, "edge", "edge", MAX_PARTS) {
        reader.only(&section, &["from", "to"]);
        let from = known.container(reader, &section, FROM);
        let Some((text, at)) = reader.require(&section, TO) else {
            continue;
        };
        let split = text.split_once('/');
        let parsed =
            split.and_then(|(service, to)| Some((service.parse().ok()?, parse_backend(to)?)));
        match parsed {
            Some((service, _)) if !known.requires.contains(&service) => {
                let message = "must be a service that is listed in requires";
                reader.wrong(&section, TO, at, message);
            }
            Some((service, to)) => edges.extend(from.map(|from| Edge { from, service, to })),
            None => {
                let message =
                    "must be a service, a slash, one of its containers, a colon and a port";
                reader.wrong_text(&section, TO, at, text, message);
            }
        }
    }
    edges
}

/// One of a closed set of words.
pub(super) fn word<T: Copy>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    field: Field,
    all: &[(&'static str, T)],
) -> Option<T> {
    let (text, at) = reader.require(section, field)?;
    let found = all.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
        let message = format!("must be one of: {}", words.join(", "));
        reader.wrong_text(section, field, at, text, message);
    }
    found.map(|(_, value)| *value)
}
