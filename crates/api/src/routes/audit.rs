//! The audit log.

use cell_control::ask;
use cell_control::query::{Audit, AuditVerify, Range};
use cell_control::view::AuditView;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use crate::answer::ok;
use crate::parameter::{self, Parameter};

/// Done by this account.
pub(crate) const ACTOR: Parameter = Parameter::text("actor", "Only what this account did.");
/// This action.
pub(crate) const ACTION: Parameter = Parameter::text(
    "action",
    "Only this action or those below it: `peer` finds `peer.add`.",
);

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

/// Everything that matches, newest first.
pub(crate) async fn export(visit: Visit) -> Result<Reply, Problem> {
    let mut text = HEADER.to_owned();
    let mut range = Range {
        limit: Range::MAX_LIMIT,
        cursor: None,
    };
    loop {
        let page = ask(
            visit.control.as_ref(),
            &visit.caller,
            question(&visit, range)?,
        )
        .await?;
        for record in &page.items {
            write_row(&mut text, record);
        }
        if page.next.is_none() {
            return Ok(Reply::attachment(
                "audit.csv",
                "text/csv; charset=utf-8",
                text,
            ));
        }
        range = Range {
            limit: Range::MAX_LIMIT,
            cursor: page.next,
        };
    }
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
}
