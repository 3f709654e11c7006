//! Tasks: what comes next, and what came of it.
//!
//! A command is started and looked after; nothing else waits for it. What a process that died had
//! started may still run: its outcome is known when its time is over and the check has spoken, or a
//! person. A command that says no is not run again by itself.

use std::time::Duration;

use super::memory::StepMemory;
use super::next::{Next, Pause};
use super::pace::LOOK_EVERY;
use super::{RunState, TaskState};
use crate::calendar::{Moment, Timestamp, later};
use crate::graph::Step;
use crate::graph::task::Task;
use crate::journal::{Event, Halt, HaltReason};
use crate::observe::{AskCommand, NoEnd, Query, Said};
use crate::spec::task::Work;

/// How often the check of a person's work is run. Our choice.
const CHECK_EVERY: Duration = Duration::from_secs(60);
/// How long a check may take. Our choice: it looks, and does nothing.
const CHECK_MAX: Duration = Duration::from_secs(60);

/// The question that a check is.
fn check<'a>(step: &'a Step, argv: &[String]) -> Next<'a> {
    let question = AskCommand { argv: argv.to_vec(), within: CHECK_MAX };
    Next::Probe { step, queries: vec![Query::Command(question)] }
}

/// What comes next of a task; `None`: it is done.
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
            // Nobody kills what a process that died has started: it ends by itself, or not.
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

/// What comes next of a person's work.
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

/// After a command was started, or could not be.
pub fn started(
    memory: &mut StepMemory,
    step: &Step,
    answer: Result<(), String>,
    now: Timestamp,
) -> Vec<Event> {
    match answer {
        Ok(()) => {
            memory.task.looked = Some(now);
            Vec::new()
        }
        Err(why) => not_run(step, why),
    }
}

/// Nothing was done.
fn not_run(step: &Step, why: String) -> Vec<Event> {
    vec![Event::NotMade { step: step.id.clone() }, halted(step, HaltReason::Failed, why)]
}

/// After it was asked whether a person has said that a task is done.
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

/// After it was asked whether a command has ended.
pub fn ended(
    memory: &mut StepMemory,
    step: &Step,
    answer: Option<Result<Said, NoEnd>>,
    now: Timestamp,
) -> Vec<Event> {
    let id = || step.id.clone();
    // Not ended yet: it is looked at again after a while.
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
        // In the middle of what it did.
        Some(Err(NoEnd::Cut(why))) => {
            memory.seen_before = false;
            vec![Event::Unsure { step: id(), detail: why }]
        }
    }
}

/// After the check has spoken.
pub(super) fn checked(
    state: &RunState,
    place: usize,
    memory: &mut StepMemory,
    (step, task, is): (&Step, &Task, TaskState),
    said: &Result<Said, String>,
    moment: Moment,
) -> Vec<Event> {
    let id = || step.id.clone();
    let is_manual = matches!(task.work, Work::Manual(_));
    match said {
        Ok(Said { code: Some(0), output, .. }) => {
            vec![Event::Did { step: id(), output: output.clone() }]
        }
        // A person is not done yet, or the check cannot tell.
        _ if is_manual => {
            memory.task.note_checked(moment.at, CHECK_EVERY);
            Vec::new()
        }
        // A check that has broken down says nothing.
        Ok(Said { code: Some(1), broke_down: false, .. }) => {
            memory.seen_before = true;
            let is_over = match is {
                // What is in doubt may still come about, until its time is over.
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
