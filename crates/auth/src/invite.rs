//! Invites: whoever holds one makes an account, with a password nobody else knows.

use cell_model::Timestamp;
use cell_model::account::Role;
use cell_model::name::Username;
use serde::{Deserialize, Serialize};

use crate::random::RandomError;
use crate::record_id::RecordId;
use crate::token::TokenHash;
use crate::typed_secret::TypedSecret;

/// An invite, as stored: without its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// Its name in lists.
    pub id: RecordId,
    /// What its code hashes to.
    pub code_hash: TokenHash,
    /// The name the account will have.
    pub username: Username,
    /// What it will be able to do.
    pub role: Role,
    /// When its access will end; `None`: it will not.
    #[serde(default)]
    pub access_until: Option<Timestamp>,
    /// Who has invited.
    pub invited_by: Username,
    /// When.
    pub created_at: Timestamp,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

impl Invite {
    /// Invites that may be out at a time, so that a program that goes on making some does not fill the disk.
    pub const MAX: usize = 64;

    /// A new one, and the code that is shown this once.
    pub fn generate(
        username: Username,
        role: Role,
        invited_by: Username,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(Self, TypedSecret), RandomError> {
        let code = TypedSecret::generate()?;
        let invite = Self {
            id: RecordId::generate()?,
            code_hash: code.hash(),
            username,
            role,
            access_until: None,
            invited_by,
            created_at: now,
            expires_at,
        };
        Ok((invite, code))
    }

    /// Whether it counts no more: its time is over, or that of the access it would give.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at <= now || self.access_until.is_some_and(|until| until <= now)
    }

    /// Whether this is its code. Found by its SHA-256: the time it takes tells nothing.
    pub fn has_code(&self, typed: &str) -> bool {
        TypedSecret::read(typed).is_some_and(|code| code.hash() == self.code_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invite_is_known_by_its_code_until_it_is_over() {
        let name = |name: &str| name.parse::<Username>().unwrap();
        let (now, then) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        let made = Invite::generate(name("ben"), Role::Member, name("anna"), now, then);
        let (invite, code) = made.unwrap();
        let code = code.expose_text();
        assert!(invite.has_code(&code.expose().to_uppercase()));
        assert!(!invite.has_code("") && !invite.has_code(&"0".repeat(26)));
        assert!(!invite.is_over(now) && invite.is_over(then));
        let stored = serde_json::to_string(&invite).unwrap();
        assert!(!stored.contains(code.expose().as_str()));
        assert_eq!(serde_json::from_str::<Invite>(&stored).unwrap(), invite);
    }
}
