//! Two versions small enough for libFuzzer, whose chunks are shorter than those of a real one.

use std::sync::LazyLock;

use cell_signed::Envelope;
use cell_testkit::firmware::{Keys, Version, noise};
use cell_updates::bundle::{self, BLOCK, Chunk, Digest, Header, Manifest, Place, Release, Verity};

use crate::signers;

/// Blocks of a root's data: three with tree and superblock make a root of 16 KiB.
const BLOCKS: u64 = 2;
const CHUNK: usize = 1 << 10;

/// A version that was signed, and its bundle.
pub(crate) struct Signed {
    pub(crate) version: Version,
    pub(crate) manifest: Manifest,
    pub(crate) bundle: Vec<u8>,
    /// Where its chunks begin.
    pub(crate) first_chunk: usize,
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

fn signed(sequence: u64, keys: &Keys) -> Signed {
    let version = version(sequence);
    let mut manifest = version.manifest();
    for (content, place) in [
        (&mut manifest.boot, Place::Boot),
        (&mut manifest.root, Place::Root),
    ] {
        content.chunks = version
            .content(place)
            .chunks(CHUNK)
            .map(Chunk::of)
            .collect();
    }
    let bundle = version.bundle_with(&manifest, keys, 2);
    let length = usize::try_from(manifest.chunk_bytes()).unwrap_or(usize::MAX);
    Signed {
        version,
        first_chunk: bundle.len() - length,
        manifest,
        bundle,
    }
}

/// Mostly of zeros: a chunk that is used often comes once.
fn version(sequence: u64) -> Version {
    let size = |blocks| usize::try_from(blocks).unwrap_or(usize::MAX);
    let mut root = noise(sequence, 2 * CHUNK);
    root.resize(size(BLOCKS * BLOCK), 0);
    let mut verity = Verity {
        root_hash: Digest::of(b""),
        salt: "5a".to_owned(),
        data_blocks: BLOCKS,
    };
    verity.root_hash = bundle::root_hash(&root[..], &verity).expect("memory can be read");
    root.resize(size(bundle::size_with_tree(BLOCKS)), 0);
    Version {
        release: Release {
            board: "pc".to_owned(),
            version: format!("1.{sequence}.0"),
            sequence,
            schema: 3,
        },
        boot: noise(sequence + 1_000, 2 * CHUNK + 300),
        root,
        verity,
    }
}
