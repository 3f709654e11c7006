//! Explains why a step, a wait or an edge is there, what would break without it, and what can
//! establish a fact.

use std::collections::BTreeSet;

use super::calendar::within;
use super::gate;
use crate::document::{Block, Document, Item, Room, Section, Text};
use cutover_base::calendar::{show_span, since_start};
use cutover_check::Check;
use cutover_run::artifact::{Artifact, Outcome, Undo};
use cutover_steps::fact::{Fact, TABLE};
use cutover_steps::graph::{Cause, Primitive, Step, StepId};
use cutover_steps::invariant::{self, Invariant, REVERSIBLE};

/// Explains a step of a plan; `None` if there is no such step.
#[must_use]
pub fn step(artifact: &Artifact, id: &str) -> Option<Document> {
    let id = StepId::new(id);
    let place = artifact.graph.place(&id)?;
    let Step { id, primitive, after, title, reason, window } = &artifact.graph.steps()[place];
    let mut lines = vec![Text::value(id.as_str()), format!("why: {reason}").into()];
    if let Some(forecast) = artifact.forecast.iter().find(|forecast| forecast.step == *id) {
        let (begin, end) = (since_start(forecast.begin), since_start(forecast.end));
        lines.push(format!("when: {begin} to {end} at the earliest").into());
    }
    if let Primitive::Wait(wait) = primitive {
        lines.push(format!("how long: {}", show_span(wait.span)).into());
    }
    lines.extend(match primitive {
        Primitive::Gate(gate) => gate::lines(gate),
        Primitive::Task(task) => gate::of_task(task),
        Primitive::Change(_) | Primitive::Wait(_) | Primitive::Checkpoint(_) => Vec::new(),
    });
    lines.extend(window.as_ref().map(within).unwrap_or_default());
    let before: Vec<Item> = after.iter().map(|(before, cause)| edge(before, cause)).collect();
    let followers = artifact.graph.followers(place).iter();
    let followers = followers.filter_map(|follower| {
        let step = &artifact.graph.steps()[*follower];
        Some(edge(&step.id, step.after.get(id)?))
    });
    Some(Document(vec![
        Block::Group { title: Text::strong(title), blocks: vec![Block::Lines(lines)] },
        edges("It waits for nothing.", "It waits for:", before),
        edges("Nothing waits for it.", "These wait for it:", followers.collect()),
        Block::Lines(vec![way_back(artifact, id, primitive)]),
    ]))
}

/// What becomes of a step when the run goes back.
fn way_back(artifact: &Artifact, id: &StepId, primitive: &Primitive) -> Text {
    match artifact.undos.get(id) {
        None if artifact.verdict.outcome == Outcome::Refuted => {
            "The plan is refuted, so no way back was derived.".into()
        }
        None => match behind_no_return(artifact, id) {
            Some((step, why)) => {
                let text = Text::from("There is no way back from ").and_value(step.as_str());
                text.and(format!(" on: {why}."))
            }
            None => "A rollback has nothing to undo here.".into(),
        },
        Some(Undo::By(back)) => {
            Text::from("A rollback undoes it with ").and_value(back.as_str()).and(".")
        }
        Some(Undo::Keep) => match primitive {
            Primitive::Change(_) => {
                "A rollback keeps it: it only adds records, which do no harm when mail goes back to the old host."
                    .into()
            }
            Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => "A rollback keeps it.".into(),
        },
        Some(Undo::Never(why)) => format!("There is no way back from here: {why}.").into(),
    }
}

/// A point of no return before this step, and why there is no way back from it.
fn behind_no_return<'a>(artifact: &'a Artifact, id: &StepId) -> Option<(&'a StepId, &'a str)> {
    let mut before = vec![artifact.graph.get(id)?];
    let mut seen = BTreeSet::new();
    while let Some(step) = before.pop() {
        if let Some(Undo::Never(why)) = artifact.undos.get(&step.id) {
            return Some((&step.id, why));
        }
        let new = step.after.keys().filter(|other| seen.insert(*other));
        before.extend(new.filter_map(|other| artifact.graph.get(other)));
    }
    None
}

fn edges(none: &str, some: &str, edges: Vec<Item>) -> Block {
    match edges.is_empty() {
        true => Block::Lines(vec![none.into()]),
        false => Block::Group { title: some.into(), blocks: vec![Block::List(edges)] },
    }
}

fn edge(other: &StepId, cause: &Cause) -> Item {
    let Cause { origin, of, why } = cause;
    let why = Text::from(format!("{} ({of}): {why}", origin.word()));
    Item::new(Text::value(other.as_str()), vec![Block::Lines(vec![why])])
}

/// Lists the steps of a plan.
#[must_use]
pub fn steps(artifact: &Artifact) -> Document {
    let ids = artifact.graph.steps().iter().map(|step| Text::value(step.id.as_str()));
    Document(vec![Block::Group {
        title: format!("The steps of {}:", artifact.name).into(),
        blocks: vec![Block::Lines(ids.collect())],
    }])
}

/// Explains an invariant, or the table of facts.
#[must_use]
pub fn word(word: &str) -> Option<Document> {
    if word == "facts" {
        return Some(facts());
    }
    if let Some(check) = cutover_check::of_code(word) {
        return Some(of_check(check));
    }
    let Invariant { name, says } = invariant::TABLE.iter().find(|one| one.name == word)?;
    let says = match *name == REVERSIBLE {
        true => (*says).to_owned(),
        false => format!("at every instant: {says}"),
    };
    let blocks = vec![Block::Lines(vec![says.into()])];
    Some(Document(vec![Block::Group { title: Text::strong(word), blocks }]))
}

/// The words that [`word`] knows, besides the codes of checks.
#[must_use]
pub fn words() -> Vec<&'static str> {
    invariant::NAMES.into_iter().chain(["facts"]).collect()
}

/// A check: what it means for mail, and what to do.
fn of_check(check: &Check) -> Document {
    let Check { code, grade, traps, means, fix, find: _ } = check;
    let mut lines = vec![
        Text::from(format!("a check of what is live; what it finds is graded `{}`", grade.word())),
        Text::from(format!("what it means: {means}")),
        Text::from(format!("to do: {fix}")),
    ];
    if !traps.is_empty() {
        let traps: Vec<String> = traps.iter().map(|trap| format!("T{trap}")).collect();
        lines.push(format!("traps of a move: {}", traps.join(", ")).into());
    }
    let ignore = format!("checks: [ {{ ignore: {code}, reason: WHY }} ]");
    lines.push(Text::from("if it does not count for a plan: ").and_code(ignore));
    Document(vec![Block::Group { title: Text::strong(*code), blocks: vec![Block::Lines(lines)] }])
}

/// The table of facts: what each fact means, and what can establish it.
fn facts() -> Document {
    let facts = TABLE.iter().map(|row| {
        let sources: Vec<String> = row.sources.iter().map(ToString::to_string).collect();
        let values = row.says.iter().map(|(value, says)| {
            let stated = if *value == row.stated { " (what `assume:` states)" } else { "" };
            format!("{value}{stated}: it {says}")
        });
        let unknown = match row.of_old {
            Some(today) => format!(
                "otherwise it counts as {today} for a host that mail leaves, and as {} for others",
                row.unknown
            ),
            None => format!("otherwise it counts as {}", row.unknown),
        };
        let from_the_switch = match row.fact == Fact::Sends {
            true => {
                "; for a host that mail moves to only from the switch on, which the verdict then lists"
            }
            false => "",
        };
        let unknown = format!("{unknown}{from_the_switch}");
        let sources = format!("established by: {}", sources.join("; "));
        let lines = values.chain([sources, unknown]).map(Text::from).collect();
        Block::List(vec![Item::new(row.word, vec![Block::Lines(lines)])])
    });
    Document(vec![Block::Section(Section {
        title: "Facts about hosts, names and addresses, and what can establish them".into(),
        blocks: facts.collect(),
        room: Room::Whole,
    })])
}
