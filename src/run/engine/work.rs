//! Tasks: what to do next, and what the outcome means.
//!
//! A command runs in the background and is looked at regularly; no other step waits for it. A command
//! that a dead process had started may still run. Its outcome is known when its time is over and the
//! check has answered, or when a person says so. A command that fails is not run again automatically.

use std::time::Duration;

use super::memory::{Memory, StepMemory};
use super::next::{Next, Pause};
use super::pace::LOOK_EVERY;
use super::{RunState, TaskState};
use crate::artifact::Artifact;
use crate::journal::{Event, Halt, HaltReason};
use cutover_base::calendar::{Moment, Timestamp, later};
use cutover_base::digest::Digest;
use cutover_steps::ask::{AskCommand, NoEnd, NotStarted, Query, Said};
use cutover_steps::graph::task::{Purpose, Task, Work};
use cutover_steps::graph::{Primitive, Step};

/// How often the check of a person's work is run. Our choice.
const CHECK_EVERY: Duration = Duration::from_secs(60);
/// How long a check may take. Our choice: it only looks, and changes nothing.
const CHECK_MAX: Duration = Duration::from_secs(60);

/// Runs the check of a task.
fn check<'a>(step: &'a Step, argv: &[String]) -> Next<'a> {
    let question = AskCommand { argv: argv.to_vec(), within: CHECK_MAX };
    Next::Probe { step, queries: vec![Query::Command(question)] }
}

/// The artifact of the run that may have done a task already; `None` if there is no such run, or if
/// it was asked for.
pub(super) fn parent(
    artifact: &Artifact,
    task: &Task,
    all: &Memory,
    memory: &StepMemory,
) -> Option<Digest> {
    let may_be_done = task.purpose == Purpose::Work && !artifact.is_way_back();
    let asks = all.asks_earlier && !memory.task.is_new;
    artifact.parent.filter(|_| may_be_done && asks)
}

/// What an earlier run has done of a task of the run that supersedes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// The same work. It stays done.
    Done {
        /// When.
        at: Timestamp,
    },
    /// The same work was still to be done; the run that it superseded itself may have done it.
    Open {
        /// The artifact of that run.
        parent: Digest,
    },
    /// Nothing, or other work.
    Nothing,
}

/// What a run has done of a task of its successor. Work is the same if the program with its
/// arguments, or what a person is told, is the same, and so is what checks it.
#[must_use]
pub fn done_of(artifact: &Artifact, state: &RunState, step: &Step) -> Earlier {
    match state.replaced.is_some() {
        true => done_if_replaced(artifact, state, step),
        false => Earlier::Nothing,
    }
}

/// The same as if the run had been superseded already.
#[must_use]
pub fn done_if_replaced(artifact: &Artifact, state: &RunState, step: &Step) -> Earlier {
    let place = artifact.graph.place(&step.id);
    // Going back may have undone it.
    let counts = state.turned_back.is_none() && !artifact.is_way_back();
    let Some(place) = place.filter(|_| counts) else {
        return Earlier::Nothing;
    };
    match (&artifact.graph.steps()[place].primitive, &step.primitive) {
        (Primitive::Task(theirs), Primitive::Task(ours))
            if theirs.work == ours.work && theirs.check == ours.check => {}
        (_, _) => return Earlier::Nothing,
    }
    match (state.at(place).done(), state.at(place).is_pending(), artifact.parent) {
        (Some(at), _, _) => Earlier::Done { at: state.kept(place).unwrap_or(at) },
        (None, true, Some(parent)) => Earlier::Open { parent },
        (None, _, _) => Earlier::Nothing,
    }
}

/// After the question what earlier runs have done of a task.
pub fn earlier(
    memory: &mut StepMemory,
    step: &Step,
    answer: Result<Option<Timestamp>, String>,
) -> Vec<Event> {
    match answer {
        Ok(None) => {
            memory.task.is_new = true;
            Vec::new()
        }
        Ok(Some(since)) => vec![Event::Kept { step: step.id.clone(), since }],
        Err(why) => {
            vec![undecided(step, &format!("the runs before this one cannot be read: {why}"))]
        }
    }
}

/// What to do next for a task; `None` if it is done.
pub(super) fn next<'a>(
    state: &RunState,
    place: usize,
    memory: &StepMemory,
    moment: Moment,
    (step, task, is): (&'a Step, &'a Task, TaskState),
) -> Option<Next<'a>> {
    let now = moment.at;
    let argv = match &task.work {
        Work::Command(argv) => argv,
        Work::Manual(_) => return Some(of_person(memory, now, step, task)),
    };
    match (is, memory.busy(now)) {
        (TaskState::Pending | TaskState::InDoubt { .. }, Some(until)) => Some(Next::Busy { until }),
        (TaskState::Pending, None) => Some(match &task.check {
            Some(argv) if !memory.seen_before => check(step, argv),
            Some(_) | None => Next::Record(Event::Begun { step: step.id.clone() }),
        }),
        (TaskState::Begun, _) => Some(match memory.task.looked {
            None => Next::Start { step, argv, within: task.within },
            Some(looked) if now < later(looked, LOOK_EVERY) => {
                Next::Busy { until: later(looked, LOOK_EVERY) }
            }
            Some(_) => Next::AskEnded { step },
        }),
        (TaskState::InDoubt { since }, None) => {
            // Nothing kills a command that a dead process has started, so its full time has to pass.
            let left = state.remaining(place, task.within, moment);
            let over = later(since, task.within).max(later(now, left));
            Some(match &task.check {
                None => Next::Record(undecided(
                    step,
                    "it was begun, and nobody knows what came of it: there is no `check`",
                )),
                Some(argv) if now >= over || !memory.seen_before => check(step, argv),
                Some(_) => Next::Sleep { until: over, pause: Pause::Doubt },
            })
        }
        (TaskState::Done { .. }, _) => None,
    }
}

/// What to do next for a task that a person does.
fn of_person<'a>(memory: &StepMemory, now: Timestamp, step: &'a Step, task: &'a Task) -> Next<'a> {
    match &task.check {
        Some(argv) if memory.task.is_check_due(now) && memory.busy(now).is_none() => {
            check(step, argv)
        }
        Some(_) | None if memory.task.is_asked(now) => {
            Next::Await { until: later(now, LOOK_EVERY) }
        }
        Some(_) | None => Next::AskPerson { step },
    }
}

fn halted(step: &Step, reason: HaltReason, detail: impl Into<String>) -> Event {
    Event::Halted(Halt::at(step, reason, detail))
}

fn undecided(step: &Step, detail: &str) -> Event {
    halted(step, HaltReason::Undecided, detail)
}

/// After a command was started, or could not be started.
pub fn started(
    memory: &mut StepMemory,
    step: &Step,
    answer: Result<(), NotStarted>,
    now: Timestamp,
) -> Vec<Event> {
    match answer {
        Ok(()) => {
            memory.task.looked = Some(now);
            Vec::new()
        }
        Err(NotStarted(why)) => not_run(step, why),
    }
}

/// The events of a command that did not run.
fn not_run(step: &Step, why: String) -> Vec<Event> {
    vec![Event::NotMade { step: step.id.clone() }, halted(step, HaltReason::Failed, why)]
}

/// After the question whether a person has confirmed that a task is done.
pub fn confirmed(
    memory: &mut StepMemory,
    step: &Step,
    answer: Option<String>,
    now: Timestamp,
) -> Vec<Event> {
    match answer {
        Some(reason) => vec![Event::Allowed { step: step.id.clone(), reason }],
        None => {
            memory.task.note_asked(now, LOOK_EVERY);
            Vec::new()
        }
    }
}

/// After the question whether a command has ended.
pub fn ended(
    memory: &mut StepMemory,
    step: &Step,
    answer: Option<Result<Said, NoEnd>>,
    now: Timestamp,
) -> Vec<Event> {
    let id = || step.id.clone();
    // A command that still runs is looked at again after a while.
    memory.task.looked = answer.is_none().then_some(now);
    match answer {
        None => Vec::new(),
        Some(Ok(Said { code: Some(0), output, .. })) => vec![Event::Did { step: id(), output }],
        Some(Ok(Said { code, output, broke_down: _ })) => {
            memory.seen_before = false;
            let how = match code {
                Some(code) => format!("it ended with code {code}"),
                None => "it was ended by a signal".to_owned(),
            };
            let detail = if output.is_empty() { how } else { format!("{how}: {output}") };
            vec![Event::NotMade { step: id() }, halted(step, HaltReason::Failed, detail)]
        }
        Some(Err(NoEnd::NotRun(why))) => not_run(step, why),
        // It was cut off while it ran, so nobody knows how much of it was done.
        Some(Err(NoEnd::Cut(why))) => {
            memory.seen_before = false;
            vec![Event::Unsure { step: id(), detail: why }]
        }
    }
}

/// After a check was run.
pub(super) fn checked(
    state: &RunState,
    place: usize,
    memory: &mut StepMemory,
    (step, task, is): (&Step, &Task, TaskState),
    said: &Result<Said, NoEnd>,
    moment: Moment,
) -> Vec<Event> {
    let id = || step.id.clone();
    let is_manual = matches!(task.work, Work::Manual(_));
    match said {
        Ok(Said { code: Some(0), output, .. }) => {
            vec![Event::Did { step: id(), output: output.clone() }]
        }
        // The person is not done yet, or the check cannot tell.
        _ if is_manual => {
            memory.task.note_checked(moment.at, CHECK_EVERY);
            Vec::new()
        }
        // A check that has broken down proves nothing, so it is not matched here.
        Ok(Said { code: Some(1), broke_down: false, .. }) => {
            memory.seen_before = true;
            let is_over = match is {
                // A command in doubt may still succeed until its time is over.
                TaskState::InDoubt { since } => {
                    let left = state.remaining(place, task.within, moment);
                    moment.at >= later(since, task.within) && left.is_zero()
                }
                TaskState::Pending | TaskState::Begun | TaskState::Done { .. } => false,
            };
            if is_over { vec![Event::NotMade { step: id() }] } else { Vec::new() }
        }
        Ok(Said { code, output, broke_down: _ }) => {
            let code = code.map_or("a signal".to_owned(), |code| format!("code {code}"));
            vec![undecided(step, &format!("its check ended with {code}: {output}"))]
        }
        Err(why) => vec![undecided(step, &format!("its check cannot be run: {why}"))],
    }
}
