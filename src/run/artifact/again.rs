//! Checks an artifact by its own contents, offline and without the plan: are its waits as long as
//! its records require, and do its steps lead from one version of an RRset to the next?
//!
//! This is not the whole proof, which needs the plan's facts and everything that was seen; an
//! artifact has neither. Edits that keep steps, waits and causes consistent are not detected here.
//! The digest that was reviewed (`apply --digest`) is what keeps such an artifact from being run.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_contract::Change;
use cutover_zone::{RrKey, RrSet};

use super::{Artifact, Outcome, SealedZone};
use cutover_base::calendar::show_span;
use cutover_steps::graph::gate::{Evidence, Failing};
use cutover_steps::graph::{CACHE_CAP, Origin, Primitive, Step, StepGraph};
use cutover_steps::probe;

impl Artifact {
    /// The contradictions in its contents, one sentence each.
    #[must_use]
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let ways_back = self.rollback_points.iter().map(|point| &point.graph);
        for graph in std::iter::once(&self.graph).chain(ways_back) {
            waits_are_long_enough(self, graph, &mut found);
            gates_are_relied_on(graph, &mut found);
        }
        // A way back only has the steps that undo something, so its versions have gaps.
        if !self.is_way_back() {
            versions_follow(self, &mut found);
        }
        let is_told = self.verdict.outcome == Outcome::Refuted || self.verdict.story.is_empty();
        if !is_told || (self.verdict.outcome == Outcome::Proved && self.has_unaccepted()) {
            found.push("its verdict says that it is proved, but lists what is broken".to_owned());
        }
        found
    }

    fn has_unaccepted(&self) -> bool {
        self.verdict.forbidding().next().is_some()
    }
}

/// A gate that establishes facts is as strict as the proof takes it to be, and every step that relies on it
/// says so.
fn gates_are_relied_on(graph: &StepGraph, found: &mut Vec<String>) {
    for place in graph.establishing() {
        let Step { id, primitive, .. } = &graph.steps()[place];
        let Primitive::Gate(gate) = primitive else { continue };
        let Some(evidence) = &gate.evidence else { continue };
        let ages = Evidence::AGE_MIN..=Evidence::AGE_LONGEST;
        let tolerates = gate.pace.fail_limit > 0 || gate.pace.inconclusive_limit > 0;
        let can = probe::of_name(&gate.probe).is_some_and(|probe| {
            let counts = probe.keys.establishes.map(|establishes| establishes.counts);
            counts.is_some_and(|counts| counts(&gate.settings).is_ok())
        });
        if evidence.facts.is_empty()
            || !can
            || tolerates
            || gate.on_fail == Failing::Ask
            || !ages.contains(&evidence.age_max)
        {
            found.push(format!("{id} is not strict enough for what it establishes"));
        }
        if evidence.before != graph.reliant_on(place) {
            found.push(format!("{id} does not name the steps that rely on it"));
        }
    }
}

/// How long a version may be cached at least, without what the provider's network adds.
fn hold(version: Option<&RrSet>, zone: &SealedZone) -> Duration {
    version.map_or(zone.absence, |rrset| rrset.ttl().duration()).min(CACHE_CAP)
}

/// A wait for a change lasts at least as long as the replaced version may be cached. In a change of
/// several RRsets, the wait may be for any of them, so the shortest time counts.
fn waits_are_long_enough(artifact: &Artifact, graph: &StepGraph, found: &mut Vec<String>) {
    for step in graph.steps() {
        let Primitive::Wait(wait) = &step.primitive else { continue };
        // A plan may choose any time for its key `wait`.
        let over = wait.over.as_ref().filter(|_| wait.origin != Origin::User);
        let Some(Step { primitive: Primitive::Change(changes), .. }) =
            over.and_then(|over| graph.get(over))
        else {
            continue;
        };
        let Some(zone) = artifact.zones.get(changes.zone()) else { continue };
        let holds = changes.changes().iter().map(|change| hold(change.before.as_ref(), zone));
        let least = holds.min().unwrap_or_default();
        if wait.span < least {
            found.push(format!(
                "{} lasts {}, but the replaced version may be cached for {}",
                step.id,
                show_span(wait.span),
                show_span(least)
            ));
        }
    }
}

/// Each change starts from the version that the previous change left, and comes after it.
fn versions_follow(artifact: &Artifact, found: &mut Vec<String>) {
    let graph = &artifact.graph;
    let paths = graph.paths();
    let mut last: BTreeMap<&RrKey, (usize, &Change)> = BTreeMap::new();
    for (place, step) in graph.steps().iter().enumerate() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        for change in changes.changes() {
            let Some((from, earlier)) = last.insert(&change.key, (place, change)) else { continue };
            let before = &graph.steps()[from].id;
            if earlier.after != change.before {
                found.push(format!(
                    "{} does not start from the {} that {before} leaves",
                    step.id, change.key
                ));
            }
            if !paths.precedes(from, place) {
                found.push(format!("{} does not come after {before}", step.id));
            }
        }
    }
}
