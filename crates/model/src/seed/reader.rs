//! What every part of a seed is read with: a table of the text, its values, and what is wrong with them.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::finding::{Finding, Position, SeedError};
use super::text;

/// How a hash is made, with the parameters the box itself uses.
pub(super) const MAKE_HASH: &str = "make a hash of it and put that as admin_password_hash, for example with \
    argon2 \"$(openssl rand -base64 12)\" -id -t 2 -k 19456 -p 1 -e";

/// A setting with one value.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) example: &'static str,
}

pub(super) const fn field(key: &'static str, example: &'static str) -> Field {
    Field { key, example }
}

/// Collects what is wrong.
pub(super) struct Reader<'t> {
    text: &'t str,
    findings: Vec<Finding>,
}

/// A table of the text.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    /// Its name as a header has it.
    path: &'static str,
    /// The byte its name begins at.
    pub(super) at: usize,
    pub(super) table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// The whole text.
    pub(super) fn root(table: &'a DeTable<'a>) -> Self {
        Self {
            path: "",
            at: 0,
            table,
        }
    }

    /// A key and its value.
    pub(super) fn find(
        &self,
        key: &str,
    ) -> Option<(&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
        self.table.iter().find(|(name, _)| name.get_ref() == key)
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The name of a key, with those of the tables around it.
    pub(super) fn name(&self, key: &str) -> String {
        match self.path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            findings: Vec::new(),
        }
    }

    /// What was read, unless something was found.
    pub(super) fn finish<T>(mut self, read: Option<T>) -> Result<T, SeedError> {
        self.findings.sort_by_key(|finding| finding.position);
        match read {
            Some(read) if self.findings.is_empty() => Ok(read),
            _ => Err(SeedError {
                findings: self.findings,
            }),
        }
    }

    /// A value that may be absent.
    pub(super) fn value<T: FromStr<Err: Display>>(
        &mut self,
        section: &Section<'_>,
        field: Field,
    ) -> Option<T> {
        section.find(field.key)?;
        self.required(section, field)
    }

    /// A value that must be there.
    pub(super) fn required<T: FromStr<Err: Display>>(
        &mut self,
        section: &Section<'_>,
        field: Field,
    ) -> Option<T> {
        let (text, at) = self.require(section, field)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong_text(section, field, at, text, error);
                None
            }
        }
    }

    /// The text of a setting that must be there, and where it begins.
    pub(super) fn require<'a>(
        &mut self,
        section: &Section<'a>,
        field: Field,
    ) -> Option<(&'a str, usize)> {
        if !section.has(field.key) {
            self.missing(section, field);
            return None;
        }
        self.text(section, field)
    }

    /// A text and where it begins.
    pub(super) fn text<'a>(
        &mut self,
        section: &Section<'a>,
        field: Field,
    ) -> Option<(&'a str, usize)> {
        let (_, value) = section.find(field.key)?;
        let at = value.span().start;
        if let DeValue::String(text) = value.get_ref() {
            return Some((text, at));
        }
        self.wrong(section, field, at, "must be a text in quotes");
        None
    }

    /// A table in a table.
    pub(super) fn section<'a>(
        &mut self,
        parent: &Section<'a>,
        key: &str,
        path: &'static str,
    ) -> Option<Section<'a>> {
        let (name, value) = parent.find(key)?;
        let at = name.span().start;
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Section { path, at, table });
        }
        self.report(
            at,
            format!("{path} must be a table: a line [{path}], then its settings"),
        );
        None
    }

    /// Reports every key that is not one of these.
    pub(super) fn only(&mut self, section: &Section<'_>, known: &[&str]) {
        for key in section.table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let message = match (section.path, name) {
                ("setup.answers", "admin_password" | "password") => {
                    format!("a plain password must not stand in a file; {MAKE_HASH}")
                }
                ("setup.answers", "setup_code") => {
                    "with answers nobody enters a setup code; remove it".to_owned()
                }
                ("", "ssid" | "passphrase") => {
                    "Wi-Fi is not supported by this version; remove it and connect the box by cable"
                        .to_owned()
                }
                _ => {
                    let known: Vec<&str> =
                        known.iter().copied().filter(|key| *key != "wifi").collect();
                    format!(
                        "{} is not a setting; there are: {}",
                        section.name(&shown(name)),
                        known.join(", ")
                    )
                }
            };
            self.report(key.span().start, message);
        }
    }

    /// A setting that must be there is not.
    pub(super) fn missing(&mut self, section: &Section<'_>, field: Field) {
        let (name, Field { key, example }) = (section.name(field.key), field);
        self.report(
            section.at,
            format!("{name} is missing; for example: {key} = {example}"),
        );
    }

    /// A setting cannot be what it is.
    pub(super) fn wrong(
        &mut self,
        section: &Section<'_>,
        field: Field,
        at: usize,
        error: impl Display,
    ) {
        let (name, Field { key, example }) = (section.name(field.key), field);
        self.report(
            at,
            format!("{name} {error}; for example: {key} = {example}"),
        );
    }

    /// As [`Self::wrong`], and names a character that only looks right.
    pub(super) fn wrong_text(
        &mut self,
        section: &Section<'_>,
        field: Field,
        at: usize,
        text: &str,
        error: impl Display,
    ) {
        match text::look_alike(text) {
            Some(hint) => self.wrong(section, field, at, format!("{error} ({hint})")),
            None => self.wrong(section, field, at, error),
        }
    }

    /// Something is wrong at this byte.
    pub(super) fn report(&mut self, at: usize, message: impl Into<String>) {
        self.findings.push(Finding {
            position: Position::of(self.text, at),
            message: message.into(),
        });
    }
}

/// A key as it may be shown: short, and nothing a terminal would act on.
fn shown(key: &str) -> String {
    let mut text: String = key.chars().take(40).flat_map(char::escape_debug).collect();
    if key.chars().nth(40).is_some() {
        text.push('…');
    }
    text
}
