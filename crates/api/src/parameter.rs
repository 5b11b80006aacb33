//! Query parameters, read as strictly as bodies.

use std::fmt::Display;
use std::str::FromStr;

use cell_control::query::Range;
use cell_gate::form::Form;
use cell_model::problem::{FieldError, Problem};

use crate::field::Kind;

/// Characters of a cursor; ours are numbers and names.
const CURSOR_CHARACTERS: usize = 128;

/// One query parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) about: &'static str,
}

impl Parameter {
    pub(crate) const fn text(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Text,
            required: false,
            about,
        }
    }

    pub(crate) const fn number(name: &'static str, about: &'static str) -> Self {
        Self {
            kind: Kind::Number,
            ..Self::text(name, about)
        }
    }

    pub(crate) const fn flag(name: &'static str, about: &'static str) -> Self {
        Self {
            kind: Kind::Boolean,
            ..Self::text(name, about)
        }
    }

    pub(crate) const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }
}

/// How many items at most.
pub(crate) const LIMIT: Parameter = Parameter::number("limit", "At most so many: 1 to 1,000.");
/// Where to go on.
pub(crate) const CURSOR: Parameter =
    Parameter::text("cursor", "What the previous page answered as `next`.");

/// Refuses parameters that are not known here, come twice, or are missing.
pub(crate) fn check(query: &Form, known: &[Parameter]) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: &str| {
        errors.push(FieldError {
            field: shown(field),
            message: message.to_owned(),
        });
    };
    for (at, (name, _)) in query.pairs().iter().enumerate() {
        if !known.iter().any(|parameter| parameter.name == name) {
            wrong(name, "is not known here");
        } else if query.pairs()[..at].iter().any(|(other, _)| other == name) {
            wrong(name, "must be given once");
        }
    }
    for parameter in known {
        if parameter.required && query.get(parameter.name).is_none() {
            wrong(parameter.name, "is required");
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::fields(errors))
    }
}

/// A name somebody sent, short enough to repeat.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// `limit` and `cursor`.
pub(crate) fn range(query: &Form) -> Result<Range, Problem> {
    let cursor = text(query, CURSOR.name, CURSOR_CHARACTERS)?;
    if cursor
        .as_deref()
        .is_some_and(|text| !text.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(Problem::field(
            CURSOR.name,
            "must be what the previous page answered as next",
        ));
    }
    Ok(Range {
        limit: limit(query, LIMIT.name)?.unwrap_or(Range::DEFAULT_LIMIT),
        cursor,
    })
}

/// A number from 1 to 1,000.
pub(crate) fn limit(query: &Form, name: &str) -> Result<Option<usize>, Problem> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    digits(text)
        .filter(|limit| (1..=Range::MAX_LIMIT).contains(limit))
        .map(Some)
        .ok_or_else(|| Problem::field(name, "must be a number from 1 to 1000"))
}

/// A whole number.
pub(crate) fn number(query: &Form, name: &str) -> Result<Option<u64>, Problem> {
    query
        .get(name)
        .map(|text| digits(text).ok_or_else(|| Problem::field(name, "must be a whole number")))
        .transpose()
}

/// `true` or `false`; `false` when not said.
pub(crate) fn flag(query: &Form, name: &str) -> Result<bool, Problem> {
    match query.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::field(name, "must be true or false")),
    }
}

/// A text without control characters, of at least one character and at most `max`.
pub(crate) fn text(query: &Form, name: &str, max: usize) -> Result<Option<String>, Problem> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    if text.is_empty() {
        Err(Problem::field(name, "must not be empty"))
    } else if text.chars().count() > max {
        Err(Problem::field(
            name,
            format!("must have at most {max} characters"),
        ))
    } else if text.chars().any(char::is_control) {
        Err(Problem::field(name, "must not contain control characters"))
    } else {
        Ok(Some(text.to_owned()))
    }
}

/// A value that parses.
pub(crate) fn parsed<T: FromStr<Err: Display>>(
    query: &Form,
    name: &str,
) -> Result<Option<T>, Problem> {
    query
        .get(name)
        .map(|text| text.parse().map_err(|error| Problem::field(name, error)))
        .transpose()
}

/// Digits and nothing else: no sign, no spaces, no more than the type holds.
pub(crate) fn digits<T: FromStr>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn limit_is_a_number_from_one_to_a_thousand() {
        assert_eq!(range(&form("")).unwrap(), Range::default());
        assert_eq!(range(&form("limit=1000&cursor=a1")).unwrap().limit, 1000);
        for bad in [
            "",
            "0",
            "1001",
            "-1",
            "+5",
            "1.0",
            "1e2",
            " 5",
            "abc",
            "99999999999999999999",
            "５",
        ] {
            let problem =
                range(&form(&format!("limit={}", cell_gate::form::encode(bad)))).unwrap_err();
            assert_eq!(
                (problem.status, problem.errors[0].field.as_str()),
                (400, "limit"),
                "{bad}"
            );
        }
    }

    #[test]
    fn flags_are_said_in_whole_words() {
        let read = |text: &str| flag(&form(text), "force");
        assert_eq!(read(""), Ok(false));
        assert_eq!(read("force=true"), Ok(true));
        assert_eq!(read("force=false"), Ok(false));
        for bad in ["force=", "force=1", "force=True"] {
            assert_eq!(read(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn cursor_is_a_short_plain_word() {
        for bad in ["", "a%20b", "%00", "%c3%b6", &"x".repeat(129)] {
            assert!(range(&form(&format!("cursor={bad}"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_doubled_and_missing_parameters_are_named() {
        let known = [LIMIT, Parameter::text("q", "").required()];
        let problem = check(&form("limit=1&limit=2&x=1"), &known).unwrap_err();
        let said: Vec<_> = problem
            .errors
            .iter()
            .map(|e| format!("{} {}", e.field, e.message))
            .collect();
        assert_eq!(
            said,
            [
                "limit must be given once",
                "x is not known here",
                "q is required"
            ]
        );
        assert!(check(&form("q=1"), &known).is_ok());
    }
}
