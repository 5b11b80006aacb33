//! Password hashes that were made elsewhere: argon2id as PHC text, with parameters within bounds.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

/// Least memory in KiB, and least memory times passes. What OWASP's password storage cheat sheet takes for equally
/// strong lies above both: 7 MiB with 5 passes is the smallest of its settings.
const MIN_MEMORY_KIB: u32 = 7 * 1024;
const MIN_WORK: u64 = 7 * 1024 * 5;
/// Most memory in KiB, and most memory times passes. Two people may sign in at once on a board of 1 GiB, and each waits
/// some 13 times as long as with the box's own parameters: about two seconds on a small ARM board.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
const MAX_WORK: u64 = 128 * 1024 * 4;
/// Most lanes: the box computes them one after the other.
const MAX_LANES: u32 = 4;
/// Bytes of salt and hash, as RFC 9106 section 3.1 allows and people make them.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=48;
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Why a text is no hash that is taken. The text is fit to be shown beside the field and does not repeat the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhcHashError {
    /// Not even the start is right: perhaps the password itself.
    #[error("must be a hash that starts with $argon2id$v=19$, never the password itself")]
    Plain,
    /// Another function, or another version of it.
    #[error("must be made with argon2id, version 19 (1.3)")]
    Function,
    /// The function is right, the rest is not as PHC text has it.
    #[error(
        "is not whole: after $argon2id$v=19$ come m=…,t=…,p=…, then salt and hash, each with a $ before it"
    )]
    Form,
    /// Too quick to guess.
    #[error(
        "is too weak: memory (m) must be at least 7168 KiB, and m times t at least 35840, as with m=19456,t=2"
    )]
    Weak,
    /// Signing in would take too long or too much memory.
    #[error(
        "is too costly for a small box: memory (m) at most 131072 KiB, m times t at most 524288, lanes (p) at most 4"
    )]
    Costly,
    /// Salt or hash are shorter or longer than they may be.
    #[error("must have a salt of 8 to 48 bytes and a hash of 16 to 64")]
    Length,
}

/// An argon2id hash as PHC text, whose parameters are neither weak nor costly. Prints as a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct PhcHash(Zeroizing<String>);

impl PhcHash {
    /// The text. Every call of this is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PhcHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

impl FromStr for PhcHash {
    type Err = PhcHashError;

    fn from_str(text: &str) -> Result<Self, PhcHashError> {
        let rest = text.strip_prefix('$').ok_or(PhcHashError::Plain)?;
        let mut parts = rest.split('$');
        if parts.next() != Some("argon2id") || parts.next() != Some("v=19") {
            return Err(PhcHashError::Function);
        }
        let (Some(parameters), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PhcHashError::Form);
        };
        check_parameters(parameters)?;
        let length = |text| {
            let bytes = STANDARD_NO_PAD.decode(text);
            bytes
                .map(|bytes| bytes.len())
                .map_err(|_| PhcHashError::Form)
        };
        if !SALT_BYTES.contains(&length(salt)?) || !HASH_BYTES.contains(&length(hash)?) {
            return Err(PhcHashError::Length);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

fn check_parameters(text: &str) -> Result<(), PhcHashError> {
    let mut words = text.split(',');
    let mut number = |name: &str| -> Result<u32, PhcHashError> {
        let digits = words
            .next()
            .and_then(|word| word.strip_prefix(name))
            .filter(|digits| !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()))
            .ok_or(PhcHashError::Form)?;
        // More digits than fit are more than is taken.
        match digits.len() {
            0 => Err(PhcHashError::Form),
            1..=9 => digits.parse().map_err(|_| PhcHashError::Form),
            _ => Err(PhcHashError::Costly),
        }
    };
    let (memory, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
    if words.next().is_some() {
        return Err(PhcHashError::Form);
    }
    let work = u64::from(memory) * u64::from(passes);
    if memory > MAX_MEMORY_KIB || work > MAX_WORK || lanes > MAX_LANES {
        return Err(PhcHashError::Costly);
    }
    if memory < MIN_MEMORY_KIB || work < MIN_WORK {
        return Err(PhcHashError::Weak);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "c2FsdHNhbHQ";
    const HASH: &str = "Tbr5y8HybIkGhryrDaq/s4Bsu9GNKiNEiujvmmUYUBE";

    fn with(parameters: &str) -> Result<PhcHash, PhcHashError> {
        format!("$argon2id$v=19${parameters}${SALT}${HASH}").parse()
    }

    #[test]
    fn hash_within_the_bounds_is_taken_and_not_printed() {
        for good in [
            "m=19456,t=2,p=1",
            "m=7168,t=5,p=1",
            "m=131072,t=4,p=4",
            "m=65536,t=3,p=4",
        ] {
            assert!(with(good).is_ok(), "{good}");
        }
        assert_eq!(format!("{:?}", with("m=19456,t=2,p=1").unwrap()), "[hash]");
    }

    #[test]
    fn weak_and_costly_parameters_are_refused() {
        for (parameters, expected) in [
            ("m=4096,t=3,p=1", PhcHashError::Weak),
            ("m=7167,t=9,p=1", PhcHashError::Weak),
            ("m=19456,t=1,p=1", PhcHashError::Weak),
            ("m=131073,t=1,p=1", PhcHashError::Costly),
            ("m=131072,t=5,p=1", PhcHashError::Costly),
            ("m=8192,t=4294967295,p=1", PhcHashError::Costly),
            ("m=99999999999999999999,t=1,p=1", PhcHashError::Costly),
            ("m=19456,t=2,p=5", PhcHashError::Costly),
        ] {
            assert_eq!(with(parameters), Err(expected), "{parameters}");
        }
    }

    #[test]
    fn what_is_not_such_a_hash_is_told_apart() {
        let whole = |text: &str| text.parse::<PhcHash>().unwrap_err();
        assert_eq!(whole("correct horse battery"), PhcHashError::Plain);
        assert_eq!(whole(""), PhcHashError::Plain);
        assert_eq!(
            whole("$2b$12$abcdefghijklmnopqrstuv"),
            PhcHashError::Function
        );
        assert_eq!(
            whole("$argon2i$v=19$m=19456,t=2,p=1$a$b"),
            PhcHashError::Function
        );
        assert_eq!(
            whole("$argon2id$v=16$m=19456,t=2,p=1$a$b"),
            PhcHashError::Function
        );
        assert_eq!(
            whole("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA"),
            PhcHashError::Form
        );
        for form in [
            "",
            "m=19456",
            "m=,t=2,p=1",
            "t=2,m=19456,p=1",
            "m=019456,t=2,p=1",
            "m=19456,t=+2,p=1",
            "m=19456,t=2,p=1,keyid=a",
            "m=19456,t=0,p=1",
        ] {
            assert_eq!(with(form), Err(PhcHashError::Form), "{form}");
        }
        for (salt, hash, expected) in [
            ("c2FsdA", HASH, PhcHashError::Length),
            (SALT, "c2FsdA", PhcHashError::Length),
            (SALT, "c2FsdA==", PhcHashError::Form),
            ("not base 64", HASH, PhcHashError::Form),
        ] {
            let text = format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}");
            assert_eq!(whole(&text), expected, "{text}");
        }
    }
}
