//! Records as text that name servers and their web pages take in.

use std::fmt::Write as _;

use cell_model::mail::{MailPurpose, MailRecord};
use cell_model::name::Domain;

/// How long others may remember the records, in seconds. Short enough to mend a mistake within the hour.
pub const PUBLIC_TTL: u32 = 3_600;

/// The records as lines of a zone file (RFC 1035 section 5), each below what it is for. What belongs into another zone
/// is there as a comment. Lines end in LF.
pub fn zone_text(domain: &Domain, records: &[MailRecord]) -> String {
    let mut text = format!("; Mail of {domain}\n");
    let mut last = None;
    for record in records {
        let weight = if record.needed { " (needed)" } else { "" };
        let heading = (record.purpose, record.needed);
        if last != Some(heading) {
            let _ = write!(text, "\n; {}{weight}\n", record.purpose.words());
            last = Some(heading);
        }
        if record.purpose == MailPurpose::Reverse {
            text.push_str("; ");
        }
        let data = &record.record.data;
        let (owner, kind) = (&record.record.owner, data.type_name());
        let _ = writeln!(text, "{owner}. {PUBLIC_TTL} IN {kind} {}", data.value());
    }
    text
}
