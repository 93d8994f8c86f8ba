//! Days as the platform counts them.

use std::sync::LazyLock;

use jiff::{ToSpan, civil, tz::TimeZone};

use super::wire;
use guichet_port::domain::Timestamp;

/// French time by its rule, so that no time zones of the system are needed. That the platform's days are those of Paris
/// is inferred from the offsets of its samples (Office JSON guide, release 25.2).
const PLATFORM_TIME: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

static ZONE: LazyLock<Option<TimeZone>> = LazyLock::new(|| TimeZone::posix(PLATFORM_TIME).ok());

/// The end of a day of the platform: the first moment of the next one.
fn end_of(day: civil::Date) -> Option<Timestamp> {
    let next = day.tomorrow().ok()?.to_datetime(civil::Time::midnight());
    let end = next.to_zoned(ZONE.clone()?).ok()?;
    Some(Timestamp::from_millis(end.timestamp().as_millisecond()))
}

/// The moment that `captureLimitDate` ends. The form of that date is documented nowhere: eight digits, as
/// `s10TransactionIdDate` has them, ISO 8601 and an instant are read.
pub(super) fn end_of_limit(text: &str) -> Option<Timestamp> {
    if let Some(instant) = wire::instant(text) {
        return Some(instant);
    }
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let day = civil::Date::strptime("%Y%m%d", &digits).ok()?;
    end_of(day)
}

/// The end of the day so many days after an instant: of a delay given as `captureDay`.
pub(super) fn end_of_delay(from: Timestamp, days: i64) -> Option<Timestamp> {
    let from = jiff::Timestamp::from_millisecond(from.as_millis()).ok()?;
    let day = from.to_zoned(ZONE.clone()?).date().checked_add(days.days()).ok()?;
    end_of(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_ends_with_its_day_in_paris() {
        for (text, end) in [
            ("20260114", Some("2026-01-14T23:00:00.000Z")),
            ("2026-01-14", Some("2026-01-14T23:00:00.000Z")),
            ("20260714", Some("2026-07-14T22:00:00.000Z")),
            // The last Sundays of March and October.
            ("20260328", Some("2026-03-28T23:00:00.000Z")),
            ("20260329", Some("2026-03-29T22:00:00.000Z")),
            ("20261025", Some("2026-10-25T23:00:00.000Z")),
            ("20261231", Some("2026-12-31T23:00:00.000Z")),
            ("2026-01-14T10:31:07+01:00", Some("2026-01-14T09:31:07.000Z")),
            ("20261301", None),
            ("20260230", None),
            ("2026011", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(end_of_limit(text).map(|at| at.to_string()).as_deref(), end, "{text}");
        }
        let at = Timestamp::parse("2026-01-14T23:30:00Z").unwrap();
        // Half past midnight on the 15th in Paris, and six days.
        assert_eq!(end_of_delay(at, 6).unwrap().to_string(), "2026-01-21T23:00:00.000Z");
    }
}
