//! The lock file: which packages an image is made of, to the byte.
//!
//! One package a line: name, version, architecture, SHA-256 of the file; sorted by name.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::error::OsError;
use crate::{digest, files};

/// All packages of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Sorted by name, version and architecture.
    pub packages: Vec<Locked>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// Debian's name.
    pub name: String,
    /// Debian's version, with epoch.
    pub version: String,
    /// `amd64`, `arm64` or `all`.
    pub architecture: String,
    /// Of the package file, in hexadecimal.
    pub sha256: String,
}

impl Locked {
    /// As apt names the file in its archive folder.
    pub(crate) fn file_name(&self) -> String {
        let version = self.version.replace(':', "%3a");
        format!("{}_{version}_{}.deb", self.name, self.architecture)
    }

    /// As apt is asked for it.
    pub(crate) fn request(&self) -> String {
        let Self { name, version, .. } = self;
        // What is for all architectures is found under any.
        match self.architecture.as_str() {
            "all" => format!("{name}={version}"),
            architecture => format!("{name}:{architecture}={version}"),
        }
    }
}

impl Lock {
    /// From a file.
    ///
    /// # Errors
    /// That it cannot be read, or which line is wrong.
    pub fn read(path: &Path) -> Result<Self, OsError> {
        files::read_text(path)?
            .parse()
            .map_err(|problem| OsError::Data {
                path: path.to_owned(),
                problem,
            })
    }

    /// What everything built from these packages can be named by.
    pub fn digest(&self) -> String {
        digest::of_text(&self.to_string())
    }
}

impl FromStr for Lock {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut packages = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let &[name, version, architecture, sha256] = words.as_slice() else {
                return Err(format!(
                    "line {}: expected name, version, architecture and SHA-256",
                    number + 1
                ));
            };
            let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
            if !is_digest {
                return Err(format!("line {}: {sha256} is no SHA-256", number + 1));
            }
            packages.push(Locked {
                name: name.to_owned(),
                version: version.to_owned(),
                architecture: architecture.to_owned(),
                sha256: sha256.to_owned(),
            });
        }
        packages.sort();
        Ok(Self { packages })
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for package in &self.packages {
            let Locked {
                name,
                version,
                architecture,
                sha256,
            } = package;
            writeln!(f, "{name} {version} {architecture} {sha256}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b";

    #[test]
    fn lock_reads_back_as_written_and_sorted() {
        let text = format!("zlib 1 amd64 {DIGEST}\nnft 1:2-3 amd64 {DIGEST}\n");
        let lock: Lock = text.parse().unwrap();
        assert_eq!(lock.packages[0].name, "nft");
        assert_eq!(lock.packages[0].file_name(), "nft_1%3a2-3_amd64.deb");
        assert_eq!(lock.to_string().parse::<Lock>().unwrap(), lock);
    }

    #[test]
    fn wrong_line_is_named() {
        let error = format!("# fine\nnft 1 amd64 {DIGEST}\nnft 1 amd64\n")
            .parse::<Lock>()
            .unwrap_err();
        assert!(error.starts_with("line 3"), "{error}");
        assert!("nft 1 amd64 beef".parse::<Lock>().is_err());
    }
}
