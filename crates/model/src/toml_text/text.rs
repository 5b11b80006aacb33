//! From bytes to TOML: what editors and damaged sticks make of a file is told apart from what a person wrote.

use toml::Spanned;
use toml::de::DeTable;

use super::finding::{Position, TomlError};

/// UTF-8's mark, which some editors put first.
const MARK: &str = "\u{feff}";

/// The text of a file of at most `max` bytes, without the mark in front of it.
///
/// # Errors
/// One finding: it is too large, empty or no text.
pub fn decode(bytes: &[u8], max: usize) -> Result<&str, TomlError> {
    let at_start = |message: &str| Err(TomlError::one(Position::START, message));
    if bytes.len() > max {
        return at_start(&format!(
            "the file is larger than {} KiB; such a file has some dozen lines",
            max / 1024
        ));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return at_start("the file is UTF-16; save it as UTF-8");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let position = Position::of(without_mark(&good), usize::MAX);
            return Err(TomlError::one(
                position,
                "this is not UTF-8; save the file as UTF-8, without letters of another encoding",
            ));
        }
    };
    let text = without_mark(text);
    let control = text.char_indices().find_map(|(at, character)| {
        let named = match character {
            '\0' => "a zero byte stands here; the file is damaged or no text: write it anew",
            '\r' if !text[at..].starts_with("\r\n") => {
                "a carriage return stands here without a line feed; save the file with ends of lines as Linux or \
                 Windows has them"
            }
            '\n' | '\r' | '\t' => return None,
            control if control.is_control() => {
                "a control character stands here; remove it"
            }
            _ => return None,
        };
        Some((at, named))
    });
    match control {
        Some((at, named)) => Err(TomlError::one(Position::of(text, at), named)),
        None if text.trim().is_empty() => at_start("the file is empty; remove it or say something"),
        None => Ok(text),
    }
}

/// The text as TOML.
///
/// # Errors
/// One finding: what the parser stumbled over.
pub fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, TomlError> {
    DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        // The parser's words are its own; nothing of the text is in them.
        let mut message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
        let stranger = text.get(at..).and_then(|rest| rest.lines().next());
        if let Some(hint) = stranger.and_then(look_alike) {
            message.push_str("; ");
            message.push_str(&hint);
        }
        TomlError::one(Position::of(text, at), message)
    })
}

/// What the first character that only looks like a plain one should be.
pub(super) fn look_alike(text: &str) -> Option<String> {
    let character = text.chars().find(|character| !character.is_ascii())?;
    let code = u32::from(character);
    Some(match character {
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{00ab}' | '\u{00bb}' | '\u{2033}' => {
            format!("{character} (U+{code:04X}) is a typographic quotation mark; write \"")
        }
        '\u{2018}' | '\u{2019}' | '\u{2032}' => {
            format!("{character} (U+{code:04X}) is a typographic quotation mark; write '")
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => {
            format!("{character} (U+{code:04X}) is not the hyphen of the keyboard; write -")
        }
        space if space.is_whitespace() => {
            format!("U+{code:04X} is not the space of the keyboard; write a plain space")
        }
        other if other.is_alphanumeric() => {
            format!(
                "{other} (U+{code:04X}) is not a letter or digit of ASCII, even if it looks like one"
            )
        }
        _ => format!("U+{code:04X} is not a character of ASCII; type it anew"),
    })
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}
