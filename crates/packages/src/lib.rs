//! Services as they come with the box: manifests and images in a folder.
//!
//! A *package folder* has what it takes to run services without fetching anything:
//!
//! | Path | What |
//! |---|---|
//! | `SERVICE/service.toml` | the manifest, its images pinned |
//! | `SERVICE/sbom.spdx.json` | what is in its images (SPDX 2.3) |
//! | `images.json` | the digest of every image by its name |
//! | `blobs/sha256/HEX` | manifests, configs and layers of images (OCI image specification); what images share is there once |
//!
//! Promises: an archive that was written whole holds what the image's digest says and nothing else; a blob that is not
//! what its name says is an error that names the file; nothing of a blob but manifest and config, which are small, is
//! held in memory.
//! Must never: write into the folder, fetch, run, or tell podman anything.
//! Start reading at [`PackageFolder`].

mod archive;
mod blob;
mod error;
mod folder;
mod library;
#[cfg(test)]
mod tests;

pub use error::PackagesError;
pub use folder::PackageFolder;
pub use library::{Library, Offer};
