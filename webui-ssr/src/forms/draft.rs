//! A form on its way: what was typed, and what is wrong with it.

use std::fmt::Display;
use std::str::FromStr;

use cell_gate::Reply;
use cell_gate::form::Form;
use cell_model::problem::{FieldError, Problem};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use maud::Markup;

use super::field::{Field, Kind};

/// The field every form of somebody who is signed in carries; the gate has judged it already.
const TOKEN_FIELD: &str = "csrf_token";

/// What was typed or is proposed, and what is wrong with it. Keeps the text as typed, so that the page can come back
/// filled in.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    fields: &'a [Field<'a>],
    values: Vec<(String, String)>,
    errors: Vec<FieldError>,
    refusal: Option<Refusal>,
}

/// Why the whole form was refused, beside what is wrong with single fields.
#[derive(Debug, Clone)]
struct Refusal {
    status: StatusCode,
    title: String,
    detail: String,
    retry_after: Option<u32>,
}

impl<'a> Draft<'a> {
    /// A form nobody has typed into yet, with proposals.
    pub(crate) fn new<const N: usize>(
        fields: &'a [Field<'a>],
        values: [(&str, String); N],
    ) -> Self {
        let values = values.map(|(name, value)| (name.to_owned(), value));
        Self {
            fields,
            values: values.into(),
            errors: Vec::new(),
            refusal: None,
        }
    }

    /// A form as it was sent. A field nobody knows, or one that is there twice, is an error: it was not sent by a
    /// page of ours.
    pub(crate) fn read(fields: &'a [Field<'a>], form: &Form) -> Self {
        let mut draft = Self::new(fields, []);
        for (name, value) in form.pairs() {
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                if name != TOKEN_FIELD {
                    let shown: String = name.chars().take(64).collect();
                    draft.note(&shown, "is not a field of this form");
                }
                continue;
            };
            if draft.has(name) && !matches!(field.kind, Kind::Boxes(_)) {
                draft.note(name, "must be given once");
                continue;
            }
            draft.values.push((name.clone(), value.clone()));
        }
        draft
    }

    /// Adds a proposal.
    pub(crate) fn propose(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.push((name.to_owned(), value.into()));
        self
    }

    /// Puts a value in place of the one that was sent.
    pub(crate) fn replace(&mut self, name: &str, value: impl Into<String>) {
        self.forget(name);
        self.values.push((name.to_owned(), value.into()));
    }

    /// Takes a value away, so that the form does not carry it along.
    pub(crate) fn forget(&mut self, name: &str) {
        self.values.retain(|(key, _)| key != name);
    }

    /// The form's fields.
    pub(crate) fn fields(&self) -> &'a [Field<'a>] {
        self.fields
    }

    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&'a Field<'a>> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What was typed into a field; empty when nothing was.
    pub(crate) fn typed(&self, name: &str) -> &str {
        self.values
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// Every value of boxes that share a name.
    pub(crate) fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        self.values
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a box is ticked.
    pub(crate) fn ticked(&self, name: &str) -> bool {
        self.typed(name) == "yes"
    }

    fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(key, _)| key == name)
    }

    /// Notes what is wrong with a field. The first thing counts.
    pub(crate) fn note(&mut self, name: &str, message: impl Display) {
        if self.error(name).is_none() {
            self.errors.push(FieldError {
                field: name.to_owned(),
                message: message.to_string(),
            });
        }
    }

    /// What is wrong with a field.
    pub(crate) fn error(&self, name: &str) -> Option<&str> {
        self.errors
            .iter()
            .find(|error| error.field == name)
            .map(|error| error.message.as_str())
    }

    /// All that is wrong, in the order it was found.
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Title and detail of why the whole form was refused.
    pub(crate) fn refused(&self) -> Option<(&str, &str)> {
        self.refusal
            .as_ref()
            .map(|refusal| (refusal.title.as_str(), refusal.detail.as_str()))
    }

    /// Reads a field that must not be empty. Blanks around it are the keyboard's, not the person's.
    pub(crate) fn require<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        self.require_with(name, |text| {
            text.parse().map_err(|error: T::Err| error.to_string())
        })
    }

    /// [`Self::require`] for what has no parser of its own that says what is wrong.
    pub(crate) fn require_with<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.typed(name).trim().to_owned();
        if text.is_empty() {
            self.note(name, "must not be empty");
            return None;
        }
        parse(&text).map_err(|error| self.note(name, error)).ok()
    }

    /// Reads a field that may be empty: `Some(None)` then.
    pub(crate) fn maybe<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<Option<T>> {
        self.maybe_with(name, |text| {
            text.parse().map_err(|error: T::Err| error.to_string())
        })
    }

    /// [`Self::maybe`] for what has no parser of its own that says what is wrong.
    pub(crate) fn maybe_with<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        if self.typed(name).trim().is_empty() {
            return Some(None);
        }
        self.require_with(name, parse).map(Some)
    }

    /// Reads a box: a page of ours sends `yes` or nothing.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.typed(name) {
            "yes" => Some(true),
            "" => Some(false),
            _ => {
                self.note(name, "must be ticked or not");
                None
            }
        }
    }

    /// A password as typed, blanks and all.
    pub(crate) fn secret(&mut self, name: &str) -> Option<cell_model::secret::Secret<String>> {
        let text = self.typed(name).to_owned();
        if text.is_empty() {
            self.note(name, "must not be empty");
            return None;
        }
        Some(cell_model::secret::Secret::new(text))
    }

    /// What was parsed, if nothing is wrong anywhere.
    pub(crate) fn accept<T>(&self, parsed: Option<T>) -> Option<T> {
        parsed.filter(|_| self.errors.is_empty())
    }

    /// Takes over what the core says is wrong, when the person can put it right in this form. Gives the problem back
    /// when they cannot.
    pub(crate) fn refuse(&mut self, problem: Problem) -> Result<(), Problem> {
        let status = match problem.status {
            400 | 422 => StatusCode::UNPROCESSABLE_ENTITY,
            401 => StatusCode::UNAUTHORIZED,
            403 if !problem.errors.is_empty() || ON_THE_PAGE.contains(&&*problem.code) => {
                StatusCode::FORBIDDEN
            }
            409 => StatusCode::CONFLICT,
            429 => StatusCode::TOO_MANY_REQUESTS,
            _ => return Err(problem),
        };
        if problem.errors.is_empty()
            && let Some((field, message)) = field_of(&problem.code)
            && self.field(field).is_some()
        {
            self.note(field, message);
        }
        for error in problem.errors {
            self.note(&error.field, error.message);
        }
        self.refusal = Some(Refusal {
            status,
            title: problem.title.into_owned(),
            detail: problem.detail,
            retry_after: problem.retry_after,
        });
        Ok(())
    }

    /// The page the form is on, with the status that what is wrong has: 422 when it could not be read.
    pub(crate) fn reply(&self, page: Markup) -> Reply {
        let status = match &self.refusal {
            Some(refusal) => refusal.status,
            None if self.errors.is_empty() => StatusCode::OK,
            None => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let reply = Reply::html(status, page.into_string());
        match self
            .refusal
            .as_ref()
            .and_then(|refusal| refusal.retry_after)
        {
            Some(seconds) => reply.with_header(RETRY_AFTER, HeaderValue::from(seconds)),
            None => reply,
        }
    }
}

/// Refusals that are about what was sent with this form, so that it comes back with them.
const ON_THE_PAGE: [&str; 3] = ["access_over", "wrong_passkey", "wrong_role"];

/// The field a conflict is about, and what is wrong with it, where the core names none.
fn field_of(code: &str) -> Option<(&'static str, &'static str)> {
    match code {
        "peer_exists" | "name_taken" | "connection_exists" => Some(("name", "is taken")),
        "name_reserved" => Some(("name", "is kept for the box itself")),
        "key_taken" => Some(("public_key", "is taken")),
        "wrong_role" => Some(("role", "is for an owner to give")),
        "no_invite" => Some(("code", "counts no more, or never did")),
        "account_exists" => Some(("username", "is taken")),
        "subnet_overlap" => Some(("vpn.subnet", "overlaps another network")),
        "subnet_too_small" => Some(("vpn.subnet", "is too small")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_model::name::PeerName;

    const FIELDS: &[Field] = &[
        Field::text("name", "Name"),
        Field::password("password", "Password"),
        Field::boxes("services", "Services", &[("mail", "Mail")]),
    ];

    fn draft(body: &str) -> Draft<'static> {
        Draft::read(FIELDS, &Form::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn wrong_field_keeps_what_was_typed() {
        let mut draft = draft("name=a%2Fb&csrf_token=t");
        assert!(draft.require::<PeerName>("name").is_none());
        assert_eq!(draft.typed("name"), "a/b");
        assert!(draft.error("name").unwrap().starts_with("may only contain"));
        assert_eq!(draft.reply(maud::html! {}).status, 422);
    }

    #[test]
    fn unknown_and_repeated_fields_are_errors() {
        let draft = draft("name=a&name=b&admin=yes&services=mail&services=files");
        let wrong: Vec<&str> = draft.errors().iter().map(|e| e.field.as_str()).collect();
        assert_eq!(wrong, ["name", "admin"]);
        assert_eq!(draft.all("services").count(), 2);
    }

    #[test]
    fn conflict_stays_a_conflict_and_names_its_field() {
        let mut draft = draft("name=anna");
        draft
            .refuse(Problem::conflict(
                "peer_exists",
                "The name is taken",
                "Choose another.",
            ))
            .unwrap();
        assert_eq!(draft.error("name"), Some("is taken"));
        assert_eq!(
            draft.refused(),
            Some(("The name is taken", "Choose another."))
        );
        assert_eq!(draft.reply(maud::html! {}).status, 409);
    }

    #[test]
    fn broken_box_is_not_the_forms_fault() {
        assert_eq!(
            draft("").refuse(Problem::unavailable()).unwrap_err().status,
            503
        );
    }

    #[test]
    fn pause_tells_how_long() {
        let mut draft = draft("");
        draft
            .refuse(Problem {
                retry_after: Some(30),
                ..Problem::new(429, "too_many_tries", "Too many failed tries", "")
            })
            .unwrap();
        let reply = draft.reply(maud::html! {});
        assert_eq!(
            (reply.status.as_u16(), &reply.headers[RETRY_AFTER]),
            (429, &"30".parse().unwrap())
        );
    }
}
