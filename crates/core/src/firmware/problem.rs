//! What a person reads when a version is not taken.

use cell_fetch::{FetchError, LinkError};
use cell_model::problem::Problem;
use cell_updates::boot_state::BootStateError;
use cell_updates::bundle::BundleError;
use cell_updates::install::{InstallError, StickError};

use super::job::{Cancelled, Origin};

pub(super) const NO_IMAGE: &str =
    "The daemon does not run from an image of its own; whoever installed it updates it.";
pub(super) const NO_KEYS: &str =
    "This image was made without keys, so nobody can vouch for an update.";

/// Characters of a reason that somebody else had a hand in.
const LONGEST_REASON: usize = 400;
const UNCHANGED: &str = "Nothing was changed.";

pub(super) fn not_updatable(why: &'static str) -> Problem {
    Problem::conflict("not_updatable", "This box cannot be updated", why)
}

pub(super) fn busy() -> Problem {
    Problem::conflict(
        "update_running",
        "Another version is on its way",
        "Wait until it is there, or has failed.",
    )
}

pub(super) fn trial_running() -> Problem {
    Problem::conflict(
        "trial_running",
        "A new version is on trial",
        "Should it not prove itself, the box goes back to the one before, and what is changed now would be lost. \
         Try again in a few minutes.",
    )
}

pub(super) fn looking() -> Problem {
    Problem::conflict(
        "check_running",
        "The box is looking already",
        "Wait until it has found out whether there is a new version.",
    )
}

pub(super) fn no_source() -> Problem {
    Problem::conflict(
        "no_source",
        "The box has nowhere to look",
        "Name the server that has new versions in the settings of updates, or send a bundle.",
    )
}

pub(super) fn is_cancelled(error: &InstallError) -> bool {
    matches!(error, InstallError::Source(error) if cause::<Cancelled>(error).is_some())
}

/// What lies behind an error of a source.
fn cause<T: std::error::Error + 'static>(error: &std::io::Error) -> Option<&T> {
    error.get_ref()?.downcast_ref()
}

pub(super) fn nothing_there() -> Problem {
    Problem::conflict(
        "no_other_version",
        "There is no other version",
        "No version waits to be tried, and the other slot holds none to go back to.",
    )
}

/// What it means to the person who waits for it. Whoever asked for it has asked well: what is wrong with the bundle is the
/// server's or the stick's.
pub(super) fn from(origin: Origin, error: &InstallError) -> Problem {
    let mut problem = of(error);
    if matches!(problem.status, 400 | 408) {
        match origin {
            Origin::Sender => {}
            Origin::Stick => problem.status = 422,
            Origin::Channel(_) => problem.status = 502,
        }
    }
    problem
}

/// What it means to the person who sent it.
pub(super) fn of(error: &InstallError) -> Problem {
    if let InstallError::Source(source) = error {
        if let Some(error) = cause::<FetchError>(source) {
            return of_fetch(error);
        }
        if let Some(error) = cause::<StickError>(source) {
            return of_stick(error);
        }
        if cause::<LinkError>(source).is_some() {
            return Problem::internal();
        }
    }
    let (status, code, title, detail) = match error {
        InstallError::Bundle(error) => return of_bundle(error),
        InstallError::Source(error) if cause::<Cancelled>(error).is_some() => (
            409,
            "cancelled",
            "The bundle is not wanted any more",
            format!("Somebody has dropped it. {UNCHANGED}"),
        ),
        InstallError::Cut => (
            400,
            "bundle_incomplete",
            "The bundle is not complete",
            "It ends too early. Fetch it again; what has arrived is kept.".to_owned(),
        ),
        InstallError::TooLong => (
            400,
            "bundle_too_long",
            "This is more than a bundle",
            "Something follows its end. Fetch it again.".to_owned(),
        ),
        InstallError::Damaged(at) => (
            400,
            "bundle_damaged",
            "The bundle is damaged",
            format!("What is at byte {at} was changed on the way. Fetch it again."),
        ),
        InstallError::Source(error) if error.kind() == std::io::ErrorKind::TimedOut => (
            408,
            "bundle_too_slow",
            "The bundle stopped coming",
            "Send it again; what has arrived is kept.".to_owned(),
        ),
        InstallError::Source(_) => (
            400,
            "bundle_broken_off",
            "The bundle cannot be read any further",
            "Look whether it is still there, then try again; what has arrived is kept.".to_owned(),
        ),
        InstallError::Room { needed, free } => (
            503,
            "disk_full",
            "There is no room for the bundle",
            format!(
                "{} MB are needed on the data partition, and {} MB are free. Remove something.",
                needed / 1_000_000,
                free / 1_000_000
            ),
        ),
        InstallError::BootState(BootStateError::TrialRunning(_)) => return trial_running(),
        InstallError::Staging { .. } | InstallError::Lost | InstallError::BootState(_) => {
            return Problem::internal();
        }
        InstallError::Partition { .. } | InstallError::NotWritten(_) => (
            500,
            "slot_failed",
            "The other slot cannot be written",
            "The disk is failing. The running system stays as it is; make a backup.".to_owned(),
        ),
        InstallError::RootHash => (
            422,
            "bundle_invalid",
            "The bundle was made wrong",
            "Its root would not start. The running system stays as it is.".to_owned(),
        ),
    };
    Problem::new(status, code, title, detail)
}

fn of_stick(error: &StickError) -> Problem {
    let (code, title, detail) = match error {
        StickError::NoStick => (
            "no_stick",
            "There is no USB stick",
            "Plug one in that has the bundle in its first folder, then try again.".to_owned(),
        ),
        StickError::NoFile(name) => (
            "no_bundle_on_stick",
            "There is no bundle for this box on the stick",
            format!("Put the file {name} into its first folder (FAT or exFAT), then try again."),
        ),
        StickError::Unreadable { device, .. } => (
            "stick_unreadable",
            "The USB stick cannot be read",
            format!(
                "{} does not answer as it should. Try another one.",
                device.display()
            ),
        ),
    };
    Problem::conflict(code, title, detail)
}

/// The box is well; the server, or the way to it, is not.
fn of_fetch(error: &FetchError) -> Problem {
    let (code, title, advice) = match error {
        FetchError::Name(_) => (
            "source_unknown",
            "The server of new versions is not found",
            "Look whether the box can resolve names, and whether the address is right.",
        ),
        FetchError::Unreachable(..) => (
            "source_unreachable",
            "The server of new versions cannot be reached",
            "Look whether the box is online; try again later.",
        ),
        FetchError::Untrusted(..) | FetchError::Authorities(_) => (
            "source_untrusted",
            "The server of new versions does not prove who it is",
            "Look whether the address is right. A server of your own needs its authority in the settings of updates.",
        ),
        FetchError::Stalled(_) => (
            "bundle_too_slow",
            "The server of new versions is too slow",
            "Try again later; what has arrived is kept.",
        ),
        FetchError::Redirected(_) => (
            "source_redirects",
            "The server of new versions sends elsewhere",
            "If that is right, name that place in the settings of updates.",
        ),
        FetchError::Status(_) => (
            "source_refuses",
            "The server of new versions does not give the bundle",
            "Look whether it has one for this box in this channel.",
        ),
        FetchError::Replaced => (
            "bundle_replaced",
            "The bundle was replaced while it was fetched",
            "Try again.",
        ),
        FetchError::Cut => (
            "bundle_incomplete",
            "The bundle is not complete",
            "Try again; what has arrived is kept.",
        ),
        FetchError::Garbage(..)
        | FetchError::WrongPart
        | FetchError::NoSize
        // Bundles on sticks are not fetched.
        | FetchError::NoStick
        | FetchError::NotOnStick(_)
        | FetchError::StickUnreadable(_)
        | FetchError::Unwanted => (
            "source_garbled",
            "The server of new versions is not understood",
            "Look whether the address is that of a server of new versions.",
        ),
    };
    let text = said(&error.to_string());
    let detail = format!("{}. {advice} {UNCHANGED}", sentence(&text));
    Problem::new(502, code, title, detail)
}

/// What somebody else had a hand in, as far as it is shown.
pub(crate) fn said(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(LONGEST_REASON).collect()
}

/// It begins as one.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

fn of_bundle(error: &BundleError) -> Problem {
    let (status, code, title) = match error {
        BundleError::NotOne => (400, "not_a_bundle", "This is no firmware bundle"),
        BundleError::LongHeader(_) | BundleError::Header(_) => {
            (400, "bundle_damaged", "The bundle is damaged")
        }
        BundleError::Untrusted(_) => (422, "bundle_not_trusted", "The bundle is not to be trusted"),
        BundleError::Manifest(_) => (422, "bundle_invalid", "The bundle was made wrong"),
        BundleError::Board { .. } => (422, "wrong_board", "The bundle is for another board"),
        BundleError::Channel(_) => (422, "wrong_channel", "The bundle is for another channel"),
        BundleError::Expired(_) => (422, "bundle_expired", "The bundle is too old"),
        BundleError::NotNewer { .. } => (409, "not_newer", "The bundle is not newer"),
        BundleError::Schema { .. } => (
            409,
            "schema_too_new",
            "This version cannot read what is kept here",
        ),
    };
    let text = match error {
        BundleError::Untrusted(source) => format!("{error}: {source}"),
        _ => error.to_string(),
    };
    let detail = format!("{}. {UNCHANGED}", sentence(&text));
    Problem::new(status, code, title, detail)
}
