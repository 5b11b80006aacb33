//! Where new versions of the system come from, and when they are taken.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::url::HttpsUrl;

/// Where new versions of the system come from, and when they are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatesConfig {
    /// What the box does by itself.
    #[serde(default)]
    pub mode: UpdateMode,
    /// Which versions are wanted.
    #[serde(default)]
    pub channel: ReleaseChannel,
    /// The folder they lie in: `<source>/<channel>/cell-<board>.bundle`. `null`: none, so only files and sticks.
    #[serde(default)]
    pub source: Option<HttpsUrl>,
    /// Certificates (PEM) that may vouch for that server beside the public ones, for one of the owner's own.
    #[serde(default)]
    pub authorities: Option<Authorities>,
    /// When the box may restart by itself, in its own time zone.
    #[serde(default)]
    pub window: MaintenanceWindow,
}

/// Certificates of authorities as PEM (RFC 7468). Whether they can vouch for anybody is for those who use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities(String);

impl Authorities {
    /// The most bytes.
    pub const MAX: usize = 64 << 10;
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no such certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be certificates in PEM form, in at most {} bytes",
    Authorities::MAX
)]
pub struct AuthoritiesError;

impl FromStr for Authorities {
    type Err = AuthoritiesError;

    fn from_str(text: &str) -> Result<Self, AuthoritiesError> {
        let is_text = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        if text.len() > Self::MAX || !is_text || !text.contains(Self::BEGIN) {
            return Err(AuthoritiesError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Authorities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Authorities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Authorities {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Authorities".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": Self::BEGIN, "maxLength": Self::MAX })
    }
}

/// For whom a version is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseChannel {
    /// Everybody.
    #[default]
    Stable,
    /// Who wants to see faults first.
    Testing,
}

impl ReleaseChannel {
    /// As in places and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Testing => "testing",
        }
    }
}

/// What the box does by itself about new versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateMode {
    /// Nothing: it looks when somebody asks.
    #[default]
    Manual,
    /// Looks once a day, and says when there is one.
    Ask,
    /// Looks once a day, installs what is new, and restarts into it in the window.
    Automatic,
}

/// Part of each day. Over midnight when it ends before it begins; the whole day when both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceWindow {
    /// The first minute.
    pub from: TimeOfDay,
    /// The minute after the last.
    pub until: TimeOfDay,
}

impl MaintenanceWindow {
    /// Whether it is open then.
    pub fn contains(&self, time: TimeOfDay) -> bool {
        let (from, until) = (self.from, self.until);
        match from < until {
            true => from <= time && time < until,
            false => from <= time || time < until,
        }
    }
}

impl Default for MaintenanceWindow {
    /// When least is asked of a household's box.
    fn default() -> Self {
        Self {
            from: TimeOfDay(3 * 60),
            until: TimeOfDay(5 * 60),
        }
    }
}

/// A minute of the day, written `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// None past 23:59.
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        (hour < 24 && minute < 60).then(|| Self(u16::from(hour) * 60 + u16::from(minute)))
    }
}

/// The text is no time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time of day such as 03:00")]
pub struct TimeOfDayError;

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, TimeOfDayError> {
        let (hour, minute) = text.split_once(':').ok_or(TimeOfDayError)?;
        let number = |text: &str| {
            let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_plain).ok_or(TimeOfDayError)
        };
        Self::new(number(hour)?, number(minute)?).ok_or(TimeOfDayError)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> TimeOfDay {
        text.parse().unwrap()
    }

    fn window(from: &str, until: &str) -> MaintenanceWindow {
        MaintenanceWindow {
            from: time(from),
            until: time(until),
        }
    }

    #[test]
    fn window_may_go_over_midnight_or_be_the_whole_day() {
        let night = window("23:30", "04:00");
        for inside in ["23:30", "23:59", "00:00", "03:59"] {
            assert!(night.contains(time(inside)), "{inside}");
        }
        for outside in ["04:00", "12:00", "23:29"] {
            assert!(!night.contains(time(outside)), "{outside}");
        }
        assert!(!MaintenanceWindow::default().contains(time("05:00")));
        assert!(window("00:00", "00:00").contains(time("12:34")));
    }

    #[test]
    fn time_of_day_is_two_digits_each() {
        for text in ["00:00", "03:07", "23:59"] {
            assert_eq!(time(text).to_string(), text);
        }
        for text in [
            "24:00", "3:00", "03:60", "0300", "", ":", "+1:00", "03:00:00",
        ] {
            assert_eq!(text.parse::<TimeOfDay>(), Err(TimeOfDayError), "{text:?}");
        }
    }

    #[test]
    fn settings_of_before_there_were_any_are_the_careful_ones() {
        let config: UpdatesConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(config, UpdatesConfig::default());
        assert_eq!(config.mode, UpdateMode::Manual);
    }
}
