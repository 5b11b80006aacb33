//! The files of the tree, without build output and what others own.

use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold nothing written by us.
const FOREIGN: &[&str] = &["target", "node_modules", ".git"];

/// All files below `folder` with that extension, sorted.
pub(super) fn with_extension(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() && !FOREIGN.iter().any(|name| entry.file_name() == *name) {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_output_and_other_kinds_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a.rs", "b/c.rs", "b/d.md", "target/e.rs"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = with_extension(folder.path(), "rs").unwrap();
        assert_eq!(
            found,
            [folder.path().join("a.rs"), folder.path().join("b/c.rs")]
        );
    }
}
