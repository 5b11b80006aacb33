//! Services that can be installed: those that come with the box, as manifests and images in a folder, and those of sources.
//!
//! A *package folder* has what it takes to run services without fetching anything:
//!
//! | Path | What |
//! |---|---|
//! | `SERVICE/service.toml` | the manifest, its images pinned |
//! | `SERVICE/sbom.spdx.json`, `SERVICE/IMAGE/sbom.spdx.json` | what is in its image, or in each of several (SPDX 2.3) |
//! | `images.json` | the digest of every image by its name |
//! | `blobs/sha256/HEX` | manifests, configs and layers of images (OCI image specification); what images share is there once |
//!
//! A *source* has the same on a server, and two signed documents more: `index.json` and `keys.json`. What is taken of it
//! follows from the keys that the owner trusts, never from where it lies.
//!
//! Promises: an archive that was written whole holds what the image's digest says and nothing else; a blob that is not
//! what its name says is an error that names the file; nothing of a blob but manifest and config, which are small, is
//! held in memory; a catalogue that was taken is never followed by an older one, not after a power cut either.
//! Must never: write into the folder that comes with the box, fetch, run, or tell podman anything.
//! Start reading at [`PackageFolder`], then [`Library`].

mod archive;
mod blob;
mod error;
mod folder;
mod incoming;
mod known;
mod library;
mod source;
#[cfg(test)]
mod tests;

pub use error::PackagesError;
pub use folder::PackageFolder;
pub use incoming::Incoming;
pub use known::Catalogue;
pub use library::{Library, Offer};
pub use source::{Examined, Fetched, INDEX_FILE, INDEX_TYPE, KEYS_FILE, SourceError};
