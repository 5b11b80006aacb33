//! Who may do what.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Username;
use crate::scope::Scope;

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
    /// What of that; `None`: all. Set for whoever shows a token.
    #[serde(default)]
    pub scopes: Option<BTreeSet<Scope>>,
}

impl Identity {
    /// Somebody who may do all that their role may.
    pub fn new(username: Username, role: Role) -> Self {
        Self {
            username,
            role,
            scopes: None,
        }
    }

    /// Whether they are let in to this; `None`: to what no token is good for.
    pub fn has_scope(&self, scope: Option<Scope>) -> bool {
        let granted = self.scopes.as_ref();
        granted.is_none_or(|granted| scope.is_some_and(|scope| scope.is_in(granted)))
    }
}
