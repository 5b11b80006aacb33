//! WireGuard keys: 32 bytes, written as base64.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x25519_dalek::StaticSecret;

use crate::secret::Secret;

/// The text is not a WireGuard key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 44 characters of base64 that stand for 32 bytes.
    #[error("must be a WireGuard key: 44 characters of base64, as 'wg pubkey' prints it")]
    Encoding,
    /// The all-zero key, which any point of low order would give.
    #[error("must not be the all-zero key")]
    Zero,
}

/// The public key of a device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// The private key of a device. Prints as a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Secret<[u8; 32]>);

/// A key both ends share besides their own. Prints as a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct PresharedKey(Secret<[u8; 32]>);

impl PublicKey {
    /// From the bytes as on the wire.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes as on the wire.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PrivateKey {
    /// From random bytes, clamped (RFC 7748 section 5).
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        bytes[0] &= 248;
        bytes[31] = (bytes[31] & 127) | 64;
        Self(Secret::new(bytes))
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The key as base64, for the client's file.
    pub fn expose_text(&self) -> Secret<String> {
        Secret::new(BASE64.encode(self.0.expose()))
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(x25519_dalek::PublicKey::from(&StaticSecret::from(*self.0.expose())).to_bytes())
    }
}

impl PresharedKey {
    /// From random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The key as base64, for the client's file.
    pub fn expose_text(&self) -> Secret<String> {
        Secret::new(BASE64.encode(self.0.expose()))
    }
}

fn decode(text: &str) -> Result<[u8; 32], KeyError> {
    let bytes = BASE64
        .decode(text.as_bytes())
        .map_err(|_| KeyError::Encoding)?;
    <[u8; 32]>::try_from(bytes).map_err(|_| KeyError::Encoding)
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = decode(text)?;
        if bytes == [0; 32] {
            return Err(KeyError::Zero);
        }
        Ok(Self(bytes))
    }
}

impl FromStr for PrivateKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        decode(text).map(Self::from_bytes)
    }
}

impl FromStr for PresharedKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        decode(text).map(Self::from_bytes)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PrivateKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PresharedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// For `serialize_with`: writes a private key in the clear, between processes of the box only.
pub fn exposed_private<S: Serializer>(key: &PrivateKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose_text().expose())
}

/// For `serialize_with`: writes a pre-shared key in the clear, between processes of the box only.
pub fn exposed_preshared<S: Serializer>(
    key: &Option<PresharedKey>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => serializer.serialize_some(key.expose_text().expose()),
        None => serializer.serialize_none(),
    }
}

impl JsonSchema for PublicKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 44, "maxLength": 44, "pattern": "^[A-Za-z0-9+/]{43}=$",
            "description": "A WireGuard public key in base64."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_key_of_a_known_private_key() {
        // RFC 7748 section 6.1, Alice.
        let private = PrivateKey::from_bytes([
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2,
            0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5,
            0x1d, 0xb9, 0x2c, 0x2a,
        ]);
        assert_eq!(
            private.public_key().to_string(),
            "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
        );
        assert_eq!(format!("{private:?}"), "[secret]");
    }

    #[test]
    fn public_key_refuses_what_is_no_key() {
        assert_eq!("abc".parse::<PublicKey>(), Err(KeyError::Encoding));
        assert_eq!("A".repeat(44).parse::<PublicKey>(), Err(KeyError::Encoding));
        let zero = BASE64.encode(&[0; 32]);
        assert_eq!(zero.parse::<PublicKey>(), Err(KeyError::Zero));
    }
}
