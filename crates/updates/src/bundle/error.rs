//! Why a bundle is not taken.

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_signed::{JsonError, SignedError};

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It does not begin like one.
    #[error("this is no firmware bundle")]
    NotOne,
    /// Its header is longer than any may be.
    #[error("its header has {0} bytes; none is that long")]
    LongHeader(u32),
    /// Its header is not of the right shape.
    #[error("its header cannot be read")]
    Header(#[source] JsonError),
    /// Not enough keys that this box trusts vouch for it.
    #[error("it is not signed by keys that this system trusts")]
    Untrusted(#[source] SignedError),
    /// Signed, and senseless.
    #[error("its manifest is not right: {0}")]
    Manifest(&'static str),
    /// For other machines.
    #[error("it is for {found}, and this is {own}")]
    Board {
        /// This machine's board.
        own: String,
        /// The bundle's.
        found: String,
    },
    /// For others than this channel's.
    #[error("it is for the channel {}", .0.as_str())]
    Channel(ReleaseChannel),
    /// It was for a time that is over.
    #[error("it was to be installed before {0}")]
    Expired(Timestamp),
    /// What runs is as new, or newer.
    #[error("version {found} is not newer than {own}, which runs")]
    NotNewer {
        /// The running version.
        own: String,
        /// The bundle's.
        found: String,
    },
    /// It cannot read what is kept here.
    #[error(
        "version {version} reads settings up to schema {reads}, and those kept here have {kept}"
    )]
    Schema {
        /// The bundle's version.
        version: String,
        /// What it reads.
        reads: u32,
        /// What is there.
        kept: u32,
    },
}
