//! Passkeys: what a browser is told, and what it sends back (W3C Web Authentication, Level 3).

use cell_model::base64url::Base64Url;
use cell_model::name::{DeviceLabel, Username};
use cell_model::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a browser needs to have a passkey made; good for five minutes, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedPasskey {
    /// What is to be answered.
    pub challenge: Base64Url,
    /// The name of the box that it will be for: pages of other names cannot use it.
    pub relying_party: String,
    /// What the box is called.
    pub cell_name: String,
    /// What the authenticator knows the account by.
    pub user_handle: Base64Url,
    /// What people know it by.
    pub username: Username,
    /// Kinds of key that are taken, by their numbers in COSE, the most wanted first.
    pub algorithms: Vec<i32>,
    /// Passkeys that the account has: an authenticator that has one of them makes no other.
    pub exclude: Vec<Base64Url>,
}

/// What a browser needs to have a passkey used; good for five minutes, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PasskeyChallenge {
    /// What is to be answered.
    pub challenge: Base64Url,
    /// The name of the box.
    pub relying_party: String,
}

/// A passkey that a browser had made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyForm {
    /// What its owner calls it.
    pub label: DeviceLabel,
    /// `rawId` of what `navigator.credentials.create` gave.
    pub credential_id: Base64Url,
    /// Its `response.clientDataJSON`.
    pub client_data: Base64Url,
    /// Its `response.getAuthenticatorData()`.
    pub authenticator_data: Base64Url,
    /// Its `response.getPublicKey()`.
    pub public_key: Base64Url,
}

/// A passkey that a browser had used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsedPasskey {
    /// `rawId` of what `navigator.credentials.get` gave.
    pub credential_id: Base64Url,
    /// Its `response.clientDataJSON`.
    pub client_data: Base64Url,
    /// Its `response.authenticatorData`.
    pub authenticator_data: Base64Url,
    /// Its `response.signature`.
    pub signature: Base64Url,
    /// Its `response.userHandle`.
    pub user_handle: Base64Url,
}

/// A passkey, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PasskeyView {
    /// To remove it by.
    pub id: String,
    /// Whose it is.
    pub username: Username,
    /// What its owner calls it.
    pub label: DeviceLabel,
    /// The name of the box that it is for.
    pub relying_party: String,
    /// Whether the box has that name now: otherwise it opens nothing.
    pub usable: bool,
    /// Whether its owner's other devices may have it too.
    pub synced: bool,
    /// When it was added.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// The day (UTC) of its last use; `null`: never.
    #[schemars(with = "Option<String>")]
    pub last_used: Option<Date>,
}
