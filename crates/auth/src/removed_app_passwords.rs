//! App passwords that were removed, for a while: a device that goes on with one is refused, and is no guesser.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cell_model::Date;
use cell_model::name::Username;
use serde::{Deserialize, Serialize};

use crate::app_password::AppPassword;
use crate::record_id::RecordId;
use crate::token::TokenHash;
use crate::typed_secret::TypedSecret;

/// How long one is known: by then whoever has the device has seen that it syncs no more.
const DAYS: i32 = 30;

/// What is left of an app password that was removed, as stored. It opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovedAppPassword {
    /// Its name.
    pub id: RecordId,
    /// Whose it was.
    pub username: Username,
    /// What its secret hashes to.
    pub secret_hash: TokenHash,
    /// The day (UTC) it was removed.
    pub removed_on: Date,
}

/// Those that are still known, in memory. The caller keeps a stored copy.
#[derive(Debug, Default)]
pub struct RemovedAppPasswords {
    known: HashMap<TokenHash, RemovedAppPassword>,
}

/// What becomes of them with a removal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// To be kept from now on.
    pub kept: Vec<RemovedAppPassword>,
    /// To be forgotten.
    pub forgotten: BTreeSet<RecordId>,
}

impl RemovedAppPasswords {
    /// Of one account, the last ones: as many as it may have in force.
    pub const MAX_PER_ACCOUNT: usize = 64;

    /// Those that were stored.
    pub fn from_stored(removed: impl IntoIterator<Item = RemovedAppPassword>) -> Self {
        let known = removed.into_iter();
        Self {
            known: known
                .map(|removed| (removed.secret_hash, removed))
                .collect(),
        }
    }

    /// What a removal makes of them: older ones give way to these. Nothing is done yet.
    pub fn removal<'a>(
        &self,
        passwords: impl IntoIterator<Item = &'a AppPassword>,
        today: Date,
    ) -> Removal {
        let kept = passwords.into_iter().map(|password| RemovedAppPassword {
            id: password.id,
            username: password.username.clone(),
            secret_hash: password.secret_hash,
            removed_on: today,
        });
        let kept: Vec<_> = kept.collect();
        let mut of_account: BTreeMap<&Username, Vec<&RemovedAppPassword>> = BTreeMap::new();
        let mut forgotten = BTreeSet::new();
        for removed in self.known.values() {
            match counts(removed, today) {
                true => of_account
                    .entry(&removed.username)
                    .or_default()
                    .push(removed),
                false => drop(forgotten.insert(removed.id)),
            }
        }
        for (username, mut old) in of_account {
            let new = kept.iter().filter(|removed| removed.username == *username);
            let room = Self::MAX_PER_ACCOUNT.saturating_sub(new.count());
            old.sort_by_key(|removed| std::cmp::Reverse((removed.removed_on, removed.id)));
            forgotten.extend(old.into_iter().skip(room).map(|removed| removed.id));
        }
        Removal { kept, forgotten }
    }

    /// What the end of an account makes of them. Nothing is done yet.
    pub fn end_of(&self, username: &Username) -> Removal {
        let of_account = self.known.values();
        let of_account = of_account.filter(|removed| removed.username == *username);
        Removal {
            kept: Vec::new(),
            forgotten: of_account.map(|removed| removed.id).collect(),
        }
    }

    /// Does what was found.
    pub fn apply(&mut self, removal: Removal) {
        self.known
            .retain(|_, removed| !removal.forgotten.contains(&removed.id));
        let kept = removal.kept.into_iter();
        self.known
            .extend(kept.map(|removed| (removed.secret_hash, removed)));
    }

    /// Whether what was typed was an app password of the account, and was removed lately.
    pub fn knows(&self, username: &Username, typed: &str, today: Date) -> bool {
        let hash = TypedSecret::read(typed).map(|secret| secret.hash());
        let removed = hash.and_then(|hash| self.known.get(&hash));
        removed.is_some_and(|removed| removed.username == *username && counts(removed, today))
    }
}

fn counts(removed: &RemovedAppPassword, today: Date) -> bool {
    let since = today.since(removed.removed_on);
    since.is_ok_and(|since| since.get_days() <= DAYS)
}

#[cfg(test)]
mod tests {
    use cell_model::Timestamp;

    use super::*;

    fn name(text: &str) -> Username {
        text.parse().unwrap()
    }

    fn day(month: i8, day: i8) -> Date {
        Date::constant(2026, month, day)
    }

    fn made(username: &str) -> (AppPassword, String) {
        let device = "phone".parse().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let (password, secret) = AppPassword::generate(name(username), device, None, now).unwrap();
        (password, secret.expose_text().expose().clone())
    }

    fn remove(removed: &mut RemovedAppPasswords, password: &AppPassword, on: Date) -> Removal {
        let removal = removed.removal([password], on);
        removed.apply(removal.clone());
        removal
    }

    #[test]
    fn removed_one_is_known_of_its_own_account_for_thirty_days() {
        let mut removed = RemovedAppPasswords::default();
        let (password, typed) = made("anna");
        let (_, other) = made("anna");
        remove(&mut removed, &password, day(10, 20));
        let knows =
            |username: &str, typed: &str, on: Date| removed.knows(&name(username), typed, on);
        assert!(knows("anna", &typed, day(10, 20)));
        assert!(knows("anna", &typed.to_uppercase(), day(11, 19)));
        assert!(!knows("anna", &typed, day(11, 20)));
        assert!(knows("anna", &typed, day(1, 1)), "the clock was put back");
        assert!(!knows("ben", &typed, day(10, 20)));
        assert!(!knows("anna", &other, day(10, 20)));
        assert!(!knows("anna", "", day(10, 20)));
    }

    #[test]
    fn oldest_of_an_account_give_way_and_so_do_those_whose_time_is_over() {
        let mut removed = RemovedAppPasswords::default();
        let (oldest, _) = made("anna");
        let (bens, _) = made("ben");
        remove(&mut removed, &oldest, day(10, 20));
        remove(&mut removed, &bens, day(10, 20));
        for _ in 1..RemovedAppPasswords::MAX_PER_ACCOUNT {
            let (password, _) = made("anna");
            let removal = remove(&mut removed, &password, day(10, 21));
            assert!(removal.forgotten.is_empty());
        }
        let (last, _) = made("anna");
        let removal = remove(&mut removed, &last, day(10, 22));
        assert_eq!(removal.forgotten, [oldest.id].into());
        assert_eq!(
            removed.known.len(),
            RemovedAppPasswords::MAX_PER_ACCOUNT + 1
        );
        let (later, _) = made("carla");
        remove(&mut removed, &later, day(12, 24));
        assert_eq!(removed.known.len(), 1);
    }

    #[test]
    fn nothing_is_known_of_an_account_that_is_gone() {
        let mut removed = RemovedAppPasswords::default();
        let (annas, typed) = made("anna");
        let (bens, other) = made("ben");
        remove(&mut removed, &annas, day(10, 20));
        remove(&mut removed, &bens, day(10, 20));
        let ended = removed.end_of(&name("anna"));
        assert_eq!(ended.forgotten, [annas.id].into());
        removed.apply(ended);
        assert!(!removed.knows(&name("anna"), &typed, day(10, 20)));
        assert!(removed.knows(&name("ben"), &other, day(10, 20)));
    }

    #[test]
    fn stored_form_is_read_again_and_has_no_secret() {
        let mut removed = RemovedAppPasswords::default();
        let (password, typed) = made("anna");
        let removal = remove(&mut removed, &password, day(10, 20));
        let stored = serde_json::to_string(&removal.kept[0]).unwrap();
        assert!(!stored.contains(&typed));
        let read = serde_json::from_str(&stored).unwrap();
        let again = RemovedAppPasswords::from_stored([read]);
        assert!(again.knows(&name("anna"), &typed, day(10, 21)));
    }
}
