//! Arguments that are one word out of a few, so that help and completion can list them.

use std::str::FromStr;

use cell_control::action::{BundleSource, LogLevel};
use cell_model::Timestamp;
use cell_model::account::Role;
use cell_model::config::{DomainMode, ServiceToggle};
use cell_model::status::Part;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// A built-in part.
pub(crate) fn part() -> impl TypedValueParser<Value = Part> {
    one_of(Part::ALL.map(|part| (part.as_str(), part)))
}

/// How important a line of the log is.
pub(crate) fn level() -> impl TypedValueParser<Value = LogLevel> {
    one_of(LEVELS)
}

/// What an account may do.
pub(crate) fn role() -> impl TypedValueParser<Value = Role> {
    let roles = [Role::Member, Role::Helper, Role::Admin, Role::Owner];
    one_of(roles.map(|role| (role.as_str(), role)))
}

/// A kind of service.
pub(crate) fn service() -> impl TypedValueParser<Value = ServiceToggle> {
    one_of(ServiceToggle::ALL.map(|service| (service.as_str(), service)))
}

/// How names and certificates are obtained.
pub(crate) fn domain_mode() -> impl TypedValueParser<Value = DomainMode> {
    one_of([("lan", DomainMode::Lan)])
}

/// Where a version comes from.
pub(crate) fn bundle_source() -> impl TypedValueParser<Value = BundleSource> {
    one_of([
        ("channel", BundleSource::Channel),
        ("stick", BundleSource::Stick),
    ])
}

/// When access ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Never,
    At(Timestamp),
}

impl End {
    /// The time; `None`: never.
    pub(crate) fn time(self) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::At(time) => Some(time),
        }
    }
}

impl FromStr for End {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Never);
        }
        text.parse()
            .map(Self::At)
            .map_err(|_| "must be a time such as 2027-01-31T00:00:00Z, or never")
    }
}

const LEVELS: [(&str, LogLevel); 4] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
];

fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    choices: [(&'static str, T); N],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(choices.map(|(word, _)| word)).try_map(move |typed| {
        choices
            .iter()
            .find(|(word, _)| *word == typed)
            .map(|(_, value)| *value)
            .ok_or("is not one of them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_words_of_the_api() {
        for (word, level) in LEVELS {
            assert_eq!(crate::text::word(&level), word);
        }
    }

    #[test]
    fn other_words_are_refused_with_those_there_are() {
        let command = clap::Command::new("test").arg(clap::Arg::new("part").value_parser(part()));
        let matches = command.clone().get_matches_from(["test", "dns"]);
        assert_eq!(matches.get_one("part"), Some(&Part::Dns));
        let refused = command.try_get_matches_from(["test", "mail"]).unwrap_err();
        assert!(refused.to_string().contains("wireguard"), "{refused}");
    }
}
