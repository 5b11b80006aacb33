//! Until when somebody may come in: a helper for an afternoon, a guest for a summer.

use cell_model::Timestamp;
use cell_model::name::Username;
use serde::{Deserialize, Serialize};

use crate::account::Account;

/// The end of an account's access, as stored: beside the account, as [`crate::SecondFactor`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLimit {
    /// Whose access.
    pub username: Username,
    /// When that account was made: one of the same name that was made later has no limit of it.
    pub account_created_at: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

impl AccessLimit {
    /// The account's access ends then.
    pub fn new(account: &Account, until: Timestamp) -> Self {
        Self {
            username: account.username.clone(),
            account_created_at: account.created_at,
            until,
        }
    }

    /// Whether it is of this account, and not of one that had the name before.
    pub fn is_of(&self, account: &Account) -> bool {
        self.account_created_at == account.created_at && self.username == account.username
    }
}
