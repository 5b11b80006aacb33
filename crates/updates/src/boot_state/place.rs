//! Where the partition `select` of this box is.

use std::fs;
use std::path::{Path, PathBuf};

/// Its name in the partition table.
const SELECT: &str = "PARTNAME=select";

/// The device of the partition `select` on the disk that the running root is on, by way of its device-mapper device
/// (`/sys/dev/block/MAJOR:MINOR/slaves`). None where the root is no checked slot of a disk of ours.
///
/// Not by the id that the loader passed ([`Running::select`](super::Running::select)): at the first start the disk is
/// given another.
pub fn select_device() -> Option<PathBuf> {
    let root = rustix::fs::stat("/").ok()?;
    let (major, minor) = (
        rustix::fs::major(root.st_dev),
        rustix::fs::minor(root.st_dev),
    );
    select_beside(&Path::new("/sys/dev/block").join(format!("{major}:{minor}")))
}

/// The same, for the root's device as sysfs shows it.
fn select_beside(root: &Path) -> Option<PathBuf> {
    let mut below = fs::read_dir(root.join("slaves")).ok()?;
    let partition = below.next()?.ok()?.path().canonicalize().ok()?;
    let disk = partition.parent()?;
    fs::read_dir(disk).ok()?.flatten().find_map(|entry| {
        let event = fs::read_to_string(entry.path().join("uevent")).ok()?;
        let is_select = event.lines().any(|line| line == SELECT);
        is_select.then(|| Path::new("/dev").join(entry.file_name()))
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
        assert_eq!(select_beside(&root), None);
        symlink(bus.join("sdb/sdb4"), root.join("slaves/sdb4")).unwrap();
        assert_eq!(select_beside(&root), Some("/dev/sdb1".into()));
    }

    #[test]
    fn disk_without_the_partition_and_root_without_a_check_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("dm-0");
        assert_eq!(select_beside(&root), None);
        fs::create_dir_all(root.join("slaves")).unwrap();
        fs::create_dir_all(folder.path().join("sda/sda4")).unwrap();
        symlink(folder.path().join("sda/sda4"), root.join("slaves/sda4")).unwrap();
        assert_eq!(select_beside(&root), None);
    }
}
