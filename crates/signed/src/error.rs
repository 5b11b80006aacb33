//! Why a document is not trusted.

use cell_model::Timestamp;
use cell_model::config::Purpose;

use crate::words::JsonError;

/// Why a document is not trusted. Nothing of it was used, and only the beginning of any text in it is repeated here.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// A key is not 32 bytes in hexadecimal.
    #[error("{0:?} is no Ed25519 public key")]
    Key(String),
    /// A secret key is not what the format says.
    #[error("this is no Ed25519 secret key")]
    SecretKey,
    /// The envelope is not of the expected shape.
    #[error("the envelope cannot be read")]
    Envelope(#[source] JsonError),
    /// A signed document is not of the expected shape.
    #[error("the signed document cannot be read")]
    Payload(#[source] JsonError),
    /// It was signed for something else.
    #[error("this is a document of type {found:?}, not {expected:?}")]
    Type {
        /// What the caller takes.
        expected: &'static str,
        /// What the envelope says.
        found: String,
    },
    /// Too few of the keys that count have signed it.
    #[error("{valid} of the {threshold} signatures it needs are there and right")]
    Signatures {
        /// Signatures by different keys of the list that are right.
        valid: usize,
        /// How many are needed.
        threshold: usize,
    },
    /// A list no document could be trusted by, or any.
    #[error("a list of {keys} different keys with a threshold of {threshold} is not allowed")]
    Threshold {
        /// Different keys.
        keys: usize,
        /// How many must agree.
        threshold: usize,
    },
    /// A chain of key lists has none.
    #[error("there is no key list")]
    NoList,
    /// The versions of key lists do not follow each other.
    #[error("key list {found} does not follow key list {trusted}")]
    ListVersion {
        /// The newest that is trusted.
        trusted: u64,
        /// The one that came.
        found: u64,
    },
    /// Keys of developers do not count where released ones do, nor the other way round.
    #[error("these are {found} keys, and this system takes those of a {expected}")]
    Purpose {
        /// What the trusted list is for.
        expected: Purpose,
        /// What the other is for.
        found: Purpose,
    },
    /// It was good until then.
    #[error("it expired at {0}")]
    Expired(Timestamp),
}
