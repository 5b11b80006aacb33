//! What a person reads when a source is not taken.

use cell_catalogue::IndexError;
use cell_fetch::{FetchError, WholeError};
use cell_model::name::SourceName;
use cell_model::problem::{Problem, chain};
use cell_packages::SourceError;

use crate::firmware::{said, sentence};

/// Why a source is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Its server does not give what it should.
    #[error(transparent)]
    Fetch(#[from] WholeError),
    /// What it gave does not count.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The settings have it no more.
    #[error("the source was removed meanwhile")]
    Gone,
}

impl From<FetchError> for Refusal {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error.into())
    }
}

impl Refusal {
    /// A stable code, and what that means to whoever asked.
    pub(super) fn words(&self, is_known: bool) -> (&'static str, String) {
        let (code, advice) = match self {
            Self::Fetch(WholeError::Fetch(error)) => of_fetch(error),
            Self::Fetch(_) | Self::Gone => ("internal", "Try again; the log says more."),
            Self::Source(error) => of_source(error),
        };
        let stays = match is_known {
            true => "What was known of it stays.",
            false => "Nothing of it is offered.",
        };
        let detail = format!("{}. {advice} {stays}", sentence(&said(&chain(self))));
        (code, detail)
    }
}

fn of_fetch(error: &FetchError) -> (&'static str, &'static str) {
    match error {
        FetchError::Name(_) => (
            "source_unknown",
            "Look whether the box can resolve names, and whether the address is right.",
        ),
        FetchError::Unreachable(..) => (
            "source_unreachable",
            "Look whether the box is online; try again later.",
        ),
        FetchError::Untrusted(..) | FetchError::Authorities(_) => (
            "source_untrusted",
            "Look whether the address is right. A server of your own needs its authority beside it.",
        ),
        FetchError::Stalled(_) => ("source_too_slow", "Try again later."),
        FetchError::Redirected(_) => (
            "source_redirects",
            "If that is right, name that place as the source.",
        ),
        FetchError::Status(_) => (
            "source_refuses",
            "Look whether the address is that of a source of services.",
        ),
        FetchError::Cut => ("source_incomplete", "Try again."),
        FetchError::NoStick => ("no_stick", "Plug it in, then try again."),
        FetchError::NotOnStick(_) => (
            "not_on_stick",
            "Look whether it is the right stick (FAT or exFAT), and whether the folder is as the settings have it.",
        ),
        FetchError::StickUnreadable(_) => ("stick_unreadable", "Try another one."),
        FetchError::Replaced => ("source_replaced", "Try again."),
        FetchError::Garbage(..)
        | FetchError::WrongPart
        | FetchError::NoSize
        | FetchError::Unwanted => (
            "source_garbled",
            "Look whether the address is that of a source of services.",
        ),
    }
}

fn of_source(error: &SourceError) -> (&'static str, &'static str) {
    const PUBLISHER: &str = "Tell its publisher.";
    match error {
        SourceError::TooLarge(_) | SourceError::Manifests => ("catalogue_too_large", PUBLISHER),
        SourceError::Unreadable { .. } => (
            "catalogue_unreadable",
            "Try again; should that stay so, tell its publisher.",
        ),
        SourceError::Keys(_) => (
            "catalogue_keys",
            "Ask its publisher for their keys, by another way than this server.",
        ),
        SourceError::NotSigned(_) => (
            "catalogue_not_signed",
            "Compare the keys with those that its publisher hands out.",
        ),
        SourceError::Index(IndexError::Schema) => (
            "catalogue_too_new",
            "Until then, nothing newer of it is offered.",
        ),
        SourceError::Index(IndexError::RolledBack { .. }) => (
            "catalogue_rolled_back",
            "Somebody shows an old one: try again later, or tell its publisher.",
        ),
        SourceError::Index(IndexError::Services) => ("catalogue_invalid", PUBLISHER),
        SourceError::Expired(_) => (
            "catalogue_expired",
            "Look whether the box's clock is right; its publisher has to sign a new one.",
        ),
        SourceError::Altered(_) => (
            "manifest_altered",
            "Try again: the source may just be changing.",
        ),
        SourceError::Keep { .. } => ("disk_failed", "The disk is full or failing."),
    }
}

/// What there is to be said of a source that was taken.
pub(super) fn taken(unfit: usize) -> String {
    match unfit {
        0 => "It was taken.".to_owned(),
        1 => "It was taken; one service of it does not fit this version of the box.".to_owned(),
        unfit => {
            format!("It was taken; {unfit} services of it do not fit this version of the box.")
        }
    }
}

/// What there is to be said of a source that nobody has asked.
pub(super) fn unasked(is_known: bool) -> &'static str {
    match is_known {
        true => {
            "It was not asked since it was named or the box was started. What was known of it before counts."
        }
        false => "It was not asked yet. Nothing of it is offered.",
    }
}

/// Code and sentences of a source that was taken, and whose time is over since.
pub(super) fn over() -> (&'static str, &'static str) {
    (
        "catalogue_expired",
        "What was taken of it is too old by now. Ask it again: its publisher has to sign a new one from time to time. \
         Nothing of it is offered.",
    )
}

pub(super) fn running() -> Problem {
    Problem::conflict(
        "refresh_running",
        "The box is looking already",
        "Wait until all sources have answered.",
    )
}

pub(super) fn stranger(name: &str, source: &SourceName, owner: Option<&SourceName>) -> Problem {
    let owner = match owner {
        Some(owner) => format!("the source {owner}"),
        None => "the box's image".to_owned(),
    };
    Problem::conflict(
        "service_of_another_source",
        "The service is somebody else's",
        format!(
            "What there is of {name} came from {owner}, and what is offered now comes from the source {source}, which \
             would get at it. Remove it with its data first, if that is what you want."
        ),
    )
}
