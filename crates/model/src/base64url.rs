//! Bytes that travel as text.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes as base64url without padding (RFC 4648, section 5), as browsers send those of passkeys; never none, at most 8 KiB
/// of text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Base64Url(Vec<u8>);

impl Base64Url {
    /// Characters at most.
    pub const MAX_TEXT: usize = 8 * 1024;

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Base64Url {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Base64Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Base64Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Base64Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fits = (1..=Self::MAX_TEXT).contains(&text.len());
        let bytes = fits.then(|| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let bytes = bytes.flatten();
        bytes.map(Self).ok_or_else(|| {
            serde::de::Error::custom(
                "must be base64url without padding, and neither empty nor longer than 8 KiB",
            )
        })
    }
}

impl JsonSchema for Base64Url {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Base64Url".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "contentEncoding": "base64url", "minLength": 1, "maxLength": Self::MAX_TEXT, "pattern": "^[A-Za-z0-9_-]+$",
            "description": "Bytes in base64url without padding."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_as_text_and_other_text_is_refused() {
        let bytes = Base64Url::from(vec![0xfb, 0xff, 0]);
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "\"-_8A\"");
        assert_eq!(
            serde_json::from_str::<Base64Url>("\"-_8A\"").unwrap(),
            bytes
        );
        let long = format!("\"{}\"", "A".repeat(Base64Url::MAX_TEXT + 4));
        for bad in ["\"\"", "\"+/8A\"", "\"-_8=\"", "\"A\"", "7", long.as_str()] {
            assert!(serde_json::from_str::<Base64Url>(bad).is_err());
        }
    }
}
