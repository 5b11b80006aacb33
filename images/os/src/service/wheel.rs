//! Packages of Python, as PyPI has them: one file each, unpacked where Debian's are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::debian::Locked;
use crate::error::{self, OsError};
use crate::toolbox::run;
use crate::{digest, files};

/// Where Python finds them, as it finds those of Debian.
const PLACE: &str = "usr/lib/python3/dist-packages";
/// What a wheel's name ends in that has no programs of one kind of processor.
const ANY: &str = "-none-any.whl";

/// A wheel, to the byte.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wheel {
    name: String,
    version: String,
    sha256: String,
}

impl Wheel {
    /// Its file, fetched if it is not here yet, and checked.
    pub(super) fn fetch(&self, cache: &Path) -> Result<PathBuf, OsError> {
        let folder = cache.join(format!("{}-{}", self.name, self.version));
        if found(&folder)?.is_none() {
            files::make_folder(&folder)?;
            run(Command::new("pip3")
                .args(["download", "--quiet", "--no-deps"])
                .args(["--only-binary", ":all:", "--no-cache-dir"])
                .args(["--disable-pip-version-check", "--dest"])
                .arg(&folder)
                .arg(format!("{}=={}", self.name, self.version)))?;
        }
        let path = found(&folder)?.ok_or_else(|| OsError::Absent {
            path: format!("{ANY} of {} {}", self.name, self.version),
            asked: "a recipe".to_owned(),
        })?;
        let found = digest::of_file(&path)?;
        match found == self.sha256 {
            true => Ok(path),
            false => Err(OsError::Digest {
                path,
                expected: self.sha256.clone(),
                found,
            }),
        }
    }

    /// Unpacks its file into a tree.
    pub(super) fn unpack(file: &Path, tree: &Path) -> Result<(), OsError> {
        let place = tree.join(PLACE);
        files::make_folder(&place)?;
        run(Command::new("python3")
            .args(["-m", "zipfile", "--extract"])
            .arg(file)
            .arg(&place))
        .map(drop)
    }

    /// As lists of contents have it.
    pub(super) fn locked(&self) -> Locked {
        Locked {
            name: self.name.clone(),
            version: self.version.clone(),
            architecture: "all".to_owned(),
            sha256: self.sha256.clone(),
        }
    }
}

/// The wheel in a folder, if there is one.
fn found(folder: &Path) -> Result<Option<PathBuf>, OsError> {
    if !folder.exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder).map_err(error::read(folder))? {
        let path = entry.map_err(error::read(folder))?.path();
        if path.to_string_lossy().ends_with(ANY) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
