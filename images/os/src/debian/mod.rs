//! The base made of Debian packages, for machines that reach only package registries.
//!
//! Packages are chosen by a list, pinned by a lock file (name, version, SHA-256), fetched by apt with an apt folder of
//! its own (this machine's packages and sources are left alone), and unpacked without running their scripts. Of the
//! result only what the allow-list names goes into the image, with the libraries it needs.

mod archive;
mod base;
mod closure;
mod compiler;
mod kernel;
mod lock;
mod pick;
mod tree;

pub use archive::Archive;
pub use base::Sources;
pub use compiler::Compiler;
pub use kernel::Kernel;
pub use lock::{Lock, Locked};
pub(crate) use pick::choose;
pub use pick::pick;
pub use tree::Tree;
pub(crate) use tree::unpack;

/// The release that everything is taken from.
pub const SUITE: &str = "trixie";
