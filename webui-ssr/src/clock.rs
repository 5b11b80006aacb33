//! Times as people read them.

use cell_model::Timestamp;
use cell_model::name::TimeZoneName;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// From here on a date says more than a number of days.
const DAYS_COUNTED: u64 = 60;

/// The present moment and the time zone of the cell: what one page is rendered with.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// Now.
    pub(crate) now: Timestamp,
    /// Where the cell is.
    pub(crate) zone: TimeZone,
}

impl Clock {
    /// The box's clock, in a time zone; UTC when none is known.
    pub(crate) fn now(zone: Option<&TimeZoneName>) -> Self {
        let zone = zone.and_then(|name| TimeZone::get(name.as_str()).ok());
        Self {
            now: Timestamp::now(),
            zone: zone.unwrap_or(TimeZone::UTC),
        }
    }

    /// How long ago, or in how long: "3 minutes ago".
    pub(crate) fn distance(&self, at: Timestamp) -> String {
        let seconds = self.now.as_second() - at.as_second();
        let size = seconds.unsigned_abs();
        let span = match size {
            0..10 => return "just now".to_owned(),
            10..MINUTE => count(size, "second"),
            MINUTE..HOUR => count(size / MINUTE, "minute"),
            HOUR..DAY => count(size / HOUR, "hour"),
            _ if size / DAY < DAYS_COUNTED => count(size / DAY, "day"),
            _ => {
                return at
                    .to_zoned(self.zone.clone())
                    .strftime("%-d %B %Y")
                    .to_string();
            }
        };
        if seconds >= 0 {
            format!("{span} ago")
        } else {
            format!("in {span}")
        }
    }

    /// Date, time and zone.
    pub(crate) fn exact(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S %Z")
            .to_string()
    }

    /// As a field for date and time takes it (HTML, "local date and time string").
    pub(crate) fn local(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%dT%H:%M")
            .to_string()
    }

    /// Reads what such a field sends. `None` when it is no date and time.
    pub(crate) fn parse_local(&self, text: &str) -> Option<Timestamp> {
        let local: DateTime = text.parse().ok()?;
        let zoned = local.to_zoned(self.zone.clone()).ok()?;
        Some(zoned.timestamp())
    }
}

fn count(number: u64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock {
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
            zone: TimeZone::get("Europe/Vienna").unwrap(),
        }
    }

    #[test]
    fn distance_reads_like_speech() {
        for (at, text) in [
            ("2026-11-22T11:59:55Z", "just now"),
            ("2026-11-22T11:59:00Z", "1 minute ago"),
            ("2026-11-22T11:57:10Z", "2 minutes ago"),
            ("2026-11-22T09:00:00Z", "3 hours ago"),
            ("2026-11-24T12:00:00Z", "in 2 days"),
            ("2026-01-02T12:00:00Z", "2 January 2026"),
        ] {
            assert_eq!(clock().distance(at.parse().unwrap()), text);
        }
    }

    #[test]
    fn exact_times_are_those_of_the_cell() {
        let at: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(clock().exact(at), "2026-11-22 13:00:00 CET");
        assert_eq!(clock().local(at), "2026-11-22T13:00");
        assert_eq!(clock().parse_local("2026-11-22T13:00"), Some(at));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in ["", "tomorrow", "2026-13-01T00:00", "2026-11-22T25:00"] {
            assert_eq!(clock().parse_local(bad), None, "{bad:?}");
        }
    }
}
