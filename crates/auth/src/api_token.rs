//! Tokens: programs that use the interface on somebody's behalf, for what the tokens are good for and no more.

use std::collections::{BTreeSet, HashMap};

use cell_model::name::{DeviceLabel, Username};
use cell_model::scope::Scope;
use cell_model::secret::Secret;
use cell_model::{Date, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::random::RandomError;
use crate::record_id::RecordId;
use crate::token::TokenHash;
use crate::typed_secret::TypedSecret;

/// What every token starts with, so that people and scanners for lost secrets know one when they see it.
const PREFIX: &str = "cell_";

/// A token, as stored: without its secret. It names the account and not its role, so that a changed role counts at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiToken {
    /// Its name in lists.
    pub id: RecordId,
    /// What it hashes to.
    pub secret_hash: TokenHash,
    /// On whose behalf.
    pub username: Username,
    /// When that account was made: one of the same name that was made later has none of its tokens.
    pub account_created_at: Timestamp,
    /// What it is for, in words of whoever made it.
    pub label: DeviceLabel,
    /// What it is good for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it counts; `None`: until it is removed.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// The day (UTC) of its last use; the stored value may be up to an hour behind.
    #[serde(default)]
    pub last_used: Option<Date>,
}

/// The tokens in force, by what they hash to.
#[derive(Debug, Default)]
pub struct ApiTokenTable {
    tokens: HashMap<TokenHash, Entry>,
}

#[derive(Debug)]
struct Entry {
    token: ApiToken,
    /// Its day of last use is not in the store yet.
    unsaved: bool,
}

impl ApiToken {
    /// A new one, and its text, which is shown this once.
    pub fn generate(
        account: &Account,
        label: DeviceLabel,
        scopes: BTreeSet<Scope>,
        now: Timestamp,
    ) -> Result<(Self, Secret<String>), RandomError> {
        let secret = TypedSecret::generate()?;
        let token = Self {
            id: RecordId::generate()?,
            secret_hash: secret.hash(),
            username: account.username.clone(),
            account_created_at: account.created_at,
            label,
            scopes,
            created_at: now,
            expires_at: None,
            last_used: None,
        };
        let text = format!("{PREFIX}{}", secret.expose_text().expose());
        Ok((token, Secret::new(text)))
    }

    /// Whether it is of this account, and not of one that had the name before.
    pub fn is_of(&self, account: &Account) -> bool {
        self.account_created_at == account.created_at && self.username == account.username
    }

    /// Whether it counts no more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }
}

impl ApiTokenTable {
    /// Tokens of one account: more than a person has programs, few enough to look through.
    pub const MAX_PER_ACCOUNT: usize = 32;

    /// The table of stored tokens.
    pub fn from_stored(tokens: impl IntoIterator<Item = ApiToken>) -> Self {
        let mut table = Self::default();
        for token in tokens {
            table.insert(token);
        }
        table
    }

    /// Whether the account may have one more.
    pub fn has_room(&self, username: &Username) -> bool {
        self.of_account(username).count() < Self::MAX_PER_ACCOUNT
    }

    /// Adds one.
    pub fn insert(&mut self, token: ApiToken) {
        let unsaved = false;
        self.tokens
            .insert(token.secret_hash, Entry { token, unsaved });
    }

    /// The token with this text, unless it is over; noted as used. Found by its SHA-256: see
    /// [`crate::AppPasswordTable::check`].
    pub fn touch(&mut self, text: &str, now: Timestamp, today: Date) -> Option<&ApiToken> {
        let secret = TypedSecret::read(text.strip_prefix(PREFIX)?)?;
        let entry = self.tokens.get_mut(&secret.hash())?;
        if entry.token.is_over(now) {
            return None;
        }
        // A clock that was put back does not make the last use earlier.
        if entry.token.last_used < Some(today) {
            entry.token.last_used = Some(today);
            entry.unsaved = true;
        }
        Some(&entry.token)
    }

    /// Those whose day of last use has changed since they were stored; they count as stored from then on.
    #[must_use = "their records are to be written"]
    pub fn take_unsaved(&mut self) -> Vec<ApiToken> {
        let unsaved = self.tokens.values_mut().filter(|entry| entry.unsaved);
        unsaved
            .map(|entry| {
                entry.unsaved = false;
                entry.token.clone()
            })
            .collect()
    }

    /// Those of an account, in no order.
    pub fn of_account(&self, username: &Username) -> impl Iterator<Item = &ApiToken> {
        let tokens = self.tokens.values().map(|entry| &entry.token);
        tokens.filter(move |token| token.username == *username)
    }

    /// The one whose id this is.
    pub fn get(&self, id: &str) -> Option<&ApiToken> {
        let id: RecordId = id.parse().ok()?;
        let mut tokens = self.tokens.values().map(|entry| &entry.token);
        tokens.find(|token| token.id == id)
    }

    /// Ends one.
    pub fn remove(&mut self, id: RecordId) {
        self.tokens.retain(|_, entry| entry.token.id != id);
    }
}

#[cfg(test)]
mod tests {
    use cell_model::account::Role;
    use cell_model::scope::Area;

    use super::*;
    use crate::password::hash_password;

    fn made(expires_at: Option<Timestamp>) -> (ApiTokenTable, ApiToken, String) {
        let scopes = BTreeSet::from([Area::Peers.read()]);
        let hash = hash_password(&Secret::new("correct horse".to_owned())).unwrap();
        let (now, name) = (Timestamp::UNIX_EPOCH, "anna".parse().unwrap());
        let anna = Account::new(name, Role::Owner, hash, now);
        let made = ApiToken::generate(&anna, "backup".parse().unwrap(), scopes, now);
        let (token, text) = made.unwrap();
        let token = ApiToken {
            expires_at,
            ..token
        };
        let table = ApiTokenTable::from_stored([token.clone()]);
        (table, token, text.expose().clone())
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    const TODAY: Date = Date::constant(2026, 11, 27);

    #[test]
    fn token_is_found_by_its_whole_text() {
        let (mut table, token, text) = made(None);
        assert!(text.starts_with("cell_") && text.len() == 31);
        let found = table.touch(&text, second(1), TODAY).unwrap();
        assert_eq!(found.id, token.id);
        for bad in ["", "cell_", &text[5..], &text[..30]] {
            assert!(table.touch(bad, second(1), TODAY).is_none(), "{bad}");
        }
        table.remove(token.id);
        assert!(table.touch(&text, second(1), TODAY).is_none());
    }

    #[test]
    fn token_ends_when_its_time_is_over() {
        let (mut table, _, text) = made(Some(second(60)));
        assert!(table.touch(&text, second(59), TODAY).is_some());
        assert!(table.touch(&text, second(60), TODAY).is_none());
    }

    #[test]
    fn use_is_to_be_stored_once_a_day() {
        let (mut table, _, text) = made(None);
        for _ in 0..2 {
            table.touch(&text, second(1), TODAY);
        }
        let unsaved = table.take_unsaved();
        assert_eq!(unsaved.len(), 1);
        assert_eq!(unsaved[0].last_used, Some(TODAY));
        table.touch(&text, second(2), TODAY);
        assert!(table.take_unsaved().is_empty());
    }

    #[test]
    fn stored_form_holds_the_hash_alone() {
        let (_, token, text) = made(None);
        let stored = serde_json::to_string(&token).unwrap();
        assert!(!stored.contains(&text[5..]));
        assert!(stored.contains("\"peers:read\""));
        assert_eq!(serde_json::from_str::<ApiToken>(&stored).unwrap(), token);
    }
}
