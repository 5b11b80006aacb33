//! The beginning of a bundle: who vouches for it, and its manifest.

use cell_signed::{Envelope, KeyList, SignedError};
use serde::{Deserialize, Serialize};

use super::{BundleError, Manifest};

/// What a bundle begins with, and the length of its header.
pub const PREFIX: usize = 12;
/// The file of an image that says which version it is: a [`Release`](super::Release) as JSON.
pub const RELEASE: &str = "usr/share/cell/release.json";
/// The file of an image that says whose bundles it takes: the chain of key lists, as JSON.
pub const KEYS: &str = "usr/share/cell/keys.json";

const MAGIC: &[u8; 8] = b"CELLBDL1";
/// A root of 512 MiB has about 8,000 chunks of 74 characters each.
const LONGEST: u32 = 4 << 20;

/// The beginning of a bundle. Trusted only once [`open`](Self::open) said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The key lists from the first on, for boxes that know an old one only.
    pub keys: Vec<Envelope>,
    /// The manifest.
    pub manifest: Envelope,
}

impl Header {
    /// How many bytes follow the first [`PREFIX`] ones of a bundle.
    ///
    /// # Errors
    /// [`BundleError::NotOne`], [`BundleError::LongHeader`].
    pub fn length(prefix: &[u8; PREFIX]) -> Result<usize, BundleError> {
        let (magic, length) = prefix.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(BundleError::NotOne);
        }
        let length = length.try_into().map_or(u32::MAX, u32::from_le_bytes);
        if length > LONGEST {
            return Err(BundleError::LongHeader(length));
        }
        Ok(length as usize)
    }

    /// From its bytes, without the prefix.
    ///
    /// # Errors
    /// [`BundleError::Header`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        serde_json::from_slice(bytes).map_err(unreadable)
    }

    /// With its prefix.
    ///
    /// # Errors
    /// [`BundleError::LongHeader`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        let header = serde_json::to_vec(self).map_err(unreadable)?;
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
        if length > LONGEST {
            return Err(BundleError::LongHeader(length));
        }
        Ok([MAGIC.as_slice(), &length.to_le_bytes(), &header].concat())
    }

    /// The manifest, and the newest key list, once keys that `trusted` leads to vouch for it.
    ///
    /// # Errors
    /// [`BundleError::Untrusted`]; a manifest that nobody should have signed.
    pub fn open(&self, trusted: &KeyList) -> Result<(Manifest, KeyList), BundleError> {
        let keys = trusted.follow(&self.keys).map_err(BundleError::Untrusted)?;
        let manifest = keys.open::<Manifest>(Manifest::TYPE, &self.manifest);
        let manifest = manifest.map_err(|error| match error {
            SignedError::Payload(error) => BundleError::Header(error),
            error => BundleError::Untrusted(error),
        })?;
        manifest.check()?;
        Ok((manifest, keys))
    }
}

fn unreadable(error: serde_json::Error) -> BundleError {
    BundleError::Header(error.into())
}
