//! Why something was not fetched.

use serde::{Deserialize, Serialize};

/// Why something was not fetched. Texts of others are cut short and may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum FetchError {
    /// The name leads nowhere, or nobody could be asked.
    #[error("the name {0} has no address")]
    Name(String),
    /// Nobody answers there.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// It is not who it should be, or speaks no TLS.
    #[error("{0} does not prove who it is: {1}")]
    Untrusted(String, String),
    /// It said nothing for too long, or too little.
    #[error("{0} stopped answering")]
    Stalled(String),
    /// What it says is no HTTP, or not in order.
    #[error("{0} answers with something else than HTTP: {1}")]
    Garbage(String, String),
    /// It sends elsewhere.
    #[error("it says that the file is at {0}")]
    Redirected(String),
    /// It has no such file, or does not give it.
    #[error("it answers with status {0}")]
    Status(u16),
    /// It gives another part than was asked for.
    #[error("it sends another part than was asked for")]
    WrongPart,
    /// It does not say how long the file is.
    #[error("it does not say how long the file is")]
    NoSize,
    /// It ended in the middle.
    #[error("it stopped in the middle of the file")]
    Cut,
    /// It is not the file of before any more.
    #[error("the file was replaced meanwhile")]
    Replaced,
    /// Nothing is plugged in that it could be on.
    #[error("no USB stick is plugged in")]
    NoStick,
    /// There is a stick, and it has no such file.
    #[error("no USB stick has the file {0}")]
    NotOnStick(String),
    /// A stick does not answer as it should.
    #[error("a USB stick cannot be read: {0}")]
    StickUnreadable(String),
    /// The certificates that may vouch for it are none.
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    /// The core does not take the bytes any more.
    #[error("nobody takes the bytes")]
    Unwanted,
}

/// Why certificates cannot vouch for anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AuthoritiesError {
    /// It is not PEM, or holds no certificate.
    #[error("must be certificates in PEM form")]
    None,
    /// One of them is no certificate of an authority.
    #[error("must be certificates of authorities; number {0} cannot be read")]
    Unreadable(usize),
}
