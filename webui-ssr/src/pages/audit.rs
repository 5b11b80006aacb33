//! Who did what.

use cell_control::view::{AuditPage, AuditView};
use cell_gate::form::encode;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::form::{fields, summary};
use crate::parts::icon::Icon;
use crate::parts::list::{pagination, table};
use crate::parts::shell::form_page;
use crate::parts::state::labelled;
use crate::parts::text::{empty, time};

/// The page. `records` is `None` when the filter could not be read.
pub(crate) fn render(frame: &Frame, draft: &Draft, records: Option<&AuditPage>) -> Markup {
    let first = draft.typed("cursor").is_empty();
    let shown = draft
        .fields()
        .split_last()
        .map_or(&[][..], |(_, shown)| shown);
    let content = html! {
        p.lead { "Whatever was done, by whom and from where. Records are chained: none can be changed or taken out unnoticed." }
        (summary(draft))
        form.filter method="get" action="/audit" {
            (fields(draft, shown))
            button class=(Look::Plain.class()) { "Show" }
        }
        @if let Some(records) = records {
            @if records.items.is_empty() {
                (empty("Nothing was found.", &html! { a href="/audit" { "Show everything" } }))
            } @else {
                (records_table(frame, records))
                (pagination(&filtered(draft), records.next.as_deref(), first))
            }
        }
        div.buttons {
            (link("/audit/verify", "Check the chain", Look::Plain))
            (link("/api/audit/export", "Download as CSV", Look::Plain))
        }
    };
    form_page(frame, draft, &content)
}

/// The records, the newest first.
pub(super) fn records_table(frame: &Frame, records: &AuditPage) -> Markup {
    let rows: Vec<_> = records
        .items
        .iter()
        .map(|record| row(frame, record))
        .collect();
    table(
        "Audit records",
        &["When", "Who", "What", "Outcome", "Detail"],
        &rows,
    )
}

fn row(frame: &Frame, record: &AuditView) -> Vec<Markup> {
    let (class, picture) = match record.outcome.as_str() {
        "ok" => ("ok", Icon::Tick),
        "refused" => ("pending", Icon::Warning),
        _ => ("failed", Icon::Cross),
    };
    vec![
        time(&frame.clock, record.time),
        html! {
            (record.actor.as_deref().unwrap_or("nobody"))
            @if let Some(role) = record.role { br; span.quiet { (role.as_str()) } }
            br; span.quiet {
                @match record.address { Some(address) => (address), None => "the box itself" }
            }
        },
        html! {
            code { (record.action) }
            @if let Some(object) = &record.object { br; (object) }
        },
        labelled(class, picture, &record.outcome),
        html! { (record.detail) },
    ]
}

/// Where the list is, with its filter.
fn filtered(draft: &Draft) -> String {
    let pairs: Vec<String> = ["actor", "action", "object"]
        .into_iter()
        .filter(|name| !draft.typed(name).is_empty())
        .map(|name| format!("{name}={}", encode(draft.typed(name))))
        .collect();
    if pairs.is_empty() {
        "/audit".to_owned()
    } else {
        format!("/audit?{}", pairs.join("&"))
    }
}
