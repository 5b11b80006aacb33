//! The sizes in a manifest: which are refused, and what is planned with those that are not.

use cell_updates::bundle::{BLOCK, Chunk, Content, Digest, LONGEST_CHUNK, Manifest, Place};

use crate::input::Input;
use crate::version::SIGNED;
use crate::{Target, promise};

pub(crate) const TARGET: Target = Target {
    name: "plan",
    input: "sizes: blocks of the root; of both contents a size and chunks, each a kind and a length",
    longest: 1 << 10,
    run,
    seeds,
};

fn run(bytes: &[u8]) {
    let manifest = manifest(&mut Input(bytes));
    match manifest.check() {
        Err(error) => {
            assert!(!is_sound(&manifest), "{error}: {manifest:?}");
            promise::said_briefly(&error);
        }
        Ok(()) => {
            assert!(is_sound(&manifest), "{manifest:?}");
            promise::plan_fills_everything(&manifest);
        }
    }
}

/// The rules, of numbers that cannot overflow.
fn is_sound(manifest: &Manifest) -> bool {
    let is_content = |place| {
        let Content { size, chunks, .. } = manifest.content(place);
        let sum: u128 = chunks.iter().map(|chunk| u128::from(chunk.1)).sum();
        let mut lengths = chunks.iter().map(Chunk::length);
        sum == u128::from(*size)
            && (1..=place.room()).contains(size)
            && lengths.all(|length| length != 0 && length <= LONGEST_CHUNK)
    };
    // A superblock, then as many blocks in each level as hold the hashes of all blocks below it.
    let blocks = u128::from(manifest.verity.data_blocks);
    let mut level = blocks;
    let mut all = blocks + 1;
    while level > 1 {
        level = level.div_ceil(128);
        all += level;
    }
    Place::ALL.into_iter().all(is_content)
        && blocks > 0
        && all * u128::from(BLOCK) == u128::from(manifest.root.size)
}

fn manifest(input: &mut Input<'_>) -> Manifest {
    let mut manifest = SIGNED[0].manifest.clone();
    manifest.verity.data_blocks = input.number();
    manifest.root = content(input);
    manifest.boot = content(input);
    manifest
}

/// How often a chunk of the input is used in a row.
const REPEATS: [usize; 4] = [1, 2, 100, 2_048];

fn content(input: &mut Input<'_>) -> Content {
    let size = input.number();
    let mut chunks = Vec::new();
    for _ in 0..input.byte() {
        let kind = input.byte();
        let length = input.number() as u32;
        let chunk = Chunk(Digest::of(&[kind & 15]), length);
        let times = REPEATS[usize::from(kind >> 6)];
        chunks.extend(std::iter::repeat_n(chunk, times));
    }
    Content {
        size,
        digest: Digest::of(b"content"),
        chunks,
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let longest = LONGEST_CHUNK as u64;
    let small_boot = content_of(300, &[(0, 100), (1, 100), (0, 100)]);
    // The largest boot partition there can be.
    let full = [[(2 << 6, longest); 5].as_slice(), &[(0, longest); 12]].concat();
    let full_boot = content_of(128 << 20, &full);
    let roots = [
        (1, content_of(8_192, &[(1, 4_096), (2, 4_096)])),
        (2, content_of(16_384, &[(1 << 6, 8_192)])),
        (
            129,
            content_of(133 * 4_096, &[(1, longest), (2, longest), (3, 20_480)]),
        ),
        (131_072, content_of(512 << 20, &[(3 << 6, longest)])),
        (u64::MAX, content_of(0, &[(0, 0)])),
        (1 << 60, content_of(u64::MAX, &[(3 << 6, u64::MAX)])),
    ];
    let mut seeds: Vec<_> = roots
        .iter()
        .map(|(blocks, root)| [&blocks.to_le_bytes()[..], root, &small_boot].concat())
        .collect();
    seeds.push([&1_u64.to_le_bytes()[..], &roots[0].1, &full_boot].concat());
    seeds
}

fn content_of(size: u64, chunks: &[(u8, u64)]) -> Vec<u8> {
    let mut bytes = size.to_le_bytes().to_vec();
    bytes.push(chunks.len() as u8);
    for (kind, length) in chunks {
        bytes.push(*kind);
        bytes.extend(length.to_le_bytes());
    }
    bytes
}
