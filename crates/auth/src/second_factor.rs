//! A second factor beside the password: codes that an app on a phone makes (RFC 6238), and recovery codes for when the
//! phone is gone.

use cell_model::Timestamp;
use cell_model::name::Username;
use cell_model::secret::Secret;
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Totp};

use crate::crockford;
use crate::random::{self, RandomError};
use crate::token::TokenHash;

/// Bytes of a secret (RFC 4226, section 4, R6: 160 bits).
const SECRET_BYTES: usize = 20;
/// Characters of a recovery code: 50 bits, out of reach of the few tries that the brake lets through.
const RECOVERY_CHARACTERS: usize = 10;

/// What app and box share. Prints as a mask.
///
/// Codes are what all apps make: six digits of HMAC-SHA-1, a new one every 30 s. One before and one after the present one
/// count too, for clocks that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpSecret(Secret<[u8; SECRET_BYTES]>);

/// The second factor of an account, as stored. The secret is sealed by whoever keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondFactor {
    /// Whose it is.
    pub username: Username,
    /// When that account was made: one of the same name that was made later has none.
    pub account_created_at: Timestamp,
    /// Since when it is asked for.
    pub since: Timestamp,
    /// The latest code that was used: neither it nor one before it counts again (RFC 6238, section 5.2).
    last_step: u64,
    /// Those that are left.
    recovery_codes: Vec<TokenHash>,
}

/// Codes that count once each. They are shown when they are made, and never again.
#[derive(Debug, Clone)]
pub struct RecoveryCodes(Vec<Secret<[u8; RECOVERY_CHARACTERS]>>);

impl TotpSecret {
    /// A fresh one.
    pub fn generate() -> Result<Self, RandomError> {
        random::bytes().map(|bytes| Self(Secret::new(bytes)))
    }

    /// One that was kept; `None` when it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.try_into().ok()?;
        Some(Self(Secret::new(bytes)))
    }

    /// To be kept.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// As people type it into an app that has no camera.
    pub fn expose_text(&self) -> Secret<String> {
        Secret::new(BASE32_NOPAD.encode(self.0.expose()))
    }

    /// What apps read from a picture (Google Authenticator, "Key Uri Format"), for an account of this box.
    pub fn uri(&self, cell: &str, username: &Username) -> Secret<String> {
        // What names of boxes and accounts have needs no escape but this one.
        let username = username.as_str().replace('@', "%40");
        let secret = self.expose_text();
        let secret = secret.expose();
        Secret::new(format!(
            "otpauth://totp/{cell}:{username}?secret={secret}&issuer={cell}"
        ))
    }

    /// The number of the period whose code this is, if it is that of now or of a neighbour. Apps show codes in groups.
    pub fn step_of(&self, typed: &str, now: Timestamp) -> Option<u64> {
        let digits: String = typed.split_whitespace().collect();
        let seconds = u64::try_from(now.as_second()).ok()?;
        self.totp().check(&digits, seconds)
    }

    /// The code of a moment, as an app would show it.
    pub fn code_at(&self, now: Timestamp) -> String {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        self.totp().generate(seconds).to_string()
    }

    fn totp(&self) -> Totp {
        Builder::new()
            .with_secret(*self.0.expose())
            .build()
            .expect("the secret is long enough")
    }
}

impl SecondFactor {
    /// How many recovery codes an account has.
    pub const RECOVERY_CODES: usize = 8;

    /// One that counts from now on. `step` is that of the code by which the app was proven.
    pub fn new(
        username: Username,
        account_created_at: Timestamp,
        step: u64,
        codes: &RecoveryCodes,
        now: Timestamp,
    ) -> Self {
        Self {
            username,
            account_created_at,
            since: now,
            last_step: step,
            recovery_codes: codes.hashes(),
        }
    }

    /// How many recovery codes are left.
    pub fn recovery_codes_left(&self) -> usize {
        self.recovery_codes.len()
    }

    /// Others take the place of the recovery codes.
    pub fn renew(&mut self, codes: &RecoveryCodes) {
        self.recovery_codes = codes.hashes();
    }

    /// Whether what was typed is looked at as a code of an app, for it is no recovery code by its form.
    pub fn is_of_app(typed: &str) -> bool {
        recovery_code(typed).is_none()
    }

    /// What it is after this code was used; `None` when it does not count.
    #[must_use]
    pub fn use_code(&self, secret: &TotpSecret, typed: &str, now: Timestamp) -> Option<Self> {
        let mut used = self.clone();
        match recovery_code(typed) {
            Some(hash) => {
                let at = used.recovery_codes.iter().position(|code| *code == hash)?;
                used.recovery_codes.remove(at);
            }
            None => {
                let step = secret.step_of(typed, now)?;
                used.last_step = (step > used.last_step).then_some(step)?;
            }
        }
        Some(used)
    }
}

/// What is kept of a recovery code, if what was typed has the form of one.
fn recovery_code(typed: &str) -> Option<TokenHash> {
    let code = crockford::read::<RECOVERY_CHARACTERS>(typed)?;
    Some(TokenHash::of(&code))
}

impl RecoveryCodes {
    /// Fresh ones.
    pub fn generate() -> Result<Self, RandomError> {
        let code = || crockford::generate().map(Secret::new);
        let codes = (0..SecondFactor::RECOVERY_CODES).map(|_| code());
        codes.collect::<Result<_, _>>().map(Self)
    }

    /// As they are shown: two groups of five.
    pub fn expose_text(&self) -> Vec<Secret<String>> {
        let text = |code: &Secret<[u8; RECOVERY_CHARACTERS]>| {
            let text = String::from_utf8_lossy(code.expose()).into_owned();
            let (one, other) = text.split_at(RECOVERY_CHARACTERS / 2);
            Secret::new(format!("{one}-{other}"))
        };
        self.0.iter().map(text).collect()
    }

    fn hashes(&self) -> Vec<TokenHash> {
        let codes = self.0.iter();
        codes.map(|code| TokenHash::of(code.expose())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B.
    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn factor(codes: &RecoveryCodes) -> SecondFactor {
        let epoch = Timestamp::UNIX_EPOCH;
        SecondFactor::new("anna".parse().unwrap(), epoch, 0, codes, epoch)
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // Its table has eight digits; six are the last of them.
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().code_at(at(second)), code);
            let step = u64::try_from(second).unwrap() / 30;
            assert_eq!(secret().step_of(code, at(second)), Some(step));
        }
    }

    #[test]
    fn clock_may_be_a_period_off_and_no_more() {
        let code = secret().code_at(at(1_000_000));
        for (second, counts) in [
            (1_000_000 - 61, false),
            (1_000_000 - 30, true),
            (1_000_000 + 30, true),
            (1_000_000 + 61, false),
        ] {
            assert_eq!(secret().step_of(&code, at(second)).is_some(), counts);
        }
    }

    #[test]
    fn code_counts_once_and_takes_those_before_it_along() {
        let factor = factor(&RecoveryCodes::generate().unwrap());
        let now = at(1_000_000);
        let (code, before) = (secret().code_at(now), secret().code_at(at(999_970)));
        let spaced = format!(" {} {}\n", &code[..3], &code[3..]);
        let used = factor.use_code(&secret(), &spaced, now).unwrap();
        assert_eq!(used.use_code(&secret(), &code, now), None);
        assert_eq!(used.use_code(&secret(), &before, now), None);
        let next = secret().code_at(at(1_000_030));
        assert!(used.use_code(&secret(), &next, now).is_some());
    }

    #[test]
    fn recovery_code_counts_once_in_any_spelling() {
        let codes = RecoveryCodes::generate().unwrap();
        let factor = factor(&codes);
        assert_eq!(factor.recovery_codes_left(), SecondFactor::RECOVERY_CODES);
        let text = codes.expose_text()[3].expose().clone();
        assert_eq!(text.len(), 11);
        let typed = text.to_lowercase().replace('-', " ");
        let used = factor.use_code(&secret(), &typed, at(0)).unwrap();
        assert_eq!(used.recovery_codes_left(), 7);
        assert_eq!(used.use_code(&secret(), &text, at(0)), None);
        let mut renewed = used.clone();
        renewed.renew(&RecoveryCodes::generate().unwrap());
        let other = codes.expose_text()[4].expose().clone();
        assert_eq!(renewed.use_code(&secret(), &other, at(0)), None);
        assert!(used.use_code(&secret(), &other, at(0)).is_some());
    }

    #[test]
    fn what_is_no_code_does_not_count() {
        let factor = factor(&RecoveryCodes::generate().unwrap());
        assert!(SecondFactor::is_of_app("123 456") && !SecondFactor::is_of_app("00001-23456"));
        for typed in [
            "",
            "12345",
            "1234567",
            "abcdef",
            "AAAAA-AAAAA",
            "１２３４５６",
        ] {
            assert_eq!(factor.use_code(&secret(), typed, at(1_000_000)), None);
        }
        let late = Timestamp::MAX;
        assert_eq!(factor.use_code(&secret(), "000000", late), None);
    }

    #[test]
    fn picture_for_apps_names_box_and_account() {
        let uri = secret().uri("hut", &"anna@home".parse().unwrap());
        assert_eq!(
            uri.expose(),
            "otpauth://totp/hut:anna%40home?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=hut"
        );
    }

    #[test]
    fn nothing_that_is_stored_or_printed_tells_a_code() {
        let codes = RecoveryCodes::generate().unwrap();
        let stored = serde_json::to_string(&factor(&codes)).unwrap();
        let printed = format!("{stored}{codes:?}{:?}", secret());
        for code in codes.expose_text() {
            assert!(!printed.contains(&code.expose()[..5]), "{printed}");
        }
        let back: SecondFactor = serde_json::from_str(&stored).unwrap();
        assert_eq!(back, factor(&codes));
    }
}
