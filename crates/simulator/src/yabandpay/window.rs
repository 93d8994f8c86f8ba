//! Until when a payment can be cancelled.
//!
//! Source: page `v3.CancelPayment`: from the start of the transaction to 00:30 of T+1, "Central European Time".
//! Uncertain: whether that is fixed UTC+1 or local time with summer time. Chosen: local time of Amsterdam.

use jiff::Timestamp;

use crate::clock::central_european;

/// The first moment at which a payment made at `created` can no longer be cancelled.
pub(super) fn end(created: Timestamp) -> Timestamp {
    let there = central_european(created);
    let next_day =
        there.date().tomorrow().map(|next| next.at(0, 30, 0, 0).to_zoned(there.time_zone().clone()));
    // Only the last day that a calendar can hold has no tomorrow.
    next_day.ok().and_then(Result::ok).map_or(Timestamp::MAX, |end| end.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_ends_half_past_midnight_in_amsterdam() {
        for (created, expected) in [
            // Winter: UTC+1.
            ("2026-01-14T12:00:00Z", "2026-01-14T23:30:00Z"),
            ("2026-01-14T22:59:59Z", "2026-01-14T23:30:00Z"),
            ("2026-01-14T23:00:00Z", "2026-01-15T23:30:00Z"),
            // Summer: UTC+2.
            ("2026-07-14T12:00:00Z", "2026-07-14T22:30:00Z"),
            ("2026-07-14T22:10:00Z", "2026-07-15T22:30:00Z"),
            // The days before and of the changes of 29 March and 25 October 2026.
            ("2026-03-28T12:00:00Z", "2026-03-28T23:30:00Z"),
            ("2026-03-29T12:00:00Z", "2026-03-29T22:30:00Z"),
            ("2026-10-24T12:00:00Z", "2026-10-24T22:30:00Z"),
            ("2026-10-25T12:00:00Z", "2026-10-25T23:30:00Z"),
        ] {
            let created: Timestamp = created.parse().unwrap();
            assert_eq!(end(created).to_string(), expected, "{created}");
        }
    }
}
