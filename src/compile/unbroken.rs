//! Why no order would do: a derivation for each pattern that nothing breaks.

use super::derive::{Derived, paths};
use crate::calendar::show_span;
use crate::fact::Fact;
use crate::proof::Findings;
use crate::proof::draft::Draft;
use crate::proof::model::Model;
use crate::proof::pattern::Start;

/// Derivations that are shown at the most: our choice, more would hide the first.
const SHOWN_MAX: usize = 8;

/// For each refutation, why the order was not derived otherwise.
pub(super) fn explain(
    draft: &Draft<'_>,
    model: &Model,
    derived: &Derived,
    findings: &Findings,
) -> Vec<Vec<String>> {
    let Ok(paths) = paths(draft.nodes.len(), &derived.constraints) else { return Vec::new() };
    let mut closed = Vec::new();
    // What is only not stated needs no derivation: it needs a statement.
    let patterns =
        findings.refuted.iter().map(|refuted| (refuted, &model.patterns[refuted.pattern]));
    let stated = patterns.filter(|(_, pattern)| pattern.unknown(&model.atoms).next().is_none());
    for (refuted, pattern) in stated.take(SHOWN_MAX) {
        let mut lines =
            vec![format!("`{}` cannot be kept, whatever the order:", refuted.invariant)];
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
                // Whatever ends before it begins is no harm.
                let others = pattern.atoms.iter().enumerate().filter(|(other, _)| *other != place);
                for (_, other) in others {
                    let other = &model.atoms[other.atom];
                    let from = &draft.nodes[end.step].id;
                    let hold = show_span(end.hold + held.extra);
                    let Start::Begin(to) = other.start else {
                        lines.push(format!(
                            "because {what} until {hold} after {from}, and the rest is so before the first step;"
                        ));
                        continue;
                    };
                    let after = &draft.nodes[to].id;
                    let why = if to == end.step || paths.leads(to, end.step) {
                        format!("which itself comes after {after}")
                    } else {
                        "and the plan itself says when that one is made".to_owned()
                    };
                    lines.push(format!(
                        "because {what}, {after} would have to come {hold} after {from}, {why};"
                    ));
                }
            }
        }
        lines.push(format!("therefore {}", pattern.harm.what));
        lines.push(format!("it would be possible so: {}", pattern.harm.fix));
        closed.push(lines);
    }
    closed
}

/// What somebody would have to state, as lines of a plan; none where nothing is missing.
pub(super) fn statements(draft: &Draft<'_>, findings: &Findings) -> Vec<String> {
    if findings.unstated.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        "nobody states these facts; what is so can be written into the plan:".to_owned(),
        "assume:".to_owned(),
    ];
    for (fact, host) in &findings.unstated {
        let leaves = draft.intent.moves.iter().any(|one| one.from.name == *host);
        let from = match fact {
            Fact::Sends | Fact::Clients | Fact::Synced if leaves => ", from: contract",
            Fact::Accepts
            | Fact::Mail
            | Fact::RoutesLocal
            | Fact::Sends
            | Fact::Clients
            | Fact::Synced
            | Fact::Serves
            | Fact::StsAllows
            | Fact::TlsaMatches => "",
        };
        lines.push(format!(
            "  - {{ fact: {fact}, host: {host}{from}, reason: \"...\" }}  # {}: {}",
            fact.row().stated,
            fact.row().meaning
        ));
    }
    lines
}
