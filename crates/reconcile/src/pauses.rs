//! Pauses of parts that can wait and fail: nobody is served by an image that is written to a full disk twice a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use cell_model::status::Part;
use tokio::time::Instant;

/// From the first failure to the next try: doubled each time, from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_secs(25), Duration::from_secs(600));

/// Which parts have a pause, and until when.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    revision: u64,
    failures: BTreeMap<Part, (u32, Instant)>,
}

impl Pauses {
    /// What is tried from now on is of this revision: with another one, everything is tried at once.
    pub(crate) fn is_of(&mut self, revision: u64) {
        if self.revision != revision {
            self.revision = revision;
            self.failures.clear();
        }
    }

    /// A step of the part ended.
    pub(crate) fn note(&mut self, part: Part, worked: bool) {
        // Others cost nothing to try, or are tried by the loop itself.
        if worked || !matches!(part, Part::Containers | Part::Proxy) {
            self.failures.remove(&part);
            return;
        }
        let (count, _) = self
            .failures
            .get(&part)
            .copied()
            .unwrap_or((0, Instant::now()));
        let pause = PAUSE.0.saturating_mul(1 << count.min(16)).min(PAUSE.1);
        self.failures
            .insert(part, (count + 1, Instant::now() + pause));
    }

    /// The part is to be tried now.
    pub(crate) fn end(&mut self, part: Part) {
        self.failures.remove(&part);
    }

    /// Whether the part has a pause.
    pub(crate) fn lasts(&self, part: Part) -> bool {
        let until = self.failures.get(&part).map(|(_, until)| *until);
        until.is_some_and(|until| Instant::now() < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_end_with_success_or_another_revision() {
        let mut pauses = Pauses::default();
        let part = Part::Containers;
        for expected in [25, 50, 100, 200, 400, 600, 600] {
            pauses.note(part, false);
            tokio::time::sleep(Duration::from_secs(expected - 1)).await;
            assert!(pauses.lasts(part), "{expected}");
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!pauses.lasts(part), "{expected}");
        }
        pauses.note(part, false);
        pauses.is_of(2);
        assert!(!pauses.lasts(part));
        pauses.note(part, false);
        pauses.note(part, true);
        assert!(!pauses.lasts(part));
        pauses.note(Part::Dns, false);
        assert!(!pauses.lasts(Part::Dns), "names cost nothing");
    }
}
