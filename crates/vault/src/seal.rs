//! Sealing: secrets become blobs that only the sealing key opens, each under its own name.
//!
//! A sealed blob is `version (1) | key id (8) | nonce (12) | ciphertext | tag (16)`, ChaCha20-Poly1305 (RFC 8439).
//! Version, key id and name are authenticated, so a blob cannot be passed off under another name.

use cell_model::secret::Secret;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

use crate::random::{self, RandomError};
use crate::seal_key::{Protection, SealKey};

/// The form of the blob. Another form gets another number; this one stays readable.
const VERSION: u8 = 1;
/// Bytes of a key's name.
const KEY_ID_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES;

/// A secret could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No nonce could be made.
    #[error("cannot make a nonce")]
    Nonce(#[from] RandomError),
    /// Longer than the cipher takes (256 GiB).
    #[error("too long to be sealed")]
    TooLong,
    /// Shorter than any sealed blob, or of a form this program does not know.
    #[error("{name} is not a sealed blob of a known form")]
    Form {
        /// What was to be opened.
        name: String,
    },
    /// Sealed with another key: the state directory is of another box, or its key was replaced.
    #[error("{name} was sealed with another key")]
    OtherKey {
        /// What was to be opened.
        name: String,
    },
    /// Changed since it was sealed, or sealed under another name.
    #[error("{name} was damaged, or was sealed under another name")]
    Damaged {
        /// What was to be opened.
        name: String,
    },
}

/// Seals and opens with one key.
#[derive(Debug)]
pub struct Sealer {
    key: LessSafeKey,
    key_id: [u8; KEY_ID_BYTES],
    protection: Protection,
}

impl Sealer {
    /// A sealer with this key.
    pub fn new(key: &SealKey) -> Self {
        let unbound = UnboundKey::new(&CHACHA20_POLY1305, key.bytes())
            .expect("a sealing key has as many bytes as the cipher takes");
        let digest = Sha256::new()
            .chain_update(b"cell seal key id")
            .chain_update(key.bytes())
            .finalize();
        let mut key_id = [0; KEY_ID_BYTES];
        key_id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        Self {
            key: LessSafeKey::new(unbound),
            key_id,
            protection: key.protection(),
        }
    }

    /// What sealing protects from.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// Seals a secret under a name. Nonces are random: 96 bits are safe for 2^32 blobs (NIST SP 800-38D section 8.3
    /// gives that bound for a nonce of this length), and a box seals a few a day.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_LEN] = random::random_bytes()?;
        let header = self.header();
        let mut text = zeroize::Zeroizing::new(secret.to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated(&header, name)),
                &mut text,
            )
            .map_err(|_| SealError::TooLong)?;
        Ok([header.as_slice(), &nonce, &text, tag.as_ref()].concat())
    }

    /// Opens what was sealed under this name.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, SealError> {
        let form = || SealError::Form {
            name: name.to_owned(),
        };
        let (header, rest) = sealed
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or_else(form)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(form)?;
        if header[0] != VERSION || text.len() < CHACHA20_POLY1305.tag_len() {
            return Err(form());
        }
        if header[1..] != self.key_id {
            return Err(SealError::OtherKey {
                name: name.to_owned(),
            });
        }
        let mut opened = text.to_vec();
        let length = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(associated(header, name)),
                &mut opened,
            )
            .map_err(|_| SealError::Damaged {
                name: name.to_owned(),
            })?
            .len();
        opened.truncate(length);
        Ok(Secret::new(opened))
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [VERSION; HEADER_BYTES];
        header[1..].copy_from_slice(&self.key_id);
        header
    }
}

fn associated(header: &[u8; HEADER_BYTES], name: &str) -> Vec<u8> {
    [header.as_slice(), name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&SealKey::Disk(Secret::new([byte; 32])))
    }

    #[test]
    fn same_secret_is_sealed_differently_each_time() {
        let sealer = sealer(1);
        assert_ne!(
            sealer.seal("ca/root", b"key").unwrap(),
            sealer.seal("ca/root", b"key").unwrap()
        );
    }

    #[test]
    fn other_key_is_named_as_the_reason() {
        let sealed = sealer(1).seal("ca/root", b"key").unwrap();
        assert_eq!(
            sealer(2).open("ca/root", &sealed),
            Err(SealError::OtherKey {
                name: "ca/root".to_owned()
            })
        );
    }

    #[test]
    fn blob_of_a_later_form_is_not_taken_for_damage() {
        let mut sealed = sealer(1).seal("ca/root", b"key").unwrap();
        sealed[0] = 2;
        assert_eq!(
            sealer(1).open("ca/root", &sealed),
            Err(SealError::Form {
                name: "ca/root".to_owned()
            })
        );
    }

    #[test]
    fn sealer_prints_without_its_key() {
        let text = format!("{:?}", sealer(0xab));
        assert!(!text.contains("171, 171"), "{text}");
        assert!(!text.to_lowercase().contains("abab"), "{text}");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_again(name in ".{0,40}", secret: Vec<u8>) {
            let sealed = sealer(1).seal(&name, &secret).unwrap();
            prop_assert_eq!(sealer(1).open(&name, &sealed), Ok(Secret::new(secret)));
        }

        #[test]
        fn other_name_opens_nothing(name in ".{0,40}", other in ".{0,40}", secret: Vec<u8>) {
            prop_assume!(name != other);
            let sealed = sealer(1).seal(&name, &secret).unwrap();
            prop_assert!(sealer(1).open(&other, &sealed).is_err());
        }

        #[test]
        fn flipped_bit_is_noticed(secret: Vec<u8>, at: prop::sample::Index, bit in 0..8) {
            let mut sealed = sealer(1).seal("name", &secret).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1_u8 << bit;
            prop_assert!(sealer(1).open("name", &sealed).is_err());
        }

        #[test]
        fn cut_blob_is_noticed(secret: Vec<u8>, at: prop::sample::Index) {
            let sealed = sealer(1).seal("name", &secret).unwrap();
            let cut = &sealed[..at.index(sealed.len())];
            prop_assert!(sealer(1).open("name", cut).is_err());
        }
    }
}
