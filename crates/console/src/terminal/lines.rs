//! From bytes to lines, for plain terminals and pipes.

/// The most bytes of a line: what a terminal itself takes (termios(3), canonical mode).
const MAX_LINE: usize = 4_096;

/// Why a line is none. Fit to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    /// More than a line can hold.
    #[error("That line is too long")]
    TooLong,
    /// No UTF-8, or with characters nobody types.
    #[error("That line is not text")]
    NotText,
}

/// Collects lines; what is typed may be a secret, so they are not kept.
#[derive(Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// The line this byte ends.
    pub(super) fn byte(&mut self, byte: u8) -> Option<Result<String, LineError>> {
        if byte == b'\n' {
            return Some(self.take());
        }
        if self.line.len() < MAX_LINE {
            self.line.push(byte);
        } else {
            self.too_long = true;
        }
        None
    }

    /// What is left when nothing more will come.
    pub(super) fn finish(&mut self) -> Option<Result<String, LineError>> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Result<String, LineError> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            return Err(LineError::TooLong);
        }
        let mut text = String::from_utf8(line).map_err(|_| LineError::NotText)?;
        if text.ends_with('\r') {
            text.pop();
        }
        if text
            .chars()
            .any(|character| character.is_control() && character != '\t')
        {
            return Err(LineError::NotText);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Result<String, LineError>> {
        let mut lines = Lines::default();
        let mut all: Vec<_> = bytes.iter().filter_map(|byte| lines.byte(*byte)).collect();
        all.extend(lines.finish());
        all
    }

    #[test]
    fn line_ends_of_every_kind_end_a_line() {
        let found = lines("1\r\nzwei ä\n\nrest".as_bytes());
        let texts: Vec<String> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(texts, ["1", "zwei ä", "", "rest"]);
    }

    #[test]
    fn garbage_is_one_refused_line() {
        assert_eq!(lines(b"\xff\xfe\n"), [Err(LineError::NotText)]);
        assert_eq!(lines(b"a\x1b[A\n"), [Err(LineError::NotText)]);
        let long = [vec![b'x'; MAX_LINE + 1], b"\nfine\n".to_vec()].concat();
        assert_eq!(
            lines(&long),
            [Err(LineError::TooLong), Ok("fine".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in any::<Vec<u8>>()) {
            let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
            prop_assert!(lines(&bytes).len() >= ends);
        }
    }
}
