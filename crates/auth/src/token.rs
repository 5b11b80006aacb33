//! The secret a browser holds for its session, and what the box keeps of it and of app passwords.

use std::fmt;
use std::str::FromStr;

use cell_model::secret::Secret;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::hmac;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::random::{self, RandomError};

/// The text is not what it should be: 43 characters of base64url for a token, 64 of hex for its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a session token")]
pub struct TokenError;

/// 256 random bits; whoever holds them is signed in. Prints as a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionToken(Secret<[u8; 32]>);

/// SHA-256 of a token or of an app password: all the box keeps of either, and the session's name in lists. It opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl SessionToken {
    /// A fresh token.
    pub fn generate() -> Result<Self, RandomError> {
        random::bytes().map(|bytes| Self(Secret::new(bytes)))
    }

    /// The token as base64url, for the cookie.
    pub fn expose_text(&self) -> Secret<String> {
        Secret::new(BASE64URL_NOPAD.encode(self.0.expose()))
    }

    /// What the box keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.expose())
    }

    /// The token forms and `X-CSRF-Token` must carry, as base64url: HMAC-SHA-256 of `csrf` under the session token.
    /// It needs no storage, ends with the session, and does not reveal the session token.
    pub fn csrf_token(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        BASE64URL_NOPAD.encode(hmac::sign(&key, b"csrf").as_ref())
    }

    /// Whether a request carried this session's CSRF token; takes the same time for every wrong one.
    pub fn csrf_matches(&self, sent: &str) -> bool {
        self.csrf_token().as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

impl FromStr for SessionToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| TokenError)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| TokenError)?;
        Ok(Self(Secret::new(bytes)))
    }
}

impl TokenHash {
    /// The hash of a secret that was made at random, and is too long to be guessed: a slow hash would add nothing.
    pub(crate) fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl FromStr for TokenHash {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| TokenError)?;
        <[u8; 32]>::try_from(bytes)
            .map(Self)
            .map_err(|_| TokenError)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_survives_the_cookie() {
        let token = SessionToken::generate().unwrap();
        let text = token.expose_text();
        assert_eq!(text.expose().len(), 43);
        assert_eq!(text.expose().parse::<SessionToken>().unwrap(), token);
        assert_eq!(format!("{token:?}"), "SessionToken([secret])");
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        for bad in ["", "abc", &"A".repeat(42), &"A".repeat(44), &"*".repeat(43)] {
            assert_eq!(bad.parse::<SessionToken>(), Err(TokenError), "{bad}");
            assert_eq!(bad.parse::<TokenHash>(), Err(TokenError), "{bad}");
        }
    }

    #[test]
    fn two_tokens_are_never_the_same() {
        assert_ne!(
            SessionToken::generate().unwrap(),
            SessionToken::generate().unwrap()
        );
    }

    #[test]
    fn hash_is_sha_256_of_the_bytes_and_survives_being_stored() {
        let hash = SessionToken(Secret::new([0; 32])).hash();
        assert_eq!(
            hash.to_string(),
            "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
        );
        let stored = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<TokenHash>(&stored).unwrap(), hash);
    }

    #[test]
    fn csrf_token_belongs_to_one_session() {
        let (mine, other) = (
            SessionToken::generate().unwrap(),
            SessionToken::generate().unwrap(),
        );
        assert!(mine.csrf_matches(&mine.csrf_token()));
        assert!(!mine.csrf_matches(&other.csrf_token()));
        assert!(!mine.csrf_matches(""));
        assert_ne!(mine.csrf_token(), *mine.expose_text().expose());
    }
}
