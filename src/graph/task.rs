//! Tasks: steps whose effect is outside of DNS.

use std::time::Duration;

use super::StepId;
use crate::spec::task::{TaskSpec, Work};

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What is done.
    pub work: Work,
    /// A command that tells whether it is done.
    pub check: Option<Vec<String>>,
    /// How long a command may take.
    pub within: Duration,
}

impl Task {
    /// The task that a plan asks for.
    #[must_use]
    pub fn of(spec: &TaskSpec) -> Self {
        let TaskSpec { name: _, work, after: _, check, within, undo: _, undo_first: _ } = spec;
        Self { work: work.clone(), check: check.clone(), within: *within }
    }

    /// The task that undoes it. Only a person knows what to do about work that has no `undo`.
    #[must_use]
    pub fn undo_of(spec: &TaskSpec) -> Self {
        let work = match &spec.undo {
            Some(argv) => Work::Command(argv.clone()),
            None => Work::Manual(format!(
                "`{}` was done and has no `undo`: undo it by hand, or make sure that it may stay",
                spec.name.value
            )),
        };
        Self { work, check: None, within: spec.within }
    }
}

/// The id of a task's step.
#[must_use]
pub fn id(spec: &TaskSpec) -> StepId {
    StepId::of_task(&spec.name.value)
}

/// The id of the step that undoes it.
#[must_use]
pub fn undo_id(spec: &TaskSpec) -> StepId {
    id(spec).undo_id()
}
