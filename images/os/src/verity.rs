//! The hash tree that every read of the root is checked against, appended to the file system.

use std::fs::{self, File};
use std::path::Path;

use cell_updates::bundle::{BLOCK, Digest, Verity};

use crate::error::{self, OsError};
use crate::toolbox::{Toolbox, run};

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

fn root_hash(output: &str) -> Option<Digest> {
    let value = output
        .lines()
        .find_map(|line| line.strip_prefix("Root hash:"))?
        .trim();
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_hash_is_found_in_the_report() {
        let hash = "ab".repeat(32);
        let report = format!("VERITY header information\nUUID:\tx\nRoot hash:      \t{hash}\n");
        assert_eq!(root_hash(&report), hash.parse().ok());
        assert_eq!(root_hash("Root hash: none"), None);
    }
}
