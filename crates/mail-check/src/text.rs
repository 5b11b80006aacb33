//! What strangers say, cut to what a person reads.

/// The most of it that is shown, in characters: a line or two.
const LONGEST: usize = 200;

/// One line of printable characters.
pub(crate) fn short(text: &str) -> String {
    let one_line = text.chars().map(|character| match character {
        character if character.is_control() => ' ',
        character => character,
    });
    let mut kept: String = one_line.clone().take(LONGEST).collect();
    if one_line.count() > LONGEST {
        kept.push('…');
    }
    kept.trim().to_owned()
}

/// Values beside each other, each quoted.
pub(crate) fn list<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = values.into_iter().map(|value| short(value)).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_many_lined_text_becomes_a_line() {
        assert_eq!(short(" 220 a\r\n\u{1b}[2J "), "220 a   [2J");
        assert_eq!(short(&"ä".repeat(300)), format!("{}…", "ä".repeat(200)));
    }
}
