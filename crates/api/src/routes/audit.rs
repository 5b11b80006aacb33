//! The audit log.

use cell_control::ask;
use cell_control::csv;
use cell_control::query::{Audit, AuditVerify, Range};
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
/// This object.
pub(crate) const OBJECT: Parameter = Parameter::text(
    "object",
    "Only what was done to what has this name: a device, an account, another cell.",
);

/// Records of one export: some five megabytes, made in memory. The answer links to the rest.
const EXPORT_RECORDS: usize = 20_000;
/// Characters of an action.
const ACTION_CHARACTERS: usize = 64;
/// Characters of what something was done to.
const OBJECT_CHARACTERS: usize = 253;

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
    let mut text = csv::HEADER.to_owned();
    let mut records = 0;
    let rest = loop {
        let page = ask(visit.control.as_ref(), &visit.caller, question.clone()).await?;
        records += page.items.len();
        for record in &page.items {
            text.push_str(&csv::row(record));
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
    if let Some(object) = &question.object {
        link.push_str(&format!("&object={}", encode(object)));
    }
    link.push_str(">; rel=\"next\"");
    HeaderValue::from_str(&link).ok()
}

fn question(visit: &Visit, range: Range) -> Result<Audit, Problem> {
    Ok(Audit {
        range,
        actor: parameter::parsed(&visit.query, ACTOR.name)?,
        action: parameter::text(&visit.query, ACTION.name, ACTION_CHARACTERS)?,
        object: parameter::text(&visit.query, OBJECT.name, OBJECT_CHARACTERS)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_to_the_rest_keeps_the_filter() {
        let question = Audit {
            range: Range::default(),
            actor: Some("anna@home".parse().unwrap()),
            action: None,
            object: Some("phone".to_owned()),
        };
        assert_eq!(
            next_link(&question, "7").unwrap(),
            "</api/audit/export?cursor=7&actor=anna%40home&object=phone>; rel=\"next\""
        );
    }
}
