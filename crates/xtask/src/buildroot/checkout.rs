//! Buildroot's own tree: the one `BUILDROOT_DIR` names, or the pinned commit fetched with git.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::error::{BuildrootError, create_dir, output, read, succeed};
use crate::cargo;

/// The variable that names a checkout.
pub(super) const VARIABLE: &str = "BUILDROOT_DIR";

/// What `buildroot/pin.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    /// As Buildroot's Makefile has it.
    pub(super) version: String,
    /// An address that git fetches from.
    repository: String,
    tag: String,
    /// 40 hexadecimal digits.
    commit: String,
}

/// Reads the pin.
pub(super) fn pin(root: &Path) -> Result<Pin, BuildrootError> {
    let path = root.join("buildroot/pin.toml");
    let text = read(&path)?;
    toml::from_str(&text).map_err(|source| BuildrootError::Pin { path, source })
}

/// The checkout a person named, if any; another version is an error.
pub(super) fn named(pin: &Pin) -> Result<Option<PathBuf>, BuildrootError> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = PathBuf::from(path);
    verify_version(&path, pin)?;
    Ok(Some(path))
}

/// The checkout a person named, or the pinned commit, fetched when it is not there yet.
pub(super) fn obtain(pin: &Pin) -> Result<PathBuf, BuildrootError> {
    if let Some(path) = named(pin)? {
        return Ok(path);
    }
    let path = cargo::cache_dir().join("buildroot").join(&pin.commit);
    if !path.join("Makefile").is_file() {
        fetch(pin, &path)?;
    }
    verify_version(&path, pin)?;
    Ok(path)
}

/// Fetches the tag and checks it out only if it is the pinned commit.
fn fetch(pin: &Pin, into: &Path) -> Result<(), BuildrootError> {
    create_dir(into)?;
    let git = || {
        let mut git = Command::new("git");
        git.arg("-C").arg(into);
        git
    };
    succeed(git().args(["init", "--quiet"]))?;
    let tag = format!("refs/tags/{}", pin.tag);
    succeed(git().args(["fetch", "--quiet", "--depth", "1", &pin.repository, &tag]))?;
    let found = output(git().args(["rev-parse", "FETCH_HEAD^{commit}"]))?;
    if found.trim() != pin.commit {
        return Err(BuildrootError::OtherCommit {
            repository: pin.repository.clone(),
            tag: pin.tag.clone(),
            found: found.trim().to_owned(),
            wanted: pin.commit.clone(),
        });
    }
    succeed(git().args(["checkout", "--quiet", "--detach", &pin.commit]))
}

fn verify_version(path: &Path, pin: &Pin) -> Result<(), BuildrootError> {
    let not_buildroot = || BuildrootError::NotBuildroot {
        path: path.to_owned(),
    };
    let makefile = std::fs::read_to_string(path.join("Makefile")).map_err(|_| not_buildroot())?;
    let found = makefile
        .lines()
        .find_map(|line| line.strip_prefix("export BR2_VERSION := "))
        .ok_or_else(not_buildroot)?;
    if found == pin.version {
        return Ok(());
    }
    Err(BuildrootError::OtherVersion {
        path: path.to_owned(),
        found: found.to_owned(),
        wanted: pin.version.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with one tagged commit, and the pin for it.
    fn upstream(folder: &Path) -> Pin {
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.arg("-C")
                .arg(folder)
                .args(["-c", "user.name=a", "-c", "user.email=a@a"]);
            output(git.args(arguments)).unwrap().trim().to_owned()
        };
        std::fs::write(folder.join("Makefile"), "export BR2_VERSION := 1.2\n").unwrap();
        git(&["init", "--quiet"]);
        git(&["add", "Makefile"]);
        git(&["commit", "--quiet", "--message", "one"]);
        git(&["tag", "--annotate", "1.2", "--message", "one"]);
        Pin {
            version: "1.2".into(),
            repository: folder.display().to_string(),
            tag: "1.2".into(),
            commit: git(&["rev-parse", "HEAD"]),
        }
    }

    #[test]
    fn the_pinned_commit_is_fetched() {
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pin = upstream(from.path());
        fetch(&pin, into.path()).unwrap();
        verify_version(into.path(), &pin).unwrap();
    }

    #[test]
    fn a_moved_tag_is_refused_and_nothing_of_it_is_checked_out() {
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut pin = upstream(from.path());
        pin.commit = "0".repeat(40);
        let error = fetch(&pin, into.path()).unwrap_err();
        assert!(
            matches!(error, BuildrootError::OtherCommit { .. }),
            "{error}"
        );
        assert!(!into.path().join("Makefile").exists());
    }

    #[test]
    fn another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut pin = upstream(folder.path());
        pin.version = "1.3".into();
        let error = verify_version(folder.path(), &pin).unwrap_err().to_string();
        assert!(
            error.contains("is Buildroot 1.2") && error.contains("asks for 1.3"),
            "{error}"
        );
        let empty = tempfile::tempdir().unwrap();
        let error = verify_version(empty.path(), &pin).unwrap_err();
        assert!(
            matches!(error, BuildrootError::NotBuildroot { .. }),
            "{error}"
        );
    }

    #[test]
    fn the_pin_names_a_commit() {
        let pin = pin(&cargo::root()).unwrap();
        assert_eq!(pin.commit.len(), 40);
        assert!(pin.commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(pin.version, pin.tag);
    }
}
