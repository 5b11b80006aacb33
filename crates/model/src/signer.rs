//! Whose signatures count.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An Ed25519 public key (RFC 8032) as 64 hexadecimal digits: of a publisher of services, or of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignerKey(String);

/// The text is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an Ed25519 public key in 64 hexadecimal digits")]
pub struct SignerKeyError;

impl SignerKey {
    /// The text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key itself (RFC 8032 section 5.1.5).
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let decoded = HEXLOWER_PERMISSIVE.decode_mut(self.0.as_bytes(), &mut bytes);
        decoded.expect("it has 64 digits");
        bytes
    }

    /// Where the cell of this identity is spoken to inside a tunnel, whatever networks it has by then: an address of
    /// fd00::/8 (RFC 4193) made of the key, as nobody can choose.
    pub fn link_address(&self) -> Ipv6Addr {
        let mut octets = [0xfd; 16];
        octets[1..].copy_from_slice(&self.to_bytes()[..15]);
        octets.into()
    }
}

impl FromStr for SignerKey {
    type Err = SignerKeyError;

    fn from_str(text: &str) -> Result<Self, SignerKeyError> {
        match HEXLOWER_PERMISSIVE.decode(text.as_bytes()) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text.to_ascii_lowercase())),
            _ => Err(SignerKeyError),
        }
    }
}

impl Serialize for SignerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SignerKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SignerKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignerKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" })
    }
}

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
