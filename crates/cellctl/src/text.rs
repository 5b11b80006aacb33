//! How single values are written.

use std::borrow::Cow;

use cell_control::change::{Pending, Receipt};
use cell_model::Timestamp;
use serde::Serialize;

/// What is written where there is nothing.
pub(crate) const NOTHING: &str = "-";

/// The text with control characters but the newline made visible: names and messages come from elsewhere, and must
/// not move the cursor of root's terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| c.is_control() && c != '\n';
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
    }
    Cow::Owned(visible)
}

/// A JSON document with the control characters that JSON lets stand (DEL and C1) escaped as it escapes the others. They
/// occur in its strings only, so the document says the same.
pub(crate) fn escaped(document: &str) -> Cow<'_, str> {
    let raw = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    if !document.contains(raw) {
        return Cow::Borrowed(document);
    }
    let mut escaped = String::with_capacity(document.len());
    for c in document.chars() {
        if raw(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// A point in time, UTC, to the second.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A value that may be absent.
pub(crate) fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// Yes or no.
pub(crate) fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// Values with commas between them.
pub(crate) fn joined<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    if words.is_empty() {
        NOTHING.to_owned()
    } else {
        words.join(", ")
    }
}

/// The word of a value that is a word in JSON.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => NOTHING.to_owned(),
    }
}

/// Bytes in the largest binary unit that leaves a whole number of it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let power = count.checked_ilog(1024).unwrap_or(0).min(4);
    if power == 0 {
        return format!("{count} B");
    }
    let unit = 1024_u64.pow(power);
    let tenths = count % unit * 10 / unit;
    format!("{}.{tenths} {}", count / unit, UNITS[power as usize - 1])
}

/// What came of a change, in sentences.
pub(crate) fn receipt(receipt: &Receipt) -> String {
    let stored = format!("Stored as revision {}.\n", receipt.revision);
    match &receipt.confirm {
        Some(waiting) => stored + &pending(waiting),
        None => stored,
    }
}

/// A change that waits, in a sentence.
pub(crate) fn pending(pending: &Pending) -> String {
    format!(
        "Revision {} returns by itself in {} s unless {} confirms it (cellctl confirm).\n",
        pending.revision, pending.seconds_left, pending.username
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(printable("plain ä\nline"), "plain ä\nline");
        assert_eq!(printable("\x1b[2Jgone\r"), "\\u{1b}[2Jgone\\r");
        // CSI as one character (ECMA-48).
        assert_eq!(printable("\u{9b}2J"), "\\u{9b}2J");
    }

    #[test]
    fn json_says_the_same_without_control_characters() {
        let value = serde_json::json!({"text": "a\u{9b}2Jb\u{7f}\u{1b}ä\u{a0}"});
        let document = value.to_string();
        assert!(document.contains('\u{9b}'));
        let escaped = escaped(&document);
        assert!(!escaped.contains(|c: char| c.is_control()), "{escaped}");
        assert!(escaped.contains("a\\u009b2Jb\\u007f"), "{escaped}");
        let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn bytes_take_the_unit_that_fits() {
        for (count, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (2_097_152, "2.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn time_is_written_to_the_second() {
        let moment = Timestamp::constant(1_795_000_000, 5);
        assert_eq!(time(moment), "2026-11-18T11:06:40Z");
    }

    #[test]
    fn words_are_those_of_the_json() {
        assert_eq!(word(&cell_control::action::LogLevel::Warn), "warn");
        assert_eq!(word(&7), NOTHING);
        assert_eq!(joined(["a", "b"]), "a, b");
        assert_eq!(joined::<&str>([]), NOTHING);
    }
}
