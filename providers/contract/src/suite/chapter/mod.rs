//! The cases, a file for each chapter.

mod bounds;
mod checking;
mod comparing;
mod faults;
mod owners;
mod reading;
mod replacing;
mod together;
mod txt;
mod types;

use super::case::{Case, Step, case, lines};
use super::text;
use cutover_zone::{Name, RrKey};

/// A chapter of cases.
pub(super) type Chapter = fn() -> Vec<Case>;

/// All chapters, in the order in which they run.
pub(super) const ALL: &[Chapter] = &[
    reading::cases,
    types::cases,
    txt::cases,
    owners::cases,
    comparing::cases,
    replacing::cases,
    together::cases,
    bounds::cases,
    checking::cases,
    // Last, because it looks at the errors of all other chapters.
    faults::cases,
];

/// A typical zone: mail at the old host, some other names, and things that make reading hard (a
/// wildcard, a delegation with glue, an alias).
const SMALL: &[&str] = &[
    "@ MX 300 10 mail.oldhost.example.",
    "@ TXT 300 \"v=spf1 include:oldhost.example -all\" | \"site-verification=4711\"",
    "_dmarc TXT 300 \"v=DMARC1; p=none\"",
    "* TXT 300 \"made from the wildcard\"",
    "child NS 300 ns.child | ns.elsewhere.example.",
    "ns.child A 300 192.0.2.53",
    "mail CNAME 300 mail.oldhost.example.",
    "www A 300 192.0.2.1 | 192.0.2.2",
];

/// A case that writes these RRsets, reads them back as they were written, and removes them.
fn round_trip(name: &str, story: &str, edits: Vec<String>) -> Case {
    let origin = Name::absolute("suite.test.").expect("a name");
    let keys = edits.iter().map(|line| {
        let mut words = line.split(' ');
        format!("{} {}", words.next().expect(line), words.next().expect(line))
    });
    let keys: Vec<String> = keys.collect();
    let distinct: std::collections::BTreeSet<RrKey> =
        keys.iter().map(|key| text::key(&origin, key)).collect();
    assert_eq!(distinct.len(), edits.len(), "{name}: each RRset is listed once");
    let away = keys.iter().map(|key| format!("{key} -")).collect();
    case(name, story, SMALL, vec![Step::Make(edits), Step::Read(keys), Step::Make(away)])
}

/// Round trips from a table of names, stories and RRsets.
fn round_trips(chapter: &str, table: &[(&str, &str, &[&str])]) -> Vec<Case> {
    let round = |(name, story, edits): &(&str, &str, &[&str])| {
        round_trip(&format!("{chapter}/{name}"), story, lines(edits))
    };
    table.iter().map(round).collect()
}
