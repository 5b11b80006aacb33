//! Invites: what is asked for, what is shown, and what whoever holds one sends.

use cell_model::Timestamp;
use cell_model::account::Role;
use cell_model::name::{CellName, Username};
use cell_model::secret::{Secret, exposed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An invite to make an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteForm {
    /// The name that the account will have.
    pub username: Username,
    /// What it will be able to do.
    pub role: Role,
    /// When its access will end by itself; never when not said.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub access_until: Option<Timestamp>,
    /// Seconds until the invite counts no more: a minute to 30 days; 7 days when not said.
    #[serde(default)]
    pub expires_in_s: Option<u32>,
}

/// An invite, without its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteView {
    /// To take it back by.
    pub id: String,
    /// The name that the account will have.
    pub username: Username,
    /// What it will be able to do.
    pub role: Role,
    /// When its access will end; `null`: never.
    #[schemars(with = "Option<String>")]
    pub access_until: Option<Timestamp>,
    /// Who has invited.
    pub invited_by: Username,
    /// When.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Until when the invite counts.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
}

/// An invite that was just made. Serialises with its code.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewInvite {
    /// It.
    pub invite: InviteView,
    /// What opens it, this once: 26 letters and digits.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    pub code: Secret<String>,
}

/// What whoever holds an invite is told before they accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvitedView {
    /// The box.
    pub cell_name: CellName,
    /// The name that the account will have.
    pub username: Username,
    /// What it will be able to do.
    pub role: Role,
    /// When its access will end; `null`: never.
    #[schemars(with = "Option<String>")]
    pub access_until: Option<Timestamp>,
    /// Who has invited.
    pub invited_by: Username,
}

/// An invite that is accepted. Serialises with its secrets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedInvite {
    /// Its code, as typed.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", length(min = 26, max = 64), extend("writeOnly" = true))]
    pub code: Secret<String>,
    /// The password that the account will have.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", length(min = 10, max = 1024), extend("writeOnly" = true))]
    pub password: Secret<String>,
}
