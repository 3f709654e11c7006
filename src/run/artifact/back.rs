//! The way back of a run, as a separate artifact.

use std::collections::{BTreeMap, BTreeSet};

use super::{Artifact, Checked, RollbackPoint};
use cutover_base::digest::Digest;
use cutover_steps::approvals::Demand;
use cutover_steps::graph::{Cause, Primitive, Step, StepGraph, StepId};
use cutover_steps::invariant::REVERSIBLE;

impl Artifact {
    /// Whether this is a way back.
    #[must_use]
    pub fn is_way_back(&self) -> bool {
        self.graph.is_way_back()
    }

    /// The way back of a run of this artifact, which has the given digest, to one of its points:
    /// the steps that undo what the run has done, without a forecast.
    ///
    /// Steps that undo something which has not begun are dropped, together with the waits after
    /// them; the proof does not rely on paths through such a step (`proof::back`). Their followers
    /// come after whatever the dropped steps came after.
    #[must_use]
    pub fn back(
        &self,
        digest: Digest,
        point: &RollbackPoint,
        is_done: &dyn Fn(&StepId) -> bool,
        tool: String,
    ) -> Self {
        let mut made: BTreeSet<StepId> = BTreeSet::new();
        // What the dropped steps come after.
        let mut inherited: BTreeMap<StepId, BTreeMap<StepId, Cause>> = BTreeMap::new();
        let mut steps: Vec<Step> = Vec::new();
        // The steps are in order: a step is listed after those that it comes after.
        for step in point.graph.steps() {
            let is_made = match &step.primitive {
                // A wait comes after one step.
                Primitive::Wait(_) => step.after.keys().all(|before| made.contains(before)),
                Primitive::Change(_)
                | Primitive::Gate(_)
                | Primitive::Task(_)
                | Primitive::Checkpoint(_) => point.takes_back.get(&step.id).is_none_or(is_done),
            };
            let mut after = BTreeMap::new();
            for (before, cause) in &step.after {
                match inherited.get(before) {
                    None => drop(after.insert(before.clone(), cause.clone())),
                    Some(more) => after.extend(more.clone()),
                }
            }
            match is_made {
                true => {
                    made.insert(step.id.clone());
                    steps.push(Step { after, ..step.clone() });
                }
                false => drop(inherited.insert(step.id.clone(), after)),
            }
        }
        // The verdict says nothing about a way back from the way back.
        let mut verdict = self.verdict.clone();
        verdict.holding.retain(|name| name != REVERSIBLE);
        verdict.at_old.clear();
        verdict.findings.clear();
        let patterns = verdict.checked.patterns_back;
        verdict.checked = Checked { patterns, patterns_back: 0, ..verdict.checked };
        Self {
            tool,
            parent: Some(digest),
            // A way back was proved and approved with the plan, and must not wait for anybody.
            approvals: Demand::default(),
            // Whatever somebody has edited, nothing stands between a failed gate and the way back.
            relies_on: BTreeMap::new(),
            verdict,
            graph: StepGraph::new(steps).expect("a part of an acyclic graph is acyclic"),
            undos: BTreeMap::new(),
            rollback_points: Vec::new(),
            forecast: Vec::new(),
            ..self.clone()
        }
    }
}
