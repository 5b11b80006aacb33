//! From when to when a certificate is valid, on boxes whose clock may be wrong.
//!
//! Many boards have no battery for their clock and believe it is 1970 until the first answer of a time server.
//! A certificate dated then would be expired for everybody. So there is a floor: when the clock is behind it, the
//! clock is wrong, and the floor is the better guess. Clocks that are wrong by less are met by the caller, who passes a
//! time no earlier than the last one saved, and by [`crate::LeafInfo::is_due`]: a leaf of the future or the past is
//! issued again as soon as the clock was set.

use cell_model::Timestamp;
use time::{Duration, OffsetDateTime};

/// Clocks of clients may be behind by this much.
const BACKDATED: Duration = Duration::hours(1);
/// The end of what a certificate can say (RFC 5280 section 4.1.2.5).
const LAST_SECOND: i64 = 253_402_300_799;
/// 2026-01-01T00:00:00Z: this program is younger.
const FLOOR_SECOND: i64 = 1_767_225_600;

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
}

impl Validity {
    /// Of a leaf: begins an hour ago, lasts this long from now, and ends with `latest` at the latest.
    pub(crate) fn of_leaf(now: Timestamp, life: Duration, latest: OffsetDateTime) -> Self {
        let now = believed(now);
        Self {
            not_before: now.saturating_sub(BACKDATED),
            not_after: end(now, life).min(latest),
        }
    }

    /// Of an authority: begins at the floor, since an earlier begin takes nothing from its safety and saves clients
    /// whose clock is behind; lasts this long from now.
    pub(crate) fn of_authority(now: Timestamp, life: Duration) -> Self {
        Self {
            not_before: at(FLOOR_SECOND),
            not_after: end(believed(now), life),
        }
    }
}

/// The time as the model has it.
pub(crate) fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp::from_second(time.unix_timestamp()).unwrap_or(Timestamp::MAX)
}

/// A second of the calendar certificates know.
pub(crate) fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(second.clamp(0, LAST_SECOND))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The last moment a certificate can name.
pub(crate) fn latest() -> OffsetDateTime {
    at(LAST_SECOND)
}

/// The clock's time, or the floor when the clock is behind it.
pub(crate) fn believed(now: Timestamp) -> OffsetDateTime {
    at(now.as_second().max(FLOOR_SECOND))
}

fn end(start: OffsetDateTime, life: Duration) -> OffsetDateTime {
    at(start.unix_timestamp().saturating_add(life.whole_seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(validity: Validity) -> (i64, i64) {
        (
            validity.not_before.unix_timestamp(),
            validity.not_after.unix_timestamp(),
        )
    }

    #[test]
    fn leaf_begins_an_hour_ago() {
        let now = Timestamp::from_second(2_000_000_000).unwrap();
        let validity = Validity::of_leaf(now, Duration::days(30), latest());
        assert_eq!(
            seconds(validity),
            (2_000_000_000 - 3600, 2_000_000_000 + 30 * 86400)
        );
    }

    #[test]
    fn leaf_does_not_outlive_its_authority() {
        let now = Timestamp::from_second(2_000_000_000).unwrap();
        let end = at(2_000_000_060);
        assert_eq!(
            Validity::of_leaf(now, Duration::days(30), end).not_after,
            end
        );
    }

    #[test]
    fn clock_of_1970_gives_certificates_of_the_floor() {
        let validity = Validity::of_leaf(Timestamp::UNIX_EPOCH, Duration::days(30), latest());
        assert_eq!(
            seconds(validity),
            (FLOOR_SECOND - 3600, FLOOR_SECOND + 30 * 86400)
        );
        let validity = Validity::of_authority(Timestamp::UNIX_EPOCH, Duration::days(3650));
        assert_eq!(
            seconds(validity),
            (FLOOR_SECOND, FLOOR_SECOND + 3650 * 86400)
        );
    }

    #[test]
    fn clock_at_the_end_of_time_still_gives_a_certificate() {
        let validity = Validity::of_authority(Timestamp::MAX, Duration::days(3650));
        assert_eq!(validity.not_after, latest());
    }

    #[test]
    fn floor_is_the_first_of_january_2026() {
        assert_eq!(at(FLOOR_SECOND).date().to_calendar_date().0, 2026);
        assert_eq!(at(FLOOR_SECOND).date().ordinal(), 1);
    }
}
