//! What a bundle says it is.

use std::collections::HashMap;

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_signed::PayloadType;
use serde::{Deserialize, Serialize};

use super::verity::size_with_tree;
use super::{BundleError, Chunk, Digest, LONGEST_CHUNK};

/// Characters of release notes a page shows; more belong behind a link.
const LONGEST_NOTES: usize = 16 << 10;
/// Characters of names and versions.
const LONGEST_WORD: usize = 64;
/// Bytes of the partitions, see the disk layout of DESIGN section 4.
const BOOT_PARTITION: u64 = 128 << 20;
const ROOT_PARTITION: u64 = 512 << 20;

/// Which version something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// For which board: a folder of `board/`.
    pub board: String,
    /// For people, such as `1.2.0`.
    pub version: String,
    /// Rises with every version: seconds since 1970 of what it was made from.
    pub sequence: u64,
    /// The newest form of the kept state that it reads, and the one it writes.
    pub schema: u32,
}

/// The signed part of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Which version.
    pub release: Release,
    /// For whom.
    pub channel: ReleaseChannel,
    /// Not taken any more from then on.
    pub expires: Timestamp,
    /// What has changed, for people: plain text.
    pub notes: String,
    /// The list of what is in it.
    pub sbom: Sbom,
    /// The boot partition: kernel and its arguments.
    pub boot: Content,
    /// The root partition, hash tree included.
    pub root: Content,
    /// What the kernel checks the root against.
    pub verity: Verity,
}

/// Where to find the list of what is in a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sbom {
    /// Its file's name, beside the bundle.
    pub name: String,
    /// SHA-256 of it.
    pub digest: Digest,
}

/// What a partition is to hold from its first byte on; what is behind that does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them.
    pub digest: Digest,
    /// The pieces, in order.
    pub chunks: Vec<Chunk>,
}

/// The hash tree of a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verity {
    /// Hash over all hashes.
    pub root_hash: Digest,
    /// Salt of every hash, in hexadecimal.
    pub salt: String,
    /// Blocks of 4,096 bytes that are checked; the tree follows them.
    pub data_blocks: u64,
}

/// One of the two partitions of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Kernel and its arguments.
    Boot,
    /// Root file system with its hash tree.
    Root,
}

impl Place {
    /// Both, in the order in which a bundle has them.
    pub const ALL: [Self; 2] = [Self::Boot, Self::Root];

    /// What its partitions' names begin with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Root => "root",
        }
    }

    /// Bytes of its partition.
    pub fn room(self) -> u64 {
        match self {
            Self::Boot => BOOT_PARTITION,
            Self::Root => ROOT_PARTITION,
        }
    }
}

/// One use of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// On which partition.
    pub place: Place,
    /// From which byte of it on.
    pub at: u64,
    /// What belongs there.
    pub chunk: Chunk,
    /// From which byte of the bundle's chunks on it is found.
    pub source: u64,
}

impl Manifest {
    /// What its envelope says it holds.
    pub const TYPE: PayloadType =
        PayloadType("application/vnd.personal-internet-cell.firmware+json");

    /// What belongs on one of the partitions.
    pub fn content(&self, place: Place) -> &Content {
        match place {
            Place::Boot => &self.boot,
            Place::Root => &self.root,
        }
    }

    /// Refuses what its maker should never have signed: sizes that do not fit each other or the disk.
    ///
    /// # Errors
    /// [`BundleError::Manifest`] with what is wrong.
    pub fn check(&self) -> Result<(), BundleError> {
        let Self {
            release,
            notes,
            sbom,
            verity,
            ..
        } = self;
        for word in [&release.board, &release.version, &sbom.name] {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
            if word.is_empty() || word.len() > LONGEST_WORD || !word.chars().all(is_plain) {
                return Err(BundleError::Manifest("a name or version is not one"));
            }
        }
        if notes.len() > LONGEST_NOTES {
            return Err(BundleError::Manifest("the release notes are too long"));
        }
        for place in Place::ALL {
            self.content(place).check(place.room())?;
        }
        let is_salt = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if !verity.salt.chars().all(is_salt) || verity.salt.len() > 512 {
            return Err(BundleError::Manifest("the salt is not hexadecimal"));
        }
        // Checked before the sum over the tree, which a huge number would overflow.
        if verity.data_blocks == 0
            || verity.data_blocks > ROOT_PARTITION / super::BLOCK
            || size_with_tree(verity.data_blocks) != self.root.size
        {
            return Err(BundleError::Manifest(
                "the root's size is not that of its blocks and their hashes",
            ));
        }
        Ok(())
    }

    /// Every use of every chunk, in the order in which they are written.
    pub fn plan(&self) -> Vec<Planned> {
        let mut first = HashMap::new();
        let mut end = 0;
        let mut plan = Vec::new();
        for place in Place::ALL {
            let mut at = 0;
            for chunk in &self.content(place).chunks {
                let length = u64::from(chunk.1);
                let source = *first.entry(*chunk).or_insert_with(|| {
                    end += length;
                    end - length
                });
                plan.push(Planned {
                    place,
                    at,
                    chunk: *chunk,
                    source,
                });
                at += length;
            }
        }
        plan
    }

    /// Bytes of all different chunks: what follows the header.
    pub fn chunk_bytes(&self) -> u64 {
        let ends = self
            .plan()
            .into_iter()
            .map(|planned| planned.source + u64::from(planned.chunk.1));
        ends.max().unwrap_or_default()
    }
}

impl Content {
    fn check(&self, room: u64) -> Result<(), BundleError> {
        if self.size == 0 || self.size > room {
            return Err(BundleError::Manifest(
                "a content is empty or larger than its partition",
            ));
        }
        let is_sound = |chunk: &Chunk| (1..=LONGEST_CHUNK).contains(&chunk.length());
        if !self.chunks.iter().all(is_sound) {
            return Err(BundleError::Manifest("a chunk is empty or too long"));
        }
        let sum: u64 = self.chunks.iter().map(|chunk| u64::from(chunk.1)).sum();
        if sum != self.size {
            return Err(BundleError::Manifest("the chunks are not the content"));
        }
        Ok(())
    }
}
