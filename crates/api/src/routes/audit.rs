//! The audit log.

use cell_control::ask;
use cell_control::query::{Audit, AuditVerify, Range};
use cell_control::view::AuditView;
use cell_gate::form::encode;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use http::header::{HeaderValue, LINK};

use crate::answer::ok;
use crate::parameter::{self, Parameter};

/// Done by this account.
pub(crate) const ACTOR: Parameter = Parameter::text("actor", "Only what this account did.");
/// This action.
pub(crate) const ACTION: Parameter = Parameter::text(
    "action",
    "Only this action or those below it: `peer` finds `peer.add`.",
);

/// Records of one export: some five megabytes, made in memory. The answer links to the rest.
const EXPORT_RECORDS: usize = 20_000;
/// Characters of an action.
const ACTION_CHARACTERS: usize = 64;
/// The header of an export.
const HEADER: &str = "number,time,actor,role,address,action,object,outcome,detail\r\n";

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let question = question(&visit, parameter::range(&visit.query)?)?;
    ok(&ask(visit.control.as_ref(), &visit.caller, question).await?)
}

pub(crate) async fn verify(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(visit.control.as_ref(), &visit.caller, AuditVerify).await?)
}

/// What matches, newest first; a `Link` leads to the rest of a long one.
pub(crate) async fn export(visit: Visit) -> Result<Reply, Problem> {
    let first = Range {
        limit: Range::MAX_LIMIT,
        ..parameter::range(&visit.query)?
    };
    let mut question = question(&visit, first)?;
    let mut text = HEADER.to_owned();
    let mut records = 0;
    let rest = loop {
        let page = ask(visit.control.as_ref(), &visit.caller, question.clone()).await?;
        records += page.items.len();
        for record in &page.items {
            write_row(&mut text, record);
        }
        match page.next {
            Some(cursor) if records < EXPORT_RECORDS => question.range.cursor = Some(cursor),
            rest => break rest,
        }
    };
    let reply = Reply::attachment("audit.csv", "text/csv; charset=utf-8", text);
    Ok(
        match rest.and_then(|cursor| next_link(&question, &cursor)) {
            Some(link) => reply.with_header(LINK, link),
            None => reply,
        },
    )
}

/// Where the rest of an export is (RFC 8288).
fn next_link(question: &Audit, cursor: &str) -> Option<HeaderValue> {
    let mut link = format!("</api/audit/export?cursor={}", encode(cursor));
    if let Some(actor) = &question.actor {
        link.push_str(&format!("&actor={}", encode(actor.as_str())));
    }
    if let Some(action) = &question.action {
        link.push_str(&format!("&action={}", encode(action)));
    }
    link.push_str(">; rel=\"next\"");
    HeaderValue::from_str(&link).ok()
}

fn question(visit: &Visit, range: Range) -> Result<Audit, Problem> {
    Ok(Audit {
        range,
        actor: parameter::parsed(&visit.query, ACTOR.name)?,
        action: parameter::text(&visit.query, ACTION.name, ACTION_CHARACTERS)?,
    })
}

/// One row (RFC 4180).
fn write_row(text: &mut String, record: &AuditView) {
    let cells = [
        record.number.to_string(),
        record.time.to_string(),
        record.actor.clone().unwrap_or_default(),
        record
            .role
            .map(|role| role.as_str().to_owned())
            .unwrap_or_default(),
        record
            .address
            .map(|address| address.to_string())
            .unwrap_or_default(),
        record.action.clone(),
        record.object.clone().unwrap_or_default(),
        record.outcome.clone(),
        record.detail.clone(),
    ];
    let row: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    text.push_str(&row.join(","));
    text.push_str("\r\n");
}

/// A cell in quotes. What a spreadsheet would take for a formula is marked as text.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_break_out_or_compute() {
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(quoted("a\",b"), "\"a\"\",b\"");
        assert_eq!(quoted("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
    }

    #[test]
    fn link_to_the_rest_keeps_the_filter() {
        let question = Audit {
            range: Range::default(),
            actor: Some("anna@home".parse().unwrap()),
            action: None,
        };
        assert_eq!(
            next_link(&question, "7").unwrap(),
            "</api/audit/export?cursor=7&actor=anna%40home>; rel=\"next\""
        );
    }
}
