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
        let other = || text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()));
        kubernetes_millis(text.as_bytes()).map(Self).or_else(other)
    }

    /// The UTC date, `YYYY-MM-DD`, as in the labels of legacy tokens.
    pub fn date(self) -> String {
        self.rfc3339().chars().take(10).collect()
    }
}

/// The form in which Kubernetes writes, `2026-07-25T10:00:00Z` with or without decimal places. A doctor reads millions of
/// them, so it has a way of its own; what it does not know is left.
fn kubernetes_millis(text: &[u8]) -> Option<i64> {
    let (seconds, rest) = text.split_first_chunk::<19>()?;
    let fraction = match rest.strip_suffix(b"Z")? {
        [] => 0,
        [b'.', places @ ..] if (1..=9).contains(&places.len()) => {
            let millis = [0, 1, 2].map(|at| places.get(at).copied().unwrap_or(b'0'));
            number(&millis).filter(|_| places.iter().all(u8::is_ascii_digit))?
        }
        _ => return None,
    };
    let form = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if form.into_iter().any(|(at, mark)| seconds[at] != mark) {
        return None;
    }
    let (year, month, day) = (number(&seconds[..4])?, number(&seconds[5..7])?, number(&seconds[8..10])?);
    let (hour, minute, second) =
        (number(&seconds[11..13])?, number(&seconds[14..16])?, number(&seconds[17..])?);
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let today = days(year, month, day);
    let is_day = year >= 1970
        && (1..=12).contains(&month)
        && (days(year, month, 1)..days(next_year, next_month, 1)).contains(&today);
    let is_time = hour < 24 && minute < 60 && second < 60;
    (is_day && is_time).then(|| (((today * 24 + hour) * 60 + minute) * 60 + second) * 1000 + fraction)
}

/// Days since the epoch. Years begin in March here, so that a leap day is a year's last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

fn number(digits: &[u8]) -> Option<i64> {
    let add = |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'));
    digits.iter().try_fold(0, add)
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
    fn the_own_way_of_reading_and_the_general_one_agree() {
        let general = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond());
        let own = |text: &str| UnixTime::parse_rfc3339(text).map(UnixTime::millis);
        for day in 0..400 * 366 {
            let text = UnixTime::from_seconds(day * 86_400 + day).rfc3339();
            assert_eq!(own(&text), general(&text), "{text}");
        }
        for text in [
            "2026-07-25T10:00:00.1Z",
            "2026-07-25T10:00:00.123456789Z",
            "2026-07-25T10:00:00.1234567891Z",
            "2026-07-25T10:00:00.Z",
            "2026-07-25T10:00:00.12x4Z",
            "2026-07-25T10:00:00.123+02:00",
            "2026-07-25 10:00:00Z",
            "2026-07-25T10:00:00z",
            "2026-02-28T23:59:59Z",
            "2026-02-29T10:00:00Z",
            "2028-02-29T10:00:00Z",
            "2026-13-25T10:00:00Z",
            "2026-00-25T10:00:00Z",
            "2026-07-00T10:00:00Z",
            "2026-07-25T24:00:00Z",
            "2026-07-25T10:60:00Z",
            "2026-07-25T10:00:60Z",
            "1969-12-31T23:59:59.999Z",
            "2026-07-25T10:00:00",
            "",
        ] {
            assert_eq!(own(text), general(text), "{text}");
        }
    }

    #[test]
    fn saturates() {
        assert_eq!(UnixTime::from_seconds(i64::MAX).plus_seconds(i64::MAX).millis(), i64::MAX);
    }
}
