//! What a record goes by in lists and addresses.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::random::{self, RandomError};

/// The text is no id: 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an id: 16 hex digits")]
pub struct RecordIdError;

/// The name of an app password, an invite, a token. Random, so that an old page never means a newer one; it opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId([u8; 8]);

impl RecordId {
    /// A fresh one.
    pub fn generate() -> Result<Self, RandomError> {
        random::bytes().map(Self)
    }
}

impl FromStr for RecordId {
    type Err = RecordIdError;

    fn from_str(text: &str) -> Result<Self, RecordIdError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(RecordIdError)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
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
    fn id_is_sixteen_hex_digits() {
        let id = RecordId::generate().unwrap();
        let text = id.to_string();
        assert_eq!((text.len(), text.parse()), (16, Ok(id)));
        for bad in ["", "none", "0f0f", &"0F".repeat(8), &"0".repeat(18)] {
            assert_eq!(bad.parse::<RecordId>(), Err(RecordIdError), "{bad}");
        }
    }
}
