//! Passwords: the rules for a new one, hashing and checking.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use cell_model::name::Username;
use cell_model::password_hash::PhcHash;
use cell_model::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::random;

/// Fewest characters of a new password.
const MIN_CHARACTERS: usize = 10;
/// Most bytes of a password: far above any sentence, far below what would cost time to hash.
const MAX_BYTES: usize = 1024;
/// Salt bytes, as RFC 9106 section 3.1 recommends.
const SALT_BYTES: usize = 16;
/// KiB of memory, passes and lanes: OWASP's least setting of argon2id, since a 1 GiB board may have to hash for several
/// people at once. 36 ms on a small x86 machine.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash with our parameters whose password nobody has: what an unknown account is checked against.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$ZV46XA6ECigW0Kpvu8MpRg$Tbr5y8HybIkGhryrDaq/s4Bsu9GNKiNEiujvmmUYUBE";

/// The passwords of ten characters and more that guessing programs begin with.
const COMMON: [&str; 24] = [
    "0123456789",
    "0987654321",
    "1234567890",
    "12345678910",
    "123456789a",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "abcdefghij",
    "administrator",
    "changeme123",
    "iloveyou123",
    "letmein123",
    "passw0rd123",
    "password12",
    "password123",
    "password1234",
    "passwordpassword",
    "q1w2e3r4t5",
    "qwerty12345",
    "qwerty123456",
    "qwertyuiop",
    "raspberrypi",
    "welcome123",
];

/// Why a password is not taken, or could not be hashed. The first five are fit to be shown beside the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer characters than the limit.
    #[error("must have at least {MIN_CHARACTERS} characters")]
    TooShort,
    /// More bytes than the limit.
    #[error("must have at most {MAX_BYTES} bytes")]
    TooLong,
    /// A control character, which some keyboards and forms lose.
    #[error("must not contain control characters")]
    Control,
    /// The same as the user name, in whatever case.
    #[error("must not be the user name")]
    Username,
    /// One of those that are tried first.
    #[error("must not be one of the passwords that are guessed first")]
    Common,
    /// No salt could be made.
    #[error("cannot make a salt")]
    Salt(#[from] random::RandomError),
    /// The hash could not be computed, for want of memory above all.
    #[error("cannot hash the password: {0}")]
    Hash(String),
}

/// An argon2id hash as PHC text (`$argon2id$v=19$m=…`). Prints as a mask.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

impl PasswordHash {
    /// How much work it is to check a password against it: KiB of memory, times passes over it. 0: not readable.
    pub fn work(&self) -> u64 {
        let params = phc::PasswordHash::new(&self.0)
            .ok()
            .and_then(|parsed| Params::try_from(&parsed).ok());
        params.map_or(0, |params| {
            u64::from(params.m_cost()) * u64::from(params.t_cost())
        })
    }
}

/// Takes a hash that was made elsewhere as it is. Its parameters are bounded by its type, so that checking a password
/// against it is neither quick to guess nor slow to answer.
impl From<&PhcHash> for PasswordHash {
    fn from(hash: &PhcHash) -> Self {
        Self(hash.expose().to_owned())
    }
}

/// Whether a person may choose this password. Any script, spaces and emoji are welcome; the bytes count as they
/// are, without Unicode normalisation, since browsers send composed characters on every common system.
pub fn check_password_rules(
    password: &Secret<String>,
    username: &Username,
) -> Result<(), PasswordError> {
    let password = password.expose().as_str();
    if password.len() > MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordError::Control);
    }
    if password.chars().count() < MIN_CHARACTERS {
        return Err(PasswordError::TooShort);
    }
    if password.eq_ignore_ascii_case(username.as_str()) {
        return Err(PasswordError::Username);
    }
    let mut characters = password.chars();
    let first = characters.next();
    let one_character = characters.all(|next| Some(next) == first);
    if one_character
        || COMMON
            .iter()
            .any(|common| password.eq_ignore_ascii_case(common))
    {
        return Err(PasswordError::Common);
    }
    Ok(())
}

/// Hashes a password with a fresh salt. Takes tens of milliseconds and 19 MiB: run it off the event loop.
/// The rules are not checked here.
pub fn hash_password(password: &Secret<String>) -> Result<PasswordHash, PasswordError> {
    let salt: [u8; SALT_BYTES] = random::bytes()?;
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| PasswordError::Hash(error.to_string()))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map(|hash| PasswordHash(hash.to_string()))
        .map_err(|error| PasswordError::Hash(error.to_string()))
}

/// Whether the password belongs to the hash; `None`, where there is no account at all, never matches and takes as long
/// as [`hash_password`]. A hash that was made elsewhere takes as long as its parameters say.
pub fn verify_password(hash: Option<&PasswordHash>, password: &Secret<String>) -> bool {
    let text = hash.map_or(NOBODY, |hash| hash.0.as_str());
    let password = password.expose().as_bytes();
    let matches = password.len() <= MAX_BYTES
        && phc::PasswordHash::new(text)
            .is_ok_and(|parsed| Argon2::default().verify_password(password, &parsed).is_ok());
    hash.is_some() && matches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn check(text: &str) -> Result<(), PasswordError> {
        check_password_rules(&secret(text), &"administrator-anna".parse().unwrap())
    }

    fn parameters(text: &str) -> (String, String, usize) {
        let parsed = phc::PasswordHash::new(text).unwrap();
        (
            parsed.algorithm.to_string(),
            parsed.params.to_string(),
            parsed.hash.unwrap().len(),
        )
    }

    #[test]
    fn password_matches_its_own_hash_only() {
        let hash = hash_password(&secret("correct horse")).unwrap();
        assert!(verify_password(Some(&hash), &secret("correct horse")));
        assert!(!verify_password(Some(&hash), &secret("correct hors")));
        assert!(!verify_password(Some(&hash), &secret("Correct horse")));
        assert!(!verify_password(Some(&hash), &secret("")));
    }

    #[test]
    fn same_password_hashes_differently_each_time() {
        let password = secret("correct horse");
        assert_ne!(
            hash_password(&password).unwrap(),
            hash_password(&password).unwrap()
        );
    }

    #[test]
    fn hash_is_argon2id_with_19_mib_and_two_passes() {
        let hash = hash_password(&secret("correct horse")).unwrap();
        assert_eq!(
            parameters(&hash.0),
            ("argon2id".to_owned(), "m=19456,t=2,p=1".to_owned(), 32)
        );
    }

    #[test]
    fn unknown_account_costs_the_same_work_and_never_matches() {
        let real = hash_password(&secret("correct horse")).unwrap();
        assert_eq!(parameters(NOBODY), parameters(&real.0));
        assert!(!verify_password(None, &secret("correct horse")));
    }

    #[test]
    fn hash_made_elsewhere_is_checked_with_its_own_parameters() {
        // Made with `argon2 saltsaltsalt -id -t 3 -k 16384 -p 2 -e` of Debian.
        let text = "$argon2id$v=19$m=16384,t=3,p=2$c2FsdHNhbHRzYWx0$gUh+v97C4ApGXFZIKYiMJc1ctouuBMjIlHXV3nyjfhM";
        let hash = PasswordHash::from(&text.parse::<PhcHash>().unwrap());
        assert!(verify_password(Some(&hash), &secret("correct horse")));
        assert!(!verify_password(Some(&hash), &secret("correct hors")));
        let own = hash_password(&secret("correct horse")).unwrap();
        assert_eq!((hash.work(), own.work()), (49_152, 38_912));
    }

    #[test]
    fn own_hash_is_within_the_bounds_of_those_made_elsewhere() {
        let own = hash_password(&secret("correct horse")).unwrap();
        assert!(own.0.parse::<PhcHash>().is_ok());
    }

    #[test]
    fn damaged_hash_matches_nothing() {
        let damaged = PasswordHash("$argon2id$v=19$".to_owned());
        assert!(!verify_password(Some(&damaged), &secret("")));
    }

    #[test]
    fn passwords_of_every_script_are_taken() {
        for good in [
            "correct horse battery",
            "пароль-пароль",
            "合言葉は山川合言葉は",
            "🐴🔋📎🪨🐴🔋📎🪨🐴🔋",
            "tab-free but with spaces ",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(&"ab".repeat(512)), Ok(()));
    }

    #[test]
    fn passwords_that_would_be_guessed_or_lost_are_refused() {
        assert_eq!(check("ninechars"), Err(PasswordError::TooShort));
        assert_eq!(check(&"ab".repeat(513)), Err(PasswordError::TooLong));
        assert_eq!(check("with\0a zero byte"), Err(PasswordError::Control));
        assert_eq!(check("Administrator-Anna"), Err(PasswordError::Username));
        assert_eq!(check("Password123"), Err(PasswordError::Common));
        assert_eq!(check("äääääääääää"), Err(PasswordError::Common));
    }

    #[test]
    fn list_of_common_passwords_holds_only_what_no_other_rule_refuses() {
        for common in COMMON {
            assert_eq!(check(common), Err(PasswordError::Common), "{common}");
        }
    }
}
