//! Tasks on the wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ReadError, WAIT_SECS_MAX, ids, value};
use cutover_steps::graph::StepId;
use cutover_steps::graph::task::{Task, Work};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskV1 {
    run: Option<Vec<String>>,
    manual: Option<String>,
    check: Option<Vec<String>>,
    within_secs: u64,
}

pub(super) fn wire(task: &Task) -> TaskV1 {
    let Task { work, check, within, purpose: _ } = task;
    let (run, manual) = match work {
        Work::Command(argv) => (Some(argv.clone()), None),
        Work::Manual(words) => (None, Some(words.clone())),
    };
    TaskV1 { run, manual, check: check.clone(), within_secs: within.as_secs() }
}

pub(super) fn read(id: &StepId, wire: TaskV1) -> Result<Task, ReadError> {
    let TaskV1 { run, manual, check, within_secs } = wire;
    if run.iter().chain(&check).any(Vec::is_empty) {
        return Err(value(id, "a command has no program"));
    }
    if !(1..=WAIT_SECS_MAX).contains(&within_secs) {
        return Err(value(id, "its time limit is zero, or too long"));
    }
    let work = match (run, manual) {
        (Some(argv), None) => Work::Command(argv),
        (None, Some(words)) => Work::Manual(words),
        (Some(_), Some(_)) | (None, None) => {
            return Err(value(id, "it needs either a command or manual work"));
        }
    };
    let purpose = ids::purpose(id);
    Ok(Task { work, check, within: Duration::from_secs(within_secs), purpose })
}
