//! Names: own records, the servers asked for the rest, and figures.

use cell_control::view::{ConfigView, PartView};
use cell_model::config::DnsRecordConfig;
use maud::{Markup, html};

use crate::forms::dns::upstream_text;
use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::state::badge_since;
use crate::parts::text::{empty, facts};

/// The page.
pub(crate) fn render(frame: &Frame, config: &ConfigView, part: &PartView) -> Markup {
    let content = html! {
        p.lead {
            "The cell answers for " strong { (config.domain.name) } " itself and asks others for the rest."
        }
        (facts(&[
            ("Asked for", html! { (config.dns.records.len()) " own records" }),
            ("In force", html! { (badge_since(part.state, part.since, &frame.clock)) br; (part.detail) }),
        ]))
        (records(frame, config))
        (upstreams(frame, config))
        @if let Some(dns) = &part.dns {
            section {
                h2 { "Since the name server started" }
                (facts(&[
                    ("Questions", html! { (dns.queries) }),
                    ("Answered from the cell", html! { (dns.local) }),
                    ("Asked of others or known", html! { (dns.forwarded) }),
                    ("Refused", html! { (dns.refused) }),
                    ("Names in service", html! { (dns.names) }),
                ]))
                p { a href="/parts/dns" { "Test, log and restart" } }
            }
        }
    };
    page(frame, &content)
}

fn records(frame: &Frame, config: &ConfigView) -> Markup {
    let may = frame.may_post("/dns/records/new");
    let add = html! { @if may { (link("/dns/records/new", "Add a record", Look::Main)) } };
    let mut columns = vec!["Name", "Type", "Value"];
    if may {
        columns.push("Change");
    }
    let rows: Vec<Vec<Markup>> = config
        .dns
        .records
        .iter()
        .map(|record| {
            let mut row = vec![
                html! { (record.name) },
                html! { (record.data.type_name()) },
                html! { span.value { (record.data.value()) } },
            ];
            if may {
                row.push(remove(frame, config.revision, record));
            }
            row
        })
        .collect();
    html! {
        section {
            h2 { "Own records" }
            @if rows.is_empty() {
                (empty("No record of your own. Devices and services have their names without one.", &add))
            } @else {
                (table("Own records", &columns, &rows))
                div.buttons { (add) }
            }
        }
    }
}

fn remove(frame: &Frame, revision: u64, record: &DnsRecordConfig) -> Markup {
    let label = format!("Remove {} {}", record.name, record.data.type_name());
    button(
        frame,
        "/dns/records/remove",
        &label,
        Look::Plain,
        &[
            ("name", record.name.as_str()),
            ("type", record.data.type_name()),
            ("value", &record.data.value()),
            ("revision", &revision.to_string()),
        ],
    )
}

fn upstreams(frame: &Frame, config: &ConfigView) -> Markup {
    html! {
        section {
            h2 { "Upstream servers" }
            @if config.dns.upstreams.is_empty() {
                p { "The servers the uplink was given." }
            } @else {
                p { "Asked in this order:" }
                ol { @for upstream in &config.dns.upstreams { li { (upstream_text(upstream)) } } }
            }
            @if frame.may_post("/dns/upstreams") {
                div.buttons { (link("/dns/upstreams", "Change the servers", Look::Plain)) }
            }
        }
    }
}
