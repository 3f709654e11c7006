//! What a plan's proof comes to: in a few lines at the top, and whole at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::within;
use super::fold::Folds;
use super::{count, harmless, is_by_hand};
use crate::artifact::{Artifact, Checked, Outcome, Undo, Verdict};
use crate::graph::Primitive;

/// What a reviewer wants to know first: the verdict with its exceptions, from where on there is no way
/// back, which clocks are shorter than usual, and whom the run asks.
pub(super) fn first(artifact: &Artifact) -> String {
    let Verdict { outcome, present, story, overrides, shortened, .. } = &artifact.verdict;
    let mut text = match outcome {
        Outcome::Proved if present.is_empty() => {
            "PROVED: no mail is lost and nobody is cut off, on the way back either\n".to_owned()
        }
        _ if story.is_empty() => format!("PROVED EXCEPT {}\n", exceptions(present)),
        Outcome::Proved | Outcome::Refuted => {
            let passes = let_pass(&artifact.verdict);
            let broken: BTreeSet<&str> = artifact.verdict.broken.iter().map(|id| of(id)).collect();
            let broken: Vec<&str> = broken.into_iter().collect();
            format!("REFUTED{passes}: {}\n", broken.join(", "))
        }
    };
    if artifact.is_way_back() {
        text = text.replace(", on the way back either", "");
    }
    for (what, reason) in overrides {
        text += &format!("  ! may be broken: {what}: {}\n", harmless(reason));
    }
    let mut never =
        artifact.graph.steps().iter().filter_map(|step| match artifact.undos.get(&step.id) {
            Some(Undo::Never(why)) => Some((&step.id, why)),
            Some(Undo::By(_) | Undo::Keep) | None => None,
        });
    if let Some((step, why)) = never.next() {
        text += &format!("  no way back from {step} on: {}\n", harmless(why));
    }
    for line in shortened {
        text += &format!("  ! shorter than usual: {}\n", harmless(line));
    }
    let by_hand = artifact.graph.steps().iter().filter(|step| is_by_hand(step)).count();
    if by_hand > 0 {
        text += &format!("  a person is asked {}\n", count(by_hand, "time"));
    }
    for step in artifact.graph.steps() {
        if let (Some(windows), Primitive::Checkpoint(_)) = (&step.window, &step.primitive) {
            text += &format!("  {} is reached\n{}", step.id, within(windows, "    "));
        }
    }
    text
}

/// What is added where the plan lets pass all that is broken.
fn let_pass(verdict: &Verdict) -> &'static str {
    match verdict.forbidding().next() {
        Some(_) => "",
        None => ", AND LET PASS, as the plan says (`override:`)",
    }
}

/// The invariant that the id of a defect begins with.
fn of(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}

/// The invariants that are broken before the first step, each with what it is broken for.
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
    harmless(&words.collect::<Vec<_>>().join(", "))
}

/// The verdict, and all that it rests on.
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
        lines.iter().map(|line| format!("    {}\n", harmless(line))).collect()
    };
    let mut text = match outcome {
        Outcome::Proved if present.is_empty() => "  PROVED. ".to_owned(),
        _ if story.is_empty() => format!("  PROVED EXCEPT {}.\n  ", exceptions(present)),
        Outcome::Proved | Outcome::Refuted => {
            let passes = let_pass(&artifact.verdict);
            format!("  REFUTED{passes}: {}\n  ", indented(story).trim_start())
        }
    };
    if !holding.is_empty() {
        text += &format!(
            "In every order, at every delay, and for all that caches may still hold, these are kept (`cutover explain NAME`):\n  {}\n",
            holding.join(", ")
        );
    }
    text += &format!(
        "  how: of {atoms} cached answers and facts that may hold at some time, {} would do harm together; each is impossible",
        count(*patterns, "combination")
    );
    text += &match patterns_back {
        0 => "\n".to_owned(),
        back => format!(", and {back} more on the ways back\n"),
    };
    if !derivation.is_empty() {
        text += &format!("\n  why no other order would do:\n{}", indented(derivation));
    }
    if !overrides.is_empty() {
        text += "\n  may be broken, as the plan says:\n";
        for (invariant, reason) in overrides {
            text += &format!("  ! {invariant}: {}\n", harmless(reason));
        }
    }
    if !present.is_empty() {
        text += &format!("\n  broken before the first step:\n{}", indented(&folds.lines(present)));
    }
    if !assumptions.is_empty() || !shortened.is_empty() {
        text += "\n  taken for granted:\n";
        for assumption in folds.lines(assumptions).iter().chain(shortened) {
            text += &format!("  * {}\n", harmless(assumption));
        }
    }
    if !at_old.is_empty() {
        text +=
            "\n  still leads to the old host's addresses when it is released, and goes with it:\n";
        text += &indented(&folds.lines(at_old));
    }
    text
}
