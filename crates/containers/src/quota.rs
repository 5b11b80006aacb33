//! Limits of volumes, by the project quotas of ext4: every file has the number of a project, takes it over from the folder
//! it is made in, and the kernel counts and limits by that number.
//!
//! The project of a volume is the number of the inode of its folder: no two folders of a file system have the same, and
//! it stays as long as the folder does. What is in a user namespace of its own cannot change it (`fileattr_set_prepare`
//! of the kernel). Where a folder has a limit, statfs(2) tells of that limit instead of the disk: services see it as the
//! size of their disk, and it is read back from there.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{StatVfs, major, minor, statvfs};

use crate::limits::{Disk, VolumeLimit};

/// The mounts that this process sees (proc_pid_mountinfo(5)).
const MOUNTS: &str = "/proc/self/mountinfo";
/// Names handed to one program at a time: together far less than it takes (execve(2)).
const AT_ONCE: usize = 256;
/// A volume of which less than this part is left has no room.
const FULL_PART: u64 = 100;

/// Why a volume has no limit.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// A folder cannot be looked at.
    #[error("{path} cannot be looked at, so it cannot be limited")]
    Look {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program is missing.
    #[error("{program} cannot be started, so a volume cannot be limited")]
    Start {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program refuses.
    #[error("a volume cannot be limited: {program} says {message}")]
    Refused {
        /// Which.
        program: &'static str,
        /// In its words.
        message: String,
    },
    /// It was set, and is not there.
    #[error("the limit of {path} was set, and is not in force")]
    NotInForce {
        /// Which.
        path: PathBuf,
    },
}

impl LimitError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Look { path, source }
    }
}

/// How much room a volume has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeRoom {
    /// Bytes that it can still take: of its limit, and of what the disk has.
    pub free_bytes: u64,
    /// Bytes that it may hold at most.
    pub max_bytes: u64,
    /// There is next to nothing left, for bytes or for files.
    pub is_full: bool,
}

/// A file system that counts and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quotas {
    device: PathBuf,
    pub(crate) disk: Disk,
    /// What everybody but root can still take of it, in bytes.
    free: u64,
}

impl Quotas {
    /// Those of the file system that this folder is on, or will be; none where it has none.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, LimitError> {
        let there = folder.ancestors().find(|folder| folder.exists());
        let folder = there.unwrap_or(folder);
        let number = fs::metadata(folder).map_err(LimitError::at(folder))?.dev();
        let mounts = fs::read_to_string(MOUNTS).map_err(LimitError::at(Path::new(MOUNTS)))?;
        let Some(device) = counting(&mounts, (major(number), minor(number))) else {
            return Ok(None);
        };
        let seen = look(folder)?;
        Ok(Some(Self {
            device,
            disk: disk(&seen),
            free: seen.f_bavail.saturating_mul(seen.f_frsize),
        }))
    }

    /// The limit that is in force for a folder.
    pub(crate) fn limit(&self, folder: &Path) -> Result<Option<VolumeLimit>, LimitError> {
        let seen = disk(&look(folder)?);
        Ok((seen != self.disk).then_some(VolumeLimit {
            mib: seen.bytes / (1024 * 1024),
            files: seen.files,
        }))
    }

    /// How much room a folder with a limit has.
    pub(crate) fn room(&self, folder: &Path) -> Result<Option<VolumeRoom>, LimitError> {
        let seen = look(folder)?;
        Ok((disk(&seen) != self.disk).then(|| room(&seen, self.free)))
    }

    /// Gives a folder a limit, with all that is in it. Nobody may write there until it has its first one.
    pub(crate) fn set(&self, folder: &Path, limit: VolumeLimit) -> Result<(), LimitError> {
        let inode = fs::metadata(folder).map_err(LimitError::at(folder))?.ino();
        let project = inode.to_string();
        if self.limit(folder)?.is_none() {
            count(folder, &project)?;
        }
        let (kib, files) = ((limit.mib * 1024).to_string(), limit.files.to_string());
        let mut command = Command::new("setquota");
        // Limits that warn come first, then those that hold.
        command.args(["-P", &project, "0", &kib, "0", &files]);
        run("setquota", command.arg(&self.device))?;
        match self.limit(folder)? {
            Some(found) if found == limit => Ok(()),
            _ => Err(LimitError::NotInForce {
                path: folder.to_owned(),
            }),
        }
    }
}

/// Has all that is in a folder, and will be, counted for a project. Folders come before what is in them, so that nothing
/// that is made meanwhile is left out.
fn count(folder: &Path, project: &str) -> Result<(), LimitError> {
    let mut open = vec![folder.to_owned()];
    while !open.is_empty() {
        let folders = open.split_off(open.len().saturating_sub(AT_ONCE));
        run(
            "chattr",
            Command::new("chattr")
                .args(["-p", project, "+P"])
                .args(&folders),
        )?;
        let mut files = Vec::new();
        for folder in folders {
            for entry in fs::read_dir(&folder).map_err(LimitError::at(&folder))? {
                let entry = entry.map_err(LimitError::at(&folder))?;
                let kind = entry.file_type().map_err(LimitError::at(&folder))?;
                // Anything else holds nothing, and cannot be told.
                match (kind.is_dir(), kind.is_file()) {
                    (true, _) => open.push(entry.path()),
                    (_, true) => files.push(entry.path()),
                    _ => {}
                }
            }
        }
        for files in files.chunks(AT_ONCE) {
            run(
                "chattr",
                Command::new("chattr").args(["-p", project]).args(files),
            )?;
        }
    }
    Ok(())
}

fn run(program: &'static str, command: &mut Command) -> Result<(), LimitError> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| LimitError::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LimitError::Refused { program, message })
}

fn look(folder: &Path) -> Result<StatVfs, LimitError> {
    statvfs(folder).map_err(|error| LimitError::at(folder)(error.into()))
}

fn disk(seen: &StatVfs) -> Disk {
    Disk {
        bytes: seen.f_blocks.saturating_mul(seen.f_frsize),
        files: seen.f_files,
    }
}

/// Not every kernel takes what is free on the disk into what a folder with a limit has left.
fn room(seen: &StatVfs, free: u64) -> VolumeRoom {
    let is_spent = |all: u64, left: u64| left < all.div_ceil(FULL_PART);
    let max_bytes = disk(seen).bytes;
    let free_bytes = seen.f_bavail.saturating_mul(seen.f_frsize).min(free);
    VolumeRoom {
        free_bytes,
        max_bytes,
        is_full: is_spent(max_bytes, free_bytes) || is_spent(seen.f_files, seen.f_ffree),
    }
}

/// The block device of the file system with this number, if it is one that limits projects.
fn counting(mounts: &str, (major, minor): (u32, u32)) -> Option<PathBuf> {
    let number = format!("{major}:{minor}");
    mounts.lines().find_map(|line| {
        let (place, system) = line.split_once(" - ")?;
        let mut words = system.split(' ');
        let (kind, device, options) = (words.next()?, words.next()?, words.next()?);
        let is_it = place.split(' ').nth(2) == Some(&number);
        let limits = kind == "ext4" && options.split(',').any(|option| option == "prjquota");
        (is_it && limits).then(|| PathBuf::from(device))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: &str = "\
24 1 254:0 / / ro,relatime - squashfs /dev/dm-0 ro\n\
31 24 8:6 / /state rw,nosuid,nodev,noexec,noatime - ext4 /dev/sda6 rw\n\
32 24 8:7 / /data rw,nosuid,nodev,noatime - ext4 /dev/sda7 rw,nodelalloc,prjquota\n\
33 28 8:7 /containers /var/lib/containers rw,nosuid,nodev,noatime shared:7 - ext4 /dev/sda7 rw,nodelalloc,prjquota\n";

    #[test]
    fn file_system_limits_when_its_mount_says_so() {
        assert_eq!(counting(BOX, (8, 7)), Some(PathBuf::from("/dev/sda7")));
        assert_eq!(counting(BOX, (8, 6)), None);
        assert_eq!(counting(BOX, (8, 77)), None);
        let other = BOX.replace(",prjquota", ",usrquota");
        assert_eq!(counting(&other, (8, 7)), None);
    }

    #[test]
    fn machine_without_quotas_is_told_from_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let found = Quotas::find(&folder.path().join("not/there/yet")).unwrap();
        assert_eq!(found, None);
    }

    #[test]
    fn volume_is_full_when_a_hundredth_of_bytes_or_files_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let seen = |left: u64, files_left: u64, free: u64| {
            let mut seen = look(folder.path()).unwrap();
            (seen.f_frsize, seen.f_blocks, seen.f_files) = (4096, 1000, 500);
            (seen.f_bfree, seen.f_bavail, seen.f_ffree) = (left, left, files_left);
            room(&seen, free * 4096)
        };
        let well = seen(10, 5, 1_000);
        assert_eq!((well.free_bytes, well.max_bytes), (10 * 4096, 1000 * 4096));
        assert!(!well.is_full);
        assert!(seen(9, 5, 1_000).is_full);
        assert!(seen(10, 4, 1_000).is_full);
        // Others have taken the disk.
        assert!(seen(500, 500, 9).is_full);
    }
}
