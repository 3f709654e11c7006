//! A timeline as a Mermaid chart, which GitHub and GitLab draw.
//!
//! Source: mermaid.js.org, "Gantt diagrams", version 11. The chart counts from the first day of a year
//! in the reader's own time zone, since Mermaid has no axis for spans.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::escape::visible;
use crate::document::{Kind, Row};

/// How many rows are drawn. Our choice: more are no longer read.
const ROWS_MAX: usize = 120;

/// The length of a chart: Mermaid draws none of more than 50,000 characters (`maxTextSize`).
const CHARS_MAX: usize = 45_000;

/// The longest run that is drawn: the axis counts the days of one year.
const TOTAL_MAX: Duration = Duration::from_secs(365 * 86_400);

/// From here on the axis counts days, not hours.
const DAYS_MIN: Duration = Duration::from_secs(2 * 86_400);

/// 2001-01-01 00:00:00 UTC: a year of 365 days.
const EPOCH_SECS: u64 = 978_307_200;

/// The characters of a label that mean nothing to Mermaid, apart from letters and digits.
const PLAIN: &str = "/._- ";

/// A chart.
pub(super) struct Chart {
    pub(super) lines: Vec<String>,
    /// How many rows it has: the first ones.
    pub(super) drawn: usize,
}

/// The chart of the first of these rows; nothing if it would be misleading or empty.
pub(super) fn gantt(total: Duration, rows: &[Row]) -> Option<Chart> {
    if total >= TOTAL_MAX || total.is_zero() {
        return None;
    }
    let axis = if total >= DAYS_MIN { "day %j" } else { "%H:%M" };
    let head = ["gantt", "    dateFormat YYYY-MM-DD HH:mm:ss"].map(str::to_owned);
    let axis = format!("    axisFormat {axis}");
    let rows = rows.iter().take(ROWS_MAX).enumerate();
    let rows = rows.map(|(place, Row { label, kind, begin, end })| {
        let span = end.saturating_sub(*begin).as_secs();
        let tags = match (kind, span) {
            (Kind::Checkpoint, _) | (_, 0) => "milestone, ",
            (Kind::Change, _) => "crit, ",
            (Kind::Gate | Kind::Task, _) => "active, ",
            (Kind::Wait, _) => "",
        };
        // A line that begins with a number is no statement, comment or date of Mermaid's.
        let number = place + 1;
        format!("    {number} {} :{tags}{}, {span}s", escaped(label), instant(*begin))
    });
    let mut chars = 0;
    let rows = rows.take_while(|row| {
        chars += row.chars().count() + 1;
        chars <= CHARS_MAX
    });
    let rows: Vec<String> = rows.collect();
    let drawn = rows.len();
    let lines = head.into_iter().chain([axis]).chain(rows).collect();
    (drawn > 0).then_some(Chart { lines, drawn })
}

fn instant(after: Duration) -> String {
    let secs = i64::try_from(EPOCH_SECS + after.as_secs()).unwrap_or(i64::MAX);
    let at = DateTime::<Utc>::from_timestamp(secs, 0).unwrap_or_default();
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A label in which every sign stands for itself, by Mermaid's own escapes.
fn escaped(label: &str) -> String {
    let mut shown = String::new();
    for c in visible(label).chars() {
        match c.is_alphanumeric() || PLAIN.contains(c) {
            true => shown.push(c),
            false => shown += &format!("#{};", u32::from(c)),
        }
    }
    shown
}
