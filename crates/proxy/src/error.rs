//! What goes wrong with the proxy.

use std::io;
use std::time::Duration;

use crate::ProxyStatus;

/// Why the proxy could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Nothing listens at the socket.
    #[error("caddy does not answer")]
    Connect(#[source] io::Error),
    /// The connection broke.
    #[error("caddy broke off while it was asked to {what}")]
    Talk {
        /// The call, as a verb and its object.
        what: &'static str,
        /// Why.
        source: hyper::Error,
    },
    /// It took too long.
    #[error("caddy did not {what} within {limit:?}")]
    TimedOut {
        /// The call.
        what: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// It refused.
    #[error("caddy did not {what}: {message} (status {status})")]
    Refused {
        /// The call.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// In its words.
        message: String,
    },
    /// Its answer is none.
    #[error("caddy's answer when asked to {what} is not understood")]
    Answer {
        /// The call.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Its answer is larger than any of them is.
    #[error("caddy's answer when asked to {what} has no end")]
    AnswerSize {
        /// The call.
        what: &'static str,
    },
    /// Something else is loaded.
    #[error("caddy has {found} loaded instead of {wanted}")]
    NotInEffect {
        /// What was to be loaded.
        wanted: ProxyStatus,
        /// What is.
        found: ProxyStatus,
    },
    /// For tests.
    #[error("the fake is told to fail")]
    Fake,
}
