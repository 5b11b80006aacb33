//! The app passwords in force, by what their secrets hash to.

use std::collections::HashMap;

use cell_model::Date;
use cell_model::name::{ServiceId, Username};

use crate::app_password::AppPassword;
use crate::record_id::RecordId;
use crate::token::TokenHash;
use crate::typed_secret::TypedSecret;

/// All app passwords, in memory. The caller keeps a stored copy.
#[derive(Debug, Default)]
pub struct AppPasswordTable {
    passwords: HashMap<TokenHash, Entry>,
}

#[derive(Debug)]
struct Entry {
    password: AppPassword,
    /// Its day of last use is not in the store yet.
    unsaved: bool,
}

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppPasswordCheck {
    /// It is the account's, and opens the service.
    Right,
    /// It is the account's, for other services.
    OtherService,
    /// It is none of the account's.
    Wrong,
}

impl AppPasswordTable {
    /// App passwords of one account: more than a person has devices, few enough to look through.
    pub const MAX_PER_ACCOUNT: usize = 64;

    /// The table of stored app passwords.
    pub fn from_stored(passwords: impl IntoIterator<Item = AppPassword>) -> Self {
        let mut table = Self::default();
        for password in passwords {
            table.insert(password);
        }
        table
    }

    /// Whether the account may have one more.
    pub fn has_room(&self, username: &Username) -> bool {
        self.of_account(username).count() < Self::MAX_PER_ACCOUNT
    }

    /// Adds one.
    pub fn insert(&mut self, password: AppPassword) {
        let unsaved = false;
        self.passwords
            .insert(password.secret_hash, Entry { password, unsaved });
    }

    /// Whether what was typed is an app password of the account that opens the service; if so, it is noted as used.
    ///
    /// The secret is found by its SHA-256, so that the time this takes says nothing about any secret, nor whether there
    /// is such an account. A slow hash would protect nothing: who cannot guess 130 bits cannot do so offline either.
    pub fn check(
        &mut self,
        username: &Username,
        typed: &str,
        service: &ServiceId,
        today: Date,
    ) -> AppPasswordCheck {
        let hash = TypedSecret::read(typed).map(|secret| secret.hash());
        let entry = hash.and_then(|hash| self.passwords.get_mut(&hash));
        let Some(entry) = entry.filter(|entry| entry.password.username == *username) else {
            return AppPasswordCheck::Wrong;
        };
        if !entry.password.opens(service) {
            return AppPasswordCheck::OtherService;
        }
        // A clock that was put back does not make the last use earlier.
        if entry.password.last_used < Some(today) {
            entry.password.last_used = Some(today);
            entry.unsaved = true;
        }
        AppPasswordCheck::Right
    }

    /// Those whose day of last use has changed since they were stored; they count as stored from then on.
    #[must_use = "their records are to be written"]
    pub fn take_unsaved(&mut self) -> Vec<AppPassword> {
        let unsaved = self.passwords.values_mut().filter(|entry| entry.unsaved);
        unsaved
            .map(|entry| {
                entry.unsaved = false;
                entry.password.clone()
            })
            .collect()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &AppPassword> {
        self.passwords.values().map(|entry| &entry.password)
    }

    /// Those of an account, in no order.
    pub fn of_account(&self, username: &Username) -> impl Iterator<Item = &AppPassword> {
        self.iter()
            .filter(move |password| password.username == *username)
    }

    /// The one of this name.
    pub fn get(&self, id: RecordId) -> Option<&AppPassword> {
        self.iter().find(|password| password.id == id)
    }

    /// Ends one.
    pub fn remove(&mut self, id: RecordId) {
        self.passwords.retain(|_, entry| entry.password.id != id);
    }
}

#[cfg(test)]
mod tests {
    use cell_model::Timestamp;

    use super::AppPasswordCheck::{OtherService, Right, Wrong};
    use super::*;

    fn name(text: &str) -> Username {
        text.parse().unwrap()
    }

    fn service(text: &str) -> ServiceId {
        text.parse().unwrap()
    }

    fn day(day: i8) -> Date {
        Date::constant(2026, 11, day)
    }

    /// One for these services, or for all; and its secret.
    fn add(
        table: &mut AppPasswordTable,
        username: &str,
        services: Option<&[&str]>,
    ) -> (RecordId, String) {
        let services = services.map(|names| names.iter().map(|name| service(name)).collect());
        let device = "phone".parse().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let (password, secret) =
            AppPassword::generate(name(username), device, services, now).unwrap();
        let id = password.id;
        table.insert(password);
        (id, secret.expose_text().expose().clone())
    }

    #[test]
    fn secret_opens_the_services_of_its_own_account_and_no_others() {
        let mut table = AppPasswordTable::default();
        let (_, all) = add(&mut table, "anna", None);
        let (_, dav) = add(&mut table, "anna", Some(&["dav"]));
        let mut check = |username: &str, typed: &str, to: &str| {
            table.check(&name(username), typed, &service(to), day(1))
        };
        assert_eq!(check("anna", &all, "files"), Right);
        assert_eq!(check("Anna", &all.to_uppercase(), "dav"), Right);
        assert_eq!(check("anna", &dav, "dav"), Right);
        assert_eq!(check("anna", &dav, "files"), OtherService);
        assert_eq!(check("ben", &all, "files"), Wrong);
        assert_eq!(check("anna", "", "files"), Wrong);
        assert_eq!(check("anna", &"0".repeat(26), "files"), Wrong);
    }

    #[test]
    fn removed_one_opens_nothing_from_then_on() {
        let mut table = AppPasswordTable::default();
        let (id, gone) = add(&mut table, "anna", None);
        let (_, kept) = add(&mut table, "anna", None);
        table.remove(id);
        assert!(table.get(id).is_none());
        let mut check = |typed: &str| table.check(&name("anna"), typed, &service("dav"), day(1));
        assert_eq!((check(&gone), check(&kept)), (Wrong, Right));
    }

    #[test]
    fn account_has_a_bounded_number() {
        let mut table = AppPasswordTable::default();
        for _ in 0..AppPasswordTable::MAX_PER_ACCOUNT {
            assert!(table.has_room(&name("anna")));
            add(&mut table, "anna", None);
        }
        assert!(!table.has_room(&name("anna")));
        assert!(table.has_room(&name("ben")));
    }

    #[test]
    fn use_is_to_be_written_once_a_day_at_most() {
        let mut table = AppPasswordTable::default();
        let (id, secret) = add(&mut table, "anna", Some(&["dav"]));
        let mut used = |to: &str, on: Date| {
            table.check(&name("anna"), &secret, &service(to), on);
            let unsaved = table.take_unsaved();
            unsaved.first().map(|password| password.last_used)
        };
        assert_eq!(used("files", day(1)), None, "it opened nothing");
        assert_eq!(used("dav", day(1)), Some(Some(day(1))));
        assert_eq!(used("dav", day(1)), None);
        assert_eq!(used("dav", day(3)), Some(Some(day(3))));
        assert_eq!(used("dav", day(2)), None, "the clock was put back");
        assert_eq!(table.get(id).unwrap().last_used, Some(day(3)));
    }

    #[test]
    fn table_is_the_same_after_a_restart() {
        let mut before = AppPasswordTable::default();
        let (id, secret) = add(&mut before, "anna", None);
        let mut table = AppPasswordTable::from_stored(before.iter().cloned());
        assert_eq!(table.of_account(&name("anna")).count(), 1);
        assert!(table.get(id).is_some());
        let checked = table.check(&name("anna"), &secret, &service("dav"), day(1));
        assert_eq!(checked, Right);
    }
}
