//! Stories: counterexamples that a mail engineer can read.
//!
//! A story has the steps of the smallest state in which a pattern is true, in an execution that
//! loses no time; then what holds at its end, what happens then, and what would help.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_zone::RrKey;

use super::Placed;
use super::draft::{Draft, Kind};
use super::model::Model;
use super::pattern::{Atom, Pattern, PatternAtom, What};
use cutover_base::calendar::show_span;
use cutover_steps::fact::{Fact, Subject, Value};
use cutover_steps::graph::{Primitive, StepGraph};

/// What a story is told about.
#[derive(Clone, Copy)]
pub struct StoryContext<'t> {
    /// The steps.
    pub draft: &'t Draft<'t>,
    /// The atoms.
    pub model: &'t Model,
    /// The steps in order.
    pub graph: &'t StepGraph,
    /// Where the steps of the draft are in the graph.
    pub placed: &'t Placed,
}

/// The story of how a pattern comes true.
#[must_use]
pub fn story(context: &StoryContext<'_>, pattern: &Pattern) -> Vec<String> {
    let StoryContext { draft: _, model, graph, placed } = context;
    let mut story = Vec::new();
    let nodes: Vec<usize> = pattern.starts(&model.atoms).collect();
    let begun: Vec<usize> = nodes.iter().map(|node| placed.places[*node]).collect();
    let state = placed.paths.with_predecessors(begun.iter().copied());
    let mut ends: BTreeMap<usize, Duration> = BTreeMap::new();
    let mut now = Duration::ZERO;
    // The story has the steps that begin what the pattern is about, and those that end it too late.
    let ended = pattern.separations(&model.atoms).map(|separation| placed.places[separation.from]);
    let about: std::collections::BTreeSet<usize> = ended.chain(begun.iter().copied()).collect();
    for (place, step) in graph.steps().iter().enumerate() {
        if !state.contains(&place) {
            continue;
        }
        let before = step.after.keys().filter_map(|id| ends.get(&graph.place(id)?));
        let begin = before.max().copied().unwrap_or_default();
        let span = match &step.primitive {
            Primitive::Wait(wait) => wait.span,
            Primitive::Change(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => Duration::ZERO,
        };
        ends.insert(place, begin + span);
        now = now.max(begin);
        if about.contains(&place) {
            story.push(format!("at T+{} {}: {}", show_span(begin), step.id, step.title));
        }
    }
    let at = show_span(now);
    for PatternAtom { atom, .. } in &pattern.atoms {
        let line = says(&model.atoms[*atom]).map(|what| format!("at T+{at} {what}"));
        story.extend(line.filter(|line| !story.contains(line)));
    }
    story.push(format!("then {}", pattern.harm.what));
    story.extend(until(context, pattern));
    story.push(format!("fix: {}", pattern.harm.fix));
    story
}

/// An atom as a clause.
#[must_use]
pub fn says(atom: &Atom) -> Option<String> {
    match &atom.what {
        What::Answer { key, records, exposed } => {
            let while_changed = if *exposed { ", visible while it is being replaced" } else { "" };
            Some(match records {
                None => format!("a resolver may hold that there is no {key}{while_changed}"),
                Some(rrset) => {
                    let data: Vec<String> = rrset.rdata().iter().map(ToString::to_string).collect();
                    let key = RrKey::new(key.name.clone(), rrset.rtype());
                    format!(
                        "a resolver may hold {key} = {} (TTL {}){while_changed}",
                        data.join(", "),
                        show_span(rrset.ttl().duration())
                    )
                }
            })
        }
        What::Fact { fact, subject, value, unknown } => {
            Some(says_fact(*fact, subject, *value, *unknown))
        }
        What::InFlight { of: Subject::Host(host), .. } => {
            Some(format!("mail of `{host}` may be in flight"))
        }
        What::InFlight { by: Fact::Signs, of, .. } => {
            Some(format!("mail that was signed with {of} may be in flight"))
        }
        What::InFlight { of, .. } => Some(format!("mail of {of} may be in flight")),
        What::MailboxesAt { host } => Some(format!("people may read their mail at `{host}`")),
        What::Begun => None,
    }
}

/// A fact as a clause.
fn says_fact(fact: Fact, of: &Subject, value: Value, unknown: bool) -> String {
    let shown = of.shown();
    if unknown {
        return format!("nobody says whether {shown} {} (`{fact}`)", fact.says(Value::True));
    }
    match value {
        Value::True | Value::False => {
            format!("it may be that {shown} {} (`{fact}`)", fact.says(value))
        }
        Value::Store => format!("{shown} may put what arrives into its own mailboxes"),
        Value::Relay => format!("{shown} may pass on what arrives"),
        Value::RelayByMx => {
            format!("{shown} may pass on what arrives to where the MX records lead")
        }
        Value::Reject => format!("{shown} may refuse what arrives"),
        Value::Off => format!("{shown} may be off"),
    }
}

/// How long it can last, if something ends it. A change of a TTL alone ends nothing else.
fn until(context: &StoryContext<'_>, pattern: &Pattern) -> Option<String> {
    let atoms = &context.model.atoms;
    let only_ttl = |step: usize| match &context.draft.nodes[step].kind {
        Kind::Change { transition, .. } => transition.is_only_ttl(),
        Kind::Point(_) | Kind::Stated(_) | Kind::Task(_) | Kind::Beginning | Kind::Back(_) => false,
    };
    let ends = pattern
        .atoms
        .iter()
        .flat_map(|held| atoms[held.atom].ends.iter().map(|end| (end.step, end.hold + held.extra)));
    let (step, hold) = ends.filter(|(step, _)| !only_ttl(*step)).min_by_key(|(_, hold)| *hold)?;
    let id = &context.draft.nodes[step].id;
    Some(match hold.is_zero() {
        true => format!("this can last until {id} is done"),
        false => format!("this can last until {} after {id} is done everywhere", show_span(hold)),
    })
}
