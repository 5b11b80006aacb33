//! An account as it is stored.

use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::name::Username;
use serde::{Deserialize, Serialize};

use crate::password::PasswordHash;

/// Somebody who may sign in. Stored under its user name; never part of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The name it signs in with.
    pub username: Username,
    /// What it may do.
    pub role: Role,
    /// What its password is checked against.
    pub password_hash: PasswordHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the password was last set.
    pub password_set_at: Timestamp,
    /// The password was set by somebody else and must be replaced at the next sign-in.
    #[serde(default)]
    pub must_change_password: bool,
}

impl Account {
    /// A new account whose owner chose the password.
    pub fn new(
        username: Username,
        role: Role,
        password_hash: PasswordHash,
        now: Timestamp,
    ) -> Self {
        Self {
            username,
            role,
            password_hash,
            created_at: now,
            password_set_at: now,
            must_change_password: false,
        }
    }

    /// Puts a new password in place. Sessions of the account are the caller's to end.
    pub fn set_password(&mut self, password_hash: PasswordHash, now: Timestamp) {
        self.password_hash = password_hash;
        self.password_set_at = now;
        self.must_change_password = false;
    }

    /// Puts in place a password that somebody else chose; it must be replaced at the next sign-in.
    pub fn reset_password(&mut self, password_hash: PasswordHash, now: Timestamp) {
        self.set_password(password_hash, now);
        self.must_change_password = true;
    }

    /// Who a request of this account is from.
    pub fn identity(&self) -> Identity {
        Identity::new(self.username.clone(), self.role)
    }
}

#[cfg(test)]
mod tests {
    use cell_model::secret::Secret;

    use super::*;
    use crate::password::hash_password;

    fn account() -> Account {
        let hash = hash_password(&Secret::new("correct horse".to_owned())).unwrap();
        Account::new(
            "Anna".parse().unwrap(),
            Role::Owner,
            hash,
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn account_survives_being_stored() {
        let account = account();
        let stored = serde_json::to_string(&account).unwrap();
        assert_eq!(serde_json::from_str::<Account>(&stored).unwrap(), account);
        assert!(stored.contains("\"role\":\"owner\""));
        assert!(stored.contains("$argon2id$"));
    }

    #[test]
    fn account_prints_without_its_hash() {
        assert!(!format!("{:?}", account()).contains("argon2"));
    }

    #[test]
    fn password_set_by_somebody_else_must_be_changed_until_the_owner_sets_one() {
        let mut account = account();
        let later = Timestamp::from_second(60).unwrap();
        let hash = account.password_hash.clone();
        account.reset_password(hash.clone(), later);
        assert!(account.must_change_password);
        assert_eq!(account.password_set_at, later);
        account.set_password(hash, later);
        assert!(!account.must_change_password);
        assert_eq!(account.created_at, Timestamp::UNIX_EPOCH);
    }
}
