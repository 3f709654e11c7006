//! Names that lead to one another, and records of the plan that change where they lead: aliases
//! that are reversed or become addresses, wildcards, DNAMEs, and names of another zone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::*;

/// Plans with smaller seeds stay as they were, because the tests of the mutants refer to some of
/// them.
const FIRST: u64 = 701;

/// A name, and its records before the plan and in the end, as `TYPE data` with ` | ` between them.
type Line = (&'static str, &'static str, &'static str);

/// Names that belong together, and how they change.
const TOGETHER: &[(&str, &[Line])] = &[
    (
        "an alias is turned round",
        &[("shop", "A 192.0.2.71", "CNAME store"), ("store", "CNAME shop", "A 192.0.2.72")],
    ),
    (
        "a chain is turned round",
        &[
            ("shop", "CNAME store", "A 192.0.2.72"),
            ("store", "CNAME depot", "CNAME shop"),
            ("depot", "A 192.0.2.71", "CNAME store"),
        ],
    ),
    (
        "an alias leads to a new name",
        &[
            ("shop", "CNAME old", "CNAME fresh"),
            ("old", "A 192.0.2.71", ""),
            ("fresh", "", "A 192.0.2.72"),
        ],
    ),
    (
        "an alias becomes addresses",
        &[("shop", "CNAME old", "A 192.0.2.72"), ("old", "A 192.0.2.71 | AAAA 2001:db8::71", "")],
    ),
    (
        "addresses become an alias",
        &[
            ("shop", "A 192.0.2.71", "CNAME fresh"),
            ("fresh", "", "A 192.0.2.72 | AAAA 2001:db8::72"),
        ],
    ),
    (
        "an alias leads to the text of another name",
        &[
            ("shop", "CNAME old", "CNAME fresh"),
            ("old", "TXT \"old\"", "A 192.0.2.71"),
            ("fresh", "A 192.0.2.72", "A 192.0.2.72 | TXT \"new\""),
        ],
    ),
    (
        "two aliases change places",
        &[
            ("shop", "CNAME old", "CNAME fresh"),
            ("store", "CNAME fresh", "CNAME old"),
            ("old", "A 192.0.2.71", "CNAME depot"),
            ("fresh", "CNAME depot", "A 192.0.2.72"),
            ("depot", "A 192.0.2.73", "A 192.0.2.73"),
        ],
    ),
    (
        "a wildcard's alias answers in the place of a name",
        &[
            ("*.s", "CNAME fresh", "CNAME fresh"),
            ("x.s", "A 192.0.2.71", ""),
            ("fresh", "", "A 192.0.2.72"),
        ],
    ),
    (
        "a name in the place of a wildcard",
        &[
            ("*.s", "A 192.0.2.71", ""),
            ("x.s", "", "A 192.0.2.72"),
            ("shop", "CNAME x.s", "CNAME x.s"),
        ],
    ),
    (
        "a wildcard in the place of a name",
        &[
            ("*.s", "", "A 192.0.2.71"),
            ("x.s", "A 192.0.2.72", ""),
            ("shop", "CNAME x.s", "CNAME x.s"),
        ],
    ),
    (
        "a wildcard's alias leads to a new name",
        &[
            ("*.s", "CNAME old", "CNAME fresh"),
            ("old", "A 192.0.2.71", ""),
            ("fresh", "", "A 192.0.2.72"),
        ],
    ),
    (
        "an alias leads below a wildcard",
        &[
            ("shop", "CNAME old", "CNAME x.s"),
            ("old", "A 192.0.2.71", ""),
            ("*.s", "", "A 192.0.2.72"),
        ],
    ),
    (
        "a name hides a wildcard",
        &[
            ("*.s", "A 192.0.2.71", "A 192.0.2.71"),
            ("x.s", "", "TXT \"new\" | A 192.0.2.72"),
            ("shop", "CNAME x.s", "CNAME x.s"),
        ],
    ),
    (
        "a name below hides a wildcard",
        &[
            ("*.s", "A 192.0.2.71", "A 192.0.2.71"),
            ("y.x.s", "", "TXT \"new\""),
            ("x.s", "", "A 192.0.2.72"),
            ("shop", "CNAME x.s", "CNAME x.s"),
        ],
    ),
    (
        "a DNAME leads elsewhere",
        &[("d", "DNAME e", "DNAME f"), ("x.e", "A 192.0.2.71", ""), ("x.f", "", "A 192.0.2.72")],
    ),
    (
        "an alias leads below a DNAME that leads elsewhere",
        &[
            ("d", "DNAME e", "DNAME f"),
            ("shop", "CNAME x.d", "CNAME x.d"),
            ("x.e", "A 192.0.2.71", ""),
            ("x.f", "", "A 192.0.2.72"),
        ],
    ),
    (
        "a DNAME in the place of names",
        &[("d", "", "DNAME e"), ("x.d", "A 192.0.2.71", ""), ("x.e", "", "A 192.0.2.72")],
    ),
    (
        "a DNAME leads to a wildcard",
        &[("d", "DNAME e", "DNAME s"), ("*.e", "A 192.0.2.71", ""), ("*.s", "", "A 192.0.2.72")],
    ),
    (
        "an alias leads through another zone",
        &[
            ("shop", "CNAME mx1.host.test.", "CNAME store"),
            ("store", "CNAME mx2.host.test.", "A 192.0.2.72"),
        ],
    ),
    (
        "an alias leads to where others have a say",
        &[("shop", "CNAME q.cut", "A 192.0.2.72"), ("cut", "NS ns1", "NS ns1")],
    ),
];

/// The possible records of a name.
const ANYTHING: &[&str] = &[
    "",
    "A 192.0.2.71",
    "A 192.0.2.72",
    "A 192.0.2.71 | AAAA 2001:db8::71",
    "A 192.0.2.71 | TXT \"text\"",
    "CNAME shop",
    "CNAME store",
    "CNAME old",
    "CNAME fresh",
    "CNAME x.s",
    "CNAME x.d",
    "CNAME www.elsewhere.example.",
];
const ANYWHERE: &[&str] = &["shop", "store", "old", "fresh", "depot", "x.s", "*.s", "x.e", "x.f"];

/// The records at the end of a line, by type.
fn sets(text: &str) -> BTreeMap<&str, &str> {
    text.split(" | ").filter_map(|record| record.split_once(' ')).collect()
}

/// The possible changes of names that belong together.
pub(super) fn together() -> impl Iterator<Item = &'static str> {
    TOGETHER.iter().map(|(what, _)| *what)
}

impl Plan {
    /// In some plans names lead to one another, and some plans contain nothing else.
    pub(in crate::oracle) fn lead_along(&mut self, seed: u64, random: &mut Random) {
        if seed < FIRST || !seed.is_multiple_of(2) {
            return;
        }
        if seed.is_multiple_of(4) {
            self.nothing_else(random);
        }
        // Not simulated: a sender that passes by the name of an address which is an alias out of
        // the zones.
        self.zones[0].1 = self.zones[0].1.replace(" ptr ", " ");
        let mut lines: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for _ in 0..1 + random.below(2) {
            let (what, together) = TOGETHER[random.place(TOGETHER.len())];
            self.leads.push(what);
            for (name, before, after) in together {
                lines.entry(*name).or_insert((*before, *after));
            }
        }
        if random.below(3) == 0 {
            for _ in 0..1 + random.below(3) {
                let line = (random.of(ANYTHING), random.of(ANYTHING));
                lines.insert(random.of(ANYWHERE), line);
            }
        }
        let mut texts = Vec::new();
        for (name, (before, after)) in lines {
            // A few do not change as intended.
            let after = match random.below(12) {
                0 => before,
                1 => random.of(&["", "A 192.0.2.73"]),
                _ => after,
            };
            let (before, after) = (sets(before), sets(after));
            for (rtype, data) in &before {
                let ttl = random.of(&["", "", "20m ", "1d ", "5m "]);
                let _ = writeln!(self.zones[0].1, "{name} {ttl}{rtype} {data}");
            }
            let is_replaced = before.contains_key("CNAME") || after.contains_key("CNAME");
            let kept: BTreeSet<&str> = after.keys().copied().collect();
            for rtype in before.keys().filter(|rtype| !kept.contains(*rtype)) {
                if after.is_empty() || !is_replaced {
                    texts.push(format!("name: \"{name}\", type: {rtype}, absent: true"));
                }
            }
            for (rtype, data) in
                after.iter().filter(|(rtype, data)| before.get(*rtype) != Some(data))
            {
                let quoted = data.replace('"', "\\\"");
                let ttl = random.of(&["", "", "", ", ttl: 10m", ", ttl: 1d", ", lower_ttl: 5m"]);
                texts.push(format!("name: \"{name}\", type: {rtype}, to: [ \"{quoted}\" ]{ttl}"));
            }
        }
        // In random order, so that the order of execution does not follow from that of the plan.
        for number in 0..texts.len() {
            let text = texts.swap_remove(random.place(texts.len()));
            let after = match random.below(if number > 0 { 6 } else { 1 }) {
                1 => {
                    let wait =
                        random.of(&["", ", wait: 0s", ", wait: 11m", ", wait: 1h", ", wait: 2d"]);
                    format!(", after: [ \"record:n{}\" ]{wait}", random.place(number))
                }
                _ => String::new(),
            };
            self.records.push(format!("{{ id: n{number}, zone: acme.test, {text}{after} }}"));
        }
    }

    /// Removes everything from a plan but its first zone, and mail from that.
    fn nothing_else(&mut self, random: &mut Random) {
        let zone = &self.zones[0].1;
        let mut kept: String = zone.lines().take(4).map(|line| format!("{line}\n")).collect();
        if random.below(6) == 0 {
            kept += "* A 192.0.2.80\n";
        }
        self.zones[0].1 = kept;
        self.zones.retain(|(name, _)| name != NAMES[2]);
        self.hosts.clear();
        self.domains.clear();
        self.records.clear();
        self.facts.clear();
        self.more.clear();
    }
}
