//! Exit codes: one meaning each.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// An operation failed.
    Error,
    /// The command line or the plan is wrong.
    Usage,
    /// Under `--detailed-exitcode`: there is something to change.
    Changes,
    /// The plan would do harm in some order, at some delay or for some cached answer.
    Refuted,
    /// The run waits; the time to resume was printed.
    Waiting,
    /// The run stopped, safe: drift, a refusal, or a server that does not answer.
    Halted,
    /// Somebody has to agree first.
    ApprovalNeeded,
    /// The run can neither go on nor back by itself: a person has to see to it.
    Stuck,
}

impl Exit {
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
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
