//! Why a device is not written to, or not well.

use std::io;
use std::path::PathBuf;

use cell_model::toml_text::TomlError;
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum FlashError {
    #[error(
        "{0} is no whole block device; name the disk, for example /dev/sdb, not a partition or a file"
    )]
    NoDevice(PathBuf),
    #[error("cannot look at the devices of this machine in {path}")]
    Look { path: PathBuf, source: io::Error },
    #[error("{device} is in use ({uses}); if it is the right one, unmount it first")]
    InUse { device: String, uses: String },
    #[error("{device} is not removable; if you mean it nevertheless, say --not-removable")]
    BuiltIn { device: String },
    #[error("{device} has {has} bytes and the image needs {needs}; take a larger one")]
    TooSmall {
        device: String,
        has: u64,
        needs: u64,
    },
    #[error("nothing was written: the device is named {name}, and {typed:?} was said")]
    NotConfirmed { name: String, typed: String },
    #[error("cannot read what was typed")]
    Terminal(#[source] io::Error),
    #[error("cannot read the image {path}")]
    Image { path: PathBuf, source: io::Error },
    #[error(
        "nothing was written: {0} is no disk image; take cell-BOARD.img, and if its name ends in .xz, unpack it first (unxz)"
    )]
    NoImage(PathBuf),
    #[error("cannot make a copy of the image with the seed in it; nothing was written")]
    Copy(#[source] io::Error),
    #[error("cannot read the seed {path}")]
    ReadSeed { path: PathBuf, source: io::Error },
    #[error(
        "nothing was written: the seed {path} is wrong; docs/admin/seed.md describes it\n{findings}"
    )]
    Seed { path: PathBuf, findings: TomlError },
    #[error("cannot open {path} for itself alone")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot write at byte {at}; the device may be worn out or was taken away")]
    Write { at: u64, source: io::Error },
    #[error("cannot read back at byte {at}; the device may be worn out or was taken away")]
    ReadBack { at: u64, source: io::Error },
    #[error(
        "what was read back differs from what was written, first at byte {at}: the device is broken or lies about its size; take another"
    )]
    Differs { at: u64 },
}
