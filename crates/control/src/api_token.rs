//! Tokens of the interface: what is asked for, and what is shown.

use std::collections::BTreeSet;

use cell_model::name::{DeviceLabel, Username};
use cell_model::scope::Scope;
use cell_model::secret::{Secret, exposed};
use cell_model::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A new token for oneself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenForm {
    /// What it is for.
    pub label: DeviceLabel,
    /// What it is good for, as far as your role reaches. Writing takes in reading.
    #[schemars(length(min = 1))]
    pub scopes: BTreeSet<Scope>,
    /// When it ends by itself; never when not said.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiTokenView {
    /// To remove it by.
    pub id: String,
    /// On whose behalf it acts.
    pub username: Username,
    /// What it is for.
    pub label: DeviceLabel,
    /// What it is good for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// When it ends by itself; `null`: never.
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// The day (UTC) of its last use; `null`: never.
    #[schemars(with = "Option<String>")]
    pub last_used: Option<Date>,
}

/// A token that was just made. Serialises with its secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewApiToken {
    /// It.
    pub api_token: ApiTokenView,
    /// What programs send as `Authorization: Bearer`, this once.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    pub secret: Secret<String>,
}
