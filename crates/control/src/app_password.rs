//! App passwords: what is asked for, what is shown, and the question that services let in by.

use std::collections::BTreeSet;

use cell_model::name::{DeviceLabel, ServiceId, Username};
use cell_model::secret::{Secret, exposed};
use cell_model::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A new app password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppPasswordForm {
    /// Whose; your own when not said.
    #[serde(default)]
    pub username: Option<Username>,
    /// The device it is for.
    pub device: DeviceLabel,
    /// The services it opens; all that the account may use when not said.
    #[serde(default)]
    pub services: Option<BTreeSet<ServiceId>>,
}

/// Name and app password as a client sends them to a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceSignIn {
    /// The service.
    pub service: ServiceId,
    /// The account, as typed.
    pub username: String,
    /// The app password, as typed.
    #[serde(serialize_with = "exposed")]
    pub password: Secret<String>,
}

/// An app password, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppPasswordView {
    /// To remove it by.
    pub id: String,
    /// Whose it is.
    pub username: Username,
    /// The device it is for.
    pub device: DeviceLabel,
    /// The services it opens; `null`: all that the account may use.
    pub services: Option<BTreeSet<ServiceId>>,
    /// When it was made.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// The day (UTC) of its last use; `null`: never.
    #[schemars(with = "Option<String>")]
    pub last_used: Option<Date>,
}

/// An app password that was just made. Serialises with its secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewAppPassword {
    /// It.
    pub app_password: AppPasswordView,
    /// What to type into the device, this once: 26 letters and digits. Hyphens and spaces between them do not matter.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    pub password: Secret<String>,
}
