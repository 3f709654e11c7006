//! Where a run stands: what is left to do, and how much of a change is written.

use std::collections::BTreeSet;

use super::state::Standing;
use super::{ChangeState, RunState, StepState};
use crate::artifact::Artifact;
use crate::journal::{Halt, HaltReason};

/// How much of a change is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Nothing of it.
    Nothing,
    /// Some of its RRsets.
    Part {
        /// How many of them.
        written: usize,
        /// How many it has.
        all: usize,
    },
    /// All of it.
    All,
    /// All of it was written, and somebody else has overwritten it.
    Overwritten,
    /// The provider did not answer, or something else is there.
    Unknown,
}

impl RunState {
    /// The places of the steps that the run has to work on now, in the order of the graph: those that are
    /// ready or, if the run was turned back or superseded, those that have begun.
    pub fn open(&self, artifact: &Artifact) -> BTreeSet<usize> {
        match self.aside.is_empty() {
            true => self.to_settle().collect(),
            false => self.going_on(artifact, None),
        }
    }

    /// Whether the run begins nothing more and only settles what it has begun: it was turned back, or
    /// another run supersedes it.
    #[must_use]
    pub fn only_settles(&self) -> bool {
        self.turned_back.is_some() || self.replaced.is_some()
    }

    /// How much of a change was written when the run halted at it; `None` if the step is not a change.
    #[must_use]
    pub fn made(&self, artifact: &Artifact, halt: &Halt) -> Option<Made> {
        let Halt { step, reason, detail: _, differences } = halt;
        let place = artifact.graph.place(step)?;
        let step = &artifact.graph.steps()[place];
        let Standing::Change(changes, state) = self.standing(step, place) else { return None };
        let all = changes.changes().len();
        Some(match state {
            _ if *reason == HaltReason::Unpublished => Made::All,
            ChangeState::Pending => Made::Nothing,
            ChangeState::Written { .. } if *reason == HaltReason::Drift => Made::Overwritten,
            ChangeState::Written { .. } | ChangeState::Done { .. } => Made::All,
            ChangeState::Begun | ChangeState::InDoubt { .. } if differences.is_empty() => {
                Made::Unknown
            }
            ChangeState::Begun | ChangeState::InDoubt { .. } => {
                match differences.iter().filter(|found| found.live == found.planned).count() {
                    0 => Made::Unknown,
                    written if written == all => Made::All,
                    written => Made::Part { written, all },
                }
            }
        })
    }

    pub(super) fn is_unsettled(&self, place: usize) -> bool {
        let state = self.steps[place];
        state.is_unsettled() && !(self.turned_back.is_some() && self.is_left_to_way_back(place))
    }

    /// Whether a run that goes back leaves this step as it is. Routing mail back must not wait for
    /// anything slow, nor for servers that may never load what the provider holds.
    fn is_left_to_way_back(&self, place: usize) -> bool {
        match self.steps[place] {
            // The provider is known to hold it, and could not publish it. The next thing that is
            // published is its removal.
            StepState::Change(ChangeState::InDoubt { .. }) => self.unpublished.contains(&place),
            // The journal names the servers that do not serve it. The way back replaces it where it was
            // written, and its own waits begin when every server serves that.
            StepState::Change(ChangeState::Written { .. }) => self.lagging.contains_key(&place),
            // What it has done is taken back later, whether it has ended or not.
            StepState::Task(_) => true,
            StepState::Change(
                ChangeState::Pending | ChangeState::Begun | ChangeState::Done { .. },
            )
            | StepState::Wait(_)
            | StepState::Gate(_)
            | StepState::Checkpoint(_) => false,
        }
    }
}
