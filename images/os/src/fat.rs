//! FAT file systems made as files: the select partition and the boot partition of a slot; and files in them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk;
use crate::error::{self, OsError};
use crate::toolbox::{Toolbox, run};

/// Files of a FAT file system inside an image or a device, which nobody has mounted. Folders must be there.
#[derive(Debug, Clone, Copy)]
pub struct FatFiles<'a> {
    /// Where mtools are.
    pub toolbox: &'a Toolbox,
    /// The image or device.
    pub image: &'a Path,
    /// The byte at which the file system begins.
    pub at: u64,
}

impl FatFiles<'_> {
    /// Puts a file there; one of that name is replaced.
    ///
    /// # Errors
    /// What mtools says.
    pub fn put(&self, file: &Path, path: &str) -> Result<(), OsError> {
        run(self
            .mtools("mcopy")?
            .arg("-o")
            .arg(file)
            .arg(format!("::/{path}")))
        .map(drop)
    }

    /// Copies a file out; `to` is replaced.
    ///
    /// # Errors
    /// What mtools says.
    pub fn get(&self, path: &str, to: &Path) -> Result<(), OsError> {
        run(self
            .mtools("mcopy")?
            .arg("-o")
            .arg(format!("::/{path}"))
            .arg(to))
        .map(drop)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// What mtools says.
    pub fn remove(&self, path: &str) -> Result<(), OsError> {
        run(self.mtools("mdel")?.arg(format!("::/{path}"))).map(drop)
    }

    /// Reads a file of text.
    ///
    /// # Errors
    /// What mtools says, first of all that there is none.
    pub fn read(&self, path: &str) -> Result<String, OsError> {
        run(self.mtools("mtype")?.arg(format!("::/{path}")))
    }

    /// One of the programs called mtools.
    ///
    /// # Errors
    /// [`OsError::Absent`].
    pub fn mtools(&self, program: &str) -> Result<Command, OsError> {
        let mut command = self.toolbox.command(program)?;
        command.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(format!(
            "{}@@{}",
            self.image.display(),
            self.at
        ));
        Ok(command)
    }
}

/// Copies a disk image to `to` with this seed in its partition `select`, where the box looks for one.
///
/// # Errors
/// That it cannot be copied; what mtools says.
pub fn with_seed(image: &Path, seed: &Path, to: &Path, toolbox: &Toolbox) -> Result<(), OsError> {
    fs::copy(image, to).map_err(error::write(to))?;
    let select = FatFiles {
        toolbox,
        image: to,
        at: disk::offset_of("select"),
    };
    select.put(seed, "seed/cell.toml")
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
        let files = FatFiles {
            toolbox,
            image: to,
            at: 0,
        };
        let mut folders: Vec<&str> = Vec::new();
        for (file, path) in content {
            for (end, _) in path.match_indices('/') {
                let folder = &path[..end];
                if !folder.is_empty() && !folders.contains(&folder) {
                    run(self.timed(files.mtools("mmd")?).arg(format!("::/{folder}")))?;
                    folders.push(folder);
                }
            }
            run(self
                .timed(files.mtools("mcopy")?)
                .arg(file)
                .arg(format!("::/{path}")))?;
        }
        Ok(())
    }

    /// Files get the file system's time, in whatever zone it is made.
    fn timed(&self, mut command: Command) -> Command {
        command
            .env("SOURCE_DATE_EPOCH", self.epoch.to_string())
            .env("TZ", "UTC");
        command
    }
}
