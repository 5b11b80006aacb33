//! Places in a container.

use std::fmt;
use std::str::FromStr;

/// An absolute path in a container's own file system that a service may fill: no kernel's, nor the box's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPath(String);

/// Why a text is no such path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is relative, winding, or has other characters.
    #[error(
        "must be an absolute path of letters, digits, '.', '_', '-' and '/', without '..' and without a slash at its end"
    )]
    Form,
    /// The kernel's, or one that the box fills.
    #[error(
        "is refused: /, /proc, /sys, /dev, /run/secrets and /run/box are not for services to fill"
    )]
    Kept,
}

/// What is not for services.
const KEPT: [&str; 5] = ["/proc", "/sys", "/dev", "/run/secrets", "/run/box"];

impl ContainerPath {
    /// The most characters it may have.
    pub const MAX: usize = 255;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether one is the other or within it.
    pub fn overlaps(&self, other: &Self) -> bool {
        within(&self.0, &other.0) || within(&other.0, &self.0)
    }
}

/// Whether a path is a folder or something in it.
fn within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl FromStr for ContainerPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if text == "/" {
            return Err(PathError::Kept);
        }
        let segments = text.strip_prefix('/').ok_or(PathError::Form)?;
        let is_segment =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
        if text.len() > Self::MAX || !segments.split('/').all(is_segment) {
            return Err(PathError::Form);
        }
        if KEPT
            .iter()
            .any(|kept| within(text, kept) || within(kept, text))
        {
            return Err(PathError::Kept);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_absolute_and_straight() {
        for text in ["/data", "/var/lib/radicale", "/run/cache", "/a.b/c-d_e"] {
            assert_eq!(text.parse::<ContainerPath>().unwrap().as_str(), text);
        }
        for text in [
            "", "data", "./data", "/data/", "/a//b", "/a/../b", "/a/.", "/a b", "/a\0", "/a:ro",
            "/a,b",
        ] {
            assert_eq!(
                text.parse::<ContainerPath>(),
                Err(PathError::Form),
                "{text:?}"
            );
        }
        assert!(
            format!("/{}", "a".repeat(255))
                .parse::<ContainerPath>()
                .is_err()
        );
    }

    #[test]
    fn what_is_the_kernels_or_the_boxs_is_kept() {
        for text in [
            "/",
            "/proc",
            "/proc/self",
            "/sys/fs",
            "/dev/shm",
            "/run",
            "/run/secrets",
            "/run/secrets/a",
        ] {
            assert_eq!(
                text.parse::<ContainerPath>(),
                Err(PathError::Kept),
                "{text}"
            );
        }
    }

    #[test]
    fn overlap_is_seen_both_ways() {
        let path = |text: &str| text.parse::<ContainerPath>().unwrap();
        assert!(path("/data").overlaps(&path("/data/inner")));
        assert!(path("/data/inner").overlaps(&path("/data")));
        assert!(path("/data").overlaps(&path("/data")));
        assert!(!path("/data").overlaps(&path("/database")));
    }
}
