//! Challenges for passkeys, waiting to be answered.

use std::collections::HashMap;
use std::time::Duration;

use cell_model::name::Username;

use crate::random::{self, RandomError};

/// How long one waits: browsers give people five minutes (W3C Web Authentication, section 15.1).
const WAIT: Duration = Duration::from_secs(5 * 60);
/// How many wait in all; the oldest makes room.
const MOST: usize = 512;

/// What is to be signed: random, so that nothing signed before counts.
pub type Challenge = [u8; 32];

/// What a challenge is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Whoever answers is to be signed in.
    SignIn,
    /// A passkey is to be added to this account.
    Add(Username),
}

/// Those that wait. Times are monotonic, since boot.
#[derive(Debug, Default)]
pub struct Challenges(HashMap<Challenge, (Purpose, Duration)>);

impl Challenges {
    /// Has a fresh one wait.
    pub fn begin(&mut self, purpose: Purpose, now: Duration) -> Result<Challenge, RandomError> {
        let challenge: Challenge = random::bytes()?;
        self.0.retain(|_, (_, since)| !is_over(*since, now));
        if self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, (_, since))| *since);
            if let Some(oldest) = oldest.map(|(challenge, _)| *challenge) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(challenge, (purpose, now));
        Ok(challenge)
    }

    /// Takes one that waits for this; it counts once.
    pub fn take(
        &mut self,
        challenge: &[u8],
        purpose: &Purpose,
        now: Duration,
    ) -> Option<Challenge> {
        let challenge: Challenge = challenge.try_into().ok()?;
        let (meant, since) = self.0.remove(&challenge)?;
        (meant == *purpose && !is_over(since, now)).then_some(challenge)
    }
}

fn is_over(since: Duration, now: Duration) -> bool {
    now.saturating_sub(since) >= WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn challenge_counts_once_in_time_and_for_what_it_is() {
        let mut challenges = Challenges::default();
        let anna = Purpose::Add("anna".parse().unwrap());
        let challenge = challenges.begin(anna.clone(), NOW).unwrap();
        assert_eq!(challenges.take(&challenge, &anna, NOW), Some(challenge));
        assert_eq!(challenges.take(&challenge, &anna, NOW), None);
        let challenge = challenges.begin(anna.clone(), NOW).unwrap();
        let ben = Purpose::Add("ben".parse().unwrap());
        assert_eq!(challenges.take(&challenge, &ben, NOW), None);
        let challenge = challenges.begin(Purpose::SignIn, NOW).unwrap();
        let late = NOW + WAIT;
        assert_eq!(challenges.take(&challenge, &Purpose::SignIn, late), None);
        assert_eq!(challenges.take(&[], &Purpose::SignIn, NOW), None);
    }

    #[test]
    fn oldest_makes_room() {
        let mut challenges = Challenges::default();
        let first = challenges.begin(Purpose::SignIn, NOW).unwrap();
        for at in 1..=MOST {
            let now = NOW + Duration::from_millis(at as u64);
            challenges.begin(Purpose::SignIn, now).unwrap();
        }
        assert_eq!(challenges.0.len(), MOST);
        assert_eq!(challenges.take(&first, &Purpose::SignIn, NOW), None);
    }
}
