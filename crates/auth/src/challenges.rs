//! Challenges for passkeys, waiting to be answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use cell_model::name::Username;

use crate::random::{self, RandomError};
use crate::throttle::Source;

/// How long one waits: browsers give people five minutes (W3C Web Authentication, section 15.1).
const WAIT: Duration = Duration::from_secs(5 * 60);
/// How many of sign-ins wait in all: anybody may ask for one.
const MOST: usize = 512;

/// What is to be signed: random, so that nothing signed before counts.
pub type Challenge = [u8; 32];

/// Those that wait. Times are monotonic, since boot.
#[derive(Debug, Default)]
pub struct Challenges {
    /// Whoever answers is to be signed in.
    sign_ins: HashMap<Challenge, SignIn>,
    /// A passkey is to be added to this account; it has one at a time, and nobody else can push it out.
    additions: HashMap<Username, (Challenge, Duration)>,
}

#[derive(Debug)]
struct SignIn {
    asked_by: Source,
    since: Duration,
}

impl Challenges {
    /// Has a fresh one wait, for whoever has a passkey.
    pub fn begin_sign_in(
        &mut self,
        address: IpAddr,
        now: Duration,
    ) -> Result<Challenge, RandomError> {
        let challenge: Challenge = random::bytes()?;
        self.sign_ins
            .retain(|_, waiting| !is_over(waiting.since, now));
        if self.sign_ins.len() >= MOST {
            self.make_room();
        }
        let asked_by = Source::of(address);
        let since = now;
        self.sign_ins.insert(challenge, SignIn { asked_by, since });
        Ok(challenge)
    }

    /// Has a fresh one wait, for a passkey that is to be added; the one before it counts no more.
    pub fn begin_addition(
        &mut self,
        username: Username,
        now: Duration,
    ) -> Result<Challenge, RandomError> {
        let challenge = random::bytes()?;
        self.additions.retain(|_, (_, since)| !is_over(*since, now));
        self.additions.insert(username, (challenge, now));
        Ok(challenge)
    }

    /// Takes one of a sign-in; it counts once.
    pub fn take_sign_in(&mut self, challenge: &[u8], now: Duration) -> Option<Challenge> {
        let challenge: Challenge = challenge.try_into().ok()?;
        let waiting = self.sign_ins.remove(&challenge)?;
        (!is_over(waiting.since, now)).then_some(challenge)
    }

    /// Takes that of a passkey that is to be added; it counts once.
    pub fn take_addition(
        &mut self,
        challenge: &[u8],
        username: &Username,
        now: Duration,
    ) -> Option<Challenge> {
        let (meant, since) = *self.additions.get(username)?;
        if meant != challenge {
            return None;
        }
        self.additions.remove(username);
        (!is_over(since, now)).then_some(meant)
    }

    /// The oldest of whoever has asked for most makes room: who asks for many pushes out their own.
    fn make_room(&mut self) {
        let mut counts: HashMap<Source, usize> = HashMap::new();
        for waiting in self.sign_ins.values() {
            *counts.entry(waiting.asked_by).or_default() += 1;
        }
        let fullest = counts.into_iter().max_by_key(|(_, count)| *count);
        let Some((fullest, _)) = fullest else { return };
        let of_fullest = self.sign_ins.iter();
        let of_fullest = of_fullest.filter(|(_, waiting)| waiting.asked_by == fullest);
        let oldest = of_fullest.min_by_key(|(_, waiting)| waiting.since);
        if let Some(oldest) = oldest.map(|(challenge, _)| *challenge) {
            self.sign_ins.remove(&oldest);
        }
    }
}

fn is_over(since: Duration, now: Duration) -> bool {
    now.saturating_sub(since) >= WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 1, last])
    }

    fn name(text: &str) -> Username {
        text.parse().unwrap()
    }

    #[test]
    fn challenge_counts_once_in_time_and_for_what_it_is() {
        let mut challenges = Challenges::default();
        let anna = name("anna");
        let added = challenges.begin_addition(anna.clone(), NOW).unwrap();
        assert_eq!(challenges.take_sign_in(&added, NOW), None);
        assert_eq!(challenges.take_addition(&added, &name("ben"), NOW), None);
        assert_eq!(challenges.take_addition(&added, &anna, NOW), Some(added));
        assert_eq!(challenges.take_addition(&added, &anna, NOW), None);
        let asked = challenges.begin_sign_in(from(1), NOW).unwrap();
        assert_eq!(challenges.take_addition(&asked, &anna, NOW), None);
        assert_eq!(challenges.take_sign_in(&asked, NOW), Some(asked));
        assert_eq!(challenges.take_sign_in(&asked, NOW), None);
        let late = NOW + WAIT;
        let asked = challenges.begin_sign_in(from(1), NOW).unwrap();
        assert_eq!(challenges.take_sign_in(&asked, late), None);
        let added = challenges.begin_addition(anna.clone(), NOW).unwrap();
        assert_eq!(challenges.take_addition(&added, &anna, late), None);
        assert_eq!(challenges.take_sign_in(&[], NOW), None);
    }

    #[test]
    fn who_asks_for_many_pushes_out_their_own() {
        let mut challenges = Challenges::default();
        let of_another = challenges.begin_sign_in(from(2), NOW).unwrap();
        let added = challenges.begin_addition(name("anna"), NOW).unwrap();
        let first = challenges.begin_sign_in(from(1), NOW).unwrap();
        for at in 1..=MOST as u64 {
            let now = NOW + Duration::from_millis(at);
            challenges.begin_sign_in(from(1), now).unwrap();
        }
        assert_eq!(challenges.sign_ins.len(), MOST);
        assert_eq!(challenges.take_sign_in(&first, NOW), None);
        assert!(challenges.take_sign_in(&of_another, NOW).is_some());
        assert!(
            challenges
                .take_addition(&added, &name("anna"), NOW)
                .is_some()
        );
    }
}
