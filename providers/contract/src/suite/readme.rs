//! A part of an adapter's README and the data that the program shows, both made from the adapter's
//! capabilities and reports.

use std::fmt::Write as _;
use std::path::Path;

use super::report::Report;
use crate::{
    Atomicity, Capabilities, CompareAndSet, Figure, Findings, Gathered, Granularity, SkippedCase,
};

/// The file in an adapter's crate that holds its [`Findings`].
const FINDINGS: &str = "findings.json";
const BEGIN: &str = "<!-- suite: begin; made by the conformance suite, not by hand -->\n";
const END: &str = "<!-- suite: end -->\n";
/// The variable that makes the test write the README instead of comparing it.
const WRITE: &str = "CUTOVER_SUITE_WRITE";

/// Prints the reports and checks that they passed. Then compares the README and the findings in
/// this crate's directory with the reports. With `CUTOVER_SUITE_WRITE=1` in the environment, it
/// writes both instead. A crate that the program does not list has no findings to compare.
///
/// # Panics
/// If a case failed; if a file is stale, with the command that updates it; if the README has no
/// place for the table; and if a file cannot be read or written.
#[expect(clippy::disallowed_methods, reason = "the variable tells a test to write its files")]
pub fn check(directory: &Path, package: &str, reports: &[Report]) {
    reports.iter().for_each(|report| print!("{report}"));
    reports.iter().for_each(Report::assert_passed);
    let is_written = std::env::var_os(WRITE).is_some_and(|value| value == "1");
    let settle = |path: &Path, text: &str, made: &str| {
        if is_written {
            std::fs::write(path, made).expect("the files of the crate can be written");
            return;
        }
        let path = path.display();
        let again = format!("`{WRITE}=1 cargo test -p {package} --test suite`");
        assert!(text == made, "{path} is stale; update it with {again}");
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

/// The text with its table replaced by this one; `None` if there is no place for it.
#[must_use]
pub fn with_table(text: &str, table: &str) -> Option<String> {
    let (front, rest) = text.split_once(BEGIN)?;
    let (_, back) = rest.split_once(END)?;
    Some(format!("{front}{BEGIN}{table}{END}{back}"))
}

/// A row for each figure, a column for each server or fake, and the skipped cases with their
/// reasons.
///
/// # Panics
/// If there are no findings.
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
    /// The content of a report, as data.
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
        anycast_margin,
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
        Atomicity::RrSet => "each RRset on its own",
        Atomicity::Record => "each record on its own, changed in place",
        Atomicity::None => "nothing",
    };
    let compare_and_set = match compare_and_set {
        CompareAndSet::Native => "the provider, in the same transaction",
        CompareAndSet::ReadCompareWrite => "the adapter, by reading first",
    };
    let types = match types {
        None => "all".to_owned(),
        Some(types) => types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    let gathered = match gathered {
        Gathered::One => "nothing".to_owned(),
        Gathered::All => "any number of RRsets".to_owned(),
        Gathered::Request { size_max, unit, size_of: _ } => {
            format!("as many RRsets as fit into {size_max} {unit}")
        }
    };
    let served_within = match served_within {
        None => "by asking the authoritative servers".to_owned(),
        Some(within) => format!("assumed after {} s", within.as_secs()),
    };
    vec![
        ("unit of storage", granularity.to_owned()),
        ("visible at once", atomicity.to_owned()),
        ("who compares", compare_and_set.to_owned()),
        ("TTLs", format!("{ttl_min} to {ttl_max} s")),
        ("types", types),
        ("gathered into one change set", gathered),
        ("a late effect appears within", format!("{} s", settle_max.as_secs())),
        ("anycast margin", format!("{} s", anycast_margin.as_secs())),
        ("how serving is confirmed", served_within),
    ]
}
