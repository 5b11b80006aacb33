//! Long values, cut into pieces.
//!
//! sled writes a page, up to 17 entries, as one message, and a message above a quarter of a segment (128 KiB) goes to a side
//! file. Those are not synced before the log names them, and after a power cut recovery passes over a missing one
//! in silence (pagecache/iterator.rs, `DanglingBlob`). So no page may get that large.
//!
//! A stored value starts with one byte: 0, and the value follows; or 1, and the number of pieces follows (4 bytes,
//! big-endian), which lie under `z/<key>`, a zero byte and their index (4 bytes, big-endian).

/// Bytes of a value that are stored in one entry: 17 of them, with their keys, stay well below 128 KiB.
pub(crate) const PIECE: usize = 4096;

const WHOLE: u8 = 0;
const CUT: u8 = 1;

/// What an entry of the tree holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored<'a> {
    /// The value.
    Whole(&'a [u8]),
    /// How many pieces hold the value.
    Cut(u32),
}

/// The entry for a value, and its pieces.
pub(crate) fn cut(value: &[u8]) -> (Vec<u8>, impl Iterator<Item = (u32, &[u8])>) {
    let (entry, rest) = if value.len() <= PIECE {
        ([&[WHOLE], value].concat(), &[][..])
    } else {
        let count = u32::try_from(value.len().div_ceil(PIECE))
            .expect("values are limited far below 4 billion pieces");
        ([&[CUT][..], &count.to_be_bytes()].concat(), value)
    };
    (entry, (0..).zip(rest.chunks(PIECE)))
}

/// Reads an entry; `None` when it is not one.
pub(crate) fn parse(entry: &[u8]) -> Option<Stored<'_>> {
    match entry.split_first()? {
        (&WHOLE, value) => Some(Stored::Whole(value)),
        (&CUT, count) => Some(Stored::Cut(u32::from_be_bytes(count.try_into().ok()?))),
        _ => None,
    }
}

/// The key of a piece. No two values share one: what is added to the key has a fixed length.
pub(crate) fn key(of: &[u8], index: u32) -> Vec<u8> {
    [b"z/", of, &[0], &index.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_value_is_kept_whole() {
        for length in [0, 1, PIECE] {
            let value = vec![7; length];
            let (entry, pieces) = cut(&value);
            assert_eq!(parse(&entry), Some(Stored::Whole(&value)));
            assert_eq!(pieces.count(), 0);
        }
    }

    #[test]
    fn long_value_is_cut_and_the_pieces_make_it_up() {
        let value: Vec<u8> = (0..=u8::MAX).cycle().take(2 * PIECE + 1).collect();
        let (entry, pieces) = cut(&value);
        assert_eq!(parse(&entry), Some(Stored::Cut(3)));
        let (indices, pieces): (Vec<_>, Vec<_>) = pieces.unzip();
        assert_eq!(indices, [0, 1, 2]);
        assert_eq!(pieces.concat(), value);
    }

    #[test]
    fn entry_of_another_form_is_refused() {
        for entry in [&[][..], &[2, 0], &[CUT, 0]] {
            assert_eq!(parse(entry), None);
        }
    }
}
