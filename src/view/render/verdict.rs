//! The verdict of a plan's proof: a summary for the top, and the whole for the end.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::within;
use super::fold::Folds;
use super::{count, is_by_hand};
use crate::document::{Block, Item, Mark, Text, list};
use cutover_run::artifact::{Artifact, Checked, Finding, FindingPlace, Outcome, Undo, Verdict};
use cutover_steps::graph::Primitive;

/// The verdict in one line.
pub(super) fn line(artifact: &Artifact) -> String {
    let Verdict { outcome, present, story, broken, .. } = &artifact.verdict;
    match outcome {
        Outcome::Proved if present.is_empty() && artifact.is_way_back() => {
            "PROVED: no mail is lost and nobody is cut off".to_owned()
        }
        Outcome::Proved if present.is_empty() => {
            "PROVED: no mail is lost and nobody is cut off, also on the way back".to_owned()
        }
        _ if story.is_empty() => format!("PROVED EXCEPT {}", exceptions(present)),
        Outcome::Proved | Outcome::Refuted => {
            let broken: BTreeSet<&str> = broken.iter().map(|id| of(id)).collect();
            let broken: Vec<&str> = broken.into_iter().collect();
            format!("REFUTED{}: {}", accepted(&artifact.verdict), broken.join(", "))
        }
    }
}

/// What a reviewer has to know beside the verdict: overrides, the point of no return, shortened
/// waits, how often a person is asked, and windows.
pub(super) fn beside(artifact: &Artifact) -> Vec<Item> {
    let Verdict { overrides, shortened, .. } = &artifact.verdict;
    let accepted = overrides.iter().map(|(what, reason)| {
        let text = Text::from("accepted (").and_code("override:");
        Item::marked(Mark::Warning, text.and(format!("): {what}: {reason}")))
    });
    let mut never =
        artifact.graph.steps().iter().filter_map(|step| match artifact.undos.get(&step.id) {
            Some(Undo::Never(why)) => Some((&step.id, why)),
            Some(Undo::By(_) | Undo::Keep) | None => None,
        });
    let never = never.next().map(|(step, why)| {
        let text = Text::from("no way back from ").and_value(step.as_str());
        Item::new(text.and(format!(" on: {why}")), Vec::new())
    });
    let shorter = shortened
        .iter()
        .map(|line| Item::marked(Mark::Warning, format!("shorter than usual: {line}")));
    let by_hand = artifact.graph.steps().iter().filter(|step| is_by_hand(step)).count();
    let by_hand = (by_hand > 0)
        .then(|| Item::new(format!("needs a person {}", count(by_hand, "time")), Vec::new()));
    let windows = artifact.graph.steps().iter().filter_map(|step| {
        let Primitive::Checkpoint(_) = &step.primitive else { return None };
        let within = Block::Lines(within(step.window.as_ref()?));
        Some(Item::new(Text::value(step.id.as_str()).and(" is reached"), vec![within]))
    });
    accepted.chain(never).chain(shorter).chain(by_hand).chain(windows).collect()
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
    words.collect::<Vec<_>>().join(", ")
}

/// The whole verdict, with everything that it rests on. No part of it may be left out.
pub(super) fn whole(artifact: &Artifact, folds: &Folds<'_>) -> Vec<Block> {
    let Verdict {
        outcome,
        holding,
        broken: _,
        overrides,
        checked: Checked { atoms, patterns, patterns_back },
        assumptions,
        shortened,
        at_old: _,
        present,
        story,
        derivation,
        findings: _,
    } = &artifact.verdict;
    let texts = |lines: &[String]| lines.iter().map(|line| Text::from(&**line)).collect();
    let mut blocks = Vec::new();
    let mut lines = Vec::new();
    let mut lead = Text::default();
    match outcome {
        Outcome::Proved if present.is_empty() => lead = "PROVED. ".into(),
        _ if story.is_empty() => {
            lines.push(format!("PROVED EXCEPT {}.", exceptions(present)).into());
        }
        Outcome::Proved | Outcome::Refuted => {
            let (first, rest) = story.split_first().expect("a story that is not empty");
            blocks.push(Block::Group {
                title: format!("REFUTED{}: {first}", accepted(&artifact.verdict)).into(),
                blocks: vec![list(Mark::None, texts(rest))],
            });
        }
    }
    if !holding.is_empty() {
        let holds = "These hold in every order, at every delay, and for everything that caches may still hold (";
        lines.push(std::mem::take(&mut lead).and(holds).and_code("cutover explain NAME").and("):"));
        lines.push(holding.join(", ").into());
    }
    let back = match patterns_back {
        0 => String::new(),
        back => format!(", and {back} more on the ways back,"),
    };
    let how = format!(
        "how: {atoms} cached answers and facts may hold at some time; {} of them{back} cannot occur",
        count(*patterns, "harmful combination")
    );
    lines.push(lead.and(how));
    blocks.push(Block::Lines(lines));
    let mut group = |title: Text, mark: Mark, items: Vec<Text>| {
        if !items.is_empty() {
            blocks.push(Block::Group { title, blocks: vec![list(mark, items)] });
        }
    };
    group("why no other order works:".into(), Mark::None, texts(derivation));
    let accepted = overrides.iter().map(|(what, reason)| format!("{what}: {reason}").into());
    let title = Text::from("accepted by ").and_code("override:").and(":");
    group(title, Mark::Warning, accepted.collect());
    group("broken before the first step:".into(), Mark::None, texts(&folds.lines(present)));
    let granted = [folds.lines(assumptions), shortened.clone()].concat();
    group("taken for granted:".into(), Mark::Bullet, texts(&granted));
    blocks
}

/// What still leads to the old host's addresses at the end.
pub(super) fn at_old(artifact: &Artifact, folds: &Folds<'_>) -> Option<Block> {
    let at_old = folds.lines(&artifact.verdict.at_old);
    let title = "still leads to the old host's addresses when it is released, and breaks when it is switched off:";
    (!at_old.is_empty())
        .then(|| Block::Group { title: title.into(), blocks: vec![Block::Code(at_old)] })
}

/// What checks have found, one line each: first what counts, and then what the plan ignores.
pub(super) fn findings(artifact: &Artifact) -> Vec<Item> {
    let of = |finding: &Finding| {
        let Finding { code, is_error, said, place, ignored } = finding;
        let FindingPlace { file, line, column } = place;
        let file = file.as_ref().map_or("the plan".to_owned(), Clone::clone);
        let word = match (ignored, is_error) {
            (Some(_), _) => "ignored",
            (None, true) => "error",
            (None, false) => "warning",
        };
        let reason = match ignored {
            Some(reason) => format!("; ignored, since: {reason}"),
            None => String::new(),
        };
        let mark = if ignored.is_some() { Mark::Bullet } else { Mark::Warning };
        let text = Text::from(format!("{word} ")).and_code(code.as_str());
        Item::marked(mark, text.and(format!(" {said} ({line}:{column} of {file}){reason}")))
    };
    let all = &artifact.verdict.findings;
    let (counting, ignored): (Vec<&Finding>, Vec<&Finding>) =
        all.iter().partition(|one| one.ignored.is_none());
    counting.into_iter().chain(ignored).map(of).collect()
}
