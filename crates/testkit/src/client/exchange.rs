//! One request and its reply, as values.

use serde_json::Value;

/// One request as it goes over the wire; nothing is added but what `curl` always sends.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    /// Bytes a second at which the body is sent, where that is limited.
    pub(super) rate: Option<u32>,
    pub(super) is_http1: bool,
}

impl Request {
    /// A request without body; `path` starts with a slash and is sent as it is.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: None,
            rate: None,
            is_http1: false,
        }
    }

    /// Adds a header; `Host` replaces the one that `curl` would send.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body's bytes; no content type is added.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// Sends the body at so many bytes a second.
    #[must_use]
    pub fn at_rate(mut self, rate: u32) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Sends it as HTTP/1.1. With HTTP/2, curl 7.88 uses a whole processor while the other side is not ready for more of a
    /// large body; a machine that is emulated beside it needs that.
    #[must_use]
    pub fn over_http1(mut self) -> Self {
        self.is_http1 = true;
        self
    }

    /// Sets a JSON body with its content type.
    #[must_use]
    pub fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(value.to_string())
    }

    /// Sets the body of an HTML form with its content type; names and values are encoded.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
            .collect();
        self.header("Content-Type", "application/x-www-form-urlencoded")
            .body(pairs.join("&"))
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers in order, names lower-case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of that name, any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, `null` when it is none: an assertion on a field then fails with the body in sight.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Status and headers of the last head in what `curl` wrote; interim replies stand before it.
pub(super) fn read_head(text: &str) -> Option<(u16, Vec<(String, String)>)> {
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|line| line.starts_with("HTTP/"))?;
    let status = lines[last].split(' ').nth(1)?.parse().ok()?;
    let headers = lines[last + 1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some((status, headers))
}

/// Percent-encoding of all but the unreserved characters (RFC 3986, 2.3).
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_head_counts() {
        let heads = "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 201 \r\nServer: BaseHTTP/1\r\n\r\n";
        let (status, headers) = read_head(heads).unwrap();
        assert_eq!(status, 201);
        assert_eq!(headers, [("server".to_owned(), "BaseHTTP/1".to_owned())]);
        assert_eq!(read_head(""), None);
    }

    #[test]
    fn form_fields_are_encoded() {
        let request = Request::new("POST", "/").form(&[("a b", "&=ü"), ("c", "")]);
        assert_eq!(request.body.unwrap(), b"a%20b=%26%3D%C3%BC&c=");
    }
}
