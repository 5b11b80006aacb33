//! The sessions in force, by token.

use std::collections::HashMap;

use cell_model::Timestamp;
use cell_model::name::Username;
use jiff::SignedDuration;

use crate::session::Session;
use crate::token::{SessionToken, TokenHash};

/// Sessions one account may have at a time; the least used gives way. Bounds what a program that signs in at every
/// call, and never out, leaves behind.
const MAX_PER_ACCOUNT: usize = 32;
/// How far the stored time of last use may fall behind. An SD card has few writes to give, and a restart may cost
/// a session at most this much of its idle time.
const SAVE_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How long a password that was typed in vouches for who sits there, where an act is dangerous. A short time by OWASP ASVS
/// (4.0, 3.7.1: authenticate again before sensitive operations); long enough for what a person does in one go.
const PROOF: SignedDuration = SignedDuration::from_mins(15);

/// All sessions, in memory. The caller keeps a stored copy: what a call returns tells which records to write or delete.
#[derive(Debug, Default)]
pub struct SessionTable {
    sessions: HashMap<TokenHash, Entry>,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    /// `last_seen_at` as it stands in the store.
    saved_last_seen_at: Timestamp,
    /// When the password was last proven. Not stored: after a restart the sign-in is what counts.
    proven_at: Timestamp,
}

/// A session that was just used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The session.
    pub session: Session,
    /// Whether its record should be written again.
    pub save: bool,
}

impl SessionTable {
    /// The table of stored sessions. Ended ones are taken too: [`Self::expire`] names them, so that their records go.
    pub fn from_stored(sessions: impl IntoIterator<Item = Session>) -> Self {
        let mut table = Self::default();
        for session in sessions {
            table.put(session);
        }
        table
    }

    /// Adds a session. Returns the sessions of the same account that had to give way.
    #[must_use = "their records are to be deleted"]
    pub fn insert(&mut self, session: Session) -> Vec<TokenHash> {
        let mut others: Vec<_> = self
            .sessions
            .values()
            .filter(|entry| entry.session.username == session.username)
            .map(|entry| (entry.session.last_seen_at, entry.session.token_hash))
            .collect();
        others.sort_unstable();
        let surplus = (others.len() + 1).saturating_sub(MAX_PER_ACCOUNT);
        let removed: Vec<_> = others
            .into_iter()
            .take(surplus)
            .map(|(_, hash)| hash)
            .collect();
        for hash in &removed {
            self.sessions.remove(hash);
        }
        self.put(session);
        removed
    }

    /// The session of a token, unless it has ended.
    pub fn get(&self, token: &SessionToken, now: Timestamp) -> Option<&Session> {
        let session = &self.sessions.get(&token.hash())?.session;
        (!session.is_expired(now)).then_some(session)
    }

    /// The session of a token, unless it has ended, noted as used now. A clock that was put back does not make the
    /// last use earlier.
    pub fn touch(&mut self, token: &SessionToken, now: Timestamp) -> Option<Touch> {
        let entry = self.sessions.get_mut(&token.hash())?;
        if entry.session.is_expired(now) {
            return None;
        }
        entry.session.last_seen_at = entry.session.last_seen_at.max(now);
        let save = entry
            .session
            .last_seen_at
            .duration_since(entry.saved_last_seen_at)
            >= SAVE_AFTER;
        if save {
            entry.saved_last_seen_at = entry.session.last_seen_at;
        }
        Some(Touch {
            session: entry.session.clone(),
            save,
        })
    }

    /// Whether the password of the session's account was proven in the last 15 minutes: by signing in, or since. A proof
    /// that a clock which was put back left in the future counts for no longer.
    pub fn is_proven(&self, token: &SessionToken, now: Timestamp) -> bool {
        self.sessions.get(&token.hash()).is_some_and(|entry| {
            !entry.session.is_expired(now) && now.duration_since(entry.proven_at).abs() < PROOF
        })
    }

    /// Notes that the password was proven now; `false` when the session has ended.
    pub fn prove(&mut self, hash: &TokenHash, now: Timestamp) -> bool {
        let entry = self.sessions.get_mut(hash);
        let entry = entry.filter(|entry| !entry.session.is_expired(now));
        entry.map(|entry| entry.proven_at = now).is_some()
    }

    /// Sessions in force of an account, the last used first.
    pub fn of_account(&self, username: &Username, now: Timestamp) -> Vec<&Session> {
        let mut sessions: Vec<_> = self
            .sessions
            .values()
            .map(|entry| &entry.session)
            .filter(|session| session.username == *username && !session.is_expired(now))
            .collect();
        sessions.sort_unstable_by_key(|session| {
            std::cmp::Reverse((session.last_seen_at, session.token_hash))
        });
        sessions
    }

    /// Ends one session; `None` when there is none of that name.
    pub fn revoke(&mut self, hash: &TokenHash) -> Option<Session> {
        self.sessions.remove(hash).map(|entry| entry.session)
    }

    /// Ends all sessions of an account but `keep`, and says which: after a change of password, the one that changed
    /// it stays.
    #[must_use = "their records are to be deleted"]
    pub fn revoke_all_of(
        &mut self,
        username: &Username,
        keep: Option<&TokenHash>,
    ) -> Vec<TokenHash> {
        self.remove_where(|session| {
            session.username == *username && Some(&session.token_hash) != keep
        })
    }

    /// Ends every session, as an owner reset at the console does, and says which.
    #[must_use = "their records are to be deleted"]
    pub fn revoke_all(&mut self) -> Vec<TokenHash> {
        self.remove_where(|_| true)
    }

    /// Forgets sessions that have ended, and says which.
    #[must_use = "their records are to be deleted"]
    pub fn expire(&mut self, now: Timestamp) -> Vec<TokenHash> {
        self.remove_where(|session| session.is_expired(now))
    }

    fn put(&mut self, session: Session) {
        self.sessions.insert(
            session.token_hash,
            Entry {
                saved_last_seen_at: session.last_seen_at,
                proven_at: session.created_at,
                session,
            },
        );
    }

    fn remove_where(&mut self, ends: impl Fn(&Session) -> bool) -> Vec<TokenHash> {
        self.sessions
            .extract_if(|_, entry| ends(&entry.session))
            .map(|(hash, _)| hash)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    fn sign_in(table: &mut SessionTable, username: &str, now: Timestamp) -> SessionToken {
        let token = SessionToken::generate().unwrap();
        let session = Session::new(
            token.hash(),
            username.parse().unwrap(),
            "192.168.1.20".parse().unwrap(),
            "Firefox",
            now,
        );
        assert_eq!(table.insert(session), []);
        token
    }

    #[test]
    fn token_finds_its_own_session_only() {
        let mut table = SessionTable::default();
        let anna = sign_in(&mut table, "anna", minutes(0));
        let ben = sign_in(&mut table, "ben", minutes(0));
        let stranger = SessionToken::generate().unwrap();
        let name = |token| table.get(token, minutes(1)).map(|s| s.username.as_str());
        assert_eq!(name(&anna), Some("anna"));
        assert_eq!(name(&ben), Some("ben"));
        assert_eq!(name(&stranger), None);
    }

    #[test]
    fn use_keeps_a_session_alive_and_idleness_ends_it() {
        let mut table = SessionTable::default();
        let token = sign_in(&mut table, "anna", minutes(0));
        assert!(table.touch(&token, minutes(700)).is_some());
        assert!(table.touch(&token, minutes(1400)).is_some());
        assert!(table.get(&token, minutes(1400 + 720)).is_none());
        assert!(table.touch(&token, minutes(1400 + 720)).is_none());
    }

    #[test]
    fn use_is_written_at_most_once_an_hour() {
        let mut table = SessionTable::default();
        let token = sign_in(&mut table, "anna", minutes(0));
        let mut save = |at| table.touch(&token, minutes(at)).unwrap().save;
        assert_eq!(
            [1, 59, 60, 61, 119, 120].map(&mut save),
            [false, false, true, false, false, true]
        );
    }

    #[test]
    fn clock_put_back_does_not_shorten_a_session() {
        let mut table = SessionTable::default();
        let token = sign_in(&mut table, "anna", minutes(600));
        let touch = table.touch(&token, minutes(0)).unwrap();
        assert_eq!(touch.session.last_seen_at, minutes(600));
    }

    #[test]
    fn sign_in_proves_the_password_for_a_quarter_of_an_hour() {
        let mut table = SessionTable::default();
        let token = sign_in(&mut table, "anna", minutes(0));
        assert!(table.is_proven(&token, minutes(14)));
        assert!(!table.is_proven(&token, minutes(15)));
        table.touch(&token, minutes(20));
        assert!(
            !table.is_proven(&token, minutes(20)),
            "use proves no password"
        );
        assert!(table.prove(&token.hash(), minutes(20)));
        assert!(table.is_proven(&token, minutes(34)));
        assert!(!table.is_proven(&token, minutes(35)));
    }

    #[test]
    fn proof_is_one_sessions_own_and_ends_with_it() {
        let mut table = SessionTable::default();
        let proven = sign_in(&mut table, "anna", minutes(0));
        let other = sign_in(&mut table, "anna", minutes(0));
        assert!(table.prove(&proven.hash(), minutes(60)));
        assert!(!table.is_proven(&other, minutes(60)));
        table.revoke(&proven.hash());
        assert!(!table.is_proven(&proven, minutes(60)));
        assert!(!table.prove(&proven.hash(), minutes(60)));
        assert!(!table.prove(&other.hash(), minutes(60 + 720)), "it ended");
    }

    #[test]
    fn clock_put_back_does_not_lengthen_a_proof() {
        let mut table = SessionTable::default();
        let token = sign_in(&mut table, "anna", minutes(600));
        assert!(table.is_proven(&token, minutes(599)));
        assert!(!table.is_proven(&token, minutes(500)));
    }

    #[test]
    fn changed_password_ends_all_sessions_but_the_one_that_changed_it() {
        let mut table = SessionTable::default();
        let kept = sign_in(&mut table, "anna", minutes(0));
        let ended = sign_in(&mut table, "anna", minutes(0));
        let other = sign_in(&mut table, "ben", minutes(0));
        let removed = table.revoke_all_of(&"anna".parse().unwrap(), Some(&kept.hash()));
        assert_eq!(removed, [ended.hash()]);
        assert!(table.get(&kept, minutes(1)).is_some());
        assert!(table.get(&ended, minutes(1)).is_none());
        assert!(table.get(&other, minutes(1)).is_some());
        assert_eq!(table.revoke_all().len(), 2);
    }

    #[test]
    fn revoked_session_is_gone_at_once() {
        let mut table = SessionTable::default();
        let token = sign_in(&mut table, "anna", minutes(0));
        assert!(table.revoke(&token.hash()).is_some());
        assert!(table.touch(&token, minutes(0)).is_none());
        assert!(table.revoke(&token.hash()).is_none());
    }

    #[test]
    fn account_keeps_its_most_recently_used_sessions() {
        let mut table = SessionTable::default();
        let first = sign_in(&mut table, "anna", minutes(0));
        for at in 1..32 {
            sign_in(&mut table, "anna", minutes(at));
        }
        let least_used = table.of_account(&"anna".parse().unwrap(), minutes(40))[30].token_hash;
        table.touch(&first, minutes(40));
        let token = SessionToken::generate().unwrap();
        let session = Session::new(
            token.hash(),
            "anna".parse().unwrap(),
            "::1".parse().unwrap(),
            "",
            minutes(41),
        );
        assert_eq!(table.insert(session), [least_used]);
        assert!(table.get(&first, minutes(41)).is_some());
        assert_eq!(
            table.of_account(&"anna".parse().unwrap(), minutes(41))[0].token_hash,
            token.hash()
        );
    }

    #[test]
    fn ended_sessions_are_named_after_a_restart() {
        let mut before = SessionTable::default();
        let old = sign_in(&mut before, "anna", minutes(0));
        let new = sign_in(&mut before, "anna", minutes(700));
        let stored: Vec<Session> = before
            .sessions
            .values()
            .map(|entry| entry.session.clone())
            .collect();
        let mut table = SessionTable::from_stored(stored);
        assert!(
            !table.is_proven(&new, minutes(800)),
            "the sign-in is what counts"
        );
        assert_eq!(table.expire(minutes(800)), [old.hash()]);
        assert!(table.get(&new, minutes(800)).is_some());
        assert_eq!(table.expire(minutes(800)), []);
    }
}
