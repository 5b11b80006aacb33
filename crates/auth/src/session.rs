//! One signed-in browser.

use std::net::IpAddr;

use cell_model::Timestamp;
use cell_model::name::Username;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::token::TokenHash;

/// How long a session lives unused: a forgotten browser is signed out overnight, a working day is not interrupted.
const IDLE: SignedDuration = SignedDuration::from_hours(12);
/// How long a session lives in all: a stolen cookie is worth a week at most, even when somebody keeps it in use.
const ABSOLUTE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Characters kept of the browser's name: enough to tell devices apart in the list.
const USER_AGENT_CHARACTERS: usize = 200;

/// A signed-in browser, as stored. It names the account and not its role, so that a changed role counts at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// What its token hashes to.
    pub token_hash: TokenHash,
    /// Whose it is.
    pub username: Username,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When it was last used; the stored value may be up to an hour behind.
    pub last_seen_at: Timestamp,
    /// Where it signed in from.
    pub address: IpAddr,
    /// What the browser calls itself, cut to 200 characters.
    pub user_agent: String,
}

impl Session {
    /// A session that begins now.
    pub fn new(
        token_hash: TokenHash,
        username: Username,
        address: IpAddr,
        user_agent: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            token_hash,
            username,
            created_at: now,
            last_seen_at: now,
            address,
            user_agent: user_agent
                .chars()
                .filter(|character| !character.is_control())
                .take(USER_AGENT_CHARACTERS)
                .collect(),
        }
    }

    /// When it ends if it is not used again: 12 hours after its last use, 7 days after sign-in at the latest.
    pub fn expires_at(&self) -> Timestamp {
        let after = |start: Timestamp, length| start.checked_add(length).unwrap_or(Timestamp::MAX);
        after(self.last_seen_at, IDLE).min(after(self.created_at, ABSOLUTE))
    }

    /// Whether it has ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at() <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::SessionToken;

    fn session(user_agent: &str) -> Session {
        Session::new(
            SessionToken::generate().unwrap().hash(),
            "anna".parse().unwrap(),
            "192.168.1.20".parse().unwrap(),
            user_agent,
            Timestamp::UNIX_EPOCH,
        )
    }

    fn hours(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3600).unwrap()
    }

    #[test]
    fn unused_session_ends_after_twelve_hours() {
        let session = session("");
        assert_eq!(session.expires_at(), hours(12));
        assert!(!session.is_expired(hours(11)));
        assert!(session.is_expired(hours(12)));
    }

    #[test]
    fn session_in_use_ends_after_a_week() {
        let mut session = session("");
        session.last_seen_at = hours(167);
        assert!(!session.is_expired(hours(167)));
        assert!(session.is_expired(hours(168)));
    }

    #[test]
    fn session_at_the_end_of_time_still_has_an_end() {
        let mut session = session("");
        (session.created_at, session.last_seen_at) = (Timestamp::MAX, Timestamp::MAX);
        assert_eq!(session.expires_at(), Timestamp::MAX);
    }

    #[test]
    fn name_of_the_browser_is_cut_and_cleaned() {
        let session = session(&format!("Fire\nfox\u{1b}[2J{}", "ö".repeat(500)));
        assert!(session.user_agent.starts_with("Firefox[2Jö"));
        assert_eq!(session.user_agent.chars().count(), 200);
    }

    #[test]
    fn session_survives_being_stored_without_its_token() {
        let token = SessionToken::generate().unwrap();
        let mut session = session("Firefox");
        session.token_hash = token.hash();
        let stored = serde_json::to_string(&session).unwrap();
        assert!(!stored.contains(token.expose_text().expose().as_str()));
        assert_eq!(serde_json::from_str::<Session>(&stored).unwrap(), session);
    }
}
