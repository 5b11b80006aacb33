//! The brake on guessing passwords.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use cell_model::name::Username;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Failures of one source against one account within the window.
const MAX_PER_ACCOUNT: usize = 5;
/// Failures of one source against all accounts within the window: one who tries a common password on every name is
/// stopped, a household behind one address is not.
const MAX_PER_SOURCE: usize = 20;
/// Sources remembered. With [`MAX_PER_SOURCE`] and the longest user name this stays below 3 MiB.
const MAX_SOURCES: usize = 1024;

/// Failures to sign in, by where they came from. Times are monotonic, since boot.
#[derive(Debug, Default)]
pub struct Throttle {
    sources: HashMap<Source, VecDeque<Failure>>,
}

/// Too many failures: no password is looked at for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failures to sign in; try again in {} s", .retry_after.as_secs())]
pub struct Throttled {
    /// Until when, rounded up to whole seconds; at least one.
    pub retry_after: Duration,
}

/// Who counts as one: an IPv4 address, or an IPv6 /64, which one host may fill with addresses as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

#[derive(Debug)]
struct Failure {
    at: Duration,
    username: Username,
}

impl Throttle {
    /// Lets a try through and counts it as a failure at once, so that tries at the same time are all counted before
    /// the first password is checked; [`Self::succeeded`] takes it back.
    /// A try that is refused is not counted: who waits as told gets in.
    pub fn admit(
        &mut self,
        address: IpAddr,
        username: &Username,
        now: Duration,
    ) -> Result<(), Throttled> {
        let source = Source::of(address);
        if let Some(failures) = self.sources.get_mut(&source) {
            forget_old(failures, now);
            let of_account = failures
                .iter()
                .filter(|failure| failure.username == *username);
            let retry_after = retry_after(of_account, MAX_PER_ACCOUNT, now).max(retry_after(
                failures.iter(),
                MAX_PER_SOURCE,
                now,
            ));
            if let Some(retry_after) = retry_after {
                return Err(Throttled { retry_after });
            }
        } else {
            self.make_room(now);
        }
        let failures = self.sources.entry(source).or_default();
        failures.push_back(Failure {
            at: now,
            username: username.clone(),
        });
        Ok(())
    }

    /// The password was right: failures of this source against this account are forgotten. Those against others stay,
    /// or an own account would be a way to guess at them without end.
    pub fn succeeded(&mut self, address: IpAddr, username: &Username) {
        let source = Source::of(address);
        if let Some(failures) = self.sources.get_mut(&source) {
            failures.retain(|failure| failure.username != *username);
            if failures.is_empty() {
                self.sources.remove(&source);
            }
        }
    }

    /// The try that was just let through was no guess, though nothing was right: it alone is not counted.
    pub fn was_no_guess(&mut self, address: IpAddr, username: &Username) {
        let source = Source::of(address);
        let Some(failures) = self.sources.get_mut(&source) else {
            return;
        };
        let last = failures
            .iter()
            .rposition(|failure| failure.username == *username);
        if let Some(last) = last {
            failures.remove(last);
        }
        if failures.is_empty() {
            self.sources.remove(&source);
        }
    }

    /// Keeps the number of sources below the limit: first those go whose failures no longer count, then the one that
    /// was quiet longest. Who has enough addresses to push one out could as well have tried from those.
    fn make_room(&mut self, now: Duration) {
        if self.sources.len() < MAX_SOURCES {
            return;
        }
        self.sources.retain(|_, failures| {
            forget_old(failures, now);
            !failures.is_empty()
        });
        if self.sources.len() < MAX_SOURCES {
            return;
        }
        let quietest = self
            .sources
            .iter()
            .min_by_key(|(_, failures)| failures.back().map(|failure| failure.at))
            .map(|(source, _)| *source);
        if let Some(source) = quietest {
            self.sources.remove(&source);
        }
    }
}

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

fn forget_old(failures: &mut VecDeque<Failure>, now: Duration) {
    failures.retain(|failure| now.saturating_sub(failure.at) < WINDOW);
}

/// How long until fewer than `max` of these failures, oldest first, count; `None` when that is so already.
fn retry_after<'a>(
    failures: impl DoubleEndedIterator<Item = &'a Failure>,
    max: usize,
    now: Duration,
) -> Option<Duration> {
    let must_go = failures.rev().nth(max - 1)?;
    let left = WINDOW.saturating_sub(now.saturating_sub(must_go.at));
    Some(Duration::from_secs(left.as_millis().div_ceil(1000) as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Username {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Tries, all wrong, until one is refused; how many got through.
    fn tries(throttle: &mut Throttle, source: &str, username: &str, now: Duration) -> usize {
        (0..100)
            .take_while(|_| {
                throttle
                    .admit(address(source), &name(username), now)
                    .is_ok()
            })
            .count()
    }

    #[test]
    fn sixth_try_is_refused_until_the_first_is_fifteen_minutes_old() {
        let mut throttle = Throttle::default();
        let (source, anna) = (address("10.0.0.1"), name("anna"));
        for second in 0..5 {
            assert_eq!(throttle.admit(source, &anna, at(second)), Ok(()));
        }
        assert_eq!(
            throttle.admit(source, &anna, at(10)),
            Err(Throttled {
                retry_after: at(890)
            })
        );
        assert!(throttle.admit(source, &anna, at(899)).is_err());
        assert_eq!(throttle.admit(source, &anna, at(900)), Ok(()));
        assert!(throttle.admit(source, &anna, at(900)).is_err());
    }

    #[test]
    fn other_sources_and_other_accounts_are_not_touched() {
        let mut throttle = Throttle::default();
        assert_eq!(tries(&mut throttle, "10.0.0.1", "anna", at(0)), 5);
        assert_eq!(tries(&mut throttle, "10.0.0.2", "anna", at(0)), 5);
        assert_eq!(tries(&mut throttle, "10.0.0.1", "ben", at(0)), 5);
    }

    #[test]
    fn right_password_forgets_failures_of_that_account_only() {
        let mut throttle = Throttle::default();
        let source = address("10.0.0.1");
        for _ in 0..4 {
            throttle.admit(source, &name("anna"), at(0)).unwrap();
            throttle.admit(source, &name("ben"), at(0)).unwrap();
        }
        throttle.admit(source, &name("anna"), at(1)).unwrap();
        throttle.succeeded(source, &name("anna"));
        assert_eq!(tries(&mut throttle, "10.0.0.1", "anna", at(1)), 5);
        assert_eq!(tries(&mut throttle, "10.0.0.1", "ben", at(1)), 1);
    }

    #[test]
    fn what_was_no_guess_takes_no_other_failure_back() {
        let mut throttle = Throttle::default();
        let (source, anna) = (address("10.0.0.1"), name("anna"));
        for _ in 0..4 {
            throttle.admit(source, &anna, at(0)).unwrap();
        }
        for second in 1..100 {
            throttle.admit(source, &anna, at(second)).unwrap();
            throttle.was_no_guess(source, &anna);
        }
        assert_eq!(tries(&mut throttle, "10.0.0.1", "anna", at(100)), 1);
        throttle.was_no_guess(address("10.0.0.2"), &anna);
    }

    #[test]
    fn one_password_on_many_names_is_stopped_at_twenty() {
        let mut throttle = Throttle::default();
        let passed = (0..50)
            .filter(|n| {
                throttle
                    .admit(address("10.0.0.1"), &name(&format!("user{n}")), at(0))
                    .is_ok()
            })
            .count();
        assert_eq!(passed, 20);
        assert_eq!(tries(&mut throttle, "10.0.0.2", "user1", at(0)), 5);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let mut throttle = Throttle::default();
        assert_eq!(tries(&mut throttle, "fd00::1", "anna", at(0)), 5);
        assert_eq!(tries(&mut throttle, "fd00::abcd:1:2:3", "anna", at(0)), 0);
        assert_eq!(tries(&mut throttle, "fd00:0:0:1::1", "anna", at(0)), 5);
    }

    #[test]
    fn ipv4_address_is_the_same_source_in_ipv6_clothes() {
        let mut throttle = Throttle::default();
        assert_eq!(tries(&mut throttle, "10.0.0.1", "anna", at(0)), 5);
        assert_eq!(tries(&mut throttle, "::ffff:10.0.0.1", "anna", at(0)), 0);
        assert_eq!(tries(&mut throttle, "::ffff:10.0.0.2", "anna", at(0)), 5);
    }

    #[test]
    fn many_sources_do_not_fill_the_memory() {
        let mut throttle = Throttle::default();
        for n in 0..5000 {
            let source = IpAddr::from([10, 1, (n / 250) as u8, (n % 250) as u8]);
            throttle.admit(source, &name("anna"), at(n)).unwrap();
            assert!(throttle.sources.len() <= MAX_SOURCES);
        }
    }

    #[test]
    fn quietest_source_gives_way_when_all_still_count() {
        let mut throttle = Throttle::default();
        assert_eq!(tries(&mut throttle, "192.0.2.1", "anna", at(0)), 5);
        assert_eq!(tries(&mut throttle, "192.0.2.2", "anna", at(2)), 5);
        for n in 0..MAX_SOURCES - 1 {
            let source = IpAddr::from([10, 1, (n / 250) as u8, (n % 250) as u8]);
            throttle
                .admit(source, &name("anna"), at(1 + n as u64 / 512))
                .unwrap();
        }
        assert_eq!(tries(&mut throttle, "192.0.2.2", "anna", at(4)), 0);
        assert_eq!(tries(&mut throttle, "192.0.2.1", "anna", at(4)), 5);
    }

    proptest! {
        #[test]
        fn window_never_holds_more_than_the_limit_and_waiting_as_told_always_helps(
            steps in proptest::collection::vec((0_u64..400_000, 0_usize..3, 0_usize..8), 1..200)
        ) {
            let mut throttle = Throttle::default();
            let mut admitted: Vec<(Duration, usize, usize)> = Vec::new();
            let mut now = Duration::ZERO;
            for (milliseconds, source, account) in steps {
                now += Duration::from_millis(milliseconds);
                let address = IpAddr::from([10, 0, 0, source as u8]);
                let username = name(&format!("user{account}"));
                match throttle.admit(address, &username, now) {
                    Ok(()) => admitted.push((now, source, account)),
                    Err(Throttled { retry_after }) => {
                        prop_assert!(retry_after >= at(1) && retry_after <= WINDOW);
                        now += retry_after;
                        prop_assert_eq!(throttle.admit(address, &username, now), Ok(()));
                        admitted.push((now, source, account));
                    }
                }
                let recent = admitted
                    .iter()
                    .filter(|(at, from, _)| now - *at < WINDOW && *from == source);
                prop_assert!(recent.clone().count() <= MAX_PER_SOURCE);
                prop_assert!(recent.filter(|(_, _, name)| *name == account).count() <= MAX_PER_ACCOUNT);
            }
        }
    }
}
