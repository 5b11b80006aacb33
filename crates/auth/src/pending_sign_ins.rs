//! Sign-ins of whose two factors the first was right, waiting for the second.

use std::collections::HashMap;
use std::time::Duration;

use cell_model::name::Username;

use crate::password::PasswordHash;
use crate::random::RandomError;
use crate::token::{SessionToken, TokenHash};

/// How long one waits: long enough to find the phone.
const WAIT: Duration = Duration::from_secs(5 * 60);
/// How many wait at a time; the oldest makes room.
const MOST: usize = 64;

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
        if self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, pending)| pending.since);
            if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
                self.0.remove(&oldest);
            }
        }
        let pending = PendingSignIn {
            username,
            password_hash,
            since: now,
        };
        self.0.insert(ticket.hash(), pending);
        Ok(ticket)
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
    fn oldest_makes_room_when_too_many_wait() {
        let hash = hash_password(&Secret::new("correct horse".to_owned())).unwrap();
        let mut pending = PendingSignIns::default();
        let tickets: Vec<SessionToken> = (0..=64)
            .map(|at| {
                let ticket = pending.begin("anna".parse().unwrap(), hash.clone(), seconds(at));
                ticket.unwrap()
            })
            .collect();
        let there = |ticket| pending.find(ticket, seconds(65)).is_some();
        assert!(!there(&tickets[0]) && there(&tickets[1]) && there(&tickets[64]));
    }
}
