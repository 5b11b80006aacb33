//! Pieces of a partition's content, cut where the content says so.

use std::fmt;
use std::io::{self, Read};

use data_encoding::HEXLOWER;
use fastcdc::v2020::StreamCDC;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// Bytes of the shortest chunk but the last.
const SHORTEST: usize = 16 << 10;
/// A changed byte costs about one of these on the way: smaller ones make the manifest longer than they save.
const AVERAGE: usize = 64 << 10;
/// Bytes of the longest chunk: what the box holds in memory of a bundle.
pub const LONGEST_CHUNK: usize = 256 << 10;

/// SHA-256. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no SHA-256 in hexadecimal"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

/// SHA-256 of what comes piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Digester(sha2::Sha256);

impl Digester {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all that was taken in.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// One piece: in the manifest `["SHA-256", bytes]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chunk(pub Digest, pub u32);

impl Chunk {
    /// SHA-256 of its bytes.
    pub fn digest(&self) -> Digest {
        self.0
    }

    /// Its bytes, as many as memory ever has to hold.
    pub fn length(&self) -> usize {
        self.1 as usize
    }

    /// Of these bytes, at most [`LONGEST_CHUNK`].
    pub fn of(bytes: &[u8]) -> Self {
        Self(
            Digest::of(bytes),
            u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        )
    }

    /// Whether these are its bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length() && Digest::of(bytes) == self.0
    }
}

/// Cuts a content into its chunks. Two programs that cut differently understand each other all the same: a chunk is
/// what its digest says, only fewer are found to be there already.
pub struct Chunks<R: Read>(StreamCDC<R>);

impl<R: Read> fmt::Debug for Chunks<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chunks")
    }
}

impl<R: Read> Chunks<R> {
    /// Of what `content` reads.
    pub fn new(content: R) -> Self {
        Self(StreamCDC::new(content, SHORTEST, AVERAGE, LONGEST_CHUNK))
    }
}

impl<R: Read> Iterator for Chunks<R> {
    /// The place of its first byte, and its bytes.
    type Item = io::Result<(u64, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.next()?;
        Some(
            next.map(|chunk| (chunk.offset, chunk.data))
                .map_err(io::Error::other),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        std::iter::repeat_with(|| random.u8(..))
            .take(length)
            .collect()
    }

    fn chunks(content: &[u8]) -> Vec<Chunk> {
        Chunks::new(content)
            .map(|chunk| Chunk::of(&chunk.unwrap().1))
            .collect()
    }

    #[test]
    fn chunks_are_the_content_in_order() {
        let content = noise(1, 3 << 20);
        let mut end = 0;
        let mut whole = Vec::new();
        for chunk in Chunks::new(&content[..]) {
            let (at, bytes) = chunk.unwrap();
            assert_eq!(at, end);
            assert!(bytes.len() <= LONGEST_CHUNK);
            end += bytes.len() as u64;
            whole.extend(bytes);
        }
        assert_eq!(whole, content);
        assert!(chunks(&[]).is_empty());
    }

    #[test]
    fn inserted_byte_changes_the_chunk_it_is_in_and_hardly_any_other() {
        let content = noise(2, 4 << 20);
        let mut changed = content.clone();
        changed.insert(2 << 20, 7);
        let before: std::collections::HashSet<_> = chunks(&content).into_iter().collect();
        let new = chunks(&changed)
            .into_iter()
            .filter(|chunk| !before.contains(chunk))
            .count();
        assert!((1..=3).contains(&new), "{new}");
    }

    /// What is cut by another version of the library is found no more on boxes that have this one.
    #[test]
    fn the_places_of_cuts_are_those_of_boxes_in_the_field() {
        let blocks = (0..32_768_u32).map(|number| *Digest::of(&number.to_le_bytes()).as_bytes());
        let content: Vec<u8> = blocks.flatten().collect();
        let lengths: Vec<_> = chunks(&content).iter().map(Chunk::length).collect();
        let expected = [
            97_506, 99_869, 83_433, 63_263, 16_752, 77_067, 43_406, 29_405, 119_241, 124_500,
            66_232, 89_837, 70_589, 67_476,
        ];
        assert_eq!(lengths, expected);
    }

    #[test]
    fn digests_are_written_as_they_are_read() {
        let digest = Digest::of(b"");
        assert!(digest.to_string().starts_with("e3b0c44298fc1c14"));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in ["", "e3", &"E".repeat(64), &"z".repeat(64)] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
