//! Words of a container's command or environment, and texts for people and programs, with places that the box fills.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cell_model::name::{NameError, PartName, SettingKey};

/// A text with places to be filled, such as `https://{host.calendar}/`.
///
/// What is put in is never read again for places, and holds nothing that a shell would act on; nor does the text around it
/// where it goes to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Variable),
}

/// What can stand in braces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `{domain}`: the domain of the cell.
    Domain,
    /// `{network}`: that of all services, with its prefix.
    Network,
    /// `{time_zone}`: as the IANA database calls it.
    TimeZone,
    /// `{username}`: whose device it is, or whom a service is told about. In guides and `[accounts]` only.
    Username,
    /// `{host.NAME}`: the full name of one of the service's hosts.
    Host(PartName),
    /// `{setting.KEY}`: one of the service's settings that is no secret.
    Setting(SettingKey),
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// More than the limit.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// A shell would act on it, or a line ends.
    #[error("must not have {0:?}: shells act on it, and no service needs it")]
    Shell(char),
    /// It moves a cursor, or is nothing that is read.
    #[error("must not have the control character {0:?}")]
    Control(char),
    /// A brace that opens or closes nothing.
    #[error("has a brace without its other half")]
    Brace,
    /// There is no such place.
    #[error(
        "may have {{domain}}, {{network}}, {{time_zone}}, {{host.NAME}} and {{setting.KEY}} in braces, and nothing else"
    )]
    Unknown,
}

/// What the places are filled with.
pub type Values = BTreeMap<Variable, String>;

impl Template {
    /// The most characters it may have.
    pub const MAX: usize = 1_024;
    /// The most characters of one that is a document.
    pub const MAX_DOCUMENT: usize = 16_384;

    /// What has to be known to fill it.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Place(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// The text with every place filled; the first one without a value, if there is one.
    ///
    /// # Errors
    /// What is missing.
    pub fn fill(&self, values: &Values) -> Result<String, Variable> {
        let mut filled = String::new();
        for part in &self.0 {
            filled.push_str(match part {
                Part::Text(text) => text,
                Part::Place(variable) => values.get(variable).ok_or_else(|| variable.clone())?,
            });
        }
        Ok(filled)
    }
}

/// A character that must not be in what a place is filled with: there, braces are no places any more.
pub(crate) fn acted_on_in_value(text: &str) -> Option<char> {
    acted_on(text).or_else(|| text.chars().find(|&c| "{}".contains(c)))
}

/// A character that a shell would act on, or that ends a line or moves a cursor.
pub(crate) fn acted_on(text: &str) -> Option<char> {
    text.chars()
        .find(|&c| c.is_control() || ";&|<>$`\\\"'*?!#~()[]".contains(c))
}

impl Template {
    /// A line that people read, in which all characters are meant for them.
    ///
    /// # Errors
    /// As those of other templates, but for what a shell acts on.
    pub fn for_people(text: &str) -> Result<Self, TemplateError> {
        match text.chars().find(|character| character.is_control()) {
            Some(character) => Err(TemplateError::Control(character)),
            None => Self::read(text, Self::MAX),
        }
    }

    /// Lines that programs read. They are what the manifest says, and only what is put in has to be harmless.
    ///
    /// # Errors
    /// As those of other templates, but for what a shell acts on.
    pub fn for_programs(text: &str) -> Result<Self, TemplateError> {
        let is_refused = |character: &char| character.is_control() && !"\n\t".contains(*character);
        match text.chars().find(is_refused) {
            Some(character) => Err(TemplateError::Control(character)),
            None => Self::read(text, Self::MAX_DOCUMENT),
        }
    }

    fn read(text: &str, most: usize) -> Result<Self, TemplateError> {
        if text.chars().count() > most {
            return Err(TemplateError::TooLong(most));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            let inside = from.strip_prefix('{').ok_or(TemplateError::Brace)?;
            let (name, after) = inside.split_once('}').ok_or(TemplateError::Brace)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Place(name.parse()?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        match acted_on(text) {
            Some(character) => Err(TemplateError::Shell(character)),
            None => Self::read(text, Self::MAX),
        }
    }
}

impl FromStr for Variable {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        match text.split_once('.') {
            None if text == "domain" => Ok(Self::Domain),
            None if text == "network" => Ok(Self::Network),
            None if text == "time_zone" => Ok(Self::TimeZone),
            None if text == "username" => Ok(Self::Username),
            Some(("host", name)) => {
                let name = name.parse().map_err(|_: NameError| TemplateError::Unknown);
                name.map(Self::Host)
            }
            Some(("setting", key)) => {
                let key = key.parse().map_err(|_: NameError| TemplateError::Unknown);
                key.map(Self::Setting)
            }
            _ => Err(TemplateError::Unknown),
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain => f.write_str("{domain}"),
            Self::Network => f.write_str("{network}"),
            Self::TimeZone => f.write_str("{time_zone}"),
            Self::Username => f.write_str("{username}"),
            Self::Host(name) => write!(f, "{{host.{name}}}"),
            Self::Setting(key) => write!(f, "{{setting.{key}}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> Result<Template, TemplateError> {
        text.parse()
    }

    #[test]
    fn places_are_filled_and_what_is_put_in_is_not_read_again() {
        let template = template("https://{host.calendar}/?d={domain}").map(Some);
        // A question mark is a shell's.
        assert_eq!(template, Err(TemplateError::Shell('?')));
        let template = self::template("https://{host.calendar}/{domain}").unwrap();
        let host = Variable::Host("calendar".parse().unwrap());
        let mut values = Values::from([(Variable::Domain, "{username}".to_owned())]);
        assert_eq!(template.fill(&values), Err(host.clone()));
        values.insert(host, "calendar.home.cell".to_owned());
        let filled = template.fill(&values).unwrap();
        assert_eq!(filled, "https://calendar.home.cell/{username}");
    }

    #[test]
    fn what_a_shell_acts_on_is_refused() {
        for text in [
            "a;b", "a && b", "a|b", "$HOME", "`id`", "$(id)", "a\nb", "a\0", "\"a\"", "'a'",
            "a\\b", "*", "a>b", "~", "{a,b}", "#a",
        ] {
            assert!(template(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn people_are_told_in_plain_words() {
        let step = Template::for_people("Open Settings > Mail, then \"Other\"; enter {username}.")
            .unwrap();
        let values = Values::from([(Variable::Username, "anna".to_owned())]);
        let told = step.fill(&values).unwrap();
        assert_eq!(told, "Open Settings > Mail, then \"Other\"; enter anna.");
        assert!(Template::for_people("a\u{1b}[2J").is_err());
    }

    #[test]
    fn programs_are_told_in_lines_and_marks() {
        let text = "<a host=\"{domain}\">\n  <b>%EMAILADDRESS%</b>\n</a>\n";
        let document = Template::for_programs(text).unwrap();
        let values = Values::from([(Variable::Domain, "home.cell".to_owned())]);
        let told = document.fill(&values).unwrap();
        assert_eq!(told, text.replace("{domain}", "home.cell"));
        for refused in ["\0", "a\rb", "{", "{password}"] {
            assert!(Template::for_programs(refused).is_err(), "{refused:?}");
        }
        assert!(Template::for_programs(&"a".repeat(16_385)).is_err());
    }

    #[test]
    fn unknown_places_and_single_braces_are_refused() {
        for text in ["{", "}", "a}b{", "{domain", "{domain{time_zone}}"] {
            assert!(template(text).is_err(), "{text}");
        }
        for text in [
            "{}",
            "{password}",
            "{host}",
            "{host.}",
            "{host.A}",
            "{setting.}",
            "{domain.x}",
            "{ domain }",
        ] {
            assert_eq!(template(text), Err(TemplateError::Unknown), "{text}");
        }
        assert!(template(&"a".repeat(1_025)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[{}a-z._]{0,40}") {
            if let Ok(template) = template(&text) {
                let values = template.variables().map(|v| (v.clone(), v.to_string())).collect();
                prop_assert_eq!(template.fill(&values), Ok(text));
            }
        }
    }
}
