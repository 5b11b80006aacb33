//! What people download instead of the raw disk: for sticks and cards, and for virtual machines.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{self, OsError};
use crate::toolbox::{Toolbox, run};

/// Bytes a virtual machine's disk appears to have; the box makes its data partition on what the image leaves free.
const VIRTUAL_SIZE: u64 = 8 << 30;
/// Blocks are packed on all processors, and the result is the same on one.
const BLOCK: &str = "--block-size=24MiB";

/// A form of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `.img.xz`: the raw disk packed, as flashing programs take it.
    Packed,
    /// `.qcow2`: for QEMU, libvirt, Proxmox.
    Qcow2,
    /// `.vmdk`: for VMware and VirtualBox.
    Vmdk,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Packed, Self::Qcow2, Self::Vmdk];

    /// What the file's name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Packed => "img.xz",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
        }
    }

    /// Makes it from the raw disk, as `out/NAME.SUFFIX`. A file of that name is replaced once the new one is whole.
    ///
    /// # Errors
    /// The program that failed, and why.
    pub fn make(
        self,
        disk: &Path,
        name: &str,
        out: &Path,
        toolbox: &Toolbox,
    ) -> Result<PathBuf, OsError> {
        let to = out.join(format!("{name}.{}", self.suffix()));
        let new = out.join(format!("{name}.{}.new", self.suffix()));
        match self {
            Self::Packed => {
                let packed = File::create(&new).map_err(error::write(&new))?;
                let mut xz = toolbox.command("xz")?;
                xz.args(["--compress", "--stdout", "--threads=0", "-6", BLOCK])
                    .arg(disk);
                run(xz.stdout(packed))?;
            }
            // Clusters that hold nothing take no room.
            Self::Qcow2 => virtual_disk(disk, &new, &["-O", "qcow2", "-c"], toolbox)?,
            Self::Vmdk => virtual_disk(
                disk,
                &new,
                &["-O", "vmdk", "-o", "subformat=streamOptimized"],
                toolbox,
            )?,
        }
        fs::rename(&new, &to).map_err(error::write(&to))?;
        Ok(to)
    }
}

/// A virtual machine's disk that is larger than the image on it.
fn virtual_disk(disk: &Path, to: &Path, form: &[&str], toolbox: &Toolbox) -> Result<(), OsError> {
    // What is resized has the image behind it, so nothing is copied twice.
    let larger = to.with_extension("larger");
    let disk = disk.canonicalize().map_err(error::read(disk))?;
    run(toolbox
        .command("qemu-img")?
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .arg(&disk)
        .arg(&larger)
        .arg(VIRTUAL_SIZE.to_string()))?;
    let converted = run(toolbox
        .command("qemu-img")?
        .args(["convert", "-q", "-f", "qcow2"])
        .args(form)
        .arg(&larger)
        .arg(to));
    fs::remove_file(&larger).map_err(error::write(&larger))?;
    converted.map(drop)
}
