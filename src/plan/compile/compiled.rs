//! A way back as the compiler leaves it.

use std::collections::BTreeMap;

use cutover_steps::graph::{MovePoint, StepGraph, StepId};

/// A way back, compiled and proved.
#[derive(Clone, Debug)]
pub struct CompiledWayBack {
    /// Where it leads: to this point of the move, or to the beginning.
    pub to: Option<MovePoint>,
    /// The forward step at which that point is reached; `None`: before the first.
    pub at: Option<StepId>,
    /// The steps.
    pub graph: StepGraph,
    /// For each step the forward step that it belongs to: it is made if that one has begun.
    pub takes_back: BTreeMap<StepId, StepId>,
    /// For each undone forward step the step that undoes it.
    pub undone_by: BTreeMap<StepId, StepId>,
    /// The forward steps that stay as they are.
    pub kept: Vec<StepId>,
    /// The points of no return, and why.
    pub no_return: BTreeMap<StepId, String>,
    /// How many patterns were checked.
    pub patterns: usize,
}

impl CompiledWayBack {
    /// The name of the point that it leads to.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.to.map_or(START, MovePoint::word)
    }
}

/// The name of the state before the first step.
const START: &str = "start";
