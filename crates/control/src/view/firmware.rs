//! The system's versions: what runs, what was tried, what is on its way.

use cell_model::Timestamp;
use cell_model::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which version of the system runs, and what becomes of the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirmwareView {
    /// The running version, for people.
    pub version: String,
    /// Rises with every version; `null` where the daemon does not run from an image.
    pub sequence: Option<u64>,
    /// The board it is for.
    pub board: Option<String>,
    /// Why this box cannot be updated, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_updatable: Option<String>,
    /// Both slots, and which one counts; `null` where there are none.
    pub slots: Option<SlotsView>,
    /// What came of the last version that was tried.
    pub last_trial: Option<TrialView>,
    /// The version that is on its way into the other slot.
    pub update: UpdateView,
    /// A newer version that the channel has, if one was seen.
    pub available: Option<AvailableView>,
    /// When the channel was looked at last since the start, and what was wrong.
    pub checked: Option<CheckView>,
}

/// A newer version that the channel has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AvailableView {
    /// Which, for people.
    pub version: String,
    /// Its sequence number.
    pub sequence: u64,
    /// What has changed in it, as plain text.
    pub notes: String,
    /// Bytes of all of it; what is here already is not fetched.
    pub size: u64,
}

/// A look at the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckView {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Why nothing could be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The two places for a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotsView {
    /// What runs: `a` or `b`.
    pub running: String,
    /// What it was started for: `normal`, `trial` or `recovery`.
    pub mode: String,
    /// The committed one.
    pub primary: String,
    /// The one to fall back to; `null` while it holds nothing of use.
    pub other: Option<String>,
    /// The one on trial, pending or running.
    pub trial: Option<String>,
    /// Whether something else than the committed one runs, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialView {
    /// The slot that was tried.
    pub slot: String,
    /// Which version, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it passed.
    pub passed: bool,
    /// In a sentence.
    pub detail: String,
}

/// A version on its way into the other slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateView {
    /// How far it has come.
    pub state: UpdateState,
    /// Which version, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its sequence number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What has changed in it, as plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Bytes done of the present step.
    pub done: u64,
    /// Bytes of the present step.
    pub total: u64,
    /// Bytes that had to be fetched, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<u64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// How far a version has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// There is none.
    #[default]
    None,
    /// It is looked at which parts of it are here.
    Comparing,
    /// What is not is being fetched.
    Receiving,
    /// The other slot is being filled.
    Writing,
    /// What was written is read back.
    Verifying,
    /// It is tried at the next start.
    Ready,
    /// It runs, and has to prove itself.
    OnTrial,
    /// It could not be taken in.
    Failed,
}

impl UpdateState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Comparing,
        Self::Receiving,
        Self::Writing,
        Self::Verifying,
        Self::Ready,
        Self::OnTrial,
        Self::Failed,
    ];

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Comparing => "comparing",
            Self::Receiving => "receiving",
            Self::Writing => "writing",
            Self::Verifying => "verifying",
            Self::Ready => "ready",
            Self::OnTrial => "on_trial",
            Self::Failed => "failed",
        }
    }

    /// Whether something is being done right now.
    pub fn is_busy(self) -> bool {
        matches!(
            self,
            Self::Comparing | Self::Receiving | Self::Writing | Self::Verifying
        )
    }
}
