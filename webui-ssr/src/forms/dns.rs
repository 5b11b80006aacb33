//! Own records and the servers asked for everything else.

use std::net::{IpAddr, SocketAddr};

use cell_control::change::{Change, SettingsUpdate};
use cell_control::view::ConfigView;
use cell_model::config::{DnsConfig, DnsRecordConfig, RecordData, UpstreamConfig};
use cell_model::problem::Problem;

use super::field::{Choice, Field};
use super::{Draft, REVISION, revision};

const TYPES: &[Choice] = &[
    ("A", "A: an IPv4 address"),
    ("AAAA", "AAAA: an IPv6 address"),
    ("CNAME", "CNAME: another name for a name"),
    ("TXT", "TXT: text"),
];

/// Fields of a new record.
pub(crate) const RECORD: &[Field] = &[
    Field::text("name", "Name").hint("One label, such as printer. The cell's domain is added."),
    Field::one("type", "Type", TYPES),
    Field::text("value", "Value"),
    REVISION,
];

/// Fields of a record that goes.
pub(crate) const REMOVE: &[Field] = &[
    Field::hidden("name"),
    Field::hidden("type"),
    Field::hidden("value"),
    REVISION,
];

/// Fields of the upstream servers.
pub(crate) const UPSTREAMS: &[Field] = &[
    Field::lines("upstreams", "Servers")
        .hint("One address a line, asked in this order; a port only when it is not 53: 9.9.9.9 or [2620:fe::fe]:5353. Empty: the servers the uplink was given.")
        .optional(),
    REVISION,
];

/// Port a server is asked at when none is typed.
const DNS_PORT: u16 = 53;

/// The upstream servers as they are.
pub(crate) fn upstreams_of(config: &ConfigView) -> Draft<'static> {
    let lines: Vec<String> = config.dns.upstreams.iter().map(upstream_text).collect();
    Draft::new(
        UPSTREAMS,
        [
            ("upstreams", lines.join("\n")),
            (REVISION.name, config.revision.to_string()),
        ],
    )
}

/// A server as it is typed.
pub(crate) fn upstream_text(upstream: &UpstreamConfig) -> String {
    if upstream.port == DNS_PORT {
        upstream.address.to_string()
    } else {
        upstream.socket_addr().to_string()
    }
}

/// Reads a new record into the change that adds it to those there are.
pub(crate) fn parse_record(draft: &mut Draft, dns: DnsConfig) -> Option<Change> {
    let revision = revision(draft);
    let name = draft.require("name");
    let type_name = draft.typed("type").to_owned();
    let data = if TYPES.iter().any(|(word, _)| *word == type_name) {
        draft.require_with("value", |text| {
            RecordData::parse(&type_name, text).map_err(str::to_owned)
        })
    } else {
        draft.note("type", "must be one of those shown");
        None
    };
    let mut dns = dns;
    dns.records.push(DnsRecordConfig {
        name: name?,
        data: data?,
    });
    let change = change(dns, revision?);
    draft.accept(Some(change))
}

/// Reads the change that takes a record away. `None` when there is no such record.
pub(crate) fn parse_remove(draft: &mut Draft, dns: DnsConfig) -> Option<Change> {
    let revision = revision(draft)?;
    let mut dns = dns;
    let at = dns.records.iter().position(|record| {
        record.name.as_str() == draft.typed("name")
            && record.data.type_name() == draft.typed("type")
            && record.data.value() == draft.typed("value")
    })?;
    dns.records.remove(at);
    draft.accept(Some(change(dns, revision)))
}

/// Reads the upstream servers.
pub(crate) fn parse_upstreams(draft: &mut Draft, dns: DnsConfig) -> Option<Change> {
    let revision = revision(draft);
    let upstreams = draft.maybe_with("upstreams", |text| {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| parse_upstream(line).ok_or_else(|| not_a_server(line)))
            .collect()
    });
    let dns = DnsConfig {
        upstreams: upstreams?.unwrap_or_default(),
        ..dns
    };
    let change = change(dns, revision?);
    draft.accept(Some(change))
}

/// The core names fields of the whole section (`dns.records.3.name`); this form has only one record or one list.
pub(crate) fn own_fields(mut problem: Problem) -> Problem {
    for error in &mut problem.errors {
        if error.field.starts_with("dns.upstreams") {
            error.field = "upstreams".to_owned();
        } else if let Some((_, last)) = error.field.rsplit_once('.') {
            error.field = last.to_owned();
        }
    }
    problem
}

fn change(dns: DnsConfig, revision: u64) -> Change {
    Change::Settings(Box::new(SettingsUpdate {
        revision: Some(revision),
        dns: Some(dns),
        ..SettingsUpdate::default()
    }))
}

fn parse_upstream(line: &str) -> Option<UpstreamConfig> {
    let (address, port) = match line.parse::<IpAddr>() {
        Ok(address) => (address, DNS_PORT),
        Err(_) => {
            let both: SocketAddr = line.parse().ok()?;
            (both.ip(), both.port())
        }
    };
    (port != 0).then_some(UpstreamConfig { address, port })
}

fn not_a_server(line: &str) -> String {
    let shown: String = line.chars().take(64).collect();
    format!("has a line that is no address: {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    fn empty() -> DnsConfig {
        DnsConfig {
            upstreams: Vec::new(),
            records: Vec::new(),
        }
    }

    fn draft(fields: &'static [Field], body: &str) -> Draft<'static> {
        Draft::read(fields, &Form::parse(body.as_bytes()).unwrap())
    }

    fn section(change: Change) -> DnsConfig {
        match change {
            Change::Settings(update) => update.dns.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn record_is_added_and_taken_away() {
        let mut typed = draft(RECORD, "name=printer&type=A&value=192.168.1.9&revision=3");
        let dns = section(parse_record(&mut typed, empty()).unwrap());
        assert_eq!(dns.records[0].data.value(), "192.168.1.9");
        let mut gone = draft(REMOVE, "name=printer&type=A&value=192.168.1.9&revision=4");
        assert!(
            section(parse_remove(&mut gone, dns).unwrap())
                .records
                .is_empty()
        );
        assert!(parse_remove(&mut gone, empty()).is_none());
    }

    #[test]
    fn wrong_record_names_its_field() {
        for (body, wrong) in [
            ("name=a+b&type=A&value=192.0.2.1&revision=1", "name"),
            ("name=a&type=MX&value=192.0.2.1&revision=1", "type"),
            ("name=a&type=A&value=192.0.2&revision=1", "value"),
            ("name=a&type=AAAA&value=&revision=1", "value"),
            ("name=a&type=A&value=192.0.2.1&revision=x", "revision"),
        ] {
            let mut typed = draft(RECORD, body);
            assert!(parse_record(&mut typed, empty()).is_none());
            assert!(typed.error(wrong).is_some(), "{body}");
        }
    }

    #[test]
    fn servers_are_read_line_by_line() {
        let mut typed = draft(
            UPSTREAMS,
            "upstreams=9.9.9.9%0D%0A%5B2620:fe::fe%5D:5353%0D%0A&revision=1",
        );
        let dns = section(parse_upstreams(&mut typed, empty()).unwrap());
        let lines: Vec<String> = dns.upstreams.iter().map(upstream_text).collect();
        assert_eq!(lines, ["9.9.9.9", "[2620:fe::fe]:5353"]);
        for bad in ["dns.example", "9.9.9.9:0", "9.9.9"] {
            let mut typed = draft(UPSTREAMS, &format!("upstreams={bad}&revision=1"));
            assert!(parse_upstreams(&mut typed, empty()).is_none(), "{bad}");
            assert_eq!(typed.typed("upstreams"), bad);
        }
    }

    #[test]
    fn errors_of_the_core_land_on_this_forms_fields() {
        let problem = own_fields(Problem::field("dns.records.3.name", "must not stand twice"));
        assert_eq!(problem.errors[0].field, "name");
        let problem = own_fields(Problem::field("dns.upstreams.0", "must be another host"));
        assert_eq!(problem.errors[0].field, "upstreams");
    }
}
