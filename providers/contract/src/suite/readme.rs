//! What an adapter's capabilities and its reports make: a part of its README, and the data that the
//! program shows.

use std::fmt::Write as _;
use std::path::Path;

use super::report::Report;
use crate::{
    Atomicity, Capabilities, CompareAndSet, Figure, Findings, Gathered, Granularity, SkippedCase,
};

/// Where an adapter's crate has its [`Findings`].
const FINDINGS: &str = "findings.json";
const BEGIN: &str = "<!-- suite: begin; made by the conformance suite, not by hand -->\n";
const END: &str = "<!-- suite: end -->\n";
/// The variable that has the README written instead of compared.
const WRITE: &str = "CUTOVER_SUITE_WRITE";

/// Prints the reports, and has them passed; then compares the README and the findings of the crate in
/// this directory with what the reports make of them. With `CUTOVER_SUITE_WRITE=1` in the environment,
/// writes both. A crate without findings, which the program does not show, has none to compare.
///
/// # Panics
/// Where a case failed; where something is stale, with the command that makes it anew; where the README
/// has no place for the table; and where a file cannot be read or written.
#[expect(clippy::disallowed_methods, reason = "a test is told by it to write what it compares")]
pub fn check(directory: &Path, package: &str, reports: &[Report]) {
    reports.iter().for_each(|report| print!("{report}"));
    reports.iter().for_each(Report::assert_passed);
    let is_written = std::env::var_os(WRITE).is_some_and(|value| value == "1");
    let settle = |path: &Path, text: &str, made: &str| {
        if is_written {
            std::fs::write(path, made).expect("what the suite makes can be written");
            return;
        }
        let path = path.display();
        let again = format!("`{WRITE}=1 cargo test -p {package} --test suite`");
        assert!(text == made, "{path} is stale; make it anew by {again}");
    };
    let findings: Vec<Findings> = reports.iter().map(Findings::of).collect();
    let path = directory.join("README.md");
    let text = std::fs::read_to_string(&path).expect("an adapter has a README.md");
    let made = with_table(&text, &table(&findings));
    let made = made
        .unwrap_or_else(|| panic!("{} has no place for the table:\n{BEGIN}{END}", path.display()));
    settle(&path, &text, &made);
    let path = directory.join(FINDINGS);
    if let Ok(text) = std::fs::read_to_string(&path) {
        let made = serde_json::to_string_pretty(&findings).expect("texts are JSON");
        settle(&path, &text, &(made + "\n"));
    }
}

/// The text with this table in the place of the one that it has; `None` where there is no place.
#[must_use]
pub fn with_table(text: &str, table: &str) -> Option<String> {
    let (front, rest) = text.split_once(BEGIN)?;
    let (_, back) = rest.split_once(END)?;
    Some(format!("{front}{BEGIN}{table}{END}{back}"))
}

/// One row for each figure, a column for each server or fake, and the skipped cases with their reasons.
///
/// # Panics
/// Where there are no findings.
#[must_use]
pub fn table(findings: &[Findings]) -> String {
    let mut text = String::new();
    let titles: Vec<&str> = findings.iter().map(|found| found.title.as_str()).collect();
    let _ = writeln!(text, "| | {} |", titles.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(findings.len()));
    for (index, Figure { name, value: _ }) in findings[0].figures.iter().enumerate() {
        let cells: Vec<&str> =
            findings.iter().map(|found| found.figures[index].value.as_str()).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    for Findings { title, skipped, .. } in findings.iter().filter(|f| !f.skipped.is_empty()) {
        let _ = writeln!(text, "\nSkipped, {title}:\n");
        for SkippedCase { case, why } in skipped {
            let _ = writeln!(text, "* `{case}`: {why}");
        }
    }
    text
}

impl Findings {
    /// What a report says, as data.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let counted = [
            ("cases of the suite", report.verdicts.len()),
            ("passed", report.passed()),
            ("skipped", report.skipped().count()),
        ];
        let counted = counted.map(|(name, count)| (name, count.to_string()));
        let figures = rows(&report.capabilities).into_iter().chain(counted);
        let figure = |(name, value): (&str, String)| Figure { name: name.to_owned(), value };
        let skipped = report
            .skipped()
            .map(|(case, why)| SkippedCase { case: case.to_owned(), why: why.to_owned() });
        Self {
            title: report.title.to_owned(),
            figures: figures.map(figure).collect(),
            skipped: skipped.collect(),
        }
    }
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
