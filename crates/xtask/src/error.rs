//! What ends a command early.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;

use cell_testkit::celld::CelldError;
use cell_testkit::namespace::NamespaceError;
use cell_testkit::world::WorldError;
use thiserror::Error as ThisError;

use crate::bench::BenchError;
use crate::buildroot::BuildrootError;

/// A command's failure, for the person who typed it.
#[derive(Debug, ThisError)]
pub(crate) enum XtaskError {
    #[error("cannot start `{program}`")]
    Start { program: String, source: io::Error },
    #[error("`{program}` ended with {status}")]
    Ended { program: String, status: ExitStatus },
    #[error("`cargo metadata` answered with something other than JSON")]
    Metadata(#[source] serde_json::Error),
    #[error(
        "network namespaces need root, and this is not root; run:\n    sudo -E env PATH=\"$PATH\" cargo xtask {command}"
    )]
    NotRoot { command: &'static str },
    #[error("missing programs; install these packages as root, then try again:\n    {packages}")]
    Missing { packages: String },
    #[error("cannot build the world")]
    World(#[from] WorldError),
    #[error("cannot look into a namespace")]
    Namespace(#[from] NamespaceError),
    #[error("the daemon does not run")]
    Celld(#[from] CelldError),
    #[error("cannot listen on {address}; is another `cargo xtask run` up?")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "these are a developer's keys, and boxes of others must not trust them; make some with\n    cargo xtask bundle new-keys DIR\nand name them with --keys DIR"
    )]
    DevelopmentKeys,
    #[error("cannot catch signals")]
    Signals(#[source] io::Error),
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("the daemon ended by itself or never answered; its log is above")]
    DaemonEnded,
    #[error("the device is not written")]
    Flash(#[from] crate::flash::FlashError),
    #[error("the machine does not run")]
    Machine(#[from] cell_testkit::vm::MachineError),
    #[error("the machine ended or its admin page never answered; what it said is above")]
    NoAnswer,
    #[error("no board is for this kind of machine; see docs/adding-a-board.md")]
    NoBoard,
    #[error("no slow test has `{set}` in its name")]
    NoTest { set: String },
    #[error("no bench `{name}`; there are: {available}")]
    NoBench { name: String, available: String },
    #[error("no target `{name}`; there are: {available}")]
    NoFuzzTarget { name: String, available: String },
    #[error("cannot keep in {folder} what is found")]
    Fuzz { folder: PathBuf, source: io::Error },
    #[error("the image cannot be made")]
    Image(#[from] cell_os::OsError),
    #[error("the same inputs gave another image: SHA-256 {first}, then {second}")]
    NotReproduced { first: String, second: String },
    #[error("{option} is for images on the Debian base; leave it out, or --base buildroot")]
    DebianOnly { option: &'static str },
    #[error("the Buildroot base")]
    Buildroot(#[from] BuildrootError),
    #[error("cannot sign {path}, or use that key")]
    Sign {
        path: PathBuf,
        source: minisign::PError,
    },
    #[error("the bench came to no figure")]
    Bench(#[from] BenchError),
}

/// An error and all its causes in one line each.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("\n  because: {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_shown() {
        let source = io::Error::other("no such file");
        let error = XtaskError::Start {
            program: "nft".into(),
            source,
        };
        assert_eq!(chain(&error), "cannot start `nft`\n  because: no such file");
    }
}
