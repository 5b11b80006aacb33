//! Waiting for something that happens elsewhere, never for ever.

use std::time::{Duration, Instant};

/// The longest pause between two looks; the first pauses are shorter.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Calls `probe` until it answers or `limit` has passed; always at least once.
///
/// A `None` means that the limit passed.
pub fn wait_for<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if start.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_asked_once_even_without_time() {
        assert_eq!(wait_for(Duration::ZERO, || Some(7)), Some(7));
    }

    #[test]
    fn the_limit_ends_the_wait() {
        let mut asked = 0;
        let answer: Option<()> = wait_for(Duration::from_millis(20), || {
            asked += 1;
            None
        });
        assert_eq!(answer, None);
        assert!(asked > 1, "asked {asked} times");
    }
}
