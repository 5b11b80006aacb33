//! GRUB as one EFI program with its script inside.

use std::path::Path;
use std::process::Command;

use crate::board::Board;
use crate::error::{self, OsError};
use crate::files;
use crate::toolbox::{Toolbox, run};

/// Makes the EFI program `to` from the scripts in `board/common`.
pub(crate) fn make(
    board: &Board,
    common: &Path,
    to: &Path,
    scratch: &Path,
    toolbox: &Toolbox,
) -> Result<(), OsError> {
    let folder = scratch.join("memdisk");
    files::empty_folder(&folder)?;
    files::copy(&common.join("grub.cfg"), &folder.join("grub/grub.cfg"))?;
    let memdisk = scratch.join("memdisk.tar");
    run(Command::new("tar")
        .args(["--create", "--format=ustar", "--sort=name", "--mtime=@0"])
        .args(["--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX"])
        .arg("--file")
        .arg(&memdisk)
        .arg("--directory")
        .arg(&folder)
        .arg("grub"))?;
    let modules = toolbox.path(&format!("usr/lib/grub/{}", board.meta.grub_platform));
    if !modules.is_dir() {
        return Err(OsError::Absent {
            path: modules.display().to_string(),
            asked: format!("board {}", board.name),
        });
    }
    // Nothing is loaded from a disk later.
    let list = files::read_text(&common.join("grub.modules"))?;
    run(toolbox
        .command("grub-mkimage")?
        .arg("--directory")
        .arg(modules)
        .args(["--format", &board.meta.grub_platform])
        .args(["--prefix", "(memdisk)/grub"])
        .arg("--config")
        .arg(common.join("early.cfg"))
        .arg("--memdisk")
        .arg(&memdisk)
        .arg("--output")
        .arg(to)
        .args(listed(&list)))?;
    std::fs::metadata(to).map_err(error::read(to)).map(drop)
}

/// Names in a text with comments.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_read_without_comments() {
        let names: Vec<_> = listed("# why\nmemdisk tar # both\n\nfat\n").collect();
        assert_eq!(names, ["memdisk", "tar", "fat"]);
    }
}
