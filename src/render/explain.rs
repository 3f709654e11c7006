//! Explains why a step, a wait or an edge is there, what would break without it, and what can
//! establish a fact.

use std::collections::BTreeSet;

use super::calendar::within;
use super::{Paint, Styling, escape_control, gate, since_start};
use crate::artifact::{Artifact, Outcome, Undo};
use crate::calendar::show_span;
use crate::fact::TABLE;
use crate::graph::{Cause, Primitive, Step, StepId};
use crate::proof::invariant::{ALL, REVERSIBLE};

/// Explains a step of a plan; `None` if there is no such step.
#[must_use]
pub fn step(artifact: &Artifact, id: &str, styling: Styling) -> Option<String> {
    let id = StepId::new(id);
    let place = artifact.graph.place(&id)?;
    let Step { id, primitive, after, title, reason, window } = &artifact.graph.steps()[place];
    let mut text = format!("{}\n", styling.paint(Paint::Heading, &escape_control(title)));
    text += &format!("  {id}\n  why: {}\n", escape_control(reason));
    if let Some(forecast) = artifact.forecast.iter().find(|forecast| forecast.step == *id) {
        text += &format!(
            "  when: {} to {} at the earliest\n",
            since_start(forecast.begin),
            since_start(forecast.end)
        );
    }
    if let Primitive::Wait(wait) = primitive {
        text += &format!("  how long: {}\n", show_span(wait.span));
    }
    match primitive {
        Primitive::Gate(gate) => text += &gate::lines(gate, "  "),
        Primitive::Task(task) => text += &gate::of_task(task, "  "),
        Primitive::Change(_) | Primitive::Wait(_) | Primitive::Checkpoint(_) => {}
    }
    text += &window.as_ref().map(|windows| within(windows, "  ")).unwrap_or_default();
    match after.is_empty() {
        true => text += "\nIt waits for nothing.\n",
        false => text += "\nIt waits for:\n",
    }
    for (before, cause) in after {
        text += &edge(before, cause);
    }
    let followers = artifact.graph.followers(place);
    match followers.is_empty() {
        true => text += "\nNothing waits for it.\n",
        false => text += "\nThese wait for it:\n",
    }
    for follower in followers {
        let step = &artifact.graph.steps()[*follower];
        let Some(cause) = step.after.get(id) else { continue };
        text += &edge(&step.id, cause);
    }
    text += &match artifact.undos.get(id) {
        None if artifact.verdict.outcome == Outcome::Refuted => {
            "\nThe plan is refuted, so no way back was derived.\n".to_owned()
        }
        None => match behind_no_return(artifact, id) {
            Some((step, why)) => {
                format!("\nThere is no way back from {step} on: {}.\n", escape_control(why))
            }
            None => "\nA rollback has nothing to undo here.\n".to_owned(),
        },
        Some(Undo::By(back)) => format!("\nA rollback undoes it with {back}.\n"),
        Some(Undo::Keep) => match primitive {
            Primitive::Change(_) => {
                "\nA rollback keeps it: it only adds records, which do no harm when mail goes back to the old host.\n"
                    .to_owned()
            }
            Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => "\nA rollback keeps it.\n".to_owned(),
        },
        Some(Undo::Never(why)) => {
            format!("\nThere is no way back from here: {}.\n", escape_control(why))
        }
    };
    Some(text)
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

fn edge(other: &StepId, cause: &Cause) -> String {
    let Cause { origin, of, why } = cause;
    format!("  {other}\n      {} ({of}): {}\n", origin.word(), escape_control(why))
}

/// Lists the steps of a plan.
#[must_use]
pub fn steps(artifact: &Artifact) -> String {
    let ids = artifact.graph.steps().iter().map(|step| format!("  {}\n", step.id));
    format!("The steps of {}:\n{}", artifact.name, ids.collect::<String>())
}

/// Explains an invariant, or the table of facts.
#[must_use]
pub fn word(word: &str) -> Option<String> {
    if word == "facts" {
        return Some(facts());
    }
    if word == REVERSIBLE {
        return Some(format!(
            "{REVERSIBLE}\n  from every state before a point of no return, there is a way back that keeps all other invariants\n"
        ));
    }
    let invariant = ALL.iter().find(|invariant| invariant.name == word)?;
    Some(format!("{}\n  at every instant: {}\n", invariant.name, invariant.says))
}

/// The words that [`word`] knows.
#[must_use]
pub fn words() -> Vec<&'static str> {
    let invariants = ALL.iter().map(|invariant| invariant.name);
    invariants.chain([REVERSIBLE, "facts"]).collect()
}

/// The table of facts: what each fact means, and what can establish it.
fn facts() -> String {
    let mut text =
        "Facts about hosts, names and addresses, and what can establish them\n".to_owned();
    for row in TABLE {
        let sources: Vec<String> = row.sources.iter().map(ToString::to_string).collect();
        text += &format!("\n  {}\n", row.word);
        for (value, says) in row.says {
            let stated = if *value == row.stated { " (what `assume:` states)" } else { "" };
            text += &format!("      {value}{stated}: it {says}\n");
        }
        text += &format!("      established by: {}\n", sources.join("; "));
        text += &match row.of_old {
            Some(today) => format!(
                "      otherwise it counts as {today} for a host that mail leaves, and as {} for others\n",
                row.unknown
            ),
            None => format!("      otherwise it counts as {}\n", row.unknown),
        };
    }
    text
}
