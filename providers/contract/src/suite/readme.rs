//! The part of an adapter's README that its capabilities and its report make.

use std::fmt::Write as _;
use std::path::Path;

use super::report::Report;
use crate::{Atomicity, Capabilities, CompareAndSet, Gathered, Granularity};

const BEGIN: &str = "<!-- suite: begin; made by the conformance suite, not by hand -->\n";
const END: &str = "<!-- suite: end -->\n";
/// The variable that has the README written instead of compared.
const WRITE: &str = "CUTOVER_SUITE_WRITE";

/// Compares the README of the crate in this directory with what these reports make of it; with
/// `CUTOVER_SUITE_WRITE=1` in the environment, writes it.
///
/// # Panics
/// Where it is stale, with the command that makes it anew; where it has no place for the table; and
/// where it cannot be read or written.
#[expect(clippy::disallowed_methods, reason = "a test is told by it to write what it compares")]
pub fn check(directory: &Path, package: &str, reports: &[Report]) {
    let path = directory.join("README.md");
    let text = std::fs::read_to_string(&path).expect("an adapter has a README.md");
    let made = with_table(&text, &table(reports))
        .unwrap_or_else(|| panic!("{} has no place for the table:\n{BEGIN}{END}", path.display()));
    if std::env::var_os(WRITE).is_some_and(|value| value == "1") {
        std::fs::write(&path, made).expect("the README can be written");
        return;
    }
    assert!(
        text == made,
        "{} is stale; make it anew by `{WRITE}=1 cargo test -p {package} --test suite`",
        path.display()
    );
}

/// The text with this table in the place of the one that it has; `None` where there is no place.
#[must_use]
pub fn with_table(text: &str, table: &str) -> Option<String> {
    let (front, rest) = text.split_once(BEGIN)?;
    let (_, back) = rest.split_once(END)?;
    Some(format!("{front}{BEGIN}{table}{END}{back}"))
}

/// One row for each capability, a column for each report, the count of cases, and the skipped ones
/// with their reasons.
///
/// # Panics
/// Where there is no report.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let mut text = String::new();
    let titles: Vec<&str> = reports.iter().map(|report| report.title).collect();
    let columns: Vec<Vec<(&str, String)>> =
        reports.iter().map(|report| rows(&report.capabilities)).collect();
    let counts = |count: fn(&Report) -> usize| -> Vec<String> {
        reports.iter().map(|report| count(report).to_string()).collect()
    };
    let _ = writeln!(text, "| | {} |", titles.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(reports.len()));
    for (index, (row, _)) in columns[0].iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|column| column[index].1.as_str()).collect();
        let _ = writeln!(text, "| {row} | {} |", cells.join(" | "));
    }
    let counted = [
        ("cases of the suite", counts(|report| report.verdicts.len())),
        ("passed", counts(Report::passed)),
        ("skipped", counts(|report| report.skipped().count())),
    ];
    for (row, counts) in counted {
        let _ = writeln!(text, "| {row} | {} |", counts.join(" | "));
    }
    for report in reports.iter().filter(|report| report.skipped().next().is_some()) {
        let _ = writeln!(text, "\nSkipped, {}:\n", report.title);
        for (case, why) in report.skipped() {
            let _ = writeln!(text, "* `{case}`: {why}");
        }
    }
    text
}

fn rows(capabilities: &Capabilities) -> Vec<(&'static str, String)> {
    let Capabilities {
        granularity,
        atomicity,
        compare_and_set,
        ttl_min,
        ttl_max,
        types,
        gathered,
        settle_max,
        unseen_nodes,
        served_within,
    } = capabilities;
    let granularity = match granularity {
        Granularity::Record => "single records",
        Granularity::RrSet => "RRsets",
        Granularity::Label => "all RRsets of a name",
        Granularity::Zone => "the zone",
    };
    let atomicity = match atomicity {
        Atomicity::ChangeSet => "a whole change set",
        Atomicity::RrSet => "each RRset for itself",
        Atomicity::Record => "each record for itself, changed in place",
        Atomicity::None => "nothing",
    };
    let compare_and_set = match compare_and_set {
        CompareAndSet::Native => "the provider, in the same transaction",
        CompareAndSet::ReadCompareWrite => "the adapter, which reads first",
    };
    let types = match types {
        None => "all".to_owned(),
        Some(types) => types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    let gathered = match gathered {
        Gathered::One => "nothing".to_owned(),
        Gathered::All => "any number of RRsets".to_owned(),
        Gathered::Request { size_max, unit, size_of: _ } => {
            format!("RRsets of up to {size_max} {unit}")
        }
    };
    let served_within = match served_within {
        None => "by asking the authoritative servers".to_owned(),
        Some(within) => format!("taken to be so after {} s", within.as_secs()),
    };
    vec![
        ("unit of storage", granularity.to_owned()),
        ("visible at once", atomicity.to_owned()),
        ("who compares", compare_and_set.to_owned()),
        ("TTLs", format!("{ttl_min} to {ttl_max} s")),
        ("types", types),
        ("written together without being asked to", gathered),
        ("a late effect lands within", format!("{} s", settle_max.as_secs())),
        ("added for nodes that cannot be asked", format!("{} s", unseen_nodes.as_secs())),
        ("known to be served", served_within),
    ]
}
