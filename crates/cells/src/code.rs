//! The code that owners compare.

use std::fmt;
use std::str::FromStr;

use cell_signed::PublicKey;
use sha2::{Digest, Sha256};

/// Six digits that are the same on both sides if nobody is between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(u32);

/// The text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the six digits that the other cell shows")]
pub struct CodeError;

/// One more than the largest.
const END: u32 = 1_000_000;
/// Digits.
const LENGTH: usize = 6;

impl Code {
    /// Over both keys and both nonces, the inviter's first.
    pub(crate) fn of(keys: [&PublicKey; 2], nonces: [&[u8; 32]; 2]) -> Self {
        let mut digest = Sha256::new_with_prefix("cell comparison code 1\n");
        keys.iter().for_each(|key| digest.update(key.to_string()));
        nonces.iter().for_each(|nonce| digest.update(nonce));
        let digest = digest.finalize();
        // A 64-bit number: no code is more likely than another by more than one in 10^13.
        let number = digest[..8]
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Self((number % u64::from(END)) as u32)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0LENGTH$}", self.0)
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// As people type it, perhaps with blanks between.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits
            .parse()
            .ok()
            .filter(|_| are_digits && digits.len() == LENGTH);
        number.map(Self).ok_or(CodeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_six_digits_however_it_is_typed() {
        let code = Code(42);
        assert_eq!(code.to_string(), "000042");
        for typed in ["000042", " 000 042\n"] {
            assert_eq!(typed.parse(), Ok(code));
        }
        for wrong in ["", "42", "+00042", "0000421", "00004a", "٠٠٠٠٤٢"] {
            assert_eq!(wrong.parse::<Code>(), Err(CodeError), "{wrong}");
        }
    }
}
