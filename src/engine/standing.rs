//! Where a run stands: what is left to be seen to, and how much of a change is written.

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
    /// All of it was, and somebody else has written over it.
    Overwritten,
    /// The provider did not say, or something else is there.
    Unknown,
}

impl RunState {
    /// The places of the steps that have to be seen to before the run is finished, in the order of the
    /// graph: those that are ready, or, of a run that was turned back, those that have begun.
    pub fn open(&self, artifact: &Artifact) -> BTreeSet<usize> {
        match self.aside.is_empty() {
            true => self.to_settle().collect(),
            false => self.going_on(artifact, None),
        }
    }

    /// Whether the run goes no further: it was turned back, or another takes its place.
    #[must_use]
    pub fn leaves(&self) -> bool {
        self.turned_back.is_some() || self.replaced.is_some()
    }

    /// How much of a change was written when the run halted at it; `None`: it is none.
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
                match differences.iter().filter(|one| one.live == one.planned).count() {
                    0 => Made::Unknown,
                    written if written == all => Made::All,
                    written => Made::Part { written, all },
                }
            }
        })
    }

    pub(super) fn is_unsettled(&self, place: usize) -> bool {
        let state = self.steps[place];
        // That it is there is known. Servers that were not told of it may not be able to load it: what they
        // are told next is that it is gone again.
        let is_left = matches!(state, StepState::Change(ChangeState::InDoubt { .. }))
            && self.turned_back.is_some()
            && self.unpublished.contains(&place);
        // Nothing that can take time stands before the mail that is led back: what a task has done is taken
        // back after that, whether it came to its end or not.
        let is_taken_back_later = matches!(state, StepState::Task(_)) && self.turned_back.is_some();
        state.is_unsettled() && !is_left && !is_taken_back_later
    }
}
