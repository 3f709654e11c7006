//! What a person is told while a run waits for one, or stands still.

use super::failure::Failure;
use super::{Invocation, print_out, styling};
use crate::artifact::Artifact;
use crate::document::Document;
use crate::engine::RunState;
use crate::engine::view::{Stopped, by_hand, gate_that_asks, task_in_doubt};
use crate::graph::StepId;
use crate::journal::Halt;
use crate::render::escape_control;
use crate::render::status::{Extent, halt};

/// What a person has to confirm so that a halted run can continue; empty if nothing.
pub(super) fn halt_help(artifact: &Artifact, halt: &Halt, invocation: Invocation<'_>) -> String {
    if let Some(step) = task_in_doubt(artifact, halt) {
        return format!(
            "Say whether it was done: `{}`, or `{}`.\n",
            invocation.line("confirm", &format!("{step} --reason WHY")),
            invocation.line("confirm", &format!("{step} --not-done --reason WHY"))
        );
    }
    gate_that_asks(artifact, halt).map_or(String::new(), |step| {
        let line = invocation.line("confirm", &format!("{step} --reason WHY"));
        format!("To let it pass anyway, run `{line}`.\n")
    })
}

/// Shows why a run, or a part of it, stopped.
pub(super) fn show_halt(
    artifact: &Artifact,
    state: &RunState,
    stopped: &Halt,
    extent: Extent,
) -> Result<(), Failure> {
    let shown = Document(vec![halt(artifact, Stopped::of(artifact, state, stopped), extent)]);
    print_out(&shown.text(styling(&std::io::stdout())))
}

/// What a person has to do so that a run can continue; empty if nothing.
pub(super) fn manual_tasks(
    artifact: &Artifact,
    state: &RunState,
    invocation: Invocation<'_>,
) -> String {
    by_hand(artifact, state).map(|(step, words)| manual_task(step, words, invocation)).collect()
}

/// What a person has to do at a step, and how to confirm it.
pub(super) fn manual_task(step: &StepId, words: &str, invocation: Invocation<'_>) -> String {
    let line = invocation.line("confirm", &format!("{step} --reason WHY"));
    format!(
        "{step} waits for a person: {}\nWhen it is done, run `{line}`.\n",
        escape_control(words)
    )
}
