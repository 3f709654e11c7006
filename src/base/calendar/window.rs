//! Windows and freezes: when something may begin, in the local time of a named time zone.
//!
//! A *window* opens every week, on some days; a *freeze* is a range of dates on which nothing
//! begins even if a window is open. Without windows, everything outside of the freezes is open.
//!
//! Both are half-open intervals of instants: a window from 20:00 to 23:00 is open at 20:00:00 and
//! closed at 23:00:00. When clocks go forward, a time in the gap means the end of the gap. When
//! clocks go back, a time occurs twice: a begin means the earlier, an end the later.
//!
//! Texts have one canonical form, which is shown and sealed in artifacts.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use chrono::{Datelike, Days as DayCount, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};

use super::{Timestamp, later};

/// How far ahead to search for the next opening: 400 d. Our choice: more than a year, so that no
/// yearly freeze hides it.
pub const SEARCH_MAX: Duration = Duration::from_secs(400 * 86_400);

/// How many days before and after a local date to look for windows that are open or begin next. Our
/// choice: a window lasts at most a day and opens at least once a week, and a clock change can
/// swallow one opening.
const DAYS_BEFORE: u64 = 2;
const DAYS_AFTER: u64 = 16;

const WEEK: [(Weekday, &str); 7] = [
    (Weekday::Mon, "Mon"),
    (Weekday::Tue, "Tue"),
    (Weekday::Wed, "Wed"),
    (Weekday::Thu, "Thu"),
    (Weekday::Fri, "Fri"),
    (Weekday::Sat, "Sat"),
    (Weekday::Sun, "Sun"),
];

/// Why a text is not a window, or not a freeze.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The wrong parts.
    #[error("it does not have the expected form")]
    Form,
    /// No time zone at the end.
    #[error("it has no time zone")]
    NoZone,
    /// An unknown time zone.
    #[error("there is no time zone `{0}`")]
    Zone(String),
    /// Not a day of the week.
    #[error("there is no day `{0}`")]
    Day(String),
    /// Not a time of day.
    #[error("there is no time `{0}`")]
    Time(String),
    /// Not a date.
    #[error("there is no date `{0}`")]
    Date(String),
    /// A freeze that ends before it begins.
    #[error("it ends before it begins")]
    Backwards,
}

/// When something may begin, every week: `Sat 20:00-23:00 Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The days on which it opens, by their place in the week; never empty.
    days: BTreeSet<usize>,
    begin: NaiveTime,
    /// On the next day, unless it is after the begin.
    end: NaiveTime,
    zone: Tz,
}

/// Dates on which nothing begins, both included: `2026-12-20..2027-01-06 Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    first: NaiveDate,
    last: NaiveDate,
    zone: Tz,
}

/// Windows and freezes; at least one of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    windows: Vec<Window>,
    freezes: Vec<Freeze>,
}

impl Windows {
    /// These windows and freezes; `None` if there are none.
    #[must_use]
    pub fn new(windows: Vec<Window>, freezes: Vec<Freeze>) -> Option<Self> {
        (!windows.is_empty() || !freezes.is_empty()).then_some(Self { windows, freezes })
    }

    /// The windows; if there are none, everything outside of the freezes is open.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The freezes.
    #[must_use]
    pub fn freezes(&self) -> &[Freeze] {
        &self.freezes
    }

    /// The time zone of the first window or freeze, in which times are shown.
    #[must_use]
    pub fn zone(&self) -> Tz {
        let of_freeze = || self.freezes.first().map_or(Tz::UTC, |freeze| freeze.zone);
        self.windows.first().map_or_else(of_freeze, |window| window.zone)
    }

    /// Whether something may begin at this instant.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let is_within = self.windows.is_empty() || self.windows.iter().any(|w| w.is_open(at));
        is_within && self.frozen_until(at).is_none()
    }

    /// The first instant from `at` on at which something may begin, which may be `at` itself;
    /// `None` if nothing opens within [`SEARCH_MAX`].
    #[must_use]
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        let bound = later(at, SEARCH_MAX);
        let mut from = at;
        // Each round passes a freeze, or reaches an opening, which may be frozen.
        while from <= bound {
            if self.is_open(from) {
                return Some(from);
            }
            from = match self.frozen_until(from) {
                Some(end) => end,
                None => self.windows.iter().filter_map(|window| window.next_begin(from)).min()?,
            };
        }
        None
    }

    /// The end of the freeze that contains this instant.
    fn frozen_until(&self, at: Timestamp) -> Option<Timestamp> {
        let spans = self.freezes.iter().map(Freeze::span);
        spans.filter(|span| span.contains(&at)).map(|span| span.end).max()
    }
}

impl Window {
    fn is_open(&self, at: Timestamp) -> bool {
        self.spans(at).any(|span| span.contains(&at))
    }

    /// The next opening after this instant.
    fn next_begin(&self, at: Timestamp) -> Option<Timestamp> {
        let spans = self.spans(at).filter(|span| !span.is_empty());
        spans.map(|span| span.start).filter(|begin| *begin > at).min()
    }

    /// The intervals that begin on the days around this instant.
    fn spans(&self, at: Timestamp) -> impl Iterator<Item = Range<Timestamp>> {
        let today = at.with_timezone(&self.zone).date_naive();
        let first = today.checked_sub_days(DayCount::new(DAYS_BEFORE)).unwrap_or(today);
        let dates = first.iter_days().take(count(DAYS_BEFORE + DAYS_AFTER));
        let on_day = |date: &NaiveDate| self.days.contains(&place(date.weekday()));
        dates.filter(on_day).map(|date| self.on(date))
    }

    fn on(&self, date: NaiveDate) -> Range<Timestamp> {
        let last = match self.end <= self.begin {
            true => date.succ_opt().unwrap_or(date),
            false => date,
        };
        span((date, self.begin), (last, self.end), self.zone)
    }
}

impl Freeze {
    fn span(&self) -> Range<Timestamp> {
        let day_after = self.last.succ_opt().unwrap_or(self.last);
        span((self.first, NaiveTime::MIN), (day_after, NaiveTime::MIN), self.zone)
    }
}

fn count(days: u64) -> usize {
    usize::try_from(days).unwrap_or(usize::MAX)
}

fn place(day: Weekday) -> usize {
    WEEK.iter().position(|(other, _)| *other == day).expect("a week has all days")
}

/// The interval between two local times of a zone.
fn span(begin: (NaiveDate, NaiveTime), end: (NaiveDate, NaiveTime), zone: Tz) -> Range<Timestamp> {
    let local = |(date, time): (NaiveDate, NaiveTime)| date.and_time(time);
    let (begin, end) = (local(begin), local(end));
    let utc = |at: chrono::DateTime<Tz>| at.with_timezone(&Utc);
    let in_gap = |local| GapInfo::new(&local, &zone).and_then(|gap| gap.end);
    let (first, last) = (zone.from_local_datetime(&begin), zone.from_local_datetime(&end));
    let first = first.earliest().or_else(|| in_gap(begin)).map(utc);
    let last = last.latest().or_else(|| in_gap(end)).map(utc);
    // Every gap has an end; beyond the zone's tables, UTC is good enough.
    first.unwrap_or(begin.and_utc())..last.unwrap_or(end.and_utc())
}

/// The names of all known time zones (IANA), including aliases.
pub fn zones() -> impl Iterator<Item = &'static str> {
    TZ_VARIANTS.iter().map(|zone| zone.name())
}

/// The words for the days of a week, Monday first.
pub fn days() -> impl Iterator<Item = &'static str> {
    WEEK.iter().map(|(_, word)| *word)
}

fn parts(text: &str) -> Vec<&str> {
    text.split_ascii_whitespace().collect()
}

fn zone(text: Option<&str>) -> Result<Tz, WindowError> {
    let text = text.ok_or(WindowError::NoZone)?;
    Tz::from_str(text).map_err(|_| WindowError::Zone(text.to_owned()))
}

/// `HH:MM`, with two digits each.
fn time(text: &str) -> Result<NaiveTime, WindowError> {
    let wrong = || WindowError::Time(text.to_owned());
    match text.as_bytes() {
        [a, b, b':', c, d] if [a, b, c, d].iter().all(|octet| octet.is_ascii_digit()) => {
            NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

/// `YYYY-MM-DD`, with all digits.
fn date(text: &str) -> Result<NaiveDate, WindowError> {
    // chrono also accepts fewer digits, and signs.
    let is_whole = text.len() == "YYYY-MM-DD".len();
    let found = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| is_whole);
    found.ok_or_else(|| WindowError::Date(text.to_owned()))
}

fn day(text: &str) -> Result<usize, WindowError> {
    let found = WEEK.iter().position(|(_, word)| *word == text);
    found.ok_or_else(|| WindowError::Day(text.to_owned()))
}

/// A list of days and ranges of days; a range may wrap around the end of the week.
fn days_of(text: &str) -> Result<BTreeSet<usize>, WindowError> {
    let mut days = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + WEEK.len() - first) % WEEK.len();
        days.extend((first..=first + length).map(|day| day % WEEK.len()));
    }
    Ok(days)
}

impl FromStr for Window {
    type Err = WindowError;

    /// Reads `DAYS HH:MM-HH:MM ZONE`.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let (days, times, name) = match parts(text).as_slice() {
            [days, times] => (*days, *times, None),
            [days, times, zone] => (*days, *times, Some(*zone)),
            _ => return Err(WindowError::Form),
        };
        let (begin, end) = times.split_once('-').ok_or(WindowError::Form)?;
        let (days, begin, end) = (days_of(days)?, time(begin)?, time(end)?);
        Ok(Self { days, begin, end, zone: zone(name)? })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days, begin, end, zone } = self;
        let (begin, end) = (begin.format("%H:%M"), end.format("%H:%M"));
        write!(f, "{} {begin}-{end} {zone}", shown(days))
    }
}

/// Days in the order of the week; three or more in a row are shown as a range.
fn shown(days: &BTreeSet<usize>) -> String {
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for day in days {
        match rows.last_mut() {
            Some((_, last)) if *last + 1 == *day => *last = *day,
            Some(_) | None => rows.push((*day, *day)),
        }
    }
    let word = |day: usize| WEEK[day].1;
    let row = |(first, last): (usize, usize)| match last - first {
        0 => word(first).to_owned(),
        1 => format!("{},{}", word(first), word(last)),
        _ => format!("{}-{}", word(first), word(last)),
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join(",")
}

impl FromStr for Freeze {
    type Err = WindowError;

    /// Reads `YYYY-MM-DD..YYYY-MM-DD ZONE`; a single date is a freeze of one day.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let (dates, name) = match parts(text).as_slice() {
            [dates] => (*dates, None),
            [dates, zone] => (*dates, Some(*zone)),
            _ => return Err(WindowError::Form),
        };
        let (first, last) = dates.split_once("..").unwrap_or((dates, dates));
        let (first, last) = (date(first)?, date(last)?);
        match first <= last {
            true => Ok(Self { first, last, zone: zone(name)? }),
            false => Err(WindowError::Backwards),
        }
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, zone } = self;
        write!(f, "{first}..{last} {zone}")
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
