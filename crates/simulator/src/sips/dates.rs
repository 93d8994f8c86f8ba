//! Dates as the platform writes them, in French time. Inferred: the pages speak of "the platform's time zone", and their
//! samples have the offset of Paris.

use jiff::Timestamp;

use crate::clock::central_european;

/// `2026-01-14T10:31:07+01:00`, as in answers and in results of the POST format.
pub(super) fn date_time(at: Timestamp) -> String {
    central_european(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// `2026-01-14.10:31:07+0100`, as in results of the JSON format.
pub(super) fn dotted_date_time(at: Timestamp) -> String {
    central_european(at).strftime("%Y-%m-%d.%H:%M:%S%z").to_string()
}

/// `20260114`.
pub(super) fn day(at: Timestamp) -> String {
    central_european(at).strftime("%Y%m%d").to_string()
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
            assert_eq!([date_time(at), dotted_date_time(at), day(at)], [iso, dotted, date]);
        }
    }
}
