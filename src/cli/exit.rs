//! Exit codes: one meaning each.

use std::process::ExitCode;

use crate::artifact::Artifact;
use crate::engine::view::{RunView, Stage, gate_that_asks, task_in_doubt};
use crate::journal::{Halt, HaltReason};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// An operation failed.
    Error,
    /// The command line or the plan is wrong.
    Usage,
    /// With `--detailed-exitcode`: there are changes to make.
    Changes,
    /// The plan would do harm in some order, at some delay or for some cached answer.
    Refuted,
    /// The run waits; the time to resume was printed.
    Waiting,
    /// The run stopped safely: drift, a refusal, a server that does not answer, a gate that did not
    /// pass, or a completed way back.
    Halted,
    /// A person has to confirm first.
    ApprovalNeeded,
    /// The run can move neither forward nor back by itself: a person has to intervene.
    Stuck,
    /// A signal stopped the process; the run can be continued.
    Stopped(Signal),
}

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// Sent by `kill` and service managers.
    Terminate,
    /// The terminal was closed.
    HangUp,
}

impl Signal {
    /// Its name and number (POSIX `<signal.h>`).
    #[must_use]
    pub fn named(self) -> (&'static str, u8) {
        match self {
            Self::Interrupt => ("SIGINT", 2),
            Self::Terminate => ("SIGTERM", 15),
            Self::HangUp => ("SIGHUP", 1),
        }
    }
}

impl Exit {
    /// The exit code for a halt. A refusal on a way back is stuck, since there is nothing else to
    /// try; a halt that a person can resolve by a word asks for approval.
    #[must_use]
    pub(super) fn of_halt(artifact: &Artifact, halt: &Halt) -> Self {
        match halt.reason {
            HaltReason::NoWayBack => Self::Stuck,
            HaltReason::Unapproved => Self::ApprovalNeeded,
            HaltReason::Refused | HaltReason::Unpublished if artifact.is_way_back() => Self::Stuck,
            _ if needs_word(artifact, halt) => Self::ApprovalNeeded,
            HaltReason::Refused
            | HaltReason::Unpublished
            | HaltReason::Drift
            | HaltReason::Unanswered
            | HaltReason::Failed
            | HaltReason::Undecided => Self::Halted,
        }
    }

    /// How `apply` would end for a run, should nothing change until then.
    #[must_use]
    pub(super) fn of_run(view: &RunView<'_>) -> Self {
        match view.stage {
            // It was rolled back or superseded.
            Stage::Finished { .. }
                if view.artifact.is_way_back() || view.superseded_by.is_some() =>
            {
                Self::Halted
            }
            Stage::Finished { .. } => Self::Done,
            Stage::Halted(stopped) => Self::of_halt(view.artifact, stopped.halt),
            Stage::Running | Stage::Settling => match view.by_hand().next() {
                Some(_) => Self::ApprovalNeeded,
                None => Self::Waiting,
            },
        }
    }

    /// The worse of two, for a command that did several things.
    #[must_use]
    pub(super) fn or_worse(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Done => 0,
            Self::Changes => 1,
            Self::Waiting => 2,
            Self::ApprovalNeeded => 3,
            Self::Halted => 4,
            Self::Refuted => 5,
            Self::Usage => 6,
            Self::Error => 7,
            Self::Stuck => 8,
            Self::Stopped(_) => 9,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// The number that the process ends with.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            // Terraform's 2 for `plan --detailed-exitcode` only; everything else there is 1.
            Self::Usage | Self::Changes => 2,
            Self::Refuted => 3,
            Self::Waiting => 4,
            Self::Halted => 5,
            Self::ApprovalNeeded => 6,
            Self::Stuck => 7,
            // The convention of shells.
            Self::Stopped(signal) => 128 + signal.named().1,
        }
    }
}

/// Whether a person has to say if a task was done, or may let a gate pass.
fn needs_word(artifact: &Artifact, halt: &Halt) -> bool {
    task_in_doubt(artifact, halt).or(gate_that_asks(artifact, halt)).is_some()
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
