//! What may be repeated of a document that nobody vouches for. It is logged, kept and shown.

/// Characters of it.
const LONGEST: usize = 120;

/// The beginning of a foreign text, with nothing that a terminal would act on.
pub(crate) fn brief(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut letters = text.chars().map(plain);
    let mut words: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        words.push('…');
    }
    words
}

/// Why a JSON text cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{words} (line {line}, column {column})")]
pub struct JsonError {
    words: String,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let words = error.to_string();
        let place = format!(" at line {line} column {column}");
        Self {
            words: brief(words.strip_suffix(&place).unwrap_or(&words)),
            line,
            column,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_repeated_of_a_foreign_text() {
        assert_eq!(brief("1.2.0"), "1.2.0");
        assert_eq!(brief("a\u{1b}[2J\n"), "a\u{fffd}[2J\u{fffd}");
        assert_eq!(brief(&"é".repeat(LONGEST)), "é".repeat(LONGEST));
        let long = brief(&"é".repeat(LONGEST + 1));
        assert_eq!(long, format!("{}…", "é".repeat(LONGEST)));
    }

    #[test]
    fn the_place_in_the_text_is_said_whatever_the_words_are() {
        let error = |text: &str| {
            let error = serde_json::from_str::<crate::KeyList>(text).unwrap_err();
            JsonError::from(error).to_string()
        };
        assert_eq!(error("{\n1}"), "key must be a string (line 2, column 1)");
        let long = error(&format!(r#"{{"\u001b{}":1}}"#, "x".repeat(1_000_000)));
        assert!(long.starts_with("unknown field `\u{fffd}xxx"), "{long}");
        assert!(long.ends_with("xxx… (line 1, column 1000009)"), "{long}");
    }
}
