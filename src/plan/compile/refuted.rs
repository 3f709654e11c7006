//! Why a plan is refuted: a derivation for each pattern that no order prevents.

use std::collections::BTreeSet;

use super::derive::{Derived, paths};
use crate::proof::Findings;
use crate::proof::builder::yaml_word;
use crate::proof::draft::Draft;
use crate::proof::model::Model;
use crate::proof::pattern::Start;
use cutover_base::calendar::show_span;
use cutover_steps::fact::{Fact, Subject};

/// The maximum number of derivations that are shown. Our choice: more would hide the first.
const SHOWN_MAX: usize = 8;

/// For each refuted pattern, why no other order was derived.
pub(super) fn explain(
    draft: &Draft<'_>,
    model: &Model,
    derived: &Derived,
    findings: &Findings,
) -> Vec<Vec<String>> {
    let Ok(paths) = paths(draft.nodes.len(), &derived.constraints) else { return Vec::new() };
    let mut derivations = Vec::new();
    // A pattern that only lacks stated facts needs no derivation. It needs the facts.
    let patterns =
        findings.refuted.iter().map(|refuted| (refuted, &model.patterns[refuted.pattern]));
    let stated = patterns.filter(|(_, pattern)| pattern.unknown(&model.atoms).next().is_none());
    for (refuted, pattern) in stated.take(SHOWN_MAX) {
        let mut lines = vec![format!("no order of the steps keeps `{}`:", refuted.invariant)];
        for (place, held) in pattern.atoms.iter().enumerate() {
            let atom = &model.atoms[held.atom];
            let what = match crate::proof::says(atom) {
                Some(says) => says,
                None => continue,
            };
            if atom.ends.is_empty() {
                lines.push(format!("because nothing in the plan ends that {what};"));
            }
            for end in &atom.ends {
                // An atom cannot be separated from itself.
                let others = pattern.atoms.iter().enumerate().filter(|(other, _)| *other != place);
                for (_, other) in others {
                    let other = &model.atoms[other.atom];
                    let from = &draft.nodes[end.step].id;
                    let hold = show_span(end.hold + held.extra);
                    let Start::Begin(to) = other.start else {
                        lines.push(format!(
                            "because {what} until {hold} after {from}, and everything else is true before the first step;"
                        ));
                        continue;
                    };
                    let after = &draft.nodes[to].id;
                    let why = if to == end.step || paths.precedes(to, end.step) {
                        format!("which itself comes after {after}")
                    } else {
                        "but the plan itself says when that step is made".to_owned()
                    };
                    lines.push(format!(
                        "because {what}, {after} would have to come {hold} after {from}, {why};"
                    ));
                }
            }
        }
        lines.push(format!("therefore {}", pattern.harm.what));
        lines.push(format!("what would help: {}", pattern.harm.fix));
        derivations.push(lines);
    }
    derivations
}

/// The facts that are not stated, as lines to add to the plan. Empty if none is missing.
pub(super) fn statements(draft: &Draft<'_>, findings: &Findings) -> Vec<String> {
    if findings.unstated.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        "the plan does not state these facts; add those that are true, each with its reason:"
            .to_owned(),
        "assume:".to_owned(),
    ];
    for ((fact, of), invariants) in &findings.unstated {
        lines.push(statement(draft, *fact, of, &format!("for {}", words(invariants))));
    }
    let back = for_the_way_back(draft);
    if !back.is_empty() {
        lines.push(
            "  # and for the way back; without these, the switch is a point of no return:"
                .to_owned(),
        );
        lines.extend(back);
    }
    lines
}

/// One line of `assume:`, and what it is needed for.
fn statement(draft: &Draft<'_>, fact: Fact, of: &Subject, needed_for: &str) -> String {
    let row = fact.row();
    let leaves = draft.intent.moves.iter().any(|domain| of.host() == Some(&*domain.from.name));
    let from = if leaves && matches!(fact, Fact::Sends | Fact::Clients | Fact::Synced) {
        ", from: contract"
    } else if leaves && fact == Fact::Redirects {
        ", from: switch"
    } else {
        ""
    };
    format!(
        "  - {{ fact: {fact}, {}: {}, value: {}{from}, reason: \"\" }}  # {of} {}: {needed_for}",
        of.kind().key(),
        yaml_word(of),
        row.stated,
        fact.says(row.stated),
    )
}

/// The facts about the new host that nobody states and the way back relies on.
fn for_the_way_back(draft: &Draft<'_>) -> Vec<String> {
    let Some(domain) = draft.intent.moves.first() else { return Vec::new() };
    let of = Subject::Host(domain.to.name.clone());
    let stated = |fact: &Fact| {
        let mut all = draft.intent.assume.iter();
        all.any(|stated| stated.fact.value == *fact && stated.subject.value == of)
    };
    let missing = [Fact::Synced, Fact::Clients].into_iter().filter(|fact| !stated(fact));
    missing.map(|fact| statement(draft, fact, &of, "for `reversible`")).collect()
}

fn words(names: &BTreeSet<&'static str>) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}
