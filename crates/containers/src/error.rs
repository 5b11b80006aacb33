//! What goes wrong with containers.

use std::io;
use std::time::Duration;

use cell_model::container::ImageRef;

use crate::copy::CopyError;
use crate::probe::Unwell;
use crate::quota::LimitError;

/// Why something was not done. What was done before it stays; trying again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ContainersError {
    /// Nothing listens at the socket.
    #[error("podman does not answer")]
    Connect(#[source] io::Error),
    /// Nobody can be told that it is wanted.
    #[error("podman cannot be started")]
    Wake(#[source] io::Error),
    /// Podman's disk is failing.
    #[error("what was deleted may be there again after a power cut")]
    Flush(#[source] io::Error),
    /// The connection broke.
    #[error("podman broke off while it was asked to {what}")]
    Talk {
        /// The call, as a verb and its object.
        what: String,
        /// Why.
        source: hyper::Error,
    },
    /// It took too long.
    #[error("podman did not {what} within {limit:?}")]
    TimedOut {
        /// The call.
        what: String,
        /// How long it had.
        limit: Duration,
    },
    /// It refused.
    #[error("podman did not {what}: {message} (status {status})")]
    Refused {
        /// The call.
        what: String,
        /// HTTP status.
        status: u16,
        /// In its words.
        message: String,
    },
    /// Its answer is none.
    #[error("podman's answer when asked to {what} is not understood")]
    Answer {
        /// The call.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Its answer is larger than any of them is.
    #[error("podman's answer when asked to {what} has no end")]
    AnswerSize {
        /// The call.
        what: String,
    },
    /// The image has not been brought.
    #[error("the image {0} is not on the box")]
    ImageMissing(ImageRef),
    /// Podman made something else of it. It was not started.
    #[error("podman made {name} with {found} instead of {expected}; it was not started")]
    Mismatch {
        /// The container.
        name: String,
        /// What was asked for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// An archive of an image cannot be read.
    #[error("the image cannot be read")]
    Archive(#[source] io::Error),
    /// What a container said cannot be read.
    #[error("what the container said cannot be read")]
    Log(#[source] io::Error),
    /// What a service has kept cannot be looked at.
    #[error("what the service has kept cannot be measured")]
    Measure(#[source] io::Error),
    /// An update has no copy to work on. It was not started.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A volume has no limit. What would write into it was not started.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It runs, and is not well.
    #[error(transparent)]
    Unwell(#[from] Unwell),
    /// For tests.
    #[error("the fake is told to fail")]
    Fake,
}
