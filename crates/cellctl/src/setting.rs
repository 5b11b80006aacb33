//! Answers to the questions of a service, on the command line.

use std::str::FromStr;

use cell_model::config::SettingValue;
use cell_model::name::SettingKey;

/// `KEY=VALUE`, or `KEY=` for what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: SettingKey,
    pub(crate) value: Option<SettingValue>,
}

impl FromStr for Setting {
    type Err = String;

    /// A value is a number, `true` or `false`; all else is text, and in quotation marks these are, too.
    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
        let key = key.parse().map_err(|error| format!("{key} {error}"))?;
        let value = match value {
            "" => None,
            value => {
                let typed = serde_json::from_str(value);
                Some(typed.unwrap_or_else(|_| SettingValue::Text(value.to_owned())))
            }
        };
        Ok(Self { key, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_what_it_looks_like_and_text_in_quotation_marks() {
        for (text, value) in [
            ("keep_free_gib=5", Some(SettingValue::Number(5))),
            ("log=true", Some(SettingValue::Switch(true))),
            ("name=a=b", Some(SettingValue::Text("a=b".to_owned()))),
            ("name=\"5\"", Some(SettingValue::Text("5".to_owned()))),
            ("name=", None),
        ] {
            let setting: Setting = text.parse().unwrap();
            assert_eq!(setting.value, value, "{text}");
        }
        for bad in ["keep_free_gib", "=5", "Keep-Free=5"] {
            assert!(bad.parse::<Setting>().is_err(), "{bad}");
        }
    }
}
