//! Names and values as forms and queries carry them (WHATWG URL, section 5.1), read strictly.

/// Pairs in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    /// Reads pairs. `None` when an escape is broken or the text is not UTF-8: a lenient reading would store
    /// replacement characters in somebody's password.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let pairs = text
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let split = pair.iter().position(|&byte| byte == b'=');
                let (name, value) =
                    split.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
                Some((decode(name, Plus::Space)?, decode(value, Plus::Space)?))
            })
            .collect::<Option<_>>()?;
        Some(Self { pairs })
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a name: boxes that share one.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All pairs.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

/// What a `+` stands for: a space in forms, itself in paths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// A space.
    Space,
    /// Itself.
    Plus,
}

/// Takes percent escapes away. `None` when one is broken or the result is not UTF-8.
pub(crate) fn decode(text: &[u8], plus: Plus) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(*bytes.next()?)? << 4 | hex(*bytes.next()?)?,
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// A text as the value of a query: everything but letters, digits, `-._~` and `/` as percent escapes.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_keeps_order_and_repeated_names() {
        let form = Form::parse(b"services=mail&name=Anna+B&services=files&empty=&bare").unwrap();
        assert_eq!(form.get("name"), Some("Anna B"));
        assert_eq!(form.all("services").collect::<Vec<_>>(), ["mail", "files"]);
        assert_eq!(form.get("empty"), Some(""));
        assert_eq!(form.get("bare"), Some(""));
        assert_eq!(form.get("missing"), None);
        assert_eq!(form.pairs().len(), 5);
    }

    #[test]
    fn escapes_are_read_once() {
        let form = Form::parse(b"a%3Db=%2526%00%c3%b6").unwrap();
        assert_eq!(form.pairs(), [("a=b".to_owned(), "%26\0ö".to_owned())]);
    }

    #[test]
    fn broken_escapes_and_other_encodings_are_refused() {
        for bad in [
            &b"a=%"[..],
            b"a=%4",
            b"a=%zz",
            b"a=%ff",
            b"%c3=1",
            b"a=\xff",
        ] {
            assert_eq!(Form::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn encoded_text_reads_back() {
        let text = "/peers?a=1&b=ö #";
        assert_eq!(encode("/peers?a=1"), "/peers%3Fa%3D1");
        let form = Form::parse(format!("next={}", encode(text)).as_bytes()).unwrap();
        assert_eq!(form.get("next"), Some(text));
    }

    #[test]
    fn plus_is_itself_in_a_path() {
        assert_eq!(decode(b"a+b%20c", Plus::Plus).unwrap(), "a+b c");
    }
}
