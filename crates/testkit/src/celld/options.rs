//! What to start, and how.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::CelldError;

/// How to start a daemon.
#[derive(Debug, Clone, Default)]
pub struct CelldOptions {
    /// The binary; none: found as the module says.
    pub binary: Option<PathBuf>,
    /// The address of the admin page; none: the daemon's default.
    pub admin: Option<SocketAddr>,
    /// More arguments, behind all others.
    pub arguments: Vec<String>,
    /// Environment variables to add.
    pub environment: Vec<(String, String)>,
    /// The podman that it may run containers with; none: it runs none.
    pub containers: Option<ContainerOptions>,
    /// The state directory of an earlier daemon, kept by its owner; none: a new, empty one.
    pub state_dir: Option<PathBuf>,
}

/// What containers are run with.
#[derive(Debug, Clone)]
pub struct ContainerOptions {
    /// The socket of podman's API.
    pub podman: PathBuf,
    /// Where it has volumes.
    pub volumes: PathBuf,
    /// Where it writes what containers say.
    pub logs: PathBuf,
    /// A package folder: services that can be installed.
    pub packages: PathBuf,
}

/// `CELLD`, or `celld` in the nearest folder above the running program that has one.
pub(super) fn find_binary() -> Result<PathBuf, CelldError> {
    if let Some(named) = std::env::var_os("CELLD") {
        return Ok(named.into());
    }
    let beside = std::env::current_exe().unwrap_or_default();
    // target/<profile>/deps/<test>, target/<profile>/<program>
    let found = beside
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("celld"))
        .find(|path| path.is_file());
    found.ok_or(CelldError::NoBinary { beside })
}
