//! Audit records as a table for spreadsheets (RFC 4180): the same from every face.

use crate::view::AuditView;

/// The first line.
pub const HEADER: &str = "number,time,actor,role,address,action,object,outcome,detail\r\n";

/// One record, with its line end.
pub fn row(record: &AuditView) -> String {
    let address = record.address.map(|address| address.to_string());
    let (number, time) = (record.number.to_string(), record.time.to_string());
    let cells = [
        number.as_str(),
        time.as_str(),
        record.actor.as_deref().unwrap_or_default(),
        record.role.map_or("", |role| role.as_str()),
        address.as_deref().unwrap_or_default(),
        &record.action,
        record.object.as_deref().unwrap_or_default(),
        &record.outcome,
        &record.detail,
    ];
    cells.map(quoted).join(",") + "\r\n"
}

/// A cell in quotes. What a spreadsheet would take for a formula is marked as text (OWASP, CSV injection): names of
/// devices come from people.
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
