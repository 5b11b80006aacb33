//! The log as a table (RFC 4180).

use std::io::{self, Write};

use crate::record::AuditRecord;

const HEAD: [&str; 11] = [
    "number",
    "time",
    "actor",
    "role",
    "address",
    "action",
    "object",
    "outcome",
    "detail",
    "previous_hash",
    "hash",
];

/// Writes a head line and one line a record.
///
/// A cell that a spreadsheet would take for a formula gets a leading `'` (OWASP, CSV injection): parts of a record,
/// such as the name of a device, come from people.
///
/// # Errors
/// What writing answers.
pub fn write_csv<W: Write, R: std::borrow::Borrow<AuditRecord>>(
    out: &mut W,
    records: impl IntoIterator<Item = R>,
) -> io::Result<()> {
    row(out, HEAD.map(str::to_owned))?;
    for record in records {
        row(out, cells(record.borrow()))?;
    }
    Ok(())
}

fn cells(record: &AuditRecord) -> [String; HEAD.len()] {
    [
        record.number.to_string(),
        record.time.to_string(),
        text(record.actor.as_ref()),
        text(record.role.map(|role| role.as_str())),
        text(record.address),
        record.action.clone(),
        text(record.object.as_ref()),
        record.outcome.as_str().to_owned(),
        record.detail.clone(),
        record.previous_hash.to_string(),
        record.hash.to_string(),
    ]
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn row<W: Write>(out: &mut W, cells: [String; HEAD.len()]) -> io::Result<()> {
    let cells = cells.map(|text| cell(&text));
    write!(out, "{}\r\n", cells.join(","))
}

fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuditEvent, ChainHead, next};
    use cell_model::Timestamp;

    #[test]
    fn cell_that_looks_like_a_formula_is_quoted() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@SUM(A1,B1)"), "\"'@SUM(A1,B1)\"");
        assert_eq!(cell("-2"), "'-2");
        assert_eq!(cell("a=1"), "a=1");
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
    }

    #[test]
    fn record_is_one_line_in_the_order_of_the_head() {
        let event = AuditEvent::new("peer.add").on("peer/anna").detail("=x, y");
        let record = next(&ChainHead::default(), event, Timestamp::UNIX_EPOCH);
        let mut out = Vec::new();
        write_csv(&mut out, [&record]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("number,time,actor"));
        assert!(
            lines[1].starts_with("1,1970-01-01T00:00:00Z,,,,peer.add,peer/anna,ok,\"'=x, y\",0000")
        );
        assert!(lines[1].ends_with(&record.hash.to_string()));
    }
}
