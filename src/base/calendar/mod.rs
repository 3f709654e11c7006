//! Time as people write and read it: spans (`1h30m`), instants, and distances to now.
//!
//! Nothing here asks a clock: `now` is always an argument. Spans are whole seconds or milliseconds
//! and never negative; instants are UTC. [`window`] says when something may begin in local time.

pub mod steady;
pub mod window;

use std::time::Duration;

pub use steady::{Moment, Steady};

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

/// An instant, in UTC.
pub type Timestamp = DateTime<Utc>;

/// The longest span that a plan may have: ten years. Our choice: anything longer is a typo.
pub const SPAN_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The form of a span, as the regular expression in the JSON Schema.
pub const SPAN_PATTERN: &str = "^[0-9]{1,10}[smhdw]( ?[0-9]{1,10}[smhdw])*$";

/// Why a text is not a time span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanError {
    /// Not numbers with units.
    Form,
    /// Longer than [`SPAN_MAX`].
    TooLong,
}

/// Reads a span: numbers with the units `s`, `m` (minutes), `h`, `d`, `w`, added up.
///
/// # Errors
/// [`SpanError`] for any other form, including a bare number, and above ten years.
pub fn parse_span(text: &str) -> Result<Duration, SpanError> {
    parse_span_to(text, SPAN_MAX)
}

/// The same with another bound.
///
/// # Errors
/// [`SpanError`] for any other form, and above the bound.
pub fn parse_span_to(text: &str, max: Duration) -> Result<Duration, SpanError> {
    let mut secs = 0_u64;
    let mut rest = text;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest.get(..digits).filter(|d| (1..=10).contains(&d.len()));
        let number: u64 = number.and_then(|d| d.parse().ok()).ok_or(SpanError::Form)?;
        let unit = match rest.as_bytes().get(digits) {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            Some(b'w') => 604_800,
            Some(_) | None => return Err(SpanError::Form),
        };
        secs = secs.saturating_add(number.saturating_mul(unit));
        rest = &rest[digits + 1..];
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    let span = Duration::from_secs(secs);
    if span <= max { Ok(span) } else { Err(SpanError::TooLong) }
}

/// Shows a span in days, hours, minutes and seconds: `0s`, `45s`, `1h 5m`, `7d`.
///
/// Nothing is rounded up; milliseconds are shown only below a second.
#[must_use]
pub fn show_span(span: Duration) -> String {
    let mut rest = span.as_secs();
    if rest == 0 && span.subsec_millis() > 0 {
        return format!("{}ms", span.subsec_millis());
    }
    let mut shown = String::new();
    for (unit, secs) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest >= secs {
            shown += if shown.is_empty() { "" } else { " " };
            shown += &(rest / secs).to_string();
            shown += unit;
            rest %= secs;
        }
    }
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

/// A time counted from the start of a run: `T+1d 2h`.
#[must_use]
pub fn since_start(span: Duration) -> String {
    format!("T+{}", show_span(span))
}

/// An instant for machines and journals: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn show_exact(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An instant for people, with its zone and its distance from now: `2026-11-23 14:05:10Z (in 3h)`.
#[must_use]
pub fn show_instant(at: Timestamp, now: Timestamp) -> String {
    show_instant_in(at, now, Tz::UTC)
}

/// The same in the local time of a zone: `2026-11-23 15:05:10+01:00 (in 3h)`.
#[must_use]
pub fn show_instant_in(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    let distance = (at - now).abs().to_std().unwrap_or_default();
    let distance = show_span(Duration::from_secs(distance.as_secs()));
    let distance = if at >= now { format!("in {distance}") } else { format!("{distance} ago") };
    format!("{} ({distance})", show_second_in(at, zone))
}

/// An instant for people, with its zone and to the second: `2026-11-23 14:05:10Z`.
#[must_use]
pub fn show_second(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The same in the local time of a zone, with its UTC offset: `2026-11-23 15:05:10+01:00`.
#[must_use]
pub fn show_second_in(at: Timestamp, zone: Tz) -> String {
    if zone == Tz::UTC {
        return show_second(at);
    }
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S%:z").to_string()
}

/// Reads an RFC 3339 instant with its UTC offset: `2026-12-01T09:00:00+01:00`. Fractions of a
/// second are dropped, since forecasts are in whole seconds.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    at.to_utc().with_nanosecond(0)
}

/// A span after `at`, or the end of time if that overflows.
#[must_use]
pub fn later(at: Timestamp, span: Duration) -> Timestamp {
    let delta = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    at.checked_add_signed(delta).unwrap_or(Timestamp::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_shown() {
        for (text, secs, shown) in [
            ("0s", 0, "0s"),
            ("90s", 90, "1m 30s"),
            ("5m", 300, "5m"),
            ("1h30m", 5_400, "1h 30m"),
            ("1h 30m", 5_400, "1h 30m"),
            ("1w", 604_800, "7d"),
            ("1d1s", 86_401, "1d 1s"),
        ] {
            let span = parse_span(text).expect(text);
            assert_eq!(span.as_secs(), secs, "{text}");
            assert_eq!(show_span(span), shown, "{text}");
        }
        assert_eq!(parse_span("3650d"), Ok(SPAN_MAX));
        assert_eq!(parse_span("3650d1s"), Err(SpanError::TooLong));
        assert_eq!(parse_span("1234567890s"), Err(SpanError::TooLong));
        for text in
            ["", "5", "m", "5 m", "-5m", "5m ", " 5m", "5m  1s", "5M", "1.5h", "12345678901s"]
        {
            assert_eq!(parse_span(text), Err(SpanError::Form), "{text:?}");
        }
    }

    #[test]
    fn instants_say_zone_and_distance() {
        let now = Timestamp::from_timestamp(1_800_000_000, 0).expect("a valid instant");
        assert_eq!(
            show_instant(later(now, Duration::from_secs(10_800)), now),
            "2027-01-15 11:00:00Z (in 3h)"
        );
        assert_eq!(
            show_instant(now, later(now, Duration::from_secs(60))),
            "2027-01-15 08:00:00Z (1m ago)"
        );
        assert_eq!(show_exact(now), "2027-01-15T08:00:00.000Z");
        assert_eq!(later(now, Duration::MAX), Timestamp::MAX_UTC);
    }
}
