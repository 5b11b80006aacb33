//! Counts tries at the setup code.

use std::time::Duration;

use crate::random::RandomError;
use crate::setup_code::SetupCode;

/// Wrong tries after which the code is replaced.
const MAX_WRONG_TRIES: u8 = 10;
/// How long no try counts after that. With 40 bits and ten tries each time, guessing takes millions of years.
const PAUSE: Duration = Duration::from_secs(600);

/// The code in force and what was tried against it. Times are monotonic, since boot.
#[derive(Debug)]
pub struct SetupGate {
    code: SetupCode,
    wrong_tries: u8,
    paused_until: Option<Duration>,
}

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupTry {
    /// It was the code. The tries before it are forgotten.
    Right,
    /// It was not.
    Wrong {
        /// Tries left before the code is replaced.
        left: u8,
    },
    /// It was not, once too often: a new code is in force and is to be shown; tries count again after the pause.
    Replaced {
        /// How long the pause is.
        retry_after: Duration,
    },
    /// It was not looked at.
    Paused {
        /// How long the pause still is.
        retry_after: Duration,
    },
}

impl SetupGate {
    /// A gate with this code and no tries.
    pub fn new(code: SetupCode) -> Self {
        Self {
            code,
            wrong_tries: 0,
            paused_until: None,
        }
    }

    /// The code in force.
    pub fn code(&self) -> &SetupCode {
        &self.code
    }

    /// Looks at what was typed. An error means that the code should have been replaced and no new one could be made:
    /// the pause has begun all the same.
    pub fn check(&mut self, typed: &str, now: Duration) -> Result<SetupTry, RandomError> {
        if let Some(left) = self.paused_until.and_then(|until| until.checked_sub(now))
            && !left.is_zero()
        {
            return Ok(SetupTry::Paused { retry_after: left });
        }
        self.paused_until = None;
        if self.code.matches(typed) {
            self.wrong_tries = 0;
            return Ok(SetupTry::Right);
        }
        self.wrong_tries += 1;
        if self.wrong_tries < MAX_WRONG_TRIES {
            return Ok(SetupTry::Wrong {
                left: MAX_WRONG_TRIES - self.wrong_tries,
            });
        }
        self.wrong_tries = 0;
        self.paused_until = Some(now.saturating_add(PAUSE));
        self.code = SetupCode::generate()?;
        Ok(SetupTry::Replaced { retry_after: PAUSE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "ABCD2345";

    fn gate() -> SetupGate {
        SetupGate::new(CODE.parse().unwrap())
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ten_wrong_tries(gate: &mut SetupGate, now: Duration) -> SetupTry {
        let mut last = SetupTry::Right;
        for _ in 0..10 {
            last = gate.check("WRNGC0DE", now).unwrap();
        }
        last
    }

    #[test]
    fn right_code_opens_and_forgets_wrong_tries() {
        let mut gate = gate();
        assert_eq!(gate.check("no", at(0)), Ok(SetupTry::Wrong { left: 9 }));
        assert_eq!(gate.check("abcd-2345", at(0)), Ok(SetupTry::Right));
        assert_eq!(gate.check("no", at(0)), Ok(SetupTry::Wrong { left: 9 }));
    }

    #[test]
    fn tenth_wrong_try_makes_a_new_code_and_a_pause() {
        let mut gate = gate();
        assert_eq!(
            ten_wrong_tries(&mut gate, at(100)),
            SetupTry::Replaced {
                retry_after: at(600)
            }
        );
        assert!(!gate.code().matches(CODE));
    }

    #[test]
    fn not_even_the_right_code_opens_during_the_pause() {
        let mut gate = gate();
        ten_wrong_tries(&mut gate, at(100));
        let code = gate.code().expose_text();
        assert_eq!(
            gate.check(code.expose(), at(699)),
            Ok(SetupTry::Paused { retry_after: at(1) })
        );
        assert_eq!(gate.check(code.expose(), at(700)), Ok(SetupTry::Right));
    }

    #[test]
    fn old_code_is_worth_nothing_after_the_pause() {
        let mut gate = gate();
        ten_wrong_tries(&mut gate, at(0));
        assert_eq!(gate.check(CODE, at(600)), Ok(SetupTry::Wrong { left: 9 }));
    }

    #[test]
    fn tries_during_the_pause_do_not_prolong_it() {
        let mut gate = gate();
        ten_wrong_tries(&mut gate, at(0));
        for second in 0..600 {
            assert_eq!(
                gate.check("no", at(second)),
                Ok(SetupTry::Paused {
                    retry_after: at(600 - second)
                })
            );
        }
        assert_eq!(gate.check("no", at(600)), Ok(SetupTry::Wrong { left: 9 }));
    }
}
