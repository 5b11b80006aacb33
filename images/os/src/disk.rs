//! The GPT disk: partitions that never change, and their contents.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::error::{self, OsError};
use crate::toolbox::Toolbox;
use crate::{digest, toolbox};

const MIB: u64 = 1 << 20;
/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Where the first partition begins; every partition begins at whole MiBs, as flash memory likes it.
const FIRST: u64 = MIB;

/// A partition of the fixed layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the GPT; everything finds it by that.
    pub name: &'static str,
    /// Bytes.
    pub size: u64,
    /// What sfdisk calls its type: `U` EFI system, `L` Linux.
    kind: &'static str,
}

const fn partition(name: &'static str, mib: u64, kind: &'static str) -> Partition {
    Partition {
        name,
        size: mib * MIB,
        kind,
    }
}

/// The layout of every board, never to change: boxes in the field update themselves into it. `data` follows on the
/// rest of the disk and is made at first boot.
pub const LAYOUT: [Partition; 6] = [
    partition("select", 64, "U"),
    partition("boot-a", 128, "L"),
    partition("boot-b", 128, "L"),
    partition("root-a", 512, "L"),
    partition("root-b", 512, "L"),
    partition("state", 256, "L"),
];

/// The size of a partition in bytes; 0 for a name that is none.
pub fn size_of(name: &str) -> u64 {
    LAYOUT
        .iter()
        .find(|partition| partition.name == name)
        .map_or(0, |partition| partition.size)
}

/// Where a partition begins, in bytes from the start of the disk; 0 for a name that is none.
pub fn offset_of(name: &str) -> u64 {
    let mut begin = FIRST;
    for partition in LAYOUT {
        if partition.name == name {
            return begin;
        }
        begin += partition.size;
    }
    0
}

/// A partition's name and the file that is its content.
pub type Filling = (&'static str, PathBuf);

/// Makes the disk image `to` with these contents; ids follow from `content` (a digest of all there is in it).
///
/// # Errors
/// A content larger than its partition; a program or file that failed. `to` is not there then.
pub fn make(
    to: &Path,
    fillings: &[Filling],
    content: &str,
    toolbox: &Toolbox,
) -> Result<(), OsError> {
    let unfinished = to.with_extension("img.part");
    let sizes: u64 = LAYOUT.iter().map(|partition| partition.size).sum();
    // One MiB more for the second partition table, at the end.
    let size = FIRST + sizes + MIB;
    let mut disk = File::create(&unfinished).map_err(error::write(&unfinished))?;
    disk.set_len(size).map_err(error::write(&unfinished))?;
    let mut begin = FIRST;
    for partition in LAYOUT {
        for (_, path) in fillings.iter().filter(|(name, _)| *name == partition.name) {
            let length = fs::metadata(path).map_err(error::read(path))?.len();
            if length > partition.size {
                return Err(OsError::TooLarge {
                    what: path.display().to_string(),
                    size: length,
                    room: partition.size,
                });
            }
            disk.seek(SeekFrom::Start(begin))
                .and_then(|_| File::open(path))
                .and_then(|file| copy_sparse(file, &mut disk))
                .map_err(error::write(&unfinished))?;
        }
        begin += partition.size;
    }
    write_table(&unfinished, &table(content), toolbox)?;
    disk.sync_all().map_err(error::write(&unfinished))?;
    fs::rename(&unfinished, to).map_err(error::write(to))
}

/// The partition table as sfdisk reads it.
fn table(content: &str) -> String {
    let mut text = format!(
        "label: gpt\nlabel-id: {}\nunit: sectors\nfirst-lba: {}\n",
        digest::uuid(content, "disk"),
        FIRST / SECTOR
    );
    let mut begin = FIRST;
    for Partition { name, size, kind } in LAYOUT {
        text.push_str(&format!(
            "start={}, size={}, type={kind}, name={name}, uuid={}\n",
            begin / SECTOR,
            size / SECTOR,
            digest::uuid(content, name)
        ));
        begin += size;
    }
    text
}

fn write_table(disk: &Path, table: &str, toolbox: &Toolbox) -> Result<(), OsError> {
    let script = disk.with_extension("table");
    fs::write(&script, table).map_err(error::write(&script))?;
    let input = File::open(&script).map_err(error::read(&script))?;
    let mut sfdisk = toolbox.command("sfdisk")?;
    sfdisk
        .args([
            "--quiet",
            "--no-reread",
            "--no-tell-kernel",
            "--wipe",
            "never",
        ])
        .arg(disk)
        .stdin(Stdio::from(input));
    let written = toolbox::run(&mut sfdisk);
    let _ = fs::remove_file(&script);
    written.map(drop)
}

/// Copies from here to there; blocks of zeros become holes.
fn copy_sparse(mut from: File, to: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match from.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(again) if again.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let block = &buffer[..filled];
        if filled == 0 {
            return Ok(());
        }
        if block.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Current(i64::try_from(filled).unwrap_or(i64::MAX)))?;
        } else {
            to.write_all(block)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_one_in_the_field() {
        let layout: Vec<_> = LAYOUT
            .iter()
            .map(|part| (part.name, part.size / MIB))
            .collect();
        assert_eq!(
            layout,
            [
                ("select", 64),
                ("boot-a", 128),
                ("boot-b", 128),
                ("root-a", 512),
                ("root-b", 512),
                ("state", 256)
            ]
        );
    }

    #[test]
    fn partitions_follow_each_other_at_whole_mebibytes() {
        let table = table("content");
        let starts: Vec<u64> = table
            .lines()
            .filter_map(|line| line.strip_prefix("start=")?.split(',').next()?.parse().ok())
            .collect();
        assert_eq!(starts.len(), LAYOUT.len());
        assert!(
            starts
                .iter()
                .all(|start| (start * SECTOR).is_multiple_of(MIB)),
            "{starts:?}"
        );
        assert_eq!(starts[1] - starts[0], LAYOUT[0].size / SECTOR);
        assert_ne!(table, super::table("other content"));
    }

    #[test]
    fn zeros_become_holes_and_the_rest_stays() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let mut content = vec![0; 4 << 20];
        content[3 << 20] = 7;
        fs::write(&from, &content).unwrap();
        let mut file = File::create(&to).unwrap();
        file.set_len(4 << 20).unwrap();
        copy_sparse(File::open(&from).unwrap(), &mut file).unwrap();
        assert_eq!(fs::read(&to).unwrap(), content);
        assert!(fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20);
    }
}
