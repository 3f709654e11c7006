//! Which steps rely on what a gate has shown.

use super::gate::Gate;
use super::{Checkpoint, MovePoint, Primitive, Step, StepGraph, StepId, Verb};

impl StepGraph {
    /// The steps that rely on a gate which establishes facts: none of them begins when the gate has
    /// passed too long ago. They are all that come after it and do something or mark a point; a change of
    /// TTLs alone leads nobody anywhere. On what was shown before the switch, nothing relies anew when
    /// the old side is left.
    #[must_use]
    pub fn reliant_on(&self, gate: usize) -> Vec<StepId> {
        let paths = self.paths();
        let left = self.place(&StepId::of_point(MovePoint::BeforeContract));
        let is_left = |place| left.is_some_and(|left| left == place || paths.precedes(left, place));
        let is_late = is_left(gate);
        let all = self.steps().iter().enumerate();
        let reliant = all.filter(|(place, step)| {
            relies(step) && (is_late || !is_left(*place)) && paths.precedes(gate, *place)
        });
        reliant.map(|(_, step)| step.id.clone()).collect()
    }

    /// The places of the gates that establish facts.
    pub fn establishing(&self) -> impl Iterator<Item = usize> {
        let all = self.steps().iter().enumerate();
        let establishes = |step: &Step| match &step.primitive {
            Primitive::Gate(Gate { evidence, .. }) => evidence.is_some(),
            Primitive::Change(_)
            | Primitive::Wait(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => false,
        };
        all.filter(move |(_, step)| establishes(step)).map(|(place, _)| place)
    }
}

/// Whether a step leads somebody somewhere.
#[must_use]
pub fn relies(step: &Step) -> bool {
    match &step.primitive {
        Primitive::Change(change) => match change.verb {
            Verb::Lower | Verb::Restore => false,
            Verb::Publish
            | Verb::Widen
            | Verb::Join
            | Verb::Prefer
            | Verb::Switch
            | Verb::Narrow
            | Verb::Remove => true,
        },
        Primitive::Task(_) => true,
        Primitive::Checkpoint(at) => matches!(at, Checkpoint::Reached(_)),
        Primitive::Wait(_) | Primitive::Gate(_) => false,
    }
}
