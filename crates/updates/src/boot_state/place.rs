//! Where the partitions of this box are.

use std::fs;
use std::path::{Path, PathBuf};

/// The device of the partition of this name on the disk that the running root is on, by way of its device-mapper
/// device (`/sys/dev/block/MAJOR:MINOR/slaves`). None where the root is no checked slot of a disk of ours.
///
/// Not by the id that the loader passed ([`Running::select`](super::Running::select)): at the first start the disk is
/// given another.
pub fn partition_device(name: &str) -> Option<PathBuf> {
    beside(&root_device()?, name)
}

/// The device of the partition `select`.
pub fn select_device() -> Option<PathBuf> {
    partition_device("select")
}

/// Bytes of the running root that are checked; the hash tree follows them.
pub fn checked_bytes() -> Option<u64> {
    let sectors = fs::read_to_string(root_device()?.join("size")).ok()?;
    sectors.trim().parse::<u64>().ok()?.checked_mul(512)
}

/// The running root's device in sysfs.
fn root_device() -> Option<PathBuf> {
    let root = rustix::fs::stat("/").ok()?;
    let (major, minor) = (
        rustix::fs::major(root.st_dev),
        rustix::fs::minor(root.st_dev),
    );
    Some(Path::new("/sys/dev/block").join(format!("{major}:{minor}")))
}

/// The same, for the root's device as sysfs shows it.
fn beside(root: &Path, name: &str) -> Option<PathBuf> {
    let mut below = fs::read_dir(root.join("slaves")).ok()?;
    let partition = below.next()?.ok()?.path().canonicalize().ok()?;
    let disk = partition.parent()?;
    fs::read_dir(disk).ok()?.flatten().find_map(|entry| {
        let event = fs::read_to_string(entry.path().join("uevent")).ok()?;
        let is_it = event
            .lines()
            .any(|line| line.strip_prefix("PARTNAME=") == Some(name));
        is_it.then(|| Path::new("/dev").join(entry.file_name()))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn like_disks_are_told_apart_by_the_one_that_the_root_is_on() {
        let folder = tempfile::tempdir().unwrap();
        let bus = folder.path();
        for disk in ["sda", "sdb"] {
            for (number, name) in [(1, "select"), (4, "root-a")] {
                let partition = bus.join(format!("{disk}/{disk}{number}"));
                fs::create_dir_all(&partition).unwrap();
                fs::write(
                    partition.join("uevent"),
                    format!("DEVTYPE=partition\nPARTNAME={name}\n"),
                )
                .unwrap();
            }
        }
        let root = bus.join("dm-0");
        fs::create_dir_all(root.join("slaves")).unwrap();
        assert_eq!(beside(&root, "select"), None);
        symlink(bus.join("sdb/sdb4"), root.join("slaves/sdb4")).unwrap();
        assert_eq!(beside(&root, "select"), Some("/dev/sdb1".into()));
    }

    #[test]
    fn disk_without_the_partition_and_root_without_a_check_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("dm-0");
        assert_eq!(beside(&root, "select"), None);
        fs::create_dir_all(root.join("slaves")).unwrap();
        fs::create_dir_all(folder.path().join("sda/sda4")).unwrap();
        symlink(folder.path().join("sda/sda4"), root.join("slaves/sda4")).unwrap();
        assert_eq!(beside(&root, "select"), None);
    }
}
