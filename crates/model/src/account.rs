//! Who may do what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Username;

/// What an account may do. Ordered: a later role may do all that an earlier one may on the admin side.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person of the household: own devices and services only (PIC's role "peer").
    Member,
    /// Reads all, changes little.
    Helper,
    /// Runs the box.
    Admin,
    /// Owns the box: everything.
    Owner,
}

impl Role {
    /// The word shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Helper => "helper",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// Who is asking, as the core has established it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The account.
    pub username: Username,
    /// What it may do.
    pub role: Role,
}
