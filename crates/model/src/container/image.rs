//! Images by what is in them: a name for people, and a digest that alone decides.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// SHA-256 of an image's manifest (OCI image specification, "digests").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageDigest([u8; 32]);

/// The name of an image within a source of packages: segments of lower-case letters, digits, `.`, `_` and `-`, joined by
/// slashes. Which registry has it is the source's business.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(String);

/// An image, pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    /// What it is called.
    pub name: ImageName,
    /// What it is.
    pub digest: ImageDigest,
}

/// Why a text is no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Whoever has the registry could put another one there.
    #[error("must be pinned by a digest: a tag can be moved to another image")]
    NoDigest,
    /// A digest of another kind, or cut.
    #[error("must end in @sha256: and 64 lower-case hexadecimal digits")]
    Digest,
    /// A tag beside the digest says nothing, and could say something false.
    #[error("must have no tag: the digest says which image it is")]
    Tag,
    /// It names a registry.
    #[error("must not name a registry: images come from where the package comes from")]
    Registry,
    /// Another character, or an empty segment.
    #[error(
        "must have a name of lower-case letters, digits, '.', '_' and '-', with single slashes, of at most 128 characters"
    )]
    Name,
}

impl ImageDigest {
    /// The digest of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Where what it is of lies below a folder of blobs (OCI image specification, "image layout").
    pub fn blob_path(&self) -> String {
        format!("blobs/sha256/{}", HEXLOWER.encode(&self.0))
    }
}

impl FromStr for ImageDigest {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let hex = text.strip_prefix("sha256:").ok_or(ImageError::Digest)?;
        let bytes = HEXLOWER.decode(hex.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(ImageError::Digest)
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ImageName {
    /// The most characters it may have.
    pub const MAX: usize = 128;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageName {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let first = text.split('/').next().unwrap_or_default();
        // As the reference grammar of container images tells a registry: by a dot or a port, or as localhost.
        if text.contains('/') && (first.contains(['.', ':']) || first == "localhost") {
            return Err(ImageError::Registry);
        }
        if text.contains(':') {
            return Err(ImageError::Tag);
        }
        let is_segment = |segment: &str| {
            let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            let bytes = segment.as_bytes();
            let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b);
            ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(plain)
        };
        if text.len() > Self::MAX || !text.split('/').all(is_segment) {
            return Err(ImageError::Name);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ImageRef {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let (name, digest) = text.split_once('@').ok_or(ImageError::NoDigest)?;
        Ok(Self {
            name: name.parse()?,
            digest: digest.parse()?,
        })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0011223344556677889900112233445566778899001122334455667788990011";

    #[test]
    fn image_is_read_as_it_is_written() {
        for name in ["radicale", "cell/file-server", "a/b.c/d_e"] {
            let text = format!("{name}@{DIGEST}");
            let image: ImageRef = text.parse().unwrap();
            assert_eq!(image.to_string(), text);
            let json = serde_json::to_string(&image).unwrap();
            assert_eq!(serde_json::from_str::<ImageRef>(&json).unwrap(), image);
        }
    }

    #[test]
    fn image_that_could_become_another_one_is_refused() {
        let cut = &DIGEST[..DIGEST.len() - 1];
        for (text, expected) in [
            ("radicale", ImageError::NoDigest),
            ("radicale:3", ImageError::NoDigest),
            ("radicale:latest", ImageError::NoDigest),
            (&format!("radicale:3@{DIGEST}"), ImageError::Tag),
            (&format!("radicale@{cut}"), ImageError::Digest),
            (
                &format!("radicale@{}", DIGEST.to_uppercase()),
                ImageError::Digest,
            ),
            ("radicale@md5:00", ImageError::Digest),
            (
                &format!("docker.io/radicale@{DIGEST}"),
                ImageError::Registry,
            ),
            (
                &format!("localhost/radicale@{DIGEST}"),
                ImageError::Registry,
            ),
            (
                &format!("host:5000/radicale@{DIGEST}"),
                ImageError::Registry,
            ),
            (&format!("@{DIGEST}"), ImageError::Name),
            (&format!("Radicale@{DIGEST}"), ImageError::Name),
            (&format!("../radicale@{DIGEST}"), ImageError::Registry),
            (&format!("cell/../radicale@{DIGEST}"), ImageError::Name),
            (&format!("a//b@{DIGEST}"), ImageError::Name),
            (&format!("a b@{DIGEST}"), ImageError::Name),
            (&format!("{}@{DIGEST}", "a".repeat(129)), ImageError::Name),
        ] {
            assert_eq!(text.parse::<ImageRef>(), Err(expected), "{text}");
        }
    }
}
