//! What a container has said: the file that conmon writes, line by line (its format "k8s-file":
//! `TIME STREAM P|F MESSAGE`; `P` is a piece of a line that goes on).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use cell_model::Timestamp;

/// Bytes that are read of a file, from its end.
const TAIL: u64 = 64 * 1024;

/// A line that a container has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When it began.
    pub time: Timestamp,
    /// What, with control characters escaped: a container must not be able to move about on the reader's screen.
    pub message: String,
}

/// The last lines of a log; none where it has said nothing yet.
pub(crate) fn tail(path: &Path) -> io::Result<Vec<LogEntry>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let begin = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = match (begin, text.split_once('\n')) {
        (0, _) => &*text,
        // The first is most likely cut.
        (_, Some((_, rest))) => rest,
        (_, None) => "",
    };
    Ok(entries(whole))
}

/// Its lines, with those that came in pieces put together.
fn entries(text: &str) -> Vec<LogEntry> {
    let mut entries: Vec<LogEntry> = Vec::new();
    // Streams with a line that goes on, and where that is.
    let mut open: Vec<(&str, usize)> = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some(time), Some(stream), Some(tag), message) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Ok(time) = time.parse::<Timestamp>() else {
            continue;
        };
        let message = message.unwrap_or_default();
        let before = open.iter().position(|(name, _)| *name == stream);
        let at = match before {
            Some(before) => open[before].1,
            None => {
                entries.push(LogEntry {
                    time,
                    message: String::new(),
                });
                entries.len() - 1
            }
        };
        push_escaped(&mut entries[at].message, message);
        match (before, tag) {
            (None, "P") => open.push((stream, at)),
            (Some(before), "F") => drop(open.swap_remove(before)),
            _ => {}
        }
    }
    entries
}

fn push_escaped(text: &mut String, message: &str) {
    for character in message.chars() {
        match character {
            '\t' => text.push(' '),
            character if character.is_control() => text.extend(character.escape_default()),
            character => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let entries = entries(text).into_iter();
        entries.map(|entry| entry.message).collect()
    }

    #[test]
    fn pieces_of_a_line_are_one_line_whatever_comes_between() {
        let time = "2026-11-26T23:11:18.123456789+01:00";
        let text = format!(
            "{time} stdout F first\n{time} stdout P of two \n{time} stderr F an error\n\
             {time} stdout F pieces\n{time} stdout F \n{time} stdout P open\n"
        );
        assert_eq!(
            said(&text),
            ["first", "of two pieces", "an error", "", "open"]
        );
        let first = &entries(&text)[0];
        assert_eq!(first.time.to_string(), "2026-11-26T22:11:18.123456789Z");
    }

    #[test]
    fn what_is_no_line_of_conmon_is_left_out_and_control_characters_are_shown() {
        let time = "2026-11-26T23:11:18Z";
        let text =
            format!("nonsense\n{time}\nyesterday stdout F a\n{time} stdout F \x1b[2Jb\tc\r\n");
        assert_eq!(said(&text), ["\\u{1b}[2Jb c"]);
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read_in_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.log");
        assert_eq!(tail(&path).unwrap(), []);
        let line = |number| format!("2026-11-26T23:11:18Z stdout F line {number}\n");
        let lines: String = (0..20_000).map(line).collect();
        std::fs::write(&path, &lines).unwrap();
        let entries = tail(&path).unwrap();
        assert_eq!(entries.last().unwrap().message, "line 19999");
        assert!(entries[0].message.starts_with("line 1"), "{:?}", entries[0]);
        let read: usize = entries.len() * line(19_999).len();
        assert!(read as u64 <= TAIL, "{read}");
        std::fs::write(&path, "x".repeat(100_000)).unwrap();
        assert_eq!(tail(&path).unwrap(), []);
    }
}
