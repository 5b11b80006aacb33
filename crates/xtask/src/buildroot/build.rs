//! The whole build: configuration, source, `make`; the hooks hand the result to the assembler.

use std::path::{Path, PathBuf};

use super::board;
use super::checkout;
use super::error::{BuildrootError, create_dir, read};
use super::fragment;
use super::make::Make;
use super::source;
use crate::cargo;

/// What is not built by Buildroot.
pub(crate) struct Parts {
    /// The assembler's program.
    pub(crate) cell_os: PathBuf,
    /// The chain of key lists that vouch for updates.
    pub(crate) keys: PathBuf,
    /// The services that come with the box, as a package folder.
    pub(crate) services: PathBuf,
}

/// Builds the image of `board`; gives the folder with what it made.
///
/// Needs the internet: Buildroot downloads about 100 sources, 1.5 GB, and builds a compiler first. What was built stays
/// in the cache and is used again.
pub(crate) fn image(board: &str, parts: Parts) -> Result<PathBuf, BuildrootError> {
    let root = cargo::root();
    let board = board::find(&root, board)?;
    let checkout = checkout::obtain(&checkout::pin(&root)?)?;
    let cache = cargo::cache_dir().join("buildroot");
    let out = cache.join("out").join(&board.name);
    create_dir(&out)?;
    let make = Make {
        checkout: &checkout,
        root: &root,
        out: &out,
    };
    refuse(make.configure(&board)?)?;
    let celld = cache.join("celld-source");
    source::make(&root, &celld)?;
    // Buildroot takes a package's local source for unchanged once it was built.
    make.forget("celld")?;
    make.build(&[
        ("BR2_DL_DIR", cache.join("dl")),
        ("CELLD_OVERRIDE_SRCDIR", celld),
        ("CELL_OS", parts.cell_os),
        ("CELL_KEYS", parts.keys),
        ("CELL_SERVICES", parts.services),
    ])?;
    let (asked, _) = board.kernel(&root)?;
    refuse(fragment::dropped(&asked, &read(&kernel_config(&out)?)?))?;
    Ok(out.join("images"))
}

fn refuse(dropped: Vec<String>) -> Result<(), BuildrootError> {
    if dropped.is_empty() {
        return Ok(());
    }
    Err(BuildrootError::Dropped(dropped.join("\n")))
}

/// The configuration that the kernel was built with.
fn kernel_config(out: &Path) -> Result<PathBuf, BuildrootError> {
    let folder = out.join("build");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let kernel = |name: &str| {
        let version = name.strip_prefix("linux-");
        version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    };
    let found = entries
        .filter(|entry| kernel(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path().join(".config"))
        .find(|config| config.is_file());
    found.ok_or(BuildrootError::NoKernel { path: folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_configuration_is_told_from_headers_and_firmware() {
        let out = tempfile::tempdir().unwrap();
        for name in [
            "linux-firmware-20260101",
            "linux-headers-6.12.91",
            "linux-6.12.91",
        ] {
            let folder = out.path().join("build").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(".config"), "").unwrap();
        }
        let config = kernel_config(out.path()).unwrap();
        assert!(
            config.ends_with("build/linux-6.12.91/.config"),
            "{}",
            config.display()
        );
    }

    #[test]
    fn a_build_without_kernel_is_an_error() {
        let out = tempfile::tempdir().unwrap();
        let error = kernel_config(out.path()).unwrap_err();
        assert!(matches!(error, BuildrootError::NoKernel { .. }), "{error}");
    }

    #[test]
    fn a_dropped_option_stops_the_build() {
        refuse(Vec::new()).unwrap();
        let error = refuse(vec!["one".into(), "two".into()])
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("one\ntwo"), "{error}");
    }
}
