//! Text as terminals can show it.

use std::borrow::Cow;

use textwrap::Options;

/// What stands for a character the terminal may not have.
const UNKNOWN: char = '?';

/// Which characters may be sent to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// ASCII alone.
    Ascii,
    /// All of Unicode that can be seen.
    Utf8,
}

impl Charset {
    /// As the locale says (locale(7): the first of these that is set and not empty counts).
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| variable(name))
            .find(|value| !value.is_empty())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") {
            Self::Utf8
        } else {
            Self::Ascii
        }
    }

    /// The text on one line, without what could move a cursor: names and messages come from elsewhere.
    pub fn line(self, text: &str) -> String {
        text.chars()
            .map(|character| self.shown(character))
            .collect()
    }

    fn shown(self, character: char) -> char {
        match character {
            '\t' => ' ',
            control if control.is_control() => UNKNOWN,
            ascii if ascii.is_ascii() => ascii,
            _ if self == Self::Utf8 && !is_invisible(character) => character,
            '\u{2018}' | '\u{2019}' => '\'',
            '\u{201c}' | '\u{201d}' => '"',
            '\u{2010}'..='\u{2015}' => '-',
            '\u{2026}' | '\u{b7}' => '.',
            '\u{2192}' => '>',
            _ => UNKNOWN,
        }
    }
}

/// Marks of direction and width zero, with which a text could pass for another.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Breaks a line between words so that no piece is wider than `width` columns; a longer word is cut. Pieces after the
/// first are indented like it, by no more than half of the width.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let words = text.trim_start_matches(' ');
    // A character may take two columns.
    let most = (width / 2).min(width.saturating_sub(2));
    let indent = " ".repeat((text.len() - words.len()).min(most));
    let options = Options::new(width)
        .initial_indent(&indent)
        .subsequent_indent(&indent);
    let pieces = textwrap::wrap(words, options).into_iter();
    pieces.map(Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use textwrap::core::display_width;

    use super::*;

    fn charset(pairs: &[(&str, &str)]) -> Charset {
        Charset::of_environment(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn first_variable_that_is_set_says_what_the_terminal_has() {
        assert_eq!(charset(&[]), Charset::Ascii);
        assert_eq!(charset(&[("LANG", "de_DE.UTF-8")]), Charset::Utf8);
        assert_eq!(
            charset(&[("LANG", "C.utf8"), ("LC_ALL", "C")]),
            Charset::Ascii
        );
        assert_eq!(
            charset(&[("LC_ALL", ""), ("LANG", "C.utf8")]),
            Charset::Utf8
        );
    }

    #[test]
    fn cursor_movements_and_look_alikes_become_visible() {
        assert_eq!(Charset::Utf8.line("a\x1b[2Jb\u{202e}c\n"), "a?[2Jb?c?");
        assert_eq!(Charset::Ascii.line("“naïve” – 5…"), "\"na?ve\" - 5.");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("  indented text", 10), ["  indented", "  text"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("      deep", 4), ["  de", "  ep"]);
        assert_eq!(wrap(" x", 1), ["x"]);
        assert_eq!(wrap(" 𠀀", 2), ["𠀀"]);
    }

    proptest! {
        #[test]
        fn no_piece_is_too_wide_and_no_word_is_lost(text in ".{0,200}", width in 1..90_usize) {
            let pieces = wrap(&text, width);
            // A character of two columns has no place in one.
            let widest = text.chars().map(|c| display_width(&c.to_string())).max();
            let most = width.max(widest.unwrap_or_default());
            prop_assert!(pieces.iter().all(|piece| display_width(piece) <= most));
            let visible = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(visible(&pieces.concat()).replace(char::is_whitespace, ""),
                visible(&text).replace(char::is_whitespace, ""));
        }

        #[test]
        fn shown_text_holds_nothing_that_moves_a_cursor(text in any::<String>()) {
            prop_assert!(Charset::Ascii.line(&text).bytes().all(|byte| (b' '..0x7f).contains(&byte)));
            prop_assert!(!Charset::Utf8.line(&text).chars().any(char::is_control));
        }
    }
}
