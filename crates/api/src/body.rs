//! Reading JSON bodies: strictly, and without repeating in an error what may be a secret.

use std::collections::HashSet;
use std::fmt;

use cell_gate::Visit;
use cell_model::problem::Problem;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::field;
use crate::parameter::shown;

/// Characters of a message; parsers of others sometimes repeat what they were given.
const MESSAGE_CHARACTERS: usize = 200;

/// What a reading of the body is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Syntax,
    Shape,
}

/// The body as a value. 400 `invalid_json` when it is none, 400 `invalid_field` with the field when it does not fit.
pub(crate) fn read<T: DeserializeOwned + JsonSchema>(visit: &Visit) -> Result<T, Problem> {
    parse(&visit.body)
}

/// What stands in a body below `config`, and was read as anything so far.
pub(crate) fn config<T: DeserializeOwned + JsonSchema>(value: Value) -> Result<T, Problem> {
    let whole = serde_json::json!({ "config": value }).to_string();
    let read: Configured<T> = parse(whole.as_bytes())?;
    Ok(read.config)
}

/// For errors to name where in the body they are.
#[derive(Deserialize, JsonSchema)]
struct Configured<T> {
    config: T,
}

fn parse<T: DeserializeOwned + JsonSchema>(body: &[u8]) -> Result<T, Problem> {
    // Which of two equal keys counts differs from reader to reader, so the whole text is looked at for them first.
    typed::<Unique>(body, Pass::Syntax)?;
    let value: Value = typed(body, Pass::Syntax)?;
    // serde reads a list as an object whose fields come in order; missing ones would silently take their defaults.
    if let Some(path) = field::list_for_object::<T>(&value) {
        return Err(fault(path, "must be an object"));
    }
    typed(body, Pass::Shape)
}

fn typed<T: DeserializeOwned>(body: &[u8], pass: Pass) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().clone();
        problem(&path, error.inner(), pass)
    })?;
    reader.end().map_err(|_| invalid_json())?;
    Ok(value)
}

fn problem(path: &Path, error: &serde_json::Error, pass: Pass) -> Problem {
    match (error.is_data(), pass) {
        (false, Pass::Syntax) => return invalid_json(),
        // The syntax is right, so this is a value of another type than the one read for.
        (false, Pass::Shape) => return fault(dotted(path), "is not valid"),
        (true, _) => {}
    }
    let text = error.to_string();
    // The position adds nothing to the field's name.
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    let mut field = dotted(path);
    if let Some(missing) = text.strip_prefix("missing field ") {
        let missing = missing.trim_matches('`');
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(missing);
        return Problem::field(field, "is required");
    }
    if text.starts_with("unknown field ") {
        // Where parts of an object are read together, the path ends at the object, and the name is in the text alone.
        let name = text.split('`').nth(1).map(shown).unwrap_or_default();
        if field != name && !field.ends_with(&format!(".{name}")) {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(&name);
        }
        return Problem::field(field, "is not known here");
    }
    fault(field, &message(text))
}

/// A field that is wrong, or the body itself.
fn fault(field: String, message: &str) -> Problem {
    if field.is_empty() {
        return Problem::new(
            400,
            "invalid_json",
            "The body is not what this takes",
            format!("It {message}."),
        );
    }
    Problem::field(field, message)
}

/// What is wrong, as the end of a sentence. Of serde's own texts only the part that says what was expected is kept:
/// the other part repeats the value.
fn message(text: &str) -> String {
    let own = [
        "invalid type: ",
        "invalid value: ",
        "invalid length ",
        "unknown variant ",
    ];
    let said = if own.iter().any(|start| text.starts_with(start)) {
        match text.rsplit_once(", expected ") {
            Some((_, expected)) => format!("must be {}", plain(expected)),
            None => "is not valid".to_owned(),
        }
    } else if ["must ", "may ", "is "]
        .iter()
        .any(|start| text.starts_with(start))
    {
        text.to_owned()
    } else {
        format!("is not valid: {text}")
    };
    said.chars().take(MESSAGE_CHARACTERS).collect()
}

/// serde's names of types, in the words of JSON.
fn plain(expected: &str) -> String {
    let words = match expected {
        "a map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "unit" => "null",
        "u16" => "a whole number from 0 to 65535",
        "u64" => "a whole number",
        other if other.starts_with("struct ") => "an object",
        other if other.starts_with("internally tagged enum ") => "an object",
        other if other.starts_with("adjacently tagged enum ") => "an object",
        other if other.starts_with("enum ") => "one of the words listed",
        other => other,
    };
    words.replace('`', "")
}

fn dotted(path: &Path) -> String {
    let parts = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(shown(key)),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    parts.collect::<Vec<_>>().join(".")
}

fn invalid_json() -> Problem {
    Problem::new(
        400,
        "invalid_json",
        "The body is not valid JSON",
        "Send one JSON object in UTF-8.",
    )
}

/// Any JSON value in which no object has the same key twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return map.next_value_seed(Twice).map(|()| self);
            }
            seen.insert(key);
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// The value of a key that was there before: an error in itself, raised where the path names the key.
struct Twice;

impl<'de> DeserializeSeed<'de> for Twice {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(D::Error::custom("must be given once"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_control::action::{AccountForm, PasswordChange};
    use cell_control::change::{PeerForm, SettingsUpdate};

    fn refused<T: DeserializeOwned + JsonSchema>(body: &str) -> (String, String) {
        let problem = parse::<T>(body.as_bytes())
            .err()
            .unwrap_or_else(|| panic!("taken: {body}"));
        assert_eq!(problem.status, 400);
        match problem.errors.first() {
            Some(error) => (error.field.clone(), error.message.clone()),
            None => (problem.code.to_string(), problem.detail.clone()),
        }
    }

    fn says<T: DeserializeOwned + JsonSchema>(body: &str, field: &str, message: &str) {
        assert_eq!(
            refused::<T>(body),
            (field.to_owned(), message.to_owned()),
            "{body}"
        );
    }

    #[test]
    fn wrong_fields_are_named_with_their_reason() {
        says::<PeerForm>("{}", "name", "is required");
        says::<PeerForm>(r#"{"name":""}"#, "name", "must not be empty");
        says::<PeerForm>(r#"{"name":null}"#, "name", "must be a string");
        says::<PeerForm>(r#"{"name":"a","x":1}"#, "x", "is not known here");
        says::<PeerForm>(
            r#"{"name":"a","full_tunnel":"yes"}"#,
            "full_tunnel",
            "must be true or false",
        );
        says::<PeerForm>(
            r#"{"name":"a","services":{}}"#,
            "services",
            "must be a list",
        );
        says::<PeerForm>(
            r#"{"name":"a","services":["mail","fax"]}"#,
            "services.1",
            "must be one of calendar, files, mail, webdav",
        );
        says::<PeerForm>(
            r#"{"name":"a","public_key":"x"}"#,
            "public_key",
            "must be a WireGuard key: 44 characters of base64, as 'wg pubkey' prints it",
        );
    }

    #[test]
    fn fields_of_fields_are_joined_by_dots() {
        says::<SettingsUpdate>(
            r#"{"vpn":{"subnet":"10.0.0.0/24"}}"#,
            "vpn.subnet6",
            "is required",
        );
        says::<SettingsUpdate>(
            r#"{"dns":{"records":[{"name":"a","type":"A","value":"10.0.0.1","ttl":5}]}}"#,
            "dns.records.0.ttl",
            "is not known here",
        );
        says::<SettingsUpdate>(
            r#"{"dns":{"upstreams":[{"address":"9.9.9.9","port":65536}]}}"#,
            "dns.upstreams.0.port",
            "must be a whole number from 0 to 65535",
        );
        says::<SettingsUpdate>(
            r#"{"network":{"wan":{"dhcp":true}}}"#,
            "network.wan.dhcp",
            "is not known here",
        );
    }

    #[test]
    fn doubled_keys_are_refused_wherever_they_are() {
        says::<PeerForm>(r#"{"name":"a","name":"a"}"#, "name", "must be given once");
        says::<SettingsUpdate>(
            r#"{"dns":{"records":[{"name":"a","type":"A","type":"A","value":"10.0.0.1"}]}}"#,
            "dns.records.0.type",
            "must be given once",
        );
    }

    #[test]
    fn text_that_is_no_json_is_refused_as_such() {
        let deep = "[".repeat(100_000);
        for body in [
            "",
            " ",
            "{",
            "{\"name\":}",
            "name=a",
            "{\"name\":\"a\"} x",
            "{\"name\":\"\u{1}\"}",
            "nul",
            "{'a':1}",
            &deep,
        ] {
            assert_eq!(refused::<PeerForm>(body).0, "invalid_json", "{body:.20}");
        }
        assert!(parse::<PeerForm>(b"{\"name\":\"\xff\"}").is_err());
        assert!(parse::<PeerForm>(b"\xef\xbb\xbf{\"name\":\"a\"}").is_err());
    }

    #[test]
    fn another_json_value_is_not_an_object() {
        for body in ["null", "1", "\"a\"", "true"] {
            assert_eq!(
                refused::<PeerForm>(body),
                (
                    "invalid_json".to_owned(),
                    "It must be an object.".to_owned()
                )
            );
        }
        assert!(parse::<PeerForm>(b"[]").is_err());
    }

    #[test]
    fn list_is_not_taken_for_an_object() {
        assert!(parse::<SettingsUpdate>(b"[]").is_err());
        says::<SettingsUpdate>(r#"{"dns":[]}"#, "dns", "must be an object");
        says::<SettingsUpdate>(
            r#"{"dns":{"upstreams":[["9.9.9.9",53]]}}"#,
            "dns.upstreams.0",
            "must be an object",
        );
        says::<SettingsUpdate>(
            r#"{"network":{"wan":{"addressing":["adopt"]}}}"#,
            "network.wan.addressing",
            "must be an object",
        );
    }

    #[test]
    fn error_does_not_repeat_a_secret() {
        for value in [
            "12345678901",
            "-12345678901",
            "12345678901.5",
            "[\"12345678901\"]",
            "{\"12345678901\":1}",
        ] {
            let body = format!("{{\"username\":\"a\",\"role\":\"admin\",\"password\":{value}}}");
            let (field, message) = refused::<AccountForm>(&body);
            assert_eq!(
                (field.as_str(), message.as_str()),
                ("password", "must be a string")
            );
        }
        let (field, message) =
            refused::<PasswordChange>(r#"{"current_password":"hunter2hunter2"}"#);
        assert_eq!(
            (field.as_str(), message.as_str()),
            ("new_password", "is required")
        );
    }

    #[test]
    fn long_values_do_not_come_back() {
        let body = format!(r#"{{"name":"a","expires_at":"{}"}}"#, "x".repeat(10_000));
        assert!(refused::<PeerForm>(&body).1.len() <= 4 * MESSAGE_CHARACTERS);
        let body = format!(r#"{{"{}":1}}"#, "x".repeat(10_000));
        assert!(refused::<PeerForm>(&body).0.len() <= 64);
    }
}
