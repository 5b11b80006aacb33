//! Where services come from beside the image.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Authorities;
use crate::container::Registry;
use crate::name::SourceName;
use crate::signer::SignerKey;
use crate::url::SourceUrl;

/// A source of services: a folder on a server or a stick, and who publishes there. Adding one is trusting its publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// The folder with `index.json`.
    pub url: SourceUrl,
    /// Certificates (PEM) that may vouch for that server beside the public ones, for one of the owner's own.
    #[serde(default)]
    pub authorities: Option<Authorities>,
    /// Whose signatures count.
    pub keys: PublisherKeys,
}

/// The keys of a publisher, as they hand them out. What takes their place later is signed by them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublisherKeys {
    /// Which of their lists this is: it rises by one with each.
    #[serde(default = "first")]
    pub version: u64,
    /// For whom.
    #[serde(default)]
    pub purpose: Purpose,
    /// How many of the keys must have signed: at least two.
    pub threshold: usize,
    /// The keys.
    #[schemars(length(min = 2, max = 16))]
    pub keys: Vec<SignerKey>,
}

fn first() -> u64 {
    1
}

/// Who has made the keys of a list, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// For everybody's boxes; the keys are kept apart from each other and from machines that build.
    #[default]
    Release,
    /// For whoever builds for themselves; the keys lie beside each other on the machine that builds.
    Development,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Release => "release",
            Self::Development => "development",
        })
    }
}

/// Which source a service was installed from, and what its images are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginConfig {
    /// The source.
    pub source: SourceName,
    /// The most bytes of its images, as the source has signed it.
    pub size: u64,
    /// The registry that has them; `null`: the source itself.
    #[serde(default)]
    pub registry: Option<Registry>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::SignerKeyError;

    #[test]
    fn keys_are_read_as_their_publisher_hands_them_out() {
        let key = "AB".repeat(32);
        let text = format!(
            r#"{{"threshold":2,"keys":["{key}","{}"]}}"#,
            "cd".repeat(32)
        );
        let keys: PublisherKeys = serde_json::from_str(&text).unwrap();
        assert_eq!((keys.version, keys.purpose), (1, Purpose::Release));
        assert_eq!(keys.keys[0].as_str(), key.to_ascii_lowercase());
        for bad in ["", "ab", &"xy".repeat(32), &"ab".repeat(33)] {
            assert_eq!(bad.parse::<SignerKey>(), Err(SignerKeyError), "{bad}");
        }
    }
}
