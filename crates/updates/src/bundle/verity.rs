//! The hash tree behind a root file system, as `veritysetup format` makes it (version 1, SHA-256): what the kernel will
//! check every block against (Documentation/admin-guide/device-mapper/verity.rst).

use std::io::{self, Read};

use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest as _, Sha256};

use super::{Digest, Verity};

/// Bytes of data and hash blocks.
pub const BLOCK: u64 = 4096;
/// Hashes in a block.
const FAN: u64 = BLOCK / 32;

/// Bytes of a root with its tree: a superblock, then levels of hashes, 128 in a block, until one block is left.
pub fn size_with_tree(data_blocks: u64) -> u64 {
    let levels = std::iter::successors(Some(data_blocks), |blocks| {
        (*blocks > 1).then(|| blocks.div_ceil(FAN))
    });
    (levels.sum::<u64>() + 1) * BLOCK
}

/// The root hash of `verity.data_blocks` blocks that `data` reads: what the tree behind them must come to.
///
/// # Errors
/// What reading answers; a salt that is not hexadecimal.
pub fn root_hash(mut data: impl Read, verity: &Verity) -> io::Result<Digest> {
    let salt = HEXLOWER_PERMISSIVE
        .decode(verity.salt.as_bytes())
        .map_err(io::Error::other)?;
    let hash = |block: &[u8]| -> [u8; 32] {
        let salted = Sha256::new_with_prefix(&salt);
        salted.chain_update(block).finalize().into()
    };
    let mut block = vec![0; BLOCK as usize];
    let mut level = Vec::new();
    for _ in 0..verity.data_blocks {
        data.read_exact(&mut block)?;
        level.extend_from_slice(&hash(&block));
    }
    // The top of the tree is always one block of hashes; its own hash is the root.
    while level.len() > 32 {
        level = level
            .chunks(BLOCK as usize)
            .flat_map(|hashes| {
                let mut block = hashes.to_vec();
                block.resize(BLOCK as usize, 0);
                hash(&block)
            })
            .collect();
    }
    let top: [u8; 32] = level.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Digest::from(top))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verity(data_blocks: u64) -> Verity {
        Verity {
            root_hash: Digest::of(b""),
            salt: "ab".repeat(32),
            data_blocks,
        }
    }

    #[test]
    fn tree_is_as_large_as_veritysetup_makes_it() {
        // One block of data is its own tree's only leaf; 129 need two leaves and one above them.
        assert_eq!(size_with_tree(1), 2 * BLOCK);
        assert_eq!(size_with_tree(128), (128 + 1 + 1) * BLOCK);
        assert_eq!(size_with_tree(129), (129 + 2 + 1 + 1) * BLOCK);
    }

    #[test]
    fn every_bit_counts() {
        let mut data = vec![1; 200 * BLOCK as usize];
        let hash = root_hash(&data[..], &verity(200)).unwrap();
        data[777_777] ^= 1;
        assert_ne!(root_hash(&data[..], &verity(200)).unwrap(), hash);
        assert!(root_hash(&data[..], &verity(201)).is_err(), "too short");
    }
}
