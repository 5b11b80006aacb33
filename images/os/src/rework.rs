//! Another version out of a disk image, by changing files of its root: for tests and benches of updates, which need
//! versions that differ in what they are about.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

use cell_updates::bundle::{BLOCK, Verity};

use crate::error::{self, OsError};
use crate::fat::FatFiles;
use crate::toolbox::{Toolbox, run};
use crate::{bundle, digest, disk, files, squash, verity};

/// Makes the image `to` from `image`, with slot `a` changed: `change` gets its root as a folder. `scratch` is emptied
/// before; `epoch` is the time of all files.
///
/// # Errors
/// An image that is none of ours; what `change` answers; what cannot be read or written.
pub fn rework(
    image: &Path,
    change: impl FnOnce(&Path) -> io::Result<()>,
    to: &Path,
    scratch: &Path,
    epoch: u64,
    toolbox: &Toolbox,
) -> Result<(), OsError> {
    files::empty_folder(scratch)?;
    let old = bundle::verity(image, toolbox)?;
    let (packed, tree) = (scratch.join("old.squashfs"), scratch.join("root"));
    extract(image, old.data_blocks * BLOCK, &packed).map_err(error::write(&packed))?;
    run(toolbox
        .command("unsquashfs")?
        .args(["-quiet", "-no-progress", "-no-xattrs", "-dest"])
        .args([&tree, &packed]))?;
    change(&tree).map_err(error::write(&tree))?;

    let root = scratch.join("root.squashfs");
    squash::pack(&tree, &root, epoch, toolbox)?;
    let content = digest::of_file(&root)?;
    let new = verity::append(&root, &content, &digest::uuid(&content, "verity"), toolbox)?;

    run(Command::new("cp")
        .args(["--sparse=always", "--no-target-directory"])
        .args([image, to]))?;
    put(&root, to, disk::offset_of("root-a")).map_err(error::write(to))?;
    let fat = FatFiles {
        toolbox,
        image: to,
        at: disk::offset_of("boot-a"),
    };
    let side = scratch.join("slot.cfg");
    let before = fat.read("slot.cfg")?;
    let text = replaced(&before, &old, &new);
    if text == before {
        return Err(OsError::Data {
            path: "slot.cfg".into(),
            problem: "does not name its root as images with a first file system do".to_owned(),
        });
    }
    files::write(&side, text, 0o644)?;
    fat.put(&side, "slot.cfg")
}

fn extract(image: &Path, size: u64, to: &Path) -> io::Result<()> {
    let mut from = File::open(image)?;
    from.seek(SeekFrom::Start(disk::offset_of("root-a")))?;
    io::copy(&mut from.take(size), &mut File::create(to)?).map(drop)
}

fn put(root: &Path, image: &Path, at: u64) -> io::Result<()> {
    let mut to = File::options().write(true).open(image)?;
    to.seek(SeekFrom::Start(at))?;
    io::copy(&mut File::open(root)?, &mut to).map(drop)
}

/// The side file with what the new root is checked against.
fn replaced(slot_cfg: &str, old: &Verity, new: &Verity) -> String {
    let words = |verity: &Verity| {
        let Verity {
            root_hash,
            salt,
            data_blocks,
        } = verity;
        format!("cell.root={root_hash}:{salt}:{data_blocks}")
    };
    slot_cfg.replace(&words(old), &words(new))
}
