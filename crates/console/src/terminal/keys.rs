//! From the bytes of a terminal to keys.

use crate::model::Key;

/// The most bytes of an escape sequence; what is longer is none.
const MAX_SEQUENCE: usize = 16;

/// Reads bytes one by one, since a serial line delivers them so.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pending: Vec<u8>,
    /// The last byte was a carriage return: a line feed behind it belongs to it.
    returned: bool,
}

impl Decoder {
    /// The keys this byte completes. Unknown sequences are swallowed.
    pub(super) fn byte(&mut self, byte: u8) -> impl Iterator<Item = Key> + use<> {
        // Esc, and at once another key: two keys, since a person on a slow line types so.
        let escaped = self.pending == [0x1b] && !matches!(byte, b'[' | b'O');
        let before = match escaped {
            true => self.settle(),
            false => None,
        };
        before.into_iter().chain(self.next(byte))
    }

    fn next(&mut self, byte: u8) -> Option<Key> {
        let after_return = std::mem::take(&mut self.returned);
        if self.pending.is_empty() {
            return match byte {
                b'\n' if after_return => None,
                b'\r' => {
                    self.returned = true;
                    Some(Key::Enter)
                }
                0x1b | 0xc2..=0xf4 => {
                    self.pending.push(byte);
                    None
                }
                _ => single(byte),
            };
        }
        if self.pending[0] == 0x1b {
            return self.escape(byte);
        }
        self.pending.push(byte);
        match std::str::from_utf8(&self.pending) {
            Ok(text) => {
                let key = text
                    .chars()
                    .next()
                    .filter(|c| !c.is_control())
                    .map(Key::Char);
                self.pending.clear();
                key
            }
            // More to come.
            Err(error) if error.error_len().is_none() => None,
            // No UTF-8; what broke it may be a key of its own.
            Err(_) => {
                self.pending.clear();
                match byte.is_ascii() {
                    true => self.next(byte),
                    false => None,
                }
            }
        }
    }

    /// Something was begun that may be a key by itself.
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nothing came for a while: a lone escape is the key Esc.
    pub(super) fn settle(&mut self) -> Option<Key> {
        let pending = std::mem::take(&mut self.pending);
        (pending == [0x1b]).then_some(Key::Escape)
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        self.pending.push(byte);
        match self.pending.as_slice() {
            [_, _] => None,
            // Parameters and intermediate bytes (ECMA-48 section 5.4); one that does not end is no sequence.
            sequence if matches!(byte, 0x20..=0x3f) && sequence.len() < MAX_SEQUENCE => None,
            sequence => {
                let key = sequence_key(sequence);
                self.pending.clear();
                key
            }
        }
    }
}

fn single(byte: u8) -> Option<Key> {
    Some(match byte {
        b'\n' => Key::Enter,
        0x03 => Key::Interrupt,
        0x08 | 0x7f => Key::Backspace,
        0x0c => Key::Redraw,
        0x15 => Key::ClearLine,
        b' '..=b'~' => Key::Char(char::from(byte)),
        _ => return None,
    })
}

/// Of VT100, xterm and the Linux console.
fn sequence_key(sequence: &[u8]) -> Option<Key> {
    Some(match &sequence[2..] {
        b"A" => Key::Up,
        b"B" => Key::Down,
        b"H" | b"1~" | b"7~" => Key::Home,
        b"F" | b"4~" | b"8~" => Key::End,
        b"5~" => Key::PageUp,
        b"6~" => Key::PageDown,
        b"D" => Key::Escape,
        b"C" | b"M" => Key::Enter,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let mut keys: Vec<Key> = bytes.iter().flat_map(|byte| decoder.byte(*byte)).collect();
        keys.extend(decoder.settle());
        keys
    }

    #[test]
    fn keys_of_common_terminals_are_known() {
        for (bytes, key) in [
            (&b"\x1b[A"[..], Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b", Key::Escape),
            (b"\x03", Key::Interrupt),
            (b"\r\n", Key::Enter),
            (b"\n", Key::Enter),
            (b"\x7f", Key::Backspace),
            ("ä".as_bytes(), Key::Char('ä')),
            ("🐴".as_bytes(), Key::Char('🐴')),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn key_typed_right_after_escape_is_one_of_its_own() {
        assert_eq!(keys(b"\x1b8"), [Key::Escape, Key::Char('8')]);
        assert_eq!(keys(b"\x1b\x1b"), [Key::Escape, Key::Escape]);
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Escape, Key::Up]);
    }

    #[test]
    fn two_returns_are_two_keys() {
        assert_eq!(keys(b"\r\r\n\n"), [Key::Enter, Key::Enter, Key::Enter]);
    }

    #[test]
    fn broken_utf8_and_unknown_sequences_are_swallowed() {
        assert_eq!(
            keys(b"\xc3a\xff\x1b[99;5Hb"),
            [Key::Char('a'), Key::Char('b')]
        );
        assert_eq!(keys(b"\xe2\x82"), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_leave_nothing_behind(bytes in any::<Vec<u8>>()) {
            let mut decoder = Decoder::default();
            for byte in bytes {
                for key in decoder.byte(byte) {
                    prop_assert!(!matches!(key, Key::Char(character) if character.is_control()));
                }
                prop_assert!(decoder.pending.len() <= MAX_SEQUENCE);
            }
            decoder.settle();
            prop_assert_eq!(decoder.byte(b'x').collect::<Vec<_>>(), [Key::Char('x')]);
        }

        #[test]
        fn text_comes_through_as_typed(text in "[^\\p{C}]{0,40}") {
            let typed: Vec<Key> = text.chars().map(Key::Char).collect();
            prop_assert_eq!(keys(text.as_bytes()), typed);
        }
    }
}
