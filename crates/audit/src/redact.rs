//! The second line against secrets in the log.
//!
//! Masked are:
//! - PEM blocks, whole, also when they are cut off;
//! - the value after a name that means a secret (`password=…`, `"token": "…"`, `Authorization: …`), in any case;
//! - a WireGuard key (44 characters of base64) behind a word that means a private one. Public keys stay readable.
//!
//! Control characters become spaces, so that a record is one line on every screen.

/// What stands where a secret stood.
pub const MASK: &str = "[redacted]";

const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";
const PEM_DASHES: &str = "-----";
/// 32 bytes in base64, with the padding.
const KEY_LENGTH: usize = 44;

/// Parts of names whose value is a secret.
const SECRET: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "private",
    "preshared",
    "psk",
    "apikey",
    "api_key",
    "setup_code",
];
/// Names whose value reaches to the end of the line.
const WHOLE_LINE: [&str; 2] = ["authorization", "cookie"];

/// The text with what looks like a secret masked, on one line.
pub fn redact(text: &str) -> String {
    let text = without_pem(text);
    let lines: Vec<_> = text.lines().map(line).collect();
    lines.join(" ").replace(|c: char| c.is_control(), " ")
}

fn without_pem(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(PEM_BEGIN) {
        out.push_str(&rest[..begin]);
        out.push_str(MASK);
        let body = &rest[begin + PEM_BEGIN.len()..];
        rest = match body.find(PEM_END) {
            Some(end) => {
                let label = &body[end + PEM_END.len()..];
                label
                    .find(PEM_DASHES)
                    .map_or("", |dashes| &label[dashes + PEM_DASHES.len()..])
            }
            None => "",
        };
    }
    out.push_str(rest);
    out
}

fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut private = false;
    while let Some(first) = rest.chars().next() {
        let word = leading(rest, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if is_key(rest) {
            let (key, behind) = rest.split_at(KEY_LENGTH);
            out.push_str(if private { MASK } else { key });
            rest = behind;
        } else if word.is_empty() {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.push_str(word);
            rest = &rest[word.len()..];
            let name = word.to_ascii_lowercase().replace('-', "_");
            if WHOLE_LINE.iter().any(|part| name.contains(part)) {
                if let Some(at) = value_at(rest) {
                    out.push_str(&rest[..at]);
                    out.push_str(MASK);
                    return out;
                }
            } else if SECRET.iter().any(|part| name.contains(part)) {
                private = true;
                if let Some(at) = value_at(rest) {
                    out.push_str(&rest[..at]);
                    out.push_str(MASK);
                    rest = behind_value(&rest[at..]);
                }
            }
        }
    }
    out
}

/// Where the value starts when `rest`, behind a name, is an assignment: `=v`, `: v`, `" : "v`.
fn value_at(rest: &str) -> Option<usize> {
    let sign = rest.find(|c: char| !matches!(c, ' ' | '\t' | '"' | '\''))?;
    if !rest[sign..].starts_with(['=', ':']) {
        return None;
    }
    let gap = leading(&rest[sign + 1..], |c| c == ' ' || c == '\t');
    Some(sign + 1 + gap.len())
}

fn behind_value(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            return inner.split_once(quote).map_or("", |(_, behind)| behind);
        }
    }
    let end = value.find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '&' | '}'));
    end.map_or("", |end| &value[end..])
}

/// Whether the text starts with what WireGuard takes for a key and nothing longer.
fn is_key(text: &str) -> bool {
    let run = leading(text, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
    });
    run.len() == KEY_LENGTH && run.find('=') == Some(KEY_LENGTH - 1)
}

fn leading(text: &str, keep: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !keep(c)).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

    #[test]
    fn value_of_a_secret_name_is_masked() {
        for (text, masked) in [
            ("password=hunter2 ok", "password=[redacted] ok"),
            (
                "new_Password : 'hunter 2', x",
                "new_Password : [redacted], x",
            ),
            (
                r#"{"token": "abc","name":"anna"}"#,
                r#"{"token": [redacted],"name":"anna"}"#,
            ),
            ("a=1&api_key=abc&b=2", "a=1&api_key=[redacted]&b=2"),
            ("Setup-Code: 1234ABCD", "Setup-Code: [redacted]"),
            ("Authorization: Bearer abc def", "Authorization: [redacted]"),
            ("password=\"never closed", "password=[redacted]"),
            ("password=", "password=[redacted]"),
        ] {
            assert_eq!(redact(text), masked);
        }
    }

    #[test]
    fn plain_words_stay() {
        for text in [
            "password changed",
            "",
            "exit tor-1 → anna",
            "role=admin until 2026-12-01T00:00:00Z",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn private_key_is_masked_and_public_key_stays() {
        assert_eq!(
            redact(&format!("private key {KEY}")),
            "private key [redacted]"
        );
        assert_eq!(
            redact(&format!("PrivateKey = {KEY}")),
            "PrivateKey = [redacted]"
        );
        assert_eq!(redact(&format!("psk ({KEY})")), "psk ([redacted])");
        let public = format!("public_key={KEY}");
        assert_eq!(redact(&public), public);
    }

    #[test]
    fn pem_block_is_masked_whole() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----";
        assert_eq!(
            redact(&format!("a {pem} b {pem}")),
            "a [redacted] b [redacted]"
        );
        assert_eq!(
            redact("a -----BEGIN EC PRIVATE KEY-----\nMC4"),
            "a [redacted]"
        );
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(redact("a\x1b[31mb\nc\0d"), "a [31mb c d");
    }

    proptest! {
        #[test]
        fn any_text_comes_out_as_one_line_and_masking_again_changes_nothing(text in "\\PC{0,60}|.{0,60}") {
            let once = redact(&text);
            prop_assert!(!once.contains(char::is_control));
            prop_assert_eq!(redact(&once).contains(MASK), once.contains(MASK));
        }

        #[test]
        fn password_never_survives(before in "[a-z ]{0,10}", password in "[A-Za-z0-9+/=]{6,40}") {
            let out = redact(&format!("{before}password={password} end"));
            prop_assert!(!out.contains(&password) || "password=[redacted] end".contains(&password) || before.contains(&password));
        }
    }
}
