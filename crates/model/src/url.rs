//! Places that the box fetches from.

mod source;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::endpoint::{Endpoint, Host};

pub use source::{SourceUrl, SourceUrlError, StickPath};

/// The text is no place of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an https address such as https://updates.example.org/cell, without a user name, a question mark or a hash"
)]
pub struct UrlError;

/// A folder or file that is fetched over TLS (RFC 3986, scheme `https`): host, perhaps a port, and a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpsUrl {
    host: Host,
    port: u16,
    /// Begins with a slash, and ends with none unless it is the root.
    path: String,
}

impl HttpsUrl {
    /// The most characters it may have.
    pub const MAX: usize = 1_024;
    /// The port of `https` (RFC 9110, section 4.2.2).
    const PORT: u16 = 443;

    /// Whom to ask.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What to ask for.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and port as the field `Host` has them (RFC 9110, section 7.2).
    pub fn authority(&self) -> String {
        let endpoint = Endpoint {
            host: self.host.clone(),
            port: Some(self.port),
        };
        let text = endpoint.with_port(self.port);
        match self.port {
            Self::PORT => text[..text.len() - ":443".len()].to_owned(),
            _ => text,
        }
    }

    /// A file below this folder. `name` has segments of letters, digits, `-`, `_` and `.` only.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self {
            path: format!("{}/{name}", self.path.trim_end_matches('/')),
            ..self.clone()
        }
    }
}

impl FromStr for HttpsUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("https://").ok_or(UrlError)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\\\"<>^`{|}".contains(&byte);
        let is_walk = |segment: &str| segment == "." || segment == "..";
        if text.len() > Self::MAX || !path.bytes().all(is_plain) || path.split('/').any(is_walk) {
            return Err(UrlError);
        }
        // An address of six groups needs its brackets here.
        if authority.matches(':').count() > 1 && !authority.starts_with('[') {
            return Err(UrlError);
        }
        let address = authority
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let Endpoint { host, port } = match address {
            Some(address) => Endpoint {
                host: Host::Address(IpAddr::V6(address.parse().map_err(|_| UrlError)?)),
                port: None,
            },
            None => authority.parse().map_err(|_| UrlError)?,
        };
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        Ok(Self {
            host,
            port: port.unwrap_or(Self::PORT),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self.path.as_str() {
            "/" => "",
            path => path,
        };
        write!(f, "https://{}{path}", self.authority())
    }
}

impl Serialize for HttpsUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpsUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HttpsUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpsUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uri", "pattern": "^https://", "maxLength": Self::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_read_and_written_the_same() {
        for (text, authority, path) in [
            ("https://updates.example.org", "updates.example.org", "/"),
            (
                "https://updates.example.org:8443/cell/x",
                "updates.example.org:8443",
                "/cell/x",
            ),
            ("https://203.0.113.7/a", "203.0.113.7", "/a"),
            ("https://[2001:db8::7]/a", "[2001:db8::7]", "/a"),
            ("https://[2001:db8::7]:444", "[2001:db8::7]:444", "/"),
        ] {
            let url: HttpsUrl = text.parse().unwrap();
            assert_eq!((url.authority().as_str(), url.path()), (authority, path));
            assert_eq!(url.to_string(), text);
        }
        let folder: HttpsUrl = "https://example.org:443/cell//".parse().unwrap();
        assert_eq!(folder.to_string(), "https://example.org/cell");
        assert_eq!(
            folder.join("stable/a.bundle").path(),
            "/cell/stable/a.bundle"
        );
        let root: HttpsUrl = "https://example.org/".parse().unwrap();
        assert_eq!(root.join("a").to_string(), "https://example.org/a");
    }

    #[test]
    fn what_is_no_such_place_is_refused() {
        let long = format!("https://example.org/{}", "a".repeat(HttpsUrl::MAX));
        for text in [
            "",
            "http://example.org",
            "https://",
            "https:///a",
            "https://user@example.org/",
            "https://user:pw@example.org/",
            "https://example.org/?q",
            "https://example.org/#f",
            "https://example.org/a b",
            "https://example.org/\r\nHost: x",
            "https://example.org/a/../b",
            "https://example.org:0/",
            "https://example.org:99999/",
            "https://2001:db8::7/",
            "https://ex\u{e4}mple.org/",
            "ftp://example.org/",
            long.as_str(),
        ] {
            assert_eq!(text.parse::<HttpsUrl>(), Err(UrlError), "{text:?}");
        }
    }
}
