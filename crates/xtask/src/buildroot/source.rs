//! The source that Buildroot builds `celld` from: the files git knows, with every crate beside them.
//!
//! Buildroot vendors what it downloads, and a local source it does not download. Made beforehand, the crates are had
//! with the developer's cargo and checked against `Cargo.lock`, and a developer's own files stay out.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{BuildrootError, create_dir, output, read, write};
use crate::cargo;

/// Makes `folder` anew.
pub(super) fn make(root: &Path, folder: &Path) -> Result<(), BuildrootError> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|source| BuildrootError::Write {
            path: folder.to_owned(),
            source,
        })?;
    }
    create_dir(folder)?;
    for file in known_files(root)? {
        copy(&root.join(&file), &folder.join(&file))?;
    }
    let said = output(
        cargo::cargo()
            .args(["vendor", "--quiet", "--locked", "VENDOR"])
            .current_dir(folder),
    )?;
    let config = folder.join(".cargo/config.toml");
    write(&config, &format!("{}\n{said}", read(&config)?))
}

/// Tracked and new files, not the ignored ones.
fn known_files(root: &Path) -> Result<Vec<PathBuf>, BuildrootError> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root);
    let listed = output(git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let files = listed.split('\0').filter(|file| !file.is_empty());
    // A deletion that is not committed yet is still listed.
    Ok(files
        .map(PathBuf::from)
        .filter(|file| root.join(file).symlink_metadata().is_ok())
        .collect())
}

fn copy(from: &Path, to: &Path) -> Result<(), BuildrootError> {
    if let Some(folder) = to.parent() {
        create_dir(folder)?;
    }
    let done = match std::fs::read_link(from) {
        Ok(target) => std::os::unix::fs::symlink(target, to),
        Err(_) => std::fs::copy(from, to).map(drop),
    };
    done.map_err(|source| BuildrootError::Write {
        path: to.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(folder: &Path) {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "Cargo.toml",
            "[package]\nname = \"a\"\nversion = \"0.1.0\"\n",
        );
        write(
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"0.1.0\"\n",
        );
        write("src/main.rs", "fn main() {}\n");
        write(".cargo/config.toml", "[alias]\nx = \"run\"\n");
        write(".gitignore", "/target\n");
        write("target/big", "ignored");
        std::os::unix::fs::symlink("main.rs", folder.join("src/link.rs")).unwrap();
        output(
            Command::new("git")
                .arg("-C")
                .arg(folder)
                .args(["init", "--quiet"]),
        )
        .unwrap();
    }

    #[test]
    fn the_source_is_what_git_knows_with_cargos_config_kept() {
        let (root, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        workspace(root.path());
        let folder = out.path().join("source");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("of-before"), "").unwrap();
        make(root.path(), &folder).unwrap();
        assert!(folder.join("src/main.rs").is_file());
        assert_eq!(
            std::fs::read_link(folder.join("src/link.rs")).unwrap(),
            Path::new("main.rs")
        );
        assert!(!folder.join("target").exists() && !folder.join("of-before").exists());
        let config = std::fs::read_to_string(folder.join(".cargo/config.toml")).unwrap();
        assert!(config.starts_with("[alias]\nx = \"run\"\n"), "{config}");
    }

    #[test]
    fn a_lock_file_that_does_not_fit_is_refused() {
        let (root, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        workspace(root.path());
        std::fs::remove_file(root.path().join("Cargo.lock")).unwrap();
        let error = make(root.path(), &out.path().join("source")).unwrap_err();
        assert!(matches!(error, BuildrootError::Ended { .. }), "{error}");
    }
}
