//! What every part of a file is read with: a table of the text, its values, and what is wrong with them.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::finding::{Finding, Position, TomlError};
use super::text;

/// A setting with one value.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in its table.
    pub key: &'static str,
    /// A right value, as TOML.
    pub example: &'static str,
}

/// A setting and a right value of it.
pub const fn field(key: &'static str, example: &'static str) -> Field {
    Field { key, example }
}

/// Whoever has so much to mend does not read on; and each costs a walk through the text.
const MAX_FINDINGS: usize = 100;

/// What to say of a key that is none of the settings of a table, where there is more to be said than that.
pub type Hint = fn(table: &str, key: &str) -> Option<String>;

/// Collects what is wrong.
#[derive(Debug)]
pub struct Reader<'t> {
    text: &'t str,
    findings: Vec<Finding>,
    hint: Option<Hint>,
}

/// A table of the text.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// Its name as a header has it.
    pub path: &'static str,
    /// The byte its name begins at.
    pub at: usize,
    /// Its keys and values.
    pub table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// The whole text.
    pub fn root(table: &'a DeTable<'a>) -> Self {
        Self {
            path: "",
            at: 0,
            table,
        }
    }

    /// A key and its value.
    pub fn find(&self, key: &str) -> Option<(&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
        self.table.iter().find(|(name, _)| name.get_ref() == key)
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The name of a key, with those of the tables around it.
    pub fn name(&self, key: &str) -> String {
        match self.path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

impl<'t> Reader<'t> {
    /// Of this text, with nothing found yet.
    pub fn new(text: &'t str) -> Self {
        Self {
            text,
            findings: Vec::new(),
            hint: None,
        }
    }

    /// Says more of some keys that are no settings.
    #[must_use]
    pub fn with_hint(mut self, hint: Hint) -> Self {
        self.hint = Some(hint);
        self
    }

    /// What was read, unless something was found.
    ///
    /// # Errors
    /// All that was found, in the order of the text.
    pub fn finish<T>(mut self, read: Option<T>) -> Result<T, TomlError> {
        self.findings.sort_by_key(|finding| finding.position);
        match read {
            Some(read) if self.findings.is_empty() => Ok(read),
            _ => Err(TomlError {
                findings: self.findings,
            }),
        }
    }

    /// A value that may be absent.
    pub fn value<T: FromStr<Err: Display>>(
        &mut self,
        section: &Section<'_>,
        field: Field,
    ) -> Option<T> {
        section.find(field.key)?;
        self.required(section, field)
    }

    /// A value that must be there.
    pub fn required<T: FromStr<Err: Display>>(
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
    pub fn require<'a>(&mut self, section: &Section<'a>, field: Field) -> Option<(&'a str, usize)> {
        if !section.has(field.key) {
            self.missing(section, field);
            return None;
        }
        self.text(section, field)
    }

    /// A text and where it begins.
    pub fn text<'a>(&mut self, section: &Section<'a>, field: Field) -> Option<(&'a str, usize)> {
        let (_, value) = section.find(field.key)?;
        let at = value.span().start;
        if let DeValue::String(text) = value.get_ref() {
            return Some((text, at));
        }
        self.wrong(section, field, at, "must be a text in quotes");
        None
    }

    /// A table in a table.
    pub fn section<'a>(
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

    /// A whole number within limits that may be absent.
    pub fn number(
        &mut self,
        section: &Section<'_>,
        field: Field,
        limits: RangeInclusive<u32>,
    ) -> Option<u32> {
        let (_, value) = section.find(field.key)?;
        let number = value.get_ref().as_integer().and_then(|integer| {
            u32::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .filter(|number| limits.contains(number))
        });
        if number.is_none() {
            let message = format!(
                "must be a whole number from {} to {}",
                limits.start(),
                limits.end()
            );
            self.wrong(section, field, value.span().start, message);
        }
        number
    }

    /// `true` or `false`; false when absent.
    pub fn flag(&mut self, section: &Section<'_>, field: Field) -> bool {
        let Some((_, value)) = section.find(field.key) else {
            return false;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(
                section,
                field,
                value.span().start,
                "must be true or false, without quotes",
            );
            false
        })
    }

    /// The texts of a list that may be absent, each with the byte it begins at; at most `max`.
    pub fn texts<'a>(
        &mut self,
        section: &Section<'a>,
        field: Field,
        max: usize,
    ) -> Vec<(&'a str, usize)> {
        let Some((_, value)) = section.find(field.key) else {
            return Vec::new();
        };
        let at = value.span().start;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(section, field, at, "must be a list in square brackets");
            return Vec::new();
        };
        if items.len() > max {
            self.wrong(
                section,
                field,
                at,
                format!("must have at most {max} entries"),
            );
        }
        let mut texts = Vec::new();
        for item in items.iter().take(max) {
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.as_ref(), item.span().start)),
                _ => self.wrong(
                    section,
                    field,
                    item.span().start,
                    "must have texts in quotes",
                ),
            }
        }
        texts
    }

    /// The values of a list that may be absent; at most `max`.
    pub fn values<T: FromStr<Err: Display>>(
        &mut self,
        section: &Section<'_>,
        field: Field,
        max: usize,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for (text, at) in self.texts(section, field, max) {
            match text.parse() {
                Ok(value) => values.push(value),
                Err(error) => self.wrong_text(section, field, at, text, error),
            }
        }
        values
    }

    /// The tables of a list of tables that may be absent; at most `max`.
    pub fn sections<'a>(
        &mut self,
        parent: &Section<'a>,
        key: &str,
        path: &'static str,
        max: usize,
    ) -> Vec<Section<'a>> {
        let Some((name, value)) = parent.find(key) else {
            return Vec::new();
        };
        let items: &'a [Spanned<DeValue<'a>>] = match value.get_ref() {
            DeValue::Array(items) => items,
            _ => &[],
        };
        let sections: Vec<_> = items
            .iter()
            .take(max)
            .filter_map(|item| {
                let (at, table) = (item.span().start, item.get_ref().as_table()?);
                Some(Section { path, at, table })
            })
            .collect();
        if sections.is_empty() || sections.len() < items.len().min(max) {
            self.report(
                name.span().start,
                format!(
                    "{path} must be a list of tables: for each a line [[{path}]], then its settings"
                ),
            );
        }
        if items.len() > max {
            self.report(
                name.span().start,
                format!("there may be at most {max} of [[{path}]]"),
            );
        }
        sections
    }

    /// Reports every key that is not one of these.
    pub fn only(&mut self, section: &Section<'_>, known: &[&str]) {
        for key in section.table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let message = match self.hint.and_then(|hint| hint(section.path, name)) {
                Some(hint) => hint,
                None => format!(
                    "{} is not a setting; there are: {}",
                    section.name(&shown(name)),
                    known.join(", ")
                ),
            };
            self.report(key.span().start, message);
        }
    }

    /// A setting that must be there is not.
    pub fn missing(&mut self, section: &Section<'_>, field: Field) {
        let (name, Field { key, example }) = (section.name(field.key), field);
        self.report(
            section.at,
            format!("{name} is missing; for example: {key} = {example}"),
        );
    }

    /// A setting cannot be what it is.
    pub fn wrong(&mut self, section: &Section<'_>, field: Field, at: usize, error: impl Display) {
        let (name, Field { key, example }) = (section.name(field.key), field);
        self.report(
            at,
            format!("{name} {error}; for example: {key} = {example}"),
        );
    }

    /// As [`Self::wrong`], and names a character that only looks right.
    pub fn wrong_text(
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
    pub fn report(&mut self, at: usize, message: impl Into<String>) {
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
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
