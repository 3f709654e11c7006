//! Why no order would do: a derivation for each pattern that nothing breaks.

use super::derive::{Derived, paths};
use crate::calendar::show_span;
use crate::proof::Findings;
use crate::proof::draft::Draft;
use crate::proof::model::Model;
use crate::proof::pattern::{Start, What};

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
    for refuted in findings.refuted.iter().take(SHOWN_MAX) {
        let pattern = &model.patterns[refuted.pattern];
        let mut lines =
            vec![format!("`{}` cannot be kept, whatever the order:", refuted.invariant)];
        for (place, held) in pattern.atoms.iter().enumerate() {
            let atom = &model.atoms[held.atom];
            let what = match crate::proof::says(atom) {
                Some(says) => says,
                None => continue,
            };
            if matches!(atom.what, What::Fact { unknown: true, .. }) {
                lines.push(format!("because {what}, it counts as so from beginning to end;"));
                continue;
            }
            if atom.ends.is_empty() {
                lines.push(format!("because nothing in the plan ends that {what};"));
            }
            for end in &atom.ends {
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
        lines.push(format!("therefore {}", pattern.harm));
        lines.push(format!("it would be possible so: {}", pattern.fix));
        closed.push(lines);
    }
    closed
}
