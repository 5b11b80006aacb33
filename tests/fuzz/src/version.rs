//! Two versions small enough for libFuzzer, whose chunks are shorter than those of a real one.

use std::sync::LazyLock;

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_signed::Envelope;
use cell_updates::bundle::{
    self, BLOCK, Chunk, Content, Digest, Header, Manifest, Place, Release, Sbom, Verity,
};

use crate::signers::{self, Keys};

/// Blocks of a root's data: with tree and superblock they make a root of 16 KiB.
const BLOCKS: u64 = 2;
const CHUNK: usize = 1 << 10;

/// A version that was signed, and its bundle.
pub(crate) struct Signed {
    pub(crate) manifest: Manifest,
    pub(crate) bundle: Vec<u8>,
    /// Where its chunks begin.
    pub(crate) first_chunk: usize,
    boot: Vec<u8>,
    root: Vec<u8>,
}

impl Signed {
    /// What a partition of it holds.
    pub(crate) fn content(&self, place: Place) -> &[u8] {
        match place {
            Place::Boot => &self.boot,
            Place::Root => &self.root,
        }
    }
}

/// All that was ever signed: one version with the first keys, a later one with those that followed.
pub(crate) static SIGNED: LazyLock<[Signed; 2]> =
    LazyLock::new(|| [signed(21, &signers::FIRST), signed(22, &signers::SECOND)]);

/// A bundle's beginning, with a payload that need not be a manifest, signed by two of the keys.
pub(crate) fn header(payload: &[u8], keys: &Keys) -> Header {
    Header {
        keys: keys.chain.clone(),
        manifest: Envelope::seal(Manifest::TYPE, payload.to_vec(), &keys.signers[..2]),
    }
}

/// Mostly of zeros: a chunk that is used often comes once.
fn signed(sequence: u64, keys: &Keys) -> Signed {
    let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let boot = noise(sequence + 1_000, 2 * CHUNK + 300);
    let mut root = noise(sequence, 2 * CHUNK);
    root.resize(size(BLOCKS * BLOCK), 0);
    let verity = verity(&root);
    root.resize(size(bundle::size_with_tree(BLOCKS)), 0);
    let manifest = Manifest {
        release: Release {
            board: "pc".to_owned(),
            version: format!("1.{sequence}.0"),
            sequence,
            schema: 3,
        },
        channel: ReleaseChannel::Stable,
        expires: Timestamp::constant(4_070_908_800, 0),
        notes: "What is new.".to_owned(),
        sbom: Sbom {
            name: "cell-pc.spdx.json".to_owned(),
            digest: Digest::of(b"list"),
        },
        boot: content(&boot),
        root: content(&root),
        verity,
    };
    let payload = serde_json::to_vec(&manifest).expect("a manifest is JSON");
    let open = |place| {
        Ok(match place {
            Place::Boot => &boot[..],
            Place::Root => &root,
        })
    };
    let mut bundle = Vec::new();
    bundle::write(&header(&payload, keys), &manifest, open, &mut bundle)
        .expect("memory can be written");
    Signed {
        first_chunk: bundle.len() - size(manifest.chunk_bytes()),
        manifest,
        bundle,
        boot,
        root,
    }
}

fn verity(data: &[u8]) -> Verity {
    let verity = Verity {
        root_hash: Digest::of(b""),
        salt: "5a".to_owned(),
        data_blocks: BLOCKS,
    };
    let root_hash = bundle::root_hash(data, &verity).expect("memory can be read");
    Verity {
        root_hash,
        ..verity
    }
}

fn content(bytes: &[u8]) -> Content {
    Content {
        size: bytes.len() as u64,
        digest: Digest::of(bytes),
        chunks: bytes.chunks(CHUNK).map(Chunk::of).collect(),
    }
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}
