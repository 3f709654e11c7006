//! What an artifact can be held to by itself, without the plan and without asking anybody: whether its
//! waits are as long as its own records want them, and whether its steps lead from one version of an
//! RRset to the next.
//!
//! This is not the whole proof. That starts from the plan's facts and from all that was seen, which are
//! not in an artifact. Whoever edits steps, waits and causes so that they fit together is not found out
//! here: the digest that a reviewer has read is what keeps that from being run (`apply --digest`).

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_contract::{Change, RrKey, RrSet};

use super::{Artifact, Outcome, SealedZone};
use crate::calendar::show_span;
use crate::graph::{Origin, Primitive, Step, StepGraph};
use crate::model::hold::CAP;
use crate::proof::paths_of;

impl Artifact {
    /// What is wrong with it by its own contents, one sentence each; none: it holds together.
    #[must_use]
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let ways_back = self.rollback_points.iter().map(|point| &point.graph);
        for graph in std::iter::once(&self.graph).chain(ways_back) {
            waits_are_long_enough(self, graph, &mut found);
        }
        // A way back has the steps alone that take something back, so that versions have gaps.
        if !self.is_way_back() {
            versions_follow(self, &mut found);
        }
        let is_told = self.verdict.outcome == Outcome::Refuted || self.verdict.story.is_empty();
        if !is_told || (self.verdict.outcome == Outcome::Proved && self.has_unaccepted()) {
            found.push("the verdict says that it is proved, and names what is broken".to_owned());
        }
        found
    }

    fn has_unaccepted(&self) -> bool {
        self.verdict.forbidding().next().is_some()
    }
}

/// How long a version may be cached at the least: what the provider's network adds is not in here.
fn hold(version: Option<&RrSet>, zone: &SealedZone) -> Duration {
    version.map_or(zone.absence, |rrset| rrset.ttl().duration()).min(CAP)
}

/// A wait over a change lasts as long as what the change replaces may be cached. Of several RRsets in
/// one change the wait may be about any: the shortest counts.
fn waits_are_long_enough(artifact: &Artifact, graph: &StepGraph, found: &mut Vec<String>) {
    for step in graph.steps() {
        let Primitive::Wait(wait) = &step.primitive else { continue };
        // How long a plan itself waits, by its key `wait`, is its own affair.
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
                "{} lasts {}, and what is replaced may be cached for {}",
                step.id,
                show_span(wait.span),
                show_span(least)
            ));
        }
    }
}

/// Each change begins with the version that the one before it has left, and comes after it.
fn versions_follow(artifact: &Artifact, found: &mut Vec<String>) {
    let graph = &artifact.graph;
    let paths = paths_of(graph);
    let mut last: BTreeMap<&RrKey, (usize, &Change)> = BTreeMap::new();
    for (place, step) in graph.steps().iter().enumerate() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        for change in changes.changes() {
            let Some((from, earlier)) = last.insert(&change.key, (place, change)) else { continue };
            let before = &graph.steps()[from].id;
            if earlier.after != change.before {
                found.push(format!(
                    "{} does not begin with the {} that {before} has left",
                    step.id, change.key
                ));
            }
            if !paths.leads(from, place) {
                found.push(format!("{} does not come after {before}", step.id));
            }
        }
    }
}
