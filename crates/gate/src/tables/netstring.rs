//! Netstrings (<https://cr.yp.to/proto/netstrings.txt>): a length in decimal digits, a colon, as many bytes, a comma.

use bytes::{Buf, Bytes, BytesMut};

/// The most bytes one holds: what Postfix takes in an answer (`socketmap_table(5)`).
pub(super) const MAX: usize = 100_000;
/// The most digits that lengths up to [`MAX`] have.
const DIGITS: usize = 6;

/// What came is no netstring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NetstringError {
    #[error("it does not start with a length")]
    Length,
    #[error("it is longer than {MAX} bytes")]
    TooLong,
    #[error("it does not end with a comma")]
    End,
}

/// Takes the first one out of what has come so far; `None` while it is not all there. After an error nothing more can be
/// read.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Bytes>, NetstringError> {
    let digits = buffer.iter().take_while(|byte| byte.is_ascii_digit());
    let digits = digits.take(DIGITS + 1).count();
    if digits > DIGITS {
        return Err(NetstringError::TooLong);
    }
    match buffer.get(digits) {
        None => return Ok(None),
        Some(b':') if digits > 0 => {}
        Some(_) => return Err(NetstringError::Length),
    }
    // No zeros ahead: each text has one netstring.
    if digits > 1 && buffer[0] == b'0' {
        return Err(NetstringError::Length);
    }
    let length = buffer[..digits]
        .iter()
        .fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    if length > MAX {
        return Err(NetstringError::TooLong);
    }
    let start = digits + 1;
    match buffer.get(start + length) {
        None => Ok(None),
        Some(b',') => {
            buffer.advance(start);
            let text = buffer.split_to(length).freeze();
            buffer.advance(1);
            Ok(Some(text))
        }
        Some(_) => Err(NetstringError::End),
    }
}

/// A text as one.
pub(super) fn wrap(text: &[u8]) -> Vec<u8> {
    let mut whole = format!("{}:", text.len()).into_bytes();
    whole.extend_from_slice(text);
    whole.push(b',');
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(bytes: &[u8]) -> Result<Option<Bytes>, NetstringError> {
        take(&mut BytesMut::from(bytes))
    }

    #[test]
    fn what_is_no_netstring_is_told_as_soon_as_it_shows() {
        for (bytes, error) in [
            (&b":,"[..], NetstringError::Length),
            (b"x", NetstringError::Length),
            (b"-1:,", NetstringError::Length),
            (b"01:a,", NetstringError::Length),
            (b"1 :a,", NetstringError::Length),
            (b"1234567", NetstringError::TooLong),
            (b"100001:", NetstringError::TooLong),
            (b"1:ab", NetstringError::End),
            (b"0:x", NetstringError::End),
        ] {
            assert_eq!(taken(bytes), Err(error), "{bytes:?}");
        }
        for part in [&b""[..], b"3", b"3:", b"3:abc", b"100000:a"] {
            assert_eq!(taken(part), Ok(None), "{part:?}");
        }
        assert_eq!(taken(b"0:,").unwrap().unwrap(), "");
    }

    proptest! {
        #[test]
        fn anything_at_all_is_judged(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take(&mut buffer) {}
        }

        #[test]
        fn nearly_right_is_judged(bytes in "[0-9]{0,8}[:,]?[a-c]{0,12},?") {
            let mut buffer = BytesMut::from(bytes.as_bytes());
            while let Ok(Some(_)) = take(&mut buffer) {}
        }

        #[test]
        fn texts_come_out_as_they_went_in_however_they_are_cut(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cut in 1_usize..9,
        ) {
            let all: Vec<u8> = texts.iter().flat_map(|text| wrap(text)).collect();
            let (mut buffer, mut out) = (BytesMut::new(), Vec::new());
            for part in all.chunks(cut) {
                buffer.extend_from_slice(part);
                while let Some(text) = take(&mut buffer).unwrap() {
                    out.push(text.to_vec());
                }
            }
            prop_assert_eq!(out, texts);
            prop_assert!(buffer.is_empty());
        }
    }
}
