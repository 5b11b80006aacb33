//! Sign-ins of whose two factors the first was right, waiting for the second.

use std::collections::HashMap;
use std::time::Duration;

use cell_model::name::Username;

use crate::password::PasswordHash;
use crate::random::RandomError;
use crate::token::{SessionToken, TokenHash};

/// How long one waits: long enough to find the phone.
const WAIT: Duration = Duration::from_secs(5 * 60);
/// How many of an account wait at a time; its oldest makes room, and that of no other.
const MOST_OF_ONE: usize = 4;
/// How many wait in all; the oldest makes room.
const MOST: usize = 256;

/// A sign-in that waits.
#[derive(Debug, Clone)]
pub struct PendingSignIn {
    /// Whose it is.
    pub username: Username,
    /// What the password was right for: with another password it is over.
    pub password_hash: PasswordHash,
    since: Duration,
}

/// Those that wait, by the hash of the ticket that whoever began it holds. Times are monotonic, since boot.
#[derive(Debug, Default)]
pub struct PendingSignIns(HashMap<TokenHash, PendingSignIn>);

impl PendingSignIns {
    /// Has one wait; the ticket leads back to it.
    pub fn begin(
        &mut self,
        username: Username,
        password_hash: PasswordHash,
        now: Duration,
    ) -> Result<SessionToken, RandomError> {
        let ticket = SessionToken::generate()?;
        self.0.retain(|_, pending| !pending.is_over(now));
        self.make_room(MOST_OF_ONE, |pending| pending.username == username);
        self.make_room(MOST, |_| true);
        let pending = PendingSignIn {
            username,
            password_hash,
            since: now,
        };
        self.0.insert(ticket.hash(), pending);
        Ok(ticket)
    }

    /// Has the oldest of some go when there are so many.
    fn make_room(&mut self, most: usize, is_one: impl Fn(&PendingSignIn) -> bool) {
        let those = self.0.iter().filter(|(_, pending)| is_one(pending));
        let (count, oldest) = those.fold((0, None), |(count, oldest), (hash, pending)| {
            let this = (pending.since, *hash);
            (
                count + 1,
                Some(oldest.map_or(this, |oldest| this.min(oldest))),
            )
        });
        if let Some((_, oldest)) = oldest.filter(|_| count >= most) {
            self.0.remove(&oldest);
        }
    }

    /// The one that a ticket leads to.
    pub fn find(&self, ticket: &SessionToken, now: Duration) -> Option<&PendingSignIn> {
        let pending = self.0.get(&ticket.hash());
        pending.filter(|pending| !pending.is_over(now))
    }

    /// It is over.
    pub fn end(&mut self, ticket: &SessionToken) {
        self.0.remove(&ticket.hash());
    }
}

impl PendingSignIn {
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= WAIT
    }
}

#[cfg(test)]
mod tests {
    use cell_model::secret::Secret;

    use super::*;
    use crate::password::hash_password;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn ticket_leads_back_for_five_minutes_or_until_it_is_used() {
        let hash = hash_password(&Secret::new("correct horse".to_owned())).unwrap();
        let mut pending = PendingSignIns::default();
        let anna: Username = "anna".parse().unwrap();
        let mut begin = |at| {
            let ticket = pending.begin(anna.clone(), hash.clone(), seconds(at));
            ticket.unwrap()
        };
        let (one, other) = (begin(100), begin(200));
        let found = pending.find(&one, seconds(399)).unwrap();
        assert_eq!(found.username, anna);
        assert!(pending.find(&one, seconds(400)).is_none());
        pending.end(&other);
        assert!(pending.find(&other, seconds(201)).is_none());
    }

    #[test]
    fn oldest_of_the_same_account_makes_room() {
        let hash = hash_password(&Secret::new("correct horse".to_owned())).unwrap();
        let mut pending = PendingSignIns::default();
        let mut begin = |name: &str, at| {
            let ticket = pending.begin(name.parse().unwrap(), hash.clone(), seconds(at));
            ticket.unwrap()
        };
        let anna = begin("anna", 0);
        let ben: Vec<SessionToken> = (1..=100).map(|at| begin("ben", at)).collect();
        let there = |ticket| pending.find(ticket, seconds(101)).is_some();
        assert!(there(&anna));
        let left = ben.iter().map(there).filter(|there| *there).count();
        assert_eq!((left, there(&ben[99])), (4, true));
    }
}
