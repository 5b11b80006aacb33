//! What can go wrong with the packet filter.

use std::io;
use std::time::Duration;

/// Why the packet filter could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// The program is not there or may not be run.
    #[error("the nft program cannot be started")]
    Start(#[source] io::Error),
    /// The rules could not be written out.
    #[error("the rules cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// The rules could not be handed over, or the answer not be fetched.
    #[error("nft cannot be talked to")]
    Talk(#[source] io::Error),
    /// The program gave no answer in time and was ended.
    #[error("nft gave no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The program or the kernel said no. Nothing was changed.
    #[error("nft refused: {0}")]
    Refused(String),
    /// The answer is not a listing.
    #[error("nft answered something else than a listing")]
    Answer(#[source] serde_json::Error),
    /// A set of ours holds what is no address.
    #[error("the set {set} holds {element:?}, which is no address")]
    Element {
        /// The set.
        set: String,
        /// What it holds.
        element: String,
    },
    /// The step is not in effect.
    #[error("the kernel does not hold the rules asked for: {0}")]
    NotInEffect(String),
}
