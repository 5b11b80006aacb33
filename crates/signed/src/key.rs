//! Ed25519 keys (RFC 8032).

use std::fmt;
use std::str::FromStr;

use cell_model::secret::Secret;
use cell_model::signer::SignerKey;
use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::SignedError;
use crate::words::brief;

/// Who signs, as everybody may know it. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// What signatures name it by: the first 16 hexadecimal digits of its SHA-256.
    pub fn id(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.0)[..8])
    }

    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = SignedError;

    fn from_str(text: &str) -> Result<Self, SignedError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        Ok(Self(bytes.ok_or_else(|| SignedError::Key(brief(text)))?))
    }
}

impl From<&SignerKey> for PublicKey {
    fn from(key: &SignerKey) -> Self {
        let key = key.as_str().parse();
        key.expect("it has 64 digits")
    }
}

impl From<PublicKey> for SignerKey {
    fn from(key: PublicKey) -> Self {
        let key = key.to_string().parse();
        key.expect("it has 64 digits")
    }
}

impl TryFrom<String> for PublicKey {
    type Error = SignedError;

    fn try_from(text: String) -> Result<Self, SignedError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// Who signs: on the machines of those who make releases, never on a box.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// A new key as PKCS#8 (RFC 5958), to be kept.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> Result<Secret<Vec<u8>>, SignedError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let document = document.map_err(|_| SignedError::SecretKey)?;
        Ok(Secret::new(document.as_ref().to_vec()))
    }

    /// The key that was kept.
    ///
    /// # Errors
    /// It is not what [`generate`](Self::generate) makes.
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, SignedError> {
        let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|_| SignedError::SecretKey)?;
        let bytes = pair.public_key().as_ref().try_into();
        Ok(Self {
            public: PublicKey(bytes.map_err(|_| SignedError::SecretKey)?),
            pair,
        })
    }

    /// What others check its signatures with.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}
