//! Output for people: pure functions from values to text.
//!
//! Output is readable without colour; the caller decides on colour. Unseen characters in text from
//! outside are escaped. JSON output is the artifact's own encoding, so it needs nothing here.

pub mod calendar;
mod chain;
mod difference;
pub mod explain;
mod fold;
mod gate;
pub mod status;
pub mod text;
mod timeline;
mod verdict;
pub mod zone;

use std::time::Duration;

use cutover_contract::{Name, RrKey, RrSet};

use crate::calendar::show_span;
pub use crate::diag::escape_control;
use crate::graph::task::Task;
use crate::graph::{Primitive, Step};
use crate::spec::task::Work;

/// Whether output has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Styling {
    /// Plain text.
    Plain,
    /// With ANSI colours.
    Coloured,
}

#[derive(Clone, Copy)]
enum Paint {
    Heading,
    Added,
    Removed,
    Changed,
    Faint,
}

impl Styling {
    fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Heading => "1",
            Paint::Added => "32",
            Paint::Removed => "31",
            Paint::Changed => "4",
            Paint::Faint => "2",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// Whether a step is a person's work.
fn is_by_hand(step: &Step) -> bool {
    matches!(&step.primitive, Primitive::Task(Task { work: Work::Manual(_), .. }))
}

/// A time relative to the start of the run: `T+1d 2h`.
fn since_start(span: Duration) -> String {
    format!("T+{}", show_span(span))
}

/// The records of an RRset, one per line, in master file format.
fn lines(key: &RrKey, rrset: Option<&RrSet>) -> Vec<String> {
    let Some(rrset) = rrset else { return Vec::new() };
    let RrKey { name, rtype } = key;
    rrset.rdata().iter().map(|rdata| format!("{name} {} {rtype} {rdata}", rrset.ttl())).collect()
}

/// `3 changes`, `1 change`.
fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

fn zone_heading(zone: &Name, provider: &str) -> String {
    format!("zone {zone} at `{provider}`")
}

/// A table with a header row and columns that fit their content.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let all: Vec<&[String; N]> = std::iter::once(&head).chain(rows).collect();
    let widths: Vec<usize> = (0..N)
        .map(|column| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned() + "\n"
    };
    all.into_iter().map(line).collect()
}
