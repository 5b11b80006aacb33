//! What is flashed and what is launched: from a base's programs and kernel, the overlay and our binaries to a disk image.
//!
//! Two bases give kernel and userland and plug into one assembler ([`assemble`]): [`debian`] takes packages, Buildroot's
//! hook hands over a finished tree. Promises: no root, no loop devices, no mounts; the same inputs give the same
//! bytes; the layout is that of DESIGN section 4 and never changes; nothing is fetched but Debian packages that the
//! archive's signed index vouches for and the lock file names, and wheels of Python whose digest a recipe names.
//! Must never: run programs of the tree it assembles (they may be of another architecture), nor leave a half-written
//! image under its final name.
//! Start reading at [`assemble::assemble`], then [`debian::Sources`]; for what is launched, [`service::Services`].

pub mod assemble;
pub mod board;
pub mod bundle;
pub mod debian;
mod digest;
pub mod disk;
pub mod downloads;
pub mod error;
pub mod fat;
mod files;
mod initramfs;
pub mod keyring;
mod loader;
pub mod rework;
mod root;
pub mod sbom;
pub mod service;
mod squash;
pub mod toolbox;
mod verity;

pub use digest::{below as digest_below, of_file as digest_of};
pub use error::OsError;
