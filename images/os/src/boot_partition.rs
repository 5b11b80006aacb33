//! FAT file systems made as files: the select partition and the boot partition of a slot.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{self, OsError};
use crate::toolbox::{Toolbox, run};

/// Puts a file into a FAT file system that begins at byte `at` of an image or a device; one of that name is replaced.
/// Its folder must be there.
///
/// # Errors
/// What mtools says.
pub fn put_file(
    toolbox: &Toolbox,
    image: &Path,
    at: u64,
    file: &Path,
    path: &str,
) -> Result<(), OsError> {
    run(toolbox
        .command("mcopy")?
        .arg("-o")
        .arg("-i")
        .arg(format!("{}@@{at}", image.display()))
        .arg(file)
        .arg(format!("::/{path}")))?;
    Ok(())
}

/// A FAT file system to be made.
pub(crate) struct Fat<'a> {
    /// Bytes.
    pub(crate) size: u64,
    /// Up to 11 characters.
    pub(crate) label: &'a str,
    /// Eight hexadecimal digits.
    pub(crate) serial: &'a str,
    /// Bits of its table: firmware reads 32 everywhere.
    pub(crate) bits: u8,
    /// Time of its files in seconds since 1970; FAT begins with 1980.
    pub(crate) epoch: u64,
}

/// A file and its path in the file system, `/` between folders.
pub(crate) type Content = (PathBuf, String);

impl Fat<'_> {
    /// Makes it as the new file `to`, with `content` in that order.
    pub(crate) fn make(
        &self,
        to: &Path,
        content: &[Content],
        toolbox: &Toolbox,
    ) -> Result<(), OsError> {
        File::create(to)
            .and_then(|file| file.set_len(self.size))
            .map_err(error::write(to))?;
        let bits = self.bits.to_string();
        run(toolbox
            .command("mkfs.fat")?
            .args([
                "--invariant",
                "-F",
                &bits,
                "-n",
                self.label,
                "-i",
                self.serial,
            ])
            .arg(to))?;
        let mut folders: Vec<&str> = Vec::new();
        for (file, path) in content {
            for (end, _) in path.match_indices('/') {
                let folder = &path[..end];
                if !folder.is_empty() && !folders.contains(&folder) {
                    run(self.mtools("mmd", to, toolbox)?.arg(format!("::/{folder}")))?;
                    folders.push(folder);
                }
            }
            run(self
                .mtools("mcopy", to, toolbox)?
                .arg(file)
                .arg(format!("::/{path}")))?;
        }
        Ok(())
    }

    fn mtools(
        &self,
        program: &str,
        image: &Path,
        toolbox: &Toolbox,
    ) -> Result<std::process::Command, OsError> {
        let mut command = toolbox.command(program)?;
        command
            .env("SOURCE_DATE_EPOCH", self.epoch.to_string())
            // Times are written in local time; the same everywhere.
            .env("TZ", "UTC")
            .env("MTOOLS_SKIP_CHECK", "1")
            .arg("-i")
            .arg(image);
        Ok(command)
    }
}
