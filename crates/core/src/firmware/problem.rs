//! What a person reads when a version is not taken.

use cell_model::problem::Problem;
use cell_updates::boot_state::BootStateError;
use cell_updates::bundle::BundleError;
use cell_updates::install::InstallError;

pub(super) const NO_IMAGE: &str =
    "The daemon does not run from an image of its own; whoever installed it updates it.";
pub(super) const NO_KEYS: &str =
    "This image was made without keys, so nobody can vouch for an update.";

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

pub(super) fn nothing_there() -> Problem {
    Problem::conflict(
        "no_other_version",
        "There is no other version",
        "No version waits to be tried, and the other slot holds none to go back to.",
    )
}

/// What it means to the person who sent it.
pub(super) fn of(error: &InstallError) -> Problem {
    let (status, code, title, detail) = match error {
        InstallError::Bundle(error) => return of_bundle(error),
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
            "Send it again; what has arrived is kept.".to_owned(),
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

fn of_bundle(error: &BundleError) -> Problem {
    let (status, code, title) = match error {
        BundleError::NotOne => (400, "not_a_bundle", "This is no firmware bundle"),
        BundleError::LongHeader(_) | BundleError::Header(_) => {
            (400, "bundle_damaged", "The bundle is damaged")
        }
        BundleError::Untrusted(_) => (422, "bundle_not_trusted", "The bundle is not to be trusted"),
        BundleError::Manifest(_) => (422, "bundle_invalid", "The bundle was made wrong"),
        BundleError::Board { .. } => (422, "wrong_board", "The bundle is for another board"),
        BundleError::Expired(_) => (422, "bundle_expired", "The bundle is too old"),
        BundleError::NotNewer { .. } => (409, "not_newer", "The bundle is not newer"),
        BundleError::Schema { .. } => (
            409,
            "schema_too_new",
            "This version cannot read what is kept here",
        ),
    };
    let sentence = match error {
        BundleError::Untrusted(source) => format!("{error}: {source}"),
        _ => error.to_string(),
    };
    let mut letters = sentence.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>());
    let detail = format!(
        "{}{}. {UNCHANGED}",
        first.unwrap_or_default(),
        letters.as_str()
    );
    Problem::new(status, code, title, detail)
}
