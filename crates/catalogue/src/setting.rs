//! What the owner may set of a service: what its form asks, and which answers it takes.

use cell_model::config::SettingValue;
use cell_model::name::SettingKey;

use crate::template::acted_on_in_value;

/// One question of a service's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What it is called in the config and in templates.
    pub key: SettingKey,
    /// What it is called on the page.
    pub label: String,
    /// What is to be known to answer it.
    pub help: Option<String>,
    /// Which answers there are.
    pub kind: SettingKind,
}

/// Which answers a setting takes, and the one it has until somebody gives another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingKind {
    /// A line.
    Text {
        /// The most characters.
        max: u32,
        /// Until another is given.
        default: String,
    },
    /// A whole number.
    Number {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
        /// Until another is given.
        default: u32,
    },
    /// Yes or no.
    Switch {
        /// Until another is given.
        default: bool,
    },
    /// One of these.
    Choice {
        /// At least two, all different.
        choices: Vec<String>,
        /// One of them.
        default: String,
    },
    /// What nobody is to see again: it is kept in the vault, and reaches the container as the file
    /// `/run/secrets/<key>`.
    Secret,
}

/// Why an answer is not taken. The text is fit to be shown beside the question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// It is of another kind.
    #[error("must be {0}")]
    Kind(&'static str),
    /// Less or more than there may be.
    #[error("must be from {min} to {max}")]
    Number {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A longer line.
    #[error("must have at most {0} characters")]
    TooLong(u32),
    /// A shell would act on it.
    #[error("must not have {0:?}")]
    Shell(char),
    /// None of the choices.
    #[error("must be one of: {}", .0.join(", "))]
    Choice(Vec<String>),
    /// It goes another way.
    #[error("is a secret, which does not stand in the config")]
    Secret,
}

impl SettingKind {
    /// Whether the answer is one of those that it takes.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, value: &SettingValue) -> Result<(), SettingError> {
        match (self, value) {
            (Self::Text { max, .. }, SettingValue::Text(text)) => match acted_on_in_value(text) {
                Some(character) => Err(SettingError::Shell(character)),
                None if text.chars().count() > *max as usize => Err(SettingError::TooLong(*max)),
                None => Ok(()),
            },
            (&Self::Number { min, max, .. }, SettingValue::Number(number)) => {
                match (min..=max).contains(number) {
                    true => Ok(()),
                    false => Err(SettingError::Number { min, max }),
                }
            }
            (Self::Switch { .. }, SettingValue::Switch(_)) => Ok(()),
            (Self::Choice { choices, .. }, SettingValue::Text(text)) => {
                match choices.contains(text) {
                    true => Ok(()),
                    false => Err(SettingError::Choice(choices.clone())),
                }
            }
            (Self::Secret, _) => Err(SettingError::Secret),
            (Self::Text { .. }, _) => Err(SettingError::Kind("a text")),
            (Self::Number { .. }, _) => Err(SettingError::Kind("a whole number")),
            (Self::Switch { .. }, _) => Err(SettingError::Kind("true or false")),
            (Self::Choice { choices, .. }, _) => Err(SettingError::Choice(choices.clone())),
        }
    }

    /// The answer it has until another is given; a secret has none.
    pub fn default_value(&self) -> Option<SettingValue> {
        match self {
            Self::Text { default, .. } | Self::Choice { default, .. } => {
                Some(SettingValue::Text(default.clone()))
            }
            Self::Number { default, .. } => Some(SettingValue::Number(*default)),
            Self::Switch { default } => Some(SettingValue::Switch(*default)),
            Self::Secret => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> SettingValue {
        SettingValue::Text(value.to_owned())
    }

    #[test]
    fn each_kind_takes_its_own_answers_only() {
        let default = "a".to_owned();
        let line = SettingKind::Text {
            max: 3,
            default: default.clone(),
        };
        let number = SettingKind::Number {
            min: 2,
            max: 4,
            default: 3,
        };
        let switch = SettingKind::Switch { default: true };
        let choices = vec!["a".to_owned(), "b".to_owned()];
        let choice = SettingKind::Choice {
            choices: choices.clone(),
            default,
        };
        for kind in [&line, &number, &switch, &choice] {
            assert_eq!(
                kind.check(&kind.default_value().unwrap()),
                Ok(()),
                "{kind:?}"
            );
        }
        for (kind, value, expected) in [
            (&line, text("abcd"), SettingError::TooLong(3)),
            (&line, text("$a"), SettingError::Shell('$')),
            (&line, text("a\n"), SettingError::Shell('\n')),
            (&line, SettingValue::Number(1), SettingError::Kind("a text")),
            (
                &number,
                SettingValue::Number(1),
                SettingError::Number { min: 2, max: 4 },
            ),
            (
                &number,
                SettingValue::Number(5),
                SettingError::Number { min: 2, max: 4 },
            ),
            (&number, text("3"), SettingError::Kind("a whole number")),
            (&switch, text("true"), SettingError::Kind("true or false")),
            (&choice, text("c"), SettingError::Choice(choices.clone())),
            (
                &choice,
                SettingValue::Switch(true),
                SettingError::Choice(choices),
            ),
            (&SettingKind::Secret, text("a"), SettingError::Secret),
        ] {
            assert_eq!(kind.check(&value), Err(expected), "{value:?}");
        }
    }
}
