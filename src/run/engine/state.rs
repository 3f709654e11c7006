//! What is known of one step, by its kind.
//!
//! Each kind of step has states of its own: a change never waits, and a wait is never written.
//! [`Standing`] pairs a step with a state of its kind, so code for one kind meets no other's states.

use super::gate::Tally;
use cutover_base::calendar::Timestamp;
use cutover_steps::graph::gate::Gate;
use cutover_steps::graph::task::Task;
use cutover_steps::graph::{ChangeStep, Checkpoint, Primitive, Wait};

/// What is known of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Of a change.
    Change(ChangeState),
    /// Of a wait.
    Wait(WaitState),
    /// Of a gate.
    Gate(GateState),
    /// Of a task.
    Task(TaskState),
    /// Of a checkpoint.
    Checkpoint(CheckpointState),
}

/// What is known of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeState {
    /// Nothing has been done.
    Pending,
    /// It is being sent by this process.
    Begun,
    /// It may or may not have been made.
    InDoubt {
        /// When the doubt arose.
        since: Timestamp,
    },
    /// The provider holds the new version.
    Written {
        /// When that became known.
        at: Timestamp,
    },
    /// Every server serves it.
    Done {
        /// When that was seen.
        at: Timestamp,
    },
}

/// What is known of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitState {
    /// It has not begun.
    Pending,
    /// A server served the old version again. The wait starts over when every server serves the new one.
    Lapsed {
        /// When that was seen.
        at: Timestamp,
    },
    /// It is running.
    Running {
        /// When it ends.
        until: Timestamp,
    },
    /// It is over.
    Done {
        /// When it ended.
        at: Timestamp,
    },
}

/// What is known of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// It has no finding yet.
    Pending,
    /// It is being probed.
    Probing {
        /// What it has found so far.
        tally: Tally,
        /// When the last finding came.
        last: Timestamp,
    },
    /// It has passed, or a person has overridden it.
    Done {
        /// When.
        at: Timestamp,
    },
}

/// What is known of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Nothing has been done.
    Pending,
    /// Its command was started by this process.
    Begun,
    /// It may or may not have been done.
    InDoubt {
        /// When the doubt arose.
        since: Timestamp,
    },
    /// It is done, no matter by whom.
    Done {
        /// When.
        at: Timestamp,
    },
}

/// What is known of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointState {
    /// It is not reached.
    Pending,
    /// It is reached.
    Done {
        /// When.
        at: Timestamp,
    },
}

impl StepState {
    /// The state of a step before anything has happened.
    #[must_use]
    pub fn first(primitive: &Primitive) -> Self {
        match primitive {
            Primitive::Change(_) => Self::Change(ChangeState::Pending),
            Primitive::Wait(_) => Self::Wait(WaitState::Pending),
            Primitive::Gate(_) => Self::Gate(GateState::Pending),
            Primitive::Task(_) => Self::Task(TaskState::Pending),
            Primitive::Checkpoint(_) => Self::Checkpoint(CheckpointState::Pending),
        }
    }

    /// When the step was done; `None` if it is not.
    #[must_use]
    pub fn done(self) -> Option<Timestamp> {
        match self {
            Self::Change(ChangeState::Done { at })
            | Self::Wait(WaitState::Done { at })
            | Self::Gate(GateState::Done { at })
            | Self::Task(TaskState::Done { at })
            | Self::Checkpoint(CheckpointState::Done { at }) => Some(at),
            Self::Change(_)
            | Self::Wait(_)
            | Self::Gate(_)
            | Self::Task(_)
            | Self::Checkpoint(_) => None,
        }
    }

    /// Whether the step is done.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.done().is_some()
    }

    /// Whether the step has not begun. A wait that lapsed counts as not begun.
    #[must_use]
    pub fn is_pending(self) -> bool {
        match self {
            Self::Change(state) => state == ChangeState::Pending,
            Self::Wait(state) => matches!(state, WaitState::Pending | WaitState::Lapsed { .. }),
            Self::Gate(state) => state == GateState::Pending,
            Self::Task(state) => state == TaskState::Pending,
            Self::Checkpoint(state) => state == CheckpointState::Pending,
        }
    }

    /// Whether something was sent or started whose outcome is not known at every server yet.
    #[must_use]
    pub fn is_unsettled(self) -> bool {
        match self {
            Self::Change(
                ChangeState::Begun | ChangeState::InDoubt { .. } | ChangeState::Written { .. },
            )
            | Self::Task(TaskState::Begun | TaskState::InDoubt { .. }) => true,
            Self::Change(ChangeState::Pending | ChangeState::Done { .. })
            | Self::Task(TaskState::Pending | TaskState::Done { .. })
            | Self::Wait(_)
            | Self::Gate(_)
            | Self::Checkpoint(_) => false,
        }
    }

    /// Whether this process has sent or started something, and has no answer yet.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        self == Self::Change(ChangeState::Begun) || self == Self::Task(TaskState::Begun)
    }

    /// The state in words, to follow `it is`.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Change(ChangeState::Pending)
            | Self::Wait(WaitState::Pending)
            | Self::Task(TaskState::Pending) => "not begun",
            Self::Change(ChangeState::Begun) | Self::Task(TaskState::Begun) => "begun",
            Self::Change(ChangeState::InDoubt { .. }) | Self::Task(TaskState::InDoubt { .. }) => {
                "in doubt"
            }
            Self::Change(ChangeState::Written { .. }) => "written",
            Self::Wait(WaitState::Lapsed { .. }) => "to start anew",
            Self::Wait(WaitState::Running { .. }) => "running",
            Self::Gate(GateState::Pending) => "not asked yet",
            Self::Gate(GateState::Probing { .. }) => "being asked",
            Self::Checkpoint(CheckpointState::Pending) => "not reached",
            Self::Wait(WaitState::Done { .. }) => "over",
            Self::Gate(GateState::Done { .. }) => "passed",
            Self::Checkpoint(CheckpointState::Done { .. }) => "reached",
            Self::Change(ChangeState::Done { .. }) | Self::Task(TaskState::Done { .. }) => "done",
        }
    }
}

/// A step of one kind, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    Change(&'a ChangeStep, ChangeState),
    Wait(&'a Wait, WaitState),
    Gate(&'a Gate, GateState),
    Task(&'a Task, TaskState),
    Checkpoint(Checkpoint, CheckpointState),
}

impl<'a> Standing<'a> {
    /// A step with its state.
    ///
    /// # Panics
    /// If the state belongs to another kind of step. That cannot happen, since the state is a fold over a
    /// journal of the same graph.
    pub(super) fn of(primitive: &'a Primitive, state: StepState) -> Self {
        match (primitive, state) {
            (Primitive::Change(change), StepState::Change(state)) => Self::Change(change, state),
            (Primitive::Wait(wait), StepState::Wait(state)) => Self::Wait(wait, state),
            (Primitive::Gate(gate), StepState::Gate(state)) => Self::Gate(gate, state),
            (Primitive::Task(task), StepState::Task(state)) => Self::Task(task, state),
            (Primitive::Checkpoint(at), StepState::Checkpoint(state)) => {
                Self::Checkpoint(*at, state)
            }
            (primitive, state) => panic!("{state:?} is the state of no such step: {primitive:?}"),
        }
    }
}
