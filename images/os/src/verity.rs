//! The hash tree that every read of the root is checked against, appended to the file system.

use std::fs::{self, File};
use std::path::Path;

use crate::error::{self, OsError};
use crate::toolbox::{Toolbox, run};

/// Size of data and hash blocks in bytes.
pub(crate) const BLOCK: u64 = 4096;

/// What the kernel needs to know to check a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verity {
    /// Hash over all hashes, in hexadecimal.
    pub(crate) root_hash: String,
    /// Salt of every hash, in hexadecimal.
    pub(crate) salt: String,
    /// Blocks of data; the tree's superblock follows, then the tree.
    pub(crate) data_blocks: u64,
}

/// Pads `file` to whole blocks and appends its hash tree. `salt` (hexadecimal) and `id` decide the bytes.
pub(crate) fn append(
    file: &Path,
    salt: &str,
    id: &str,
    toolbox: &Toolbox,
) -> Result<Verity, OsError> {
    let size = fs::metadata(file).map_err(error::read(file))?.len();
    let data_blocks = size.div_ceil(BLOCK);
    let padded = File::options().write(true).open(file);
    padded
        .and_then(|file| file.set_len(data_blocks * BLOCK))
        .map_err(error::write(file))?;
    let mut format = toolbox.command("veritysetup")?;
    format
        .arg("format")
        .args([file, file])
        .arg(format!("--hash-offset={}", data_blocks * BLOCK))
        .arg(format!("--data-blocks={data_blocks}"))
        .arg(format!("--salt={salt}"))
        .arg(format!("--uuid={id}"));
    let output = run(&mut format)?;
    let root_hash = root_hash(&output).ok_or_else(|| OsError::Answer {
        program: "veritysetup".to_owned(),
        what: "the root hash",
        output: output.clone(),
    })?;
    Ok(Verity {
        root_hash,
        salt: salt.to_owned(),
        data_blocks,
    })
}

/// Bytes of a root with its tree: a superblock, then levels of hashes, 128 in a block, until one block is left.
pub fn size_with_tree(data_blocks: u64) -> u64 {
    let levels = std::iter::successors(Some(data_blocks), |blocks| {
        (*blocks > 1).then(|| blocks.div_ceil(BLOCK / 32))
    });
    (levels.sum::<u64>() + 1) * BLOCK
}

fn root_hash(output: &str) -> Option<String> {
    let value = output
        .lines()
        .find_map(|line| line.strip_prefix("Root hash:"))?
        .trim();
    (value.len() == 64).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_is_as_large_as_veritysetup_makes_it() {
        // One block of data is its own tree's only leaf; 129 need two leaves and one above them.
        assert_eq!(size_with_tree(1), 2 * BLOCK);
        assert_eq!(size_with_tree(128), (128 + 1 + 1) * BLOCK);
        assert_eq!(size_with_tree(129), (129 + 2 + 1 + 1) * BLOCK);
    }

    #[test]
    fn root_hash_is_found_in_the_report() {
        let hash = "ab".repeat(32);
        let report = format!("VERITY header information\nUUID:\tx\nRoot hash:      \t{hash}\n");
        assert_eq!(root_hash(&report), Some(hash));
        assert_eq!(root_hash("Root hash: none"), None);
    }
}
