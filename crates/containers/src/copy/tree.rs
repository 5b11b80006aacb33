//! One tree of files into another, whatever is in it.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{
    DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags, lgetxattr, llistxattr,
    lsetxattr, mknodat, seek, utimensat,
};
use rustix::io::Errno;

use super::CopyError;

/// Bytes copied between two looks whether to go on.
const PIECE: u64 = 16 * 1024 * 1024;
/// The most bytes of an attribute's value and of all names (xattr(7)).
const MAX_ATTRIBUTE: usize = 64 * 1024;
/// While a file or folder is not whole it is nobody's but the box's.
const CLOSED: u32 = 0o700;

/// The first names of files that have several, by device and number.
type Links = HashMap<(u64, u64), PathBuf>;

/// Makes the empty folder `to` what `from` is.
pub(super) fn copy(from: &Path, to: &Path, stop: &AtomicBool) -> Result<(), CopyError> {
    let mut links = Links::new();
    let mut open = vec![(from.to_owned(), to.to_owned())];
    // Their times change with what is made in them, so theirs are set last, the innermost first.
    let mut folders = Vec::new();
    while let Some((from, to)) = open.pop() {
        for source in entries(&from)? {
            go_on(stop)?;
            let name = source.file_name().expect("an entry has a name");
            let copy = to.join(name);
            let found = fs::symlink_metadata(&source).map_err(CopyError::at(&source))?;
            if found.is_dir() {
                let mut builder = DirBuilder::new();
                let made = builder.mode(CLOSED).create(&copy);
                made.map_err(CopyError::at(&copy))?;
                open.push((source, copy));
            } else {
                copy_one(&source, &copy, &found, &mut links, stop)?;
            }
        }
        folders.push((from, to));
    }
    for (from, to) in folders.iter().rev() {
        let found = fs::symlink_metadata(from).map_err(CopyError::at(from))?;
        dress(from, to, &found).map_err(CopyError::at(to))?;
    }
    Ok(())
}

fn copy_one(
    source: &Path,
    copy: &Path,
    found: &Metadata,
    links: &mut Links,
    stop: &AtomicBool,
) -> Result<(), CopyError> {
    if found.nlink() > 1 {
        let id = (found.dev(), found.ino());
        if let Some(first) = links.get(&id) {
            return fs::hard_link(first, copy).map_err(CopyError::at(copy));
        }
        links.insert(id, copy.to_owned());
    }
    let kind = found.file_type();
    if kind.is_file() {
        content(source, copy, stop)?;
    } else if kind.is_symlink() {
        let to = fs::read_link(source).map_err(CopyError::at(source))?;
        symlink(to, copy).map_err(CopyError::at(copy))?;
    } else if kind.is_fifo() {
        mknodat(CWD, copy, FileType::Fifo, Mode::from_raw_mode(CLOSED), 0)
            .map_err(|error| CopyError::at(copy)(error.into()))?;
    } else {
        // Nobody listens at a socket any more, and containers have no devices.
        links.remove(&(found.dev(), found.ino()));
        return Ok(());
    }
    dress(source, copy, found).map_err(CopyError::at(copy))
}

fn content(source: &Path, copy: &Path, stop: &AtomicBool) -> Result<(), CopyError> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    let mut from: File = options
        .read(true)
        .custom_flags(flags)
        .open(source)
        .map_err(CopyError::at(source))?;
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(CLOSED).open(copy);
    let mut to = made.map_err(CopyError::at(copy))?;
    let length = from.metadata().map_err(CopyError::at(source))?.len();
    to.set_len(length).map_err(CopyError::at(copy))?;
    let mut at = 0;
    while let Some(data) = data_from(&from, at).map_err(CopyError::at(source))? {
        at = data.end;
        let mut left = data.end - data.start;
        for file in [&mut from, &mut to] {
            let seek = file.seek(SeekFrom::Start(data.start));
            seek.map_err(CopyError::at(copy))?;
        }
        while left > 0 {
            // The kernel copies by itself where it can.
            let mut piece = from.by_ref().take(left.min(PIECE));
            let copied = io::copy(&mut piece, &mut to).map_err(CopyError::at(copy))?;
            go_on(stop)?;
            left = if copied == 0 { 0 } else { left - copied };
        }
    }
    Ok(())
}

/// Where there is something in a file, from `at` on. A hole takes no room, and in the copy it would: more than there may be
/// on the disk, which counts for nobody's limit while it is written by root.
fn data_from(file: &File, at: u64) -> io::Result<Option<Range<u64>>> {
    match seek(file, rustix::fs::SeekFrom::Data(at)) {
        Err(Errno::NXIO) => Ok(None),
        start => {
            let start = start?;
            let end = seek(file, rustix::fs::SeekFrom::Hole(start))?;
            Ok(Some(start..end))
        }
    }
}

/// Gives a copy what belongs to a file besides its content. The owner comes first, for a new one costs the rights to run
/// as somebody else (chown(2)), and the times last.
fn dress(source: &Path, copy: &Path, found: &Metadata) -> io::Result<()> {
    lchown(copy, Some(found.uid()), Some(found.gid()))?;
    if !found.file_type().is_symlink() {
        fs::set_permissions(copy, fs::Permissions::from_mode(found.mode() & 0o7777))?;
    }
    attributes(source, copy)?;
    let time = |seconds, nanoseconds| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time(found.atime(), found.atime_nsec()),
        last_modification: time(found.mtime(), found.mtime_nsec()),
    };
    Ok(utimensat(CWD, copy, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Copies extended attributes, access lists among them.
fn attributes(source: &Path, copy: &Path) -> io::Result<()> {
    let mut names = vec![0_u8; MAX_ATTRIBUTE];
    let length = match llistxattr(source, &mut names) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        length => length?,
    };
    let mut value = vec![0_u8; MAX_ATTRIBUTE];
    let names = names[..length].split(|byte| *byte == 0);
    for name in names.filter(|name| !name.is_empty()) {
        let length = lgetxattr(source, name, &mut value)?;
        lsetxattr(copy, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CopyError> {
    let entries = fs::read_dir(folder).map_err(CopyError::at(folder))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    paths
        .collect::<io::Result<_>>()
        .map_err(CopyError::at(folder))
}

fn go_on(stop: &AtomicBool) -> Result<(), CopyError> {
    match stop.load(Ordering::Relaxed) {
        true => Err(CopyError::Interrupted),
        false => Ok(()),
    }
}
