//! Approvals are looked at once more before a checkpoint: a process that has waited for days may not
//! know who may approve now.

use super::NotJudged;
use crate::engine::RunState;
use crate::journal::{Approvals, Event, Halt, HaltReason};

/// What is written in place of a checkpoint that was about to be reached, after somebody has said which
/// approvals count now.
pub(super) fn before_checkpoint(
    state: &RunState,
    event: Event,
    approvals: Result<Option<Approvals>, NotJudged>,
) -> Vec<Event> {
    match approvals {
        // The checkpoint is considered again, with these.
        Ok(Some(approvals)) if state.approvals.as_ref() != Some(&approvals) => {
            vec![Event::Approved(approvals)]
        }
        Ok(Some(_) | None) => vec![event],
        Err(error) => {
            let step = event.step().expect("a checkpoint is a step").clone();
            let reason = HaltReason::Unapproved;
            vec![Event::Halted(Halt {
                step,
                reason,
                detail: error.to_string(),
                differences: Vec::new(),
            })]
        }
    }
}
