//! The part of a manifest that is about what the owner may set.

use std::collections::BTreeSet;

use cell_model::config::SettingValue;
use cell_model::toml_text::{Field, Reader, Section, field};

use super::{line, needed, value_at};
use crate::setting::{Setting, SettingKind};
use crate::template::acted_on_in_value;

const KEY: Field = field("key", "\"max_upload\"");
const LABEL: Field = field("label", "\"Largest upload\"");
const HELP: Field = field("help", "\"In megabytes.\"");
const KIND: Field = field("kind", "\"number\"");
const DEFAULT: Field = field("default", "100");
const DEFAULT_TEXT: Field = field("default", "\"100\"");
const DEFAULT_SWITCH: Field = field("default", "true");
const MIN: Field = field("min", "1");
const MAX: Field = field("max", "1000");
const MAX_LENGTH: Field = field("max", "100");
const CHOICES: Field = field("choices", "[\"small\", \"large\"]");

/// The most settings of a service: a form that people can read.
const MAX_SETTINGS: usize = 32;
/// The most characters of a line.
const MAX_LINE: u32 = 500;
/// The most characters of a choice.
const MAX_CHOICE: usize = 100;
/// The most choices.
const MAX_CHOICES: usize = 32;

pub(super) fn settings(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for section in reader.sections(root, "setting", "setting", MAX_SETTINGS) {
        settings.extend(setting(reader, &section));
    }
    settings
}

fn setting(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Setting> {
    let key = reader.required(section, KEY);
    let label = line(reader, section, LABEL, 60);
    let help = match section.has(HELP.key) {
        true => line(reader, section, HELP, 300),
        false => None,
    };
    let kind = kind(reader, section);
    Some(Setting {
        key: key?,
        label: label?,
        help,
        kind: kind?,
    })
}

/// Reads the kind with what belongs to it, and nothing else.
fn kind(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<SettingKind> {
    let mut only = |own: &[&str]| {
        let keys: Vec<&str> = ["key", "label", "help", "kind"]
            .iter()
            .chain(own)
            .copied()
            .collect();
        reader.only(section, &keys);
    };
    let word = section
        .find(KIND.key)
        .and_then(|(_, value)| value.get_ref().as_str());
    let kind = match word {
        Some("text") => {
            only(&["max", "default"]);
            let max = number(reader, section, MAX_LENGTH, 1..=MAX_LINE);
            let default = reader
                .require(section, DEFAULT_TEXT)
                .map(|(text, _)| text.to_owned());
            SettingKind::Text {
                max: max?,
                default: default?,
            }
        }
        Some("number") => {
            only(&["min", "max", "default"]);
            let min = number(reader, section, MIN, 0..=u32::MAX);
            let max = number(reader, section, MAX, 0..=u32::MAX);
            let default = number(reader, section, DEFAULT, 0..=u32::MAX);
            SettingKind::Number {
                min: min?,
                max: max?,
                default: default?,
            }
        }
        Some("switch") => {
            only(&["default"]);
            let is_there = needed(reader, section, DEFAULT_SWITCH);
            SettingKind::Switch {
                default: is_there && reader.flag(section, DEFAULT_SWITCH),
            }
        }
        Some("choice") => {
            only(&["choices", "default"]);
            let choices = choices(reader, section);
            let default = reader
                .require(section, DEFAULT_TEXT)
                .map(|(text, _)| text.to_owned());
            SettingKind::Choice {
                choices: choices?,
                default: default?,
            }
        }
        Some("secret") => {
            only(&[]);
            return Some(SettingKind::Secret);
        }
        _ => {
            only(&["min", "max", "default", "choices"]);
            if needed(reader, section, KIND) {
                let message = "must be one of: text, number, switch, choice, secret";
                reader.wrong(section, KIND, value_at(section, KIND), message);
            }
            return None;
        }
    };
    let fits = kind
        .default_value()
        .map(|default: SettingValue| kind.check(&default));
    if let Some(Err(error)) = fits {
        reader.wrong(section, DEFAULT, value_at(section, DEFAULT), error);
        return None;
    }
    Some(kind)
}

fn number(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    field: Field,
    limits: std::ops::RangeInclusive<u32>,
) -> Option<u32> {
    needed(reader, section, field).then(|| reader.number(section, field, limits))?
}

fn choices(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Vec<String>> {
    let texts = reader.texts(section, CHOICES, MAX_CHOICES);
    let distinct: BTreeSet<&str> = texts.iter().map(|(text, _)| *text).collect();
    let plain = |text: &&str| {
        !text.is_empty() && text.len() <= MAX_CHOICE && acted_on_in_value(text).is_none()
    };
    if distinct.len() < 2 || distinct.len() < texts.len() || !distinct.iter().all(plain) {
        let message = "must be two or more different words that no shell acts on";
        reader.wrong(section, CHOICES, value_at(section, CHOICES), message);
        return None;
    }
    Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
}
