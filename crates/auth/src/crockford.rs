//! Crockford's base 32, for what a person reads off a screen and types.

use crate::random::{self, RandomError};

/// No I, L, O or U, so that nothing is misread aloud or from a screen.
pub(crate) const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Random characters of the alphabet; each holds five bits.
pub(crate) fn generate<const N: usize>() -> Result<[u8; N], RandomError> {
    // 256 is a multiple of 32, so no character is likelier than another.
    let bytes: [u8; N] = random::bytes()?;
    Ok(bytes.map(|byte| ALPHABET[usize::from(byte % 32)]))
}

/// Reads exactly so many characters as people write them: either case, with hyphens and spaces, O for 0, I and L for 1.
pub(crate) fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut code = [0; N];
    let mut length = 0;
    for character in text.chars() {
        let byte = match character.to_ascii_uppercase() {
            '-' => continue,
            space if space.is_whitespace() => continue,
            'O' => b'0',
            'I' | 'L' => b'1',
            other => u8::try_from(other)
                .ok()
                .filter(|byte| ALPHABET.contains(byte))?,
        };
        *code.get_mut(length)? = byte;
        length += 1;
    }
    (length == N).then_some(code)
}
