//! Dates as the platform writes them, in its own time zone.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// French time by its rules rather than by its name, so that a machine without a time zone database agrees.
/// Inferred: the pages speak of "the platform's time zone", and their samples have the offset of Paris.
const PLATFORM_ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn there(at: Timestamp) -> Zoned {
    at.to_zoned(TimeZone::posix(PLATFORM_ZONE).unwrap_or(TimeZone::UTC))
}

/// `2026-01-14T10:31:07+01:00`, as in answers and in results of the POST format.
pub(super) fn date_time(at: Timestamp) -> String {
    there(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// `2026-01-14.10:31:07+0100`, as in results of the JSON format.
pub(super) fn dotted_date_time(at: Timestamp) -> String {
    there(at).strftime("%Y-%m-%d.%H:%M:%S%z").to_string()
}

/// `20260114`.
pub(super) fn day(at: Timestamp) -> String {
    there(at).strftime("%Y%m%d").to_string()
}

/// This many days later; the last date there is when that is too far.
pub(super) fn days_after(at: Timestamp, days: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(days.saturating_mul(24))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_forms_of_the_pages() {
        for (at, iso, dotted, date) in [
            ("2026-01-14T09:31:07Z", "2026-01-14T10:31:07+01:00", "2026-01-14.10:31:07+0100", "20260114"),
            ("2026-07-14T22:30:00.9Z", "2026-07-15T00:30:00+02:00", "2026-07-15.00:30:00+0200", "20260715"),
        ] {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!(
                (date_time(at), dotted_date_time(at), day(at)),
                (iso.into(), dotted.into(), date.into())
            );
        }
        assert_eq!(days_after(Timestamp::MAX, 1), Timestamp::MAX);
    }
}
