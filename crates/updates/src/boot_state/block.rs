//! The file format: a GRUB environment block that holds one text twice.
//!
//! ```text
//! # GRUB Environment Block
//! ##########…                  filling
//! one=000012.a.b.-.---
//! two=000012.a.b.-.---         ends with the 1,024th byte
//! ```
//!
//! The block is written in place. Texts have a fixed width, so a write that stops after any byte leaves the new
//! beginning and the old end: if it stopped within `one`, then `two` is the old text and the copy is whole only when
//! `one` is the old text as well; if it stopped within `two`, then `one` is new and the copy is whole only when `two` is
//! new as well. Over zeros, garbage or nothing it is whole only with its last byte, so every whole copy is one that GRUB
//! can write as well. Both texts lie in the last 512 bytes and what is before them never changes: a disk that writes
//! sectors whole never even shows a torn copy.

/// Bytes of a file: the size GRUB's own tool makes, and all that `save_env` was ever tried with.
pub const BLOCK_SIZE: usize = 1024;

/// GRUB's `GRUB_ENVBLK_SIGNATURE` (include/grub/lib/envblk.h).
pub(super) const SIGNATURE: &[u8] = b"# GRUB Environment Block\n";

/// The block that holds `text`, a selection or tries, far shorter than the block.
pub fn encode(text: &str) -> Vec<u8> {
    let texts = format!("\none={text}\ntwo={text}\n");
    let mut block = SIGNATURE.to_vec();
    block.resize(BLOCK_SIZE.saturating_sub(texts.len()), b'#');
    block.extend_from_slice(texts.as_bytes());
    block
}

/// The text of a whole copy; none for every other. Reads exactly as GRUB's `load_env` does
/// (`grub_envblk_iterate`, grub-core/lib/envblk.c), followed by the script's test that both texts are the same.
pub fn decode(block: &[u8]) -> Option<String> {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let mut rest = block.strip_prefix(SIGNATURE)?;
    while !rest.is_empty() {
        if rest[0] != b'#' {
            let Some(equals) = rest.iter().position(|byte| *byte == b'=') else {
                break;
            };
            let (name, tail) = (&rest[..equals], &rest[equals + 1..]);
            let Some((value, end)) = value(tail) else {
                break;
            };
            match until_zero(name) {
                b"one" => one = value,
                b"two" => two = value,
                _ => {}
            }
            rest = &tail[end..];
        }
        let line = rest.iter().position(|byte| *byte == b'\n');
        rest = line.map_or(&[], |newline| &rest[newline + 1..]);
    }
    let text = String::from_utf8(one).ok()?;
    (!text.is_empty() && text.as_bytes() == two).then_some(text)
}

/// An unescaped value and where its line ends; none when the line does not end.
fn value(tail: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut value, mut at) = (Vec::new(), 0);
    loop {
        match tail.get(at)? {
            b'\n' => return Some((until_zero(&value).to_vec(), at)),
            b'\\' => {
                value.push(*tail.get(at + 1)?);
                at += 2;
            }
            byte => {
                value.push(*byte);
                at += 1;
            }
        }
    }
}

/// GRUB's strings end at a zero byte.
fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "000012.a.b.-.---";
    const NEW: &str = "000013.a.b.b.---";

    #[test]
    fn text_survives() {
        let block = encode(OLD);
        assert_eq!(block.len(), BLOCK_SIZE);
        assert_eq!(decode(&block).as_deref(), Some(OLD));
    }

    #[test]
    fn every_prefix_of_a_write_is_old_or_new_or_known_to_be_torn() {
        let (old, new) = (encode(OLD), encode(NEW));
        let mut seen = Vec::new();
        for cut in 0..=BLOCK_SIZE {
            let torn = [&new[..cut], &old[cut..]].concat();
            let text = decode(&torn);
            if seen.last() != Some(&text) {
                seen.push(text);
            }
        }
        assert_eq!(seen, [Some(OLD.to_owned()), None, Some(NEW.to_owned())]);
    }

    #[test]
    fn a_write_over_nothing_or_zeros_is_whole_only_with_its_last_byte() {
        let new = encode(NEW);
        for cut in 0..=BLOCK_SIZE {
            let mut over_zeros = vec![0; BLOCK_SIZE];
            over_zeros[..cut].copy_from_slice(&new[..cut]);
            let expected = (cut == BLOCK_SIZE).then_some(NEW);
            assert_eq!(decode(&over_zeros).as_deref(), expected, "{cut}");
            assert_eq!(decode(&new[..cut]).as_deref(), expected, "{cut}");
        }
    }

    #[test]
    fn texts_share_a_sector_and_the_other_never_changes() {
        let (old, new) = (encode(OLD), encode(NEW));
        assert_eq!(old[..512], new[..512]);
        assert_eq!(
            decode(&[&new[..512], &old[512..]].concat()).as_deref(),
            Some(OLD)
        );
        assert_eq!(
            decode(&[&old[..512], &new[512..]].concat()).as_deref(),
            Some(NEW)
        );
        assert_eq!(decode(&[&[0; 512], &new[512..]].concat()), None);
        assert_eq!(decode(&[&new[..512], &[0; 512][..]].concat()), None);
    }

    #[test]
    fn what_grub_would_not_read_is_not_read() {
        let read = |body: &str| decode(&[SIGNATURE, body.as_bytes()].concat());
        assert_eq!(read("one=x\ntwo=x\n").as_deref(), Some("x"));
        assert_eq!(read("one=x\ntwo=x"), None, "no end of line");
        assert_eq!(read("one=x\n"), None);
        assert_eq!(read("one=\ntwo=\n"), None);
        assert_eq!(read("#one=x\ntwo=x\n"), None);
        assert_eq!(read("one=\\x\ntwo=x\0y\n").as_deref(), Some("x"));
        assert_eq!(read("one=y\none=x\ntwo=x\n").as_deref(), Some("x"));
        assert_eq!(decode(b"one=x\ntwo=x\n"), None, "no signature");
    }
}
