//! Places that services come from: servers and sticks.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::HttpsUrl;

/// The text is no place of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an https address such as https://store.example.org/cell, or usb: and a folder of a stick such as usb:services"
)]
pub struct SourceUrlError;

/// A folder or file of a source of services.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceUrl {
    /// On a server.
    Https(HttpsUrl),
    /// On a USB stick.
    Stick(StickPath),
}

impl SourceUrl {
    /// A file below this folder. `name` has segments of letters, digits, `-`, `_` and `.` only.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Https(url) => Self::Https(url.join(name)),
            Self::Stick(StickPath(path)) => Self::Stick(StickPath(format!("{path}/{name}"))),
        }
    }

    /// Who has it, as people would name that.
    pub fn keeper(&self) -> String {
        match self {
            Self::Https(url) => url.authority(),
            Self::Stick(_) => "the USB stick".to_owned(),
        }
    }
}

impl From<HttpsUrl> for SourceUrl {
    fn from(url: HttpsUrl) -> Self {
        Self::Https(url)
    }
}

impl FromStr for SourceUrl {
    type Err = SourceUrlError;

    fn from_str(text: &str) -> Result<Self, SourceUrlError> {
        match text.strip_prefix(StickPath::SCHEME) {
            Some(path) => path.parse().map(Self::Stick),
            None => text.parse().map(Self::Https).map_err(|_| SourceUrlError),
        }
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(url) => url.fmt(f),
            Self::Stick(path) => write!(f, "{}{path}", StickPath::SCHEME),
        }
    }
}

impl Serialize for SourceUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SourceUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SourceUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SourceUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(https://|usb:)", "maxLength": HttpsUrl::MAX })
    }
}

/// A folder or file of a stick, from the stick's first folder on. Segments have letters, digits, `-`, `_` and `.` only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StickPath(String);

impl StickPath {
    /// The most characters of a folder that is named in the settings.
    pub const MAX: usize = 255;
    const SCHEME: &str = "usb:";

    /// As file systems have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StickPath {
    type Err = SourceUrlError;

    fn from_str(text: &str) -> Result<Self, SourceUrlError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_segment = |segment: &str| {
            !segment.is_empty()
                && !segment.bytes().all(|byte| byte == b'.')
                && segment.bytes().all(is_plain)
        };
        match text.len() <= Self::MAX && text.split('/').all(is_segment) {
            true => Ok(Self(text.to_owned())),
            false => Err(SourceUrlError),
        }
    }
}

impl fmt::Display for StickPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_read_and_written_the_same() {
        for (text, keeper) in [
            (
                "https://store.example.org:8443/cell",
                "store.example.org:8443",
            ),
            ("usb:services", "the USB stick"),
            ("usb:Cell/my_services.2", "the USB stick"),
        ] {
            let url: SourceUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(url.keeper(), keeper);
            assert_eq!(url.join("a/b.json").to_string(), format!("{text}/a/b.json"));
        }
    }

    #[test]
    fn what_is_no_such_place_is_refused() {
        let long = format!("usb:{}", "a".repeat(StickPath::MAX + 1));
        for text in [
            "",
            "services",
            "http://store.example.org/",
            "usb:",
            "usb:/services",
            "usb:services/",
            "usb:a//b",
            "usb:../services",
            "usb:a/./b",
            "usb:a b",
            "usb:a\\b",
            "usb:a\0b",
            "USB:services",
            "file:services",
            long.as_str(),
        ] {
            assert_eq!(text.parse::<SourceUrl>(), Err(SourceUrlError), "{text:?}");
        }
    }
}
