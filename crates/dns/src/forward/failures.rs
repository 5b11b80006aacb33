//! Questions that nobody could answer, remembered for a moment, so that clients that ask again and again are not passed
//! on each time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::ForwardError;
use super::cache::Key;

/// How long a failure is believed: RFC 2308 section 7 allows five minutes, RFC 9520 section 3.2 asks for a second or
/// more. As long as clients wait before they ask again (resolv.conf(5), `timeout`), and not so long that anybody notices
/// when the line is back.
const TTL: Duration = Duration::from_secs(5);
/// So many are remembered; at some 100 bytes each they cost next to nothing.
const MAX: usize = 1_000;

/// Failures by question.
#[derive(Default)]
pub(super) struct Failures(HashMap<Key, (ForwardError, Instant)>);

impl Failures {
    /// Why there was no answer a moment before `now`.
    pub(super) fn get(&mut self, key: &Key, now: Instant) -> Option<ForwardError> {
        let (error, since) = *self.0.get(key)?;
        if is_fresh(since, now) {
            return Some(error);
        }
        self.0.remove(key);
        None
    }

    /// Remembers a failure that says something of the question or those who were asked; that nobody could be asked is
    /// cheap to find out anew. When there is no room, it is not remembered.
    pub(super) fn put(&mut self, key: Key, error: ForwardError, now: Instant) {
        match error {
            ForwardError::Unreachable | ForwardError::Failed => {}
            ForwardError::NoUpstream | ForwardError::Busy | ForwardError::Foreign => return,
        }
        if self.0.len() >= MAX {
            self.0.retain(|_, (_, since)| is_fresh(*since, now));
        }
        if self.0.len() < MAX {
            self.0.insert(key, (error, now));
        }
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < TTL
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::{Name, RecordType};

    use super::super::cache::Flags;
    use super::*;

    fn key(text: &str) -> Key {
        let name = Name::from_ascii(text).unwrap();
        Key::new(&name, RecordType::A, Flags::default())
    }

    #[test]
    fn failure_is_believed_for_a_moment() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        failures.put(key("a.example."), ForwardError::Failed, now);
        let after = |time| now + time;
        assert_eq!(
            failures.get(&key("a.example."), after(TTL / 2)),
            Some(ForwardError::Failed)
        );
        assert_eq!(failures.get(&key("b.example."), now), None);
        assert_eq!(failures.get(&key("a.example."), after(TTL)), None);
        assert!(failures.0.is_empty());
    }

    #[test]
    fn what_says_nothing_of_the_question_is_not_remembered() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for error in [ForwardError::Busy, ForwardError::NoUpstream] {
            failures.put(key("a.example."), error, now);
        }
        assert_eq!(failures.get(&key("a.example."), now), None);
    }

    #[test]
    fn failures_take_no_more_room_than_they_may() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for number in 0..2 * MAX {
            failures.put(
                key(&format!("n{number}.example.")),
                ForwardError::Failed,
                now,
            );
        }
        assert_eq!(failures.0.len(), MAX);
        let later = now + TTL;
        failures.put(key("later.example."), ForwardError::Failed, later);
        assert_eq!(failures.0.len(), 1);
    }
}
