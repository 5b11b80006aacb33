//! How much is in a folder.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Bytes of a block as `stat` counts them, whatever the file system's own are (stat(2), `st_blocks`).
const BLOCK: u64 = 512;

/// Bytes on the disk of a folder and all that is in it. Links are not followed; what goes meanwhile does not count.
pub(crate) fn on_disk(folder: PathBuf) -> io::Result<u64> {
    let mut bytes = 0;
    let mut open = vec![folder];
    while let Some(path) = open.pop() {
        let Some(metadata) = or_gone(fs::symlink_metadata(&path))? else {
            continue;
        };
        bytes += metadata.blocks() * BLOCK;
        if metadata.is_dir() {
            for entry in or_gone(fs::read_dir(&path))?.into_iter().flatten() {
                open.push(entry?.path());
            }
        }
    }
    Ok(bytes)
}

fn or_gone<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_folders_count_and_what_links_lead_to_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let empty = on_disk(folder.path().to_owned()).unwrap();
        fs::write(inner.join("file"), vec![7; 100_000]).unwrap();
        let full = on_disk(folder.path().to_owned()).unwrap();
        assert!((100_000..200_000).contains(&(full - empty)), "{full}");
        std::os::unix::fs::symlink("/usr", inner.join("link")).unwrap();
        std::os::unix::fs::symlink("..", inner.join("circle")).unwrap();
        let linked = on_disk(folder.path().to_owned()).unwrap();
        assert!(linked - full < 20_000, "{linked}");
        assert_eq!(on_disk(folder.path().join("none")).unwrap(), 0);
    }
}
