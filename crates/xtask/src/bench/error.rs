//! What keeps a bench from measuring.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cell_model::name::{CellName, PeerName};
use cell_model::problem::Problem;
use cell_signed::SignedError;
use cell_store::StoreError;
use cell_testkit::podman::PodmanError;
use cell_testkit::wireguard::WgClientError;
use cell_updates::install::InstallError;
use thiserror::Error;

/// A bench that came to no figure.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    #[error("cannot make a folder for the daemon's state")]
    Folder(#[source] io::Error),
    #[error("cannot start a runtime for the control protocol")]
    Runtime(#[source] io::Error),
    #[error("cannot connect to {path}")]
    Connect { path: PathBuf, source: io::Error },
    #[error("the daemon refused to {asked}")]
    Refused {
        asked: &'static str,
        source: Box<Problem>,
    },
    #[error("the daemon answered a sign-in with something other than a session")]
    NoSession,
    #[error("the daemon answered with something other than an app password")]
    NoAppPassword,
    #[error("podman does not run")]
    Podman(#[from] PodmanError),
    #[error("{host} does not answer as it should within {limit:?}; curl says {said:?}")]
    NoAnswer {
        host: &'static str,
        limit: Duration,
        said: String,
    },
    #[error("no container {0} runs")]
    NoContainer(String),
    #[error("no volume {0} is there")]
    NoVolume(String),
    #[error("cannot start mail that is installed plainly")]
    Plain(#[source] io::Error),
    #[error("mail is not taken")]
    Mail(#[source] io::Error),
    #[error("{wanted} messages were taken, of which {delivered} came to {mailbox}")]
    Undelivered {
        delivered: usize,
        wanted: usize,
        mailbox: PathBuf,
    },
    #[error("cannot run wrk")]
    Wrk(#[source] io::Error),
    #[error("wrk measured nothing that counts at {url}:\n{said}")]
    Load { url: String, said: String },
    #[error("cannot use the store of the stopped daemon")]
    Store(#[from] StoreError),
    #[error("cannot write the document of a device or a link")]
    Document(#[source] serde_json::Error),
    #[error("{device} was to be {wanted} and is not, though the call has returned")]
    NotApplied {
        device: PeerName,
        wanted: &'static str,
    },
    #[error("the daemon answered with something other than an invite")]
    NoInvite,
    #[error("cannot make the key of a cell")]
    Identity(#[source] SignedError),
    #[error("{cell} was to be {wanted} within {limit:?}, and is not")]
    NoLink {
        cell: &'static str,
        wanted: &'static str,
        limit: Duration,
    },
    #[error("cannot make what is measured in")]
    Lab(#[source] io::Error),
    #[error("cannot start {program}")]
    Start {
        program: &'static str,
        source: io::Error,
    },
    #[error("{program} was not seen to work")]
    NoProgram { program: &'static str },
    #[error("cannot connect a device")]
    Client(#[source] WgClientError),
    #[error("cannot run ping")]
    Ping(#[source] io::Error),
    #[error("cannot run nft")]
    Nft(#[source] io::Error),
    #[error(
        "the link with {cell} was to be {wanted} in the VPN interface and the packet filter, and is not"
    )]
    NotFollowed {
        cell: CellName,
        wanted: &'static str,
    },
    #[error("the box answered {0:?} when it was asked for a figure")]
    NoFigure(String),
    #[error("{path} does not hold what the bench changes in it: {text}")]
    NothingToChange { path: PathBuf, text: &'static str },
    #[error("a bundle that was just made is not taken")]
    Install(#[from] InstallError),
    #[error("cannot run curl")]
    Curl(#[source] io::Error),
    #[error("asked for {asked} pages on one connection, but curl said:\n{said}")]
    Pages { asked: usize, said: String },
}
