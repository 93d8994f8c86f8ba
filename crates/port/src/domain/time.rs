//! Instants as callers see them: RFC 3339, UTC, `Z`, milliseconds.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in UTC with millisecond precision, for example `2026-11-22T10:00:00.000Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// The first instant of the year 0000, in milliseconds since the Unix epoch.
const YEAR_0000: i64 = -62_167_219_200_000;

impl Timestamp {
    /// The present moment, cut to whole milliseconds.
    pub fn now() -> Self {
        Self::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    /// The instant `millis` milliseconds after the Unix epoch; out-of-range values become the epoch.
    pub fn from_millis(millis: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Reads an RFC 3339 text with any offset, for example `2020-05-20T20:13:26+02:00`.
    ///
    /// # Errors
    /// The text is not an RFC 3339 date and time with an offset.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        // RFC 3339 has no years before 0000; ISO 8601 writes them with a sign, which others cannot read.
        if text.starts_with('-') || instant.as_millisecond() < YEAR_0000 {
            return Err(TimestampError);
        }
        Ok(Self::from_millis(instant.as_millisecond()))
    }

    /// The instant `duration` later; saturates at the end of the calendar.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis))
    }

    /// This much earlier; the earliest instant there is when that is too much.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(millis))
    }

    /// How long before `self` the instant `earlier` was; zero when it was not before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(
            u64::try_from(self.as_millis().saturating_sub(earlier.as_millis())).unwrap_or(0),
        )
    }

    /// The text that providers expect which want whole seconds and a numeric offset:
    /// `2020-05-20T18:13:26+00:00`.
    pub fn to_seconds_with_offset(self) -> String {
        jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%S+00:00", self.0).unwrap_or_default()
    }
}

/// The text is not an RFC 3339 date and time with an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 date and time with an offset, such as 2026-12-01T00:00:00Z")]
pub struct TimestampError;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_utc_milliseconds_whatever_the_offset_was() {
        let instant = Timestamp::parse("2020-05-20T20:13:26+02:00").unwrap();
        assert_eq!(instant.to_string(), "2020-05-20T18:13:26.000Z");
        assert_eq!(instant.to_seconds_with_offset(), "2020-05-20T18:13:26+00:00");
        assert_eq!(
            Timestamp::parse("2026-01-01T00:00:00.123456Z").unwrap().to_string(),
            "2026-01-01T00:00:00.123Z"
        );
    }

    #[test]
    fn refuses_what_has_no_offset() {
        for text in ["2026-01-01", "2026-01-01T00:00:00", "yesterday", "", "2026-13-01T00:00:00Z"] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_never_negative() {
        let a = Timestamp::from_millis(1_000);
        let b = a.plus(Duration::from_millis(250));
        assert_eq!(b.since(a), Duration::from_millis(250));
        assert_eq!(a.since(b), Duration::ZERO);
    }
}
