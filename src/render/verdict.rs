//! The verdict of a plan's proof: a summary for the top, and the whole for the end.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::within;
use super::fold::Folds;
use super::{count, escape_control, is_by_hand};
use crate::artifact::{Artifact, Checked, Outcome, Undo, Verdict};
use crate::graph::Primitive;

/// What a reviewer wants to know first: the verdict with its exceptions, the point of no return,
/// shortened waits, how often a person is asked, and windows.
pub(super) fn first(artifact: &Artifact) -> String {
    let Verdict { outcome, present, story, overrides, shortened, .. } = &artifact.verdict;
    let mut text = match outcome {
        Outcome::Proved if present.is_empty() => {
            "PROVED: no mail is lost and nobody is cut off, also on the way back\n".to_owned()
        }
        _ if story.is_empty() => format!("PROVED EXCEPT {}\n", exceptions(present)),
        Outcome::Proved | Outcome::Refuted => {
            let passes = accepted(&artifact.verdict);
            let broken: BTreeSet<&str> = artifact.verdict.broken.iter().map(|id| of(id)).collect();
            let broken: Vec<&str> = broken.into_iter().collect();
            format!("REFUTED{passes}: {}\n", broken.join(", "))
        }
    };
    if artifact.is_way_back() {
        text = text.replace(", also on the way back", "");
    }
    for (what, reason) in overrides {
        text += &format!("  ! accepted (`override:`): {what}: {}\n", escape_control(reason));
    }
    let mut never =
        artifact.graph.steps().iter().filter_map(|step| match artifact.undos.get(&step.id) {
            Some(Undo::Never(why)) => Some((&step.id, why)),
            Some(Undo::By(_) | Undo::Keep) | None => None,
        });
    if let Some((step, why)) = never.next() {
        text += &format!("  no way back from {step} on: {}\n", escape_control(why));
    }
    for line in shortened {
        text += &format!("  ! shorter than usual: {}\n", escape_control(line));
    }
    let by_hand = artifact.graph.steps().iter().filter(|step| is_by_hand(step)).count();
    if by_hand > 0 {
        text += &format!("  needs a person {}\n", count(by_hand, "time"));
    }
    for step in artifact.graph.steps() {
        if let (Some(windows), Primitive::Checkpoint(_)) = (&step.window, &step.primitive) {
            text += &format!("  {} is reached\n{}", step.id, within(windows, "    "));
        }
    }
    text
}

/// Added to REFUTED if the plan accepts everything that is broken.
fn accepted(verdict: &Verdict) -> &'static str {
    match verdict.forbidding().next() {
        Some(_) => "",
        None => ", BUT ACCEPTED (`override:`)",
    }
}

/// The invariant in the id of a defect.
fn of(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}

/// The invariants that are broken before the first step, each with the names that it is broken for.
fn exceptions(present: &[String]) -> String {
    let mut by_invariant: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in present {
        let id = line.split(": ").next().unwrap_or(line);
        let mut parts = id.split('/');
        let of = by_invariant.entry(parts.next().unwrap_or(id)).or_default();
        of.extend(parts.next());
    }
    let words = by_invariant.into_iter().map(|(invariant, of)| {
        format!("`{invariant}` ({})", of.into_iter().collect::<Vec<_>>().join(", "))
    });
    escape_control(&words.collect::<Vec<_>>().join(", "))
}

/// The whole verdict, with everything that it rests on.
pub(super) fn whole(artifact: &Artifact, folds: &Folds<'_>) -> String {
    let Verdict {
        outcome,
        holding,
        broken: _,
        overrides,
        checked: Checked { atoms, patterns, patterns_back },
        assumptions,
        shortened,
        at_old,
        present,
        story,
        derivation,
    } = &artifact.verdict;
    let indented = |lines: &[String]| -> String {
        lines.iter().map(|line| format!("    {}\n", escape_control(line))).collect()
    };
    let mut text = match outcome {
        Outcome::Proved if present.is_empty() => "  PROVED. ".to_owned(),
        _ if story.is_empty() => format!("  PROVED EXCEPT {}.\n  ", exceptions(present)),
        Outcome::Proved | Outcome::Refuted => {
            let passes = accepted(&artifact.verdict);
            format!("  REFUTED{passes}: {}\n  ", indented(story).trim_start())
        }
    };
    if !holding.is_empty() {
        text += &format!(
            "These hold in every order, at every delay, and for everything that caches may still hold (`cutover explain NAME`):\n  {}\n",
            holding.join(", ")
        );
    }
    let back = match patterns_back {
        0 => String::new(),
        back => format!(", and {back} more on the ways back,"),
    };
    text += &format!(
        "  how: {atoms} cached answers and facts may hold at some time; {} of them{back} cannot occur\n",
        count(*patterns, "harmful combination")
    );
    if !derivation.is_empty() {
        text += &format!("\n  why no other order works:\n{}", indented(derivation));
    }
    if !overrides.is_empty() {
        text += "\n  accepted by `override:`:\n";
        for (invariant, reason) in overrides {
            text += &format!("  ! {invariant}: {}\n", escape_control(reason));
        }
    }
    if !present.is_empty() {
        text += &format!("\n  broken before the first step:\n{}", indented(&folds.lines(present)));
    }
    if !assumptions.is_empty() || !shortened.is_empty() {
        text += "\n  taken for granted:\n";
        for assumption in folds.lines(assumptions).iter().chain(shortened) {
            text += &format!("  * {}\n", escape_control(assumption));
        }
    }
    if !at_old.is_empty() {
        text += "\n  still leads to the old host's addresses when it is released, and breaks when it is switched off:\n";
        text += &indented(&folds.lines(at_old));
    }
    text
}
