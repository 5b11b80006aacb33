//! A version of the system as one file: signed, in pieces that are fetched only where they are not there already.
//!
//! ```text
//! "CELLBDL1"   8 bytes
//! length       u32, little-endian: bytes of the header, at most 4 MiB
//! header       JSON: {"keys":[envelope, …],"manifest":envelope}, see [`Header`]
//! chunks       each different one once, in the order of its first use by boot, then root
//! ```
//!
//! The same file comes over HTTPS, as an upload and from a stick. Nothing in it is packed: what it carries is packed
//! already, so nobody unpacks what is not yet trusted. Pieces are cut where the content says so (FastCDC), so that a
//! change moves what follows it without changing it. `docs/adr/0017-bundle.md` has the reasons.

mod chunk;
mod error;
mod header;
mod manifest;
mod pack;
mod verity;

pub use chunk::{Chunk, Chunks, Digest, Digester, LONGEST_CHUNK};
pub use error::BundleError;
pub use header::{Header, KEYS, PREFIX, RELEASE};
pub use manifest::{Content, Manifest, Place, Planned, Release, Sbom, Verity};
pub use pack::write;
pub use verity::{BLOCK, root_hash, size_with_tree};
