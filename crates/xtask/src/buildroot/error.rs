//! What can go wrong with the Buildroot base.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use thiserror::Error;

use super::fragment::FragmentError;
use crate::cargo;

/// One variant a failing step.
#[derive(Debug, Error)]
pub(crate) enum BuildrootError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} is not as it should be")]
    Pin {
        path: PathBuf,
        source: toml::de::Error,
    },
    #[error("a line of a fragment is wrong")]
    Fragment(#[from] FragmentError),
    #[error("no board `{board}` with a buildroot.fragment; there are: {available}")]
    NoBoard { board: String, available: String },
    #[error("{path} is no Buildroot: it has no Makefile with BR2_VERSION")]
    NotBuildroot { path: PathBuf },
    #[error("{path} is Buildroot {found}, and buildroot/pin.toml asks for {wanted}")]
    OtherVersion {
        path: PathBuf,
        found: String,
        wanted: String,
    },
    #[error(
        "{repository} gives commit {found} for {tag}, and buildroot/pin.toml has {wanted}; nothing of it is used"
    )]
    OtherCommit {
        repository: String,
        tag: String,
        found: String,
        wanted: String,
    },
    #[error("cannot start `{program}`")]
    Start { program: String, source: io::Error },
    #[error("`{program}` ended with {status}{said}")]
    Ended {
        program: String,
        status: ExitStatus,
        said: String,
    },
    #[error("`make show-info` answered with something other than JSON")]
    ShowInfo(#[source] serde_json::Error),
    #[error("options asked for are not in force:\n{0}")]
    Dropped(String),
    #[error("Buildroot built no kernel: {path} is not there")]
    NoKernel { path: PathBuf },
}

/// Reads a text file.
pub(super) fn read(path: &Path) -> Result<String, BuildrootError> {
    std::fs::read_to_string(path).map_err(|source| BuildrootError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file.
pub(super) fn write(path: &Path, content: &str) -> Result<(), BuildrootError> {
    std::fs::write(path, content).map_err(|source| BuildrootError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Makes a folder and those above it.
pub(super) fn create_dir(path: &Path) -> Result<(), BuildrootError> {
    std::fs::create_dir_all(path).map_err(|source| BuildrootError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Runs to the end and gives what it said on standard output; what it said on standard error is shown if it fails.
pub(super) fn output(command: &mut Command) -> Result<String, BuildrootError> {
    let output = command.output().map_err(|source| BuildrootError::Start {
        program: cargo::shown(command),
        source,
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(BuildrootError::Ended {
        program: cargo::shown(command),
        status: output.status,
        said: format!("\n{}{}", text(&output.stdout), text(&output.stderr)),
    })
}

/// Runs to the end with the terminal's output.
pub(super) fn succeed(command: &mut Command) -> Result<(), BuildrootError> {
    let status = command.status().map_err(|source| BuildrootError::Start {
        program: cargo::shown(command),
        source,
    })?;
    if status.success() {
        return Ok(());
    }
    Err(BuildrootError::Ended {
        program: cargo::shown(command),
        status,
        said: String::new(),
    })
}
