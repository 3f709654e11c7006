//! How long the word of a gate counts.
//!
//! A gate that establishes a fact has seen the world at an instant, and a run may rest for days after
//! it. So every step that relies on the fact begins only while the gate's word is young enough.

use std::collections::BTreeMap;

use super::RunState;
use crate::artifact::Artifact;
use crate::journal::Event;
use cutover_base::calendar::{Moment, show_span};
use cutover_steps::graph::gate::{Evidence, Gate};
use cutover_steps::graph::{Primitive, Step, StepId};

/// Why a step cannot begin: a gate that it relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacking<'a> {
    /// The gate has not passed, or is asked again.
    Open(&'a StepId),
    /// The gate has passed too long ago.
    TooOld(&'a StepId, &'a Evidence),
}

impl<'a> Lacking<'a> {
    pub(super) fn gate(self) -> &'a StepId {
        match self {
            Self::Open(gate) | Self::TooOld(gate, _) => gate,
        }
    }

    /// The event by which the gate lapses; `None` if it is open anyway.
    pub(super) fn lapses(self, step: &Step) -> Option<Event> {
        let Self::TooOld(gate, evidence) = self else { return None };
        let age = show_span(evidence.age_max);
        let detail =
            format!("`{}` relies on what it has shown, which is older than {age}", step.id);
        Some(Event::Lapsed { step: gate.clone(), detail })
    }
}

fn evidence(step: &Step) -> Option<&Evidence> {
    match &step.primitive {
        Primitive::Gate(Gate { evidence, .. }) => evidence.as_ref(),
        Primitive::Change(_)
        | Primitive::Wait(_)
        | Primitive::Task(_)
        | Primitive::Checkpoint(_) => None,
    }
}

/// The gates whose word each step relies on, by the places of steps and gates.
pub(super) fn reliance(artifact: &Artifact) -> BTreeMap<usize, Vec<usize>> {
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (gate, step) in artifact.graph.steps().iter().enumerate() {
        let before = evidence(step).into_iter().flat_map(|evidence| &evidence.before);
        for place in before.filter_map(|id| artifact.graph.place(id)) {
            found.entry(place).or_default().push(gate);
        }
    }
    found
}

impl RunState {
    /// The gate because of which a step cannot begin now, if there is one.
    pub(super) fn evidence_lacking<'a>(
        &self,
        artifact: &'a Artifact,
        place: usize,
        now: Moment,
    ) -> Option<Lacking<'a>> {
        let gates = self.reliance.get(&place)?;
        gates.iter().find_map(|gate| {
            let step = &artifact.graph.steps()[*gate];
            let evidence = evidence(step)?;
            match self.steps[*gate].is_done() {
                false => Some(Lacking::Open(&step.id)),
                true if self.is_too_old(*gate, evidence, now) => {
                    Some(Lacking::TooOld(&step.id, evidence))
                }
                true => None,
            }
        })
    }

    /// Whether a gate has passed so long ago that a step which has not begun cannot rely on it.
    pub(super) fn may_lapse(&self, artifact: &Artifact, gate: usize, now: Moment) -> bool {
        let Some(evidence) = evidence(&artifact.graph.steps()[gate]) else { return false };
        let mut before = evidence.before.iter().filter_map(|id| artifact.graph.place(id));
        before.any(|place| self.steps[place].is_pending()) && self.is_too_old(gate, evidence, now)
    }

    fn is_too_old(&self, gate: usize, evidence: &Evidence, now: Moment) -> bool {
        let passed = self.steps[gate].done();
        let age = passed.and_then(|at| now.age_of(at, self.stamps[gate]));
        // With a clock that was set back, nobody knows.
        age.is_none_or(|age| age >= evidence.age_max)
    }
}
