//! Files on USB sticks: bundles, and what sources of services have.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::Source;

/// File systems that sticks come with.
const FILE_SYSTEMS: [&str; 2] = ["vfat", "exfat"];

/// A file on a stick. The stick is mounted nowhere that anybody could see, to be read only, and until this is
/// dropped.
#[derive(Debug)]
pub struct StickFile {
    /// The file.
    pub file: File,
    /// As people would name it.
    pub name: String,
    _mount: Option<OwnedFd>,
}

impl StickFile {
    /// A file that stands for one on a stick.
    pub fn standing_in(file: File, name: String) -> Self {
        Self {
            file,
            name,
            _mount: None,
        }
    }
}

impl Source for StickFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Source::read(&mut self.file, buffer)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.file.skip(bytes)
    }
}

/// Why there is nothing to be read.
#[derive(Debug, thiserror::Error)]
pub enum StickError {
    /// Nothing is plugged in that could be one.
    #[error("no USB stick is plugged in")]
    NoStick,
    /// There is no such file on any of them.
    #[error("no USB stick has the file {0}")]
    NoFile(String),
    /// It cannot be mounted or read.
    #[error("the USB stick {device} cannot be read")]
    Unreadable {
        /// Its device.
        device: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Opens the file of this name in the first folder of a stick, or of this path from there on. When more sticks have one, the first counts.
///
/// # Errors
/// See [`StickError`].
pub fn open_on_stick(name: &str) -> Result<StickFile, StickError> {
    let devices = sticks(Path::new("/sys/class/block")).unwrap_or_default();
    if devices.is_empty() {
        return Err(StickError::NoStick);
    }
    let (mut unreadable, mut any_was_read) = (None, false);
    for device in devices {
        match open_on(&device, name) {
            Ok(Looked::Found(found)) => return Ok(found),
            Ok(Looked::NoFile) => any_was_read = true,
            Ok(Looked::NoFileSystem) => {}
            Err(source) => unreadable = Some(StickError::Unreadable { device, source }),
        }
    }
    // One that is damaged says nothing about the right one.
    let unreadable = unreadable.filter(|_| !any_was_read);
    Err(unreadable.unwrap_or_else(|| StickError::NoFile(name.to_owned())))
}

/// What a device has.
enum Looked {
    Found(StickFile),
    /// A file system without the file.
    NoFile,
    /// None that is known.
    NoFileSystem,
}

fn open_on(device: &Path, name: &str) -> io::Result<Looked> {
    for kind in FILE_SYSTEMS {
        let mount = match mount(device, kind) {
            Ok(mount) => mount,
            // Another file system, or one that this kernel does not know; or it is mounted as another one.
            Err(Errno::INVAL | Errno::NODEV | Errno::UCLEAN | Errno::BUSY) => continue,
            // A reader of cards without one.
            Err(Errno::NOMEDIUM) => return Ok(Looked::NoFileSystem),
            Err(errno) => return Err(errno.into()),
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let file = match openat2(&mount, name, flags, Mode::empty(), within) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Looked::NoFile),
            file => file?,
        };
        return Ok(Looked::Found(StickFile {
            file: file.into(),
            name: format!("{name} on {}", device.display()),
            _mount: Some(mount),
        }));
    }
    Ok(Looked::NoFileSystem)
}

/// A mount without a place. Whoever made the file system decides nothing here: no programs, no devices, no writing.
fn mount(device: &Path, kind: &str) -> Result<OwnedFd, Errno> {
    /// While the whole of a disk is tried, its partitions are busy.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", device)?;
    fsconfig_set_flag(&context, "ro")?;
    fsconfig_create(&context)?;
    fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_RDONLY
            | MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )
}

/// Disks and partitions on the USB bus, but those of the disk that the running system is on.
fn sticks(class: &Path) -> io::Result<Vec<PathBuf>> {
    let own = crate::boot_state::select_device();
    let own_disk = own
        .as_deref()
        .and_then(Path::file_name)
        .and_then(|name| class.join(name).canonicalize().ok())
        .and_then(|partition| partition.parent().map(Path::to_owned));
    let mut found = Vec::new();
    for entry in fs::read_dir(class)? {
        let entry = entry?;
        let Ok(place) = entry.path().canonicalize() else {
            continue;
        };
        let is_usb = place.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            let bus = part.strip_prefix("usb");
            bus.is_some_and(|bus| bus.starts_with(|letter: char| letter.is_ascii_digit()))
        });
        let is_own = own_disk.as_ref().is_some_and(|own| place.starts_with(own));
        if is_usb && !is_own {
            found.push(Path::new("/dev").join(entry.file_name()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn sticks_are_what_is_on_the_usb_bus() {
        let folder = tempfile::tempdir().unwrap();
        let (class, devices) = (folder.path().join("class"), folder.path().join("devices"));
        fs::create_dir(&class).unwrap();
        for place in [
            "pci0/usb2/2-1/host6/block/sdb",
            "pci0/usb2/2-1/host6/block/sdb/sdb1",
            "pci0/ata1/host0/block/sda",
            "virtual/block/usbless",
        ] {
            let device = devices.join(place);
            fs::create_dir_all(&device).unwrap();
            symlink(&device, class.join(device.file_name().unwrap())).unwrap();
        }
        let found = sticks(&class).unwrap();
        assert_eq!(found, [Path::new("/dev/sdb"), Path::new("/dev/sdb1")]);
    }
}
