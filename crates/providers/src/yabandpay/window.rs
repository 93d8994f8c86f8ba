//! Until when the platform lets a payment be cancelled or refunded.

use std::sync::LazyLock;

use jiff::{ToSpan, civil, tz::TimeZone};

use guichet_port::domain::Timestamp;

/// Local time in Amsterdam and Berlin: UTC+1, in summer UTC+2, changed on the last Sundays of March and
/// October at 01:00 UTC (Directive 2000/84/EC). The rule itself, so that neither the system's time zones nor
/// a copy of them are needed.
const CENTRAL_EUROPEAN_TIME: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

static ZONE: LazyLock<Option<TimeZone>> = LazyLock::new(|| TimeZone::posix(CENTRAL_EUROPEAN_TIME).ok());

/// The end of the cancel window: 00:30 of the day after the payment was created.
///
/// Source: "Cancel Payment Order" of API v3, Time Limit: "from the time when the transaction is initiated to
/// 00:30 of T+1 day (Central European Time)". Whether that has summer time is not said. The platform is in
/// Amsterdam, so local time is taken; with a fixed UTC+1 the window would end an hour later in summer. It is
/// advice: the platform's refusal counts.
pub(super) fn cancel_until(created_at: Timestamp) -> Option<Timestamp> {
    let zone = ZONE.clone()?;
    let created = jiff::Timestamp::from_millisecond(created_at.as_millis()).ok()?;
    let next_day = created.to_zoned(zone.clone()).date().tomorrow().ok()?;
    let end = next_day.to_datetime(civil::time(0, 30, 0, 0)).to_zoned(zone).ok()?;
    Some(Timestamp::from_millis(end.timestamp().as_millisecond()))
}

/// The end of the refund window: one year after the payment. Source: "Refund" of API v3, "not older than one
/// year"; from which moment it counts is not said, so the earliest one is taken.
pub(super) fn refund_until(created_at: Timestamp) -> Option<Timestamp> {
    let created = jiff::Timestamp::from_millisecond(created_at.as_millis()).ok()?;
    let end = created.to_zoned(ZONE.clone()?).checked_add(1.year()).ok()?;
    Some(Timestamp::from_millis(end.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_cancel_window_ends_at_half_past_midnight_in_amsterdam() {
        for (created, until) in [
            // Winter and summer.
            ("2026-01-14T12:00:00Z", "2026-01-14T23:30:00Z"),
            ("2026-07-14T12:00:00Z", "2026-07-14T22:30:00Z"),
            // The day before, the day of and the day after the change to summer time, 2026-03-29 01:00 UTC.
            ("2026-03-27T12:00:00Z", "2026-03-27T23:30:00Z"),
            ("2026-03-28T12:00:00Z", "2026-03-28T23:30:00Z"),
            ("2026-03-29T00:59:59Z", "2026-03-29T22:30:00Z"),
            ("2026-03-29T12:00:00Z", "2026-03-29T22:30:00Z"),
            ("2026-03-30T12:00:00Z", "2026-03-30T22:30:00Z"),
            // The same for the change to winter time, 2026-10-25 01:00 UTC.
            ("2026-10-24T12:00:00Z", "2026-10-24T22:30:00Z"),
            ("2026-10-25T00:30:00Z", "2026-10-25T23:30:00Z"),
            ("2026-10-25T12:00:00Z", "2026-10-25T23:30:00Z"),
            ("2026-10-26T12:00:00Z", "2026-10-26T23:30:00Z"),
            // The local day counts: 23:30 UTC is the next day already, in summer 22:00 UTC too.
            ("2026-01-14T22:59:59Z", "2026-01-14T23:30:00Z"),
            ("2026-01-14T23:00:00Z", "2026-01-15T23:30:00Z"),
            ("2026-07-14T22:00:00Z", "2026-07-15T22:30:00Z"),
            ("2026-03-28T23:15:00Z", "2026-03-29T22:30:00Z"),
            ("2026-10-24T22:15:00Z", "2026-10-25T23:30:00Z"),
            // The published sample, and the end of a year and of a leap February.
            ("2024-02-01T07:06:52Z", "2024-02-01T23:30:00Z"),
            ("2026-12-31T12:00:00Z", "2026-12-31T23:30:00Z"),
            ("2028-02-28T12:00:00Z", "2028-02-28T23:30:00Z"),
            ("2028-02-28T23:00:00Z", "2028-02-29T23:30:00Z"),
        ] {
            assert_eq!(cancel_until(at(created)), Some(at(until)), "{created}");
        }
    }

    #[test]
    fn a_year_is_a_year_of_the_calendar() {
        for (created, until) in [
            ("2026-01-14T12:00:00Z", "2027-01-14T12:00:00Z"),
            ("2028-02-29T12:00:00Z", "2029-02-28T12:00:00Z"),
        ] {
            assert_eq!(refund_until(at(created)), Some(at(until)), "{created}");
        }
    }
}
