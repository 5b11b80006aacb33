//! Errors a person or a program outside sees (RFC 9457): a status, a stable code, what happened, what to do.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable word for programs.
    pub code: Cow<'static, str>,
    /// What happened, in a few words.
    pub title: Cow<'static, str>,
    /// What it means and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Which fields are wrong, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds until another try makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// The field as the request names it; dots join nested ones.
    pub field: String,
    /// What is wrong with it, as the end of a sentence that starts with its name.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for error in &self.errors {
            write!(f, "; {} {}", error.field, error.message)?;
        }
        Ok(())
    }
}

impl Problem {
    /// A problem with everything a caller must say about it.
    pub fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            title: title.into(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// 400: fields that are wrong.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let title = if errors.len() == 1 {
            "One field is not right"
        } else {
            "Some fields are not right"
        };
        Self {
            errors,
            ..Self::new(
                400,
                "invalid_field",
                title,
                "Correct what is named and send it again.",
            )
        }
    }

    /// 400: one field that is wrong.
    pub fn field(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::fields(vec![FieldError {
            field: field.into(),
            message: message.to_string(),
        }])
    }

    /// 404: what the path or a field names does not exist.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(
            404,
            "not_found",
            "Not found",
            format!("There is no {what}."),
        )
    }

    /// 409: it cannot be done as things are.
    pub fn conflict(code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(409, code, title, detail)
    }

    /// 500: something in the box broke; the log has the cause.
    pub fn internal() -> Self {
        Self::new(
            500,
            "internal",
            "Something went wrong in the box",
            "Nothing was changed. Try again; if it stays, look at the logs.",
        )
    }

    /// 503: the core cannot be reached from here.
    pub fn unavailable() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                503,
                "unavailable",
                "The box is starting",
                "Try again in a moment.",
            )
        }
    }
}

/// An error and its causes in one line, for logs and where only text gets through.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn chain_tells_every_cause_once() {
        let link = |text, source| Link { text, source };
        let last = link("no space", None);
        let middle = link("the file cannot be written", Some(Box::new(last)));
        let first = link("the change is not kept", Some(Box::new(middle)));
        assert_eq!(
            chain(&first),
            "the change is not kept: the file cannot be written: no space"
        );
    }
}
