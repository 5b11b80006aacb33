//! Registries that have images (OCI distribution specification).

use serde::{Deserialize, Serialize};

use super::ImageDigest;
use crate::url::HttpsUrl;

/// A repository of a registry: the images of a service are there under their digests, for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Registry {
    host: String,
    repository: String,
    /// `https://HOST/v2/REPOSITORY`.
    url: HttpsUrl,
}

/// As documents have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    repository: String,
}

/// The text is no repository of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a registry's host, with its port if it is not 443, and a repository such as cell/calendar"
)]
pub struct RegistryError;

impl Registry {
    /// The most characters of a repository (as registries have it).
    pub const MAX: usize = 255;

    /// Of this host (and port), in this repository.
    ///
    /// # Errors
    /// They are not of the form that registries have.
    pub fn new(host: &str, repository: &str) -> Result<Self, RegistryError> {
        let is_segment = |segment: &str| {
            let bytes = segment.as_bytes();
            let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            let ends = |byte: Option<&u8>| byte.is_some_and(plain);
            let inner = |b: &u8| plain(b) || b"._-".contains(b);
            ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inner)
        };
        let fits = repository.len() <= Self::MAX && repository.split('/').all(is_segment);
        if !fits || host.contains('/') {
            return Err(RegistryError);
        }
        let url = format!("https://{host}/v2/{repository}").parse();
        Ok(Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            url: url.map_err(|_| RegistryError)?,
        })
    }

    /// Whom to ask.
    pub fn url(&self) -> &HttpsUrl {
        &self.url
    }

    /// Where an image's manifest is.
    pub fn manifest(&self, digest: &ImageDigest) -> HttpsUrl {
        self.url.join(&format!("manifests/{digest}"))
    }

    /// Where a blob of an image is.
    pub fn blob(&self, digest: &ImageDigest) -> HttpsUrl {
        self.url.join(&format!("blobs/{digest}"))
    }
}

impl TryFrom<Written> for Registry {
    type Error = RegistryError;

    fn try_from(written: Written) -> Result<Self, RegistryError> {
        Self::new(&written.host, &written.repository)
    }
}

impl From<Registry> for Written {
    fn from(registry: Registry) -> Self {
        Self {
            host: registry.host,
            repository: registry.repository,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_by_their_digests() {
        let registry = Registry::new("registry.example.org:5000", "cell/calendar").unwrap();
        let digest = ImageDigest::new([7; 32]);
        let at = "https://registry.example.org:5000/v2/cell/calendar";
        assert_eq!(
            registry.manifest(&digest).to_string(),
            format!("{at}/manifests/{digest}")
        );
        assert_eq!(
            registry.blob(&digest).to_string(),
            format!("{at}/blobs/{digest}")
        );
        let json = serde_json::to_string(&registry).unwrap();
        assert_eq!(
            json,
            r#"{"host":"registry.example.org:5000","repository":"cell/calendar"}"#
        );
        assert_eq!(serde_json::from_str::<Registry>(&json).unwrap(), registry);
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        let long = "a".repeat(Registry::MAX + 1);
        for (host, repository) in [
            ("", "a"),
            ("user@example.org", "a"),
            ("example.org/x", "a"),
            ("example.org", ""),
            ("example.org", "A"),
            ("example.org", "a//b"),
            ("example.org", "../b"),
            ("example.org", "a/"),
            ("example.org", "a?b"),
            ("example.org", &long),
        ] {
            let refused = Registry::new(host, repository);
            assert_eq!(refused, Err(RegistryError), "{host} {repository}");
        }
    }
}
