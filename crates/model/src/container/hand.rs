//! What the box hands to a container, read-only and from memory.

use std::fmt;
use std::str::FromStr;

/// A folder that the box fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hand {
    /// Sockets where it asks who somebody is.
    People,
    /// The certificate of the service's hosts, with its key.
    Certificate,
    /// Keys that mail is signed with.
    Dkim,
    /// How mail is given to a relay.
    Relay,
}

/// A text is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of: people, certificate, dkim, relay")]
pub struct HandError;

impl Hand {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::People, Self::Certificate, Self::Dkim, Self::Relay];

    /// As manifests have it; its folder too.
    pub fn word(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Certificate => "certificate",
            Self::Dkim => "dkim",
            Self::Relay => "relay",
        }
    }

    /// Where a container finds it.
    pub fn place(self) -> String {
        format!("/run/box/{}", self.word())
    }
}

impl FromStr for Hand {
    type Err = HandError;

    fn from_str(text: &str) -> Result<Self, HandError> {
        let mut all = Self::ALL.into_iter();
        all.find(|hand| hand.word() == text).ok_or(HandError)
    }
}

impl fmt::Display for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
