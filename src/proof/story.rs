//! Stories: a counterexample that a mail engineer can read.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_contract::{RrKey, RrSet};

use super::view::{Harm, View};
use super::{Event, Interval, Proof, Version, least_state};
use crate::calendar::show_span;
use crate::graph::{Primitive, Step};

/// Tells how a view comes about, what it does, and what would help.
pub(super) fn tell(proof: &Proof<'_>, view: &View<'_>, harm: &Harm) -> Vec<String> {
    let intervals = view.intervals();
    let (mut story, at) = events(proof, &intervals.iter().collect::<Vec<_>>());
    for (key, version) in view.chosen() {
        story.push(format!("at {at} a resolver may hold {}", show(key, version.rrset.as_ref())));
    }
    story.push(format!("then {}", harm.what));
    story.push(format!("fix: {}", harm.fix));
    story
}

/// Tells that a version outlives what a switch, or a way back, may take.
pub(super) fn long_lived(
    proof: &Proof<'_>,
    switch: &Step,
    key: &RrKey,
    version: &Version,
) -> Vec<String> {
    let place = proof.graph.place(&switch.id).unwrap_or_default();
    let switched = Interval { start: super::Start::At(Event::Begin(place)), ends: Vec::new() };
    let (mut story, at) = events(proof, &[&switched, &version.interval]);
    let ttl = version.rrset.as_ref().map_or(Duration::ZERO, |rrset| rrset.ttl().duration());
    story.push(format!("at {at} a resolver may hold {}", show(key, version.rrset.as_ref())));
    story.push(format!(
        "then the switch, or a way back, takes up to {} and not {}",
        show_span(ttl),
        show_span(proof.intent.terms.cutover_ttl.duration())
    ));
    story.push("fix: lower the TTL, and let the old one expire, before the switch; raise it only after the contraction has begun".into());
    story
}

/// The steps of the least state that has all of these intervals, with the times of an execution
/// that loses none, and the time at which they hold.
fn events(proof: &Proof<'_>, intervals: &[&Interval]) -> (Vec<String>, String) {
    let steps = proof.graph.steps();
    let state = least_state(&proof.order, steps.len(), intervals).unwrap_or_default();
    let mut ends: BTreeMap<usize, Duration> = BTreeMap::new();
    let mut story = Vec::new();
    let mut now = Duration::ZERO;
    for (place, step) in steps.iter().enumerate() {
        if !state.contains(&Event::Begin(place)) {
            continue;
        }
        let before = step.after.iter().filter_map(|id| ends.get(&proof.graph.place(id)?));
        let begin = before.max().copied().unwrap_or_default();
        let span = match &step.primitive {
            Primitive::Wait(wait) => wait.span,
            Primitive::Change(_) | Primitive::Checkpoint => Duration::ZERO,
        };
        if state.contains(&Event::End(place)) {
            ends.insert(place, begin + span);
            now = now.max(begin + span);
        } else {
            now = now.max(begin);
        }
        if let Primitive::Change(_) = step.primitive {
            story.push(format!("at T+{} {}: {}", show_span(begin), step.id, step.title));
        }
    }
    (story, format!("T+{}", show_span(now)))
}

fn show(key: &RrKey, rrset: Option<&RrSet>) -> String {
    match rrset {
        None => format!("that there is no {key}"),
        Some(rrset) => {
            let data: Vec<String> = rrset.rdata().iter().map(ToString::to_string).collect();
            format!("{key} = {} (TTL {})", data.join(", "), show_span(rrset.ttl().duration()))
        }
    }
}
