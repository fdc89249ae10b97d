//! Instants as values.
//!
//! Invariant: one decision uses one `UnixTime`, brought by the caller; arithmetic saturates, so that
//! a hostile claim of `exp: 9e18` cannot overflow.

use std::fmt;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch; saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment moved by `seconds` (negative: earlier); saturates.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// RFC 3339 in UTC with whole seconds, as every Kubernetes timestamp: `2026-07-25T10:00:00Z`.
    /// A moment outside the years -9999 … 9999 is shown as the nearest one inside.
    pub fn rfc3339(self) -> String {
        let (low, high) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        let seconds = self.seconds().clamp(low, high);
        jiff::Timestamp::from_second(seconds).map(|t| t.to_string()).unwrap_or_default()
    }

    /// RFC 3339 in UTC with six decimal places, as in audit events: `2026-07-25T10:00:00.123000Z`.
    pub fn rfc3339_micros(self) -> String {
        let whole = self.rfc3339();
        format!("{}.{:03}000Z", whole.trim_end_matches('Z'), self.0.rem_euclid(1000))
    }

    /// Reads RFC 3339, with or without fractional seconds; `None` when it is something else.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// The UTC date, `YYYY-MM-DD`, as in the labels of legacy tokens.
    pub fn date(self) -> String {
        self.rfc3339().chars().take(10).collect()
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} ms)", self.rfc3339(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_whole_seconds_in_utc() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_784_973_600_999, "2026-07-25T10:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-30T22:00:00Z"),
        ] {
            assert_eq!(UnixTime::from_millis(millis).rfc3339(), text);
        }
    }

    #[test]
    fn renders_six_decimal_places() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_784_973_600_999, "2026-07-25T10:00:00.999000Z"),
            (-1, "1969-12-31T23:59:59.999000Z"),
        ] {
            assert_eq!(UnixTime::from_millis(millis).rfc3339_micros(), text);
        }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let t = UnixTime::from_seconds(1_784_973_600);
        assert_eq!(UnixTime::parse_rfc3339(&t.rfc3339()), Some(t));
        assert_eq!(UnixTime::parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn saturates() {
        assert_eq!(UnixTime::from_seconds(i64::MAX).plus_seconds(i64::MAX).millis(), i64::MAX);
    }
}
