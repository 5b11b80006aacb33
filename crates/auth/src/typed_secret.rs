//! Secrets that the box makes up and that a person can type: app passwords, invites, tokens.

use cell_model::secret::Secret;

use crate::crockford;
use crate::random::RandomError;
use crate::token::TokenHash;

/// Characters: 130 bits, so that neither a guess nor a stolen hash leads anywhere.
const LENGTH: usize = 26;

/// 26 characters of Crockford's base 32. Prints as a mask.
#[derive(Clone, Debug)]
pub struct TypedSecret(Secret<[u8; LENGTH]>);

impl TypedSecret {
    /// A fresh one.
    pub fn generate() -> Result<Self, RandomError> {
        crockford::generate().map(|code| Self(Secret::new(code)))
    }

    /// What a person typed, in whatever spelling: either case, with hyphens and spaces. `None` when it can be none.
    pub fn read(typed: &str) -> Option<Self> {
        crockford::read(typed).map(|code| Self(Secret::new(code)))
    }

    /// The secret as it is shown: in lower case, which phones type more easily.
    pub fn expose_text(&self) -> Secret<String> {
        let lower = self
            .0
            .expose()
            .map(|byte| char::from(byte.to_ascii_lowercase()));
        Secret::new(lower.iter().collect())
    }

    /// What the box keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose_text().expose().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_26_characters_that_nobody_misreads() {
        let secret = TypedSecret::generate().unwrap();
        let text = secret.expose_text();
        assert_eq!(text.expose().len(), 26);
        let plain = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() && !"ilou".contains(c);
        assert!(text.expose().chars().all(plain));
        assert_eq!(format!("{secret:?}"), "TypedSecret([secret])");
    }

    #[test]
    fn secret_is_known_however_it_is_typed() {
        let secret = TypedSecret::read("0123456789abcdefghjkmnpqrs").unwrap();
        for typed in [
            "01234-56789-abcde-fghjk-mnpqrs",
            "OI23456789ABCDEFGHJKMNPQRS",
            " 0l23456789 abcdefghjk mnpqrs\n",
        ] {
            let typed = TypedSecret::read(typed).unwrap();
            assert_eq!(typed.hash(), secret.hash());
        }
        for bad in [
            "",
            "0123456789abcdefghjkmnpqr",
            "0123456789abcdefghjkmnpqrst",
            &"u".repeat(26),
        ] {
            assert!(TypedSecret::read(bad).is_none(), "{bad}");
        }
    }
}
