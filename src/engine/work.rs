//! Tasks: what comes next, and what came of it.
//!
//! A command is started and looked after; nothing else waits for it. What a process that died had
//! started may still run: its outcome is known when its time is over and the check has spoken, or a
//! person. A command that says no is not run again by itself.

use std::time::Duration;

use super::poll::{LOOK_EVERY, Memory, Next};
use super::{RunState, StepState};
use crate::calendar::{Moment, Timestamp, later};
use crate::graph::Step;
use crate::graph::task::Task;
use crate::journal::{Event, HaltReason};
use crate::observe::{Answer, NoEnd, Query, Said};
use crate::spec::task::Work;

/// How often the check of a person's work is run. Our choice.
const CHECK_EVERY: Duration = Duration::from_secs(60);
/// How long a check may take. Our choice: it looks, and does nothing.
const CHECK_MAX: Duration = Duration::from_secs(60);

fn check(argv: &[String]) -> Vec<Query> {
    vec![Query::Command { argv: argv.to_vec(), within: CHECK_MAX }]
}

/// What comes next of a task.
pub(super) fn next<'a>(
    state: &RunState,
    place: usize,
    memory: &Memory,
    moment: Moment,
    step: &'a Step,
    task: &'a Task,
) -> Next<'a> {
    let now = moment.at;
    match (&task.work, state.at(place)) {
        (Work::Manual(_), _) => match &task.check {
            Some(argv) if memory.is_due(&step.id, now) && memory.busy(&step.id, now).is_none() => {
                Next::Probe { step, queries: check(argv) }
            }
            Some(_) | None if memory.is_asked(&step.id, now) => {
                Next::Await { until: later(now, LOOK_EVERY) }
            }
            Some(_) | None => {
                let step_id = step.id.to_string();
                Next::Ask { step, queries: vec![Query::Confirmed { step: step_id }] }
            }
        },
        (Work::Command(_), StepState::Pending { .. } | StepState::InDoubt { .. })
            if let Some(until) = memory.busy(&step.id, now) =>
        {
            Next::Busy { until }
        }
        (Work::Command(_), StepState::Pending { .. }) => match &task.check {
            Some(argv) if !memory.seen_before.contains(&step.id) => {
                Next::Probe { step, queries: check(argv) }
            }
            Some(_) | None => Next::Record(Event::Begun { step: step.id.clone() }),
        },
        (Work::Command(argv), StepState::Begun) => match memory.running.get(&step.id) {
            None => Next::Start { step, argv, within: task.within },
            Some(looked) if now < later(*looked, LOOK_EVERY) => {
                Next::Busy { until: later(*looked, LOOK_EVERY) }
            }
            Some(_) => {
                let step_id = step.id.to_string();
                Next::Ask { step, queries: vec![Query::Ended { step: step_id }] }
            }
        },
        (Work::Command(_), StepState::InDoubt { since }) => {
            // Nobody kills what a process that died has started: it ends by itself, or not.
            let left = state.remaining(place, task.within, moment);
            let over = later(since, task.within).max(later(now, left));
            match &task.check {
                None => Next::Record(undecided(
                    step,
                    "it was begun, and nobody knows what came of it: there is no `check`",
                )),
                Some(argv) if now >= over || !memory.seen_before.contains(&step.id) => {
                    Next::Probe { step, queries: check(argv) }
                }
                Some(_) => Next::Sleep { until: over, is_wait: false },
            }
        }
        (
            Work::Command(_),
            StepState::Written { .. }
            | StepState::Waiting { .. }
            | StepState::Probing { .. }
            | StepState::Done { .. },
        ) => unreachable!(
            "a task is not written, waited for or probed, and a done step is not polled"
        ),
    }
}

fn halted(step: &Step, reason: HaltReason, detail: impl Into<String>) -> Event {
    Event::Halted { step: step.id.clone(), reason, detail: detail.into(), differences: Vec::new() }
}

fn undecided(step: &Step, detail: &str) -> Event {
    halted(step, HaltReason::Undecided, detail)
}

/// After a command was started, or could not be.
pub fn started(
    memory: &mut Memory,
    step: &Step,
    answer: Result<(), String>,
    now: Timestamp,
) -> Vec<Event> {
    match answer {
        Ok(()) => {
            memory.running.insert(step.id.clone(), now);
            Vec::new()
        }
        Err(why) => {
            vec![Event::NotMade { step: step.id.clone() }, halted(step, HaltReason::Failed, why)]
        }
    }
}

/// After something was asked for a task.
pub fn asked(
    state: &RunState,
    place: usize,
    memory: &mut Memory,
    step: &Step,
    task: &Task,
    answer: Answer,
    moment: Moment,
) -> Vec<Event> {
    let now = moment.at;
    let id = || step.id.clone();
    match answer {
        Answer::Confirmed(Some(reason)) => vec![Event::Allowed { step: id(), reason }],
        Answer::Confirmed(None) => {
            memory.note_asked(&step.id, now, LOOK_EVERY);
            Vec::new()
        }
        // Not ended yet.
        Answer::Ended(None) => {
            memory.running.insert(id(), now);
            Vec::new()
        }
        Answer::Ended(Some(Ok(Said { code: Some(0), output, .. }))) => {
            memory.running.remove(&step.id);
            vec![Event::Did { step: id(), output }]
        }
        Answer::Ended(Some(Ok(Said { code, output, broke_down: _ }))) => {
            memory.running.remove(&step.id);
            memory.seen_before.remove(&step.id);
            let how = match code {
                Some(code) => format!("it ended with code {code}"),
                None => "it was ended by a signal".to_owned(),
            };
            let detail = if output.is_empty() { how } else { format!("{how}: {output}") };
            vec![Event::NotMade { step: id() }, halted(step, HaltReason::Failed, detail)]
        }
        Answer::Ended(Some(Err(NoEnd::NotRun(why)))) => {
            memory.running.remove(&step.id);
            started(memory, step, Err(why), now)
        }
        // In the middle of what it did.
        Answer::Ended(Some(Err(NoEnd::Cut(why)))) => {
            memory.running.remove(&step.id);
            memory.seen_before.remove(&step.id);
            vec![Event::Unsure { step: id(), detail: why }]
        }
        Answer::Command(said) => checked(state, place, memory, step, task, said, moment),
        Answer::Held(_) | Answer::Served(_) | Answer::Resolved(_) | Answer::Http(_) => {
            unreachable!("an answer of the question's kind")
        }
    }
}

/// After the check has spoken.
fn checked(
    state: &RunState,
    place: usize,
    memory: &mut Memory,
    step: &Step,
    task: &Task,
    said: Result<Said, String>,
    moment: Moment,
) -> Vec<Event> {
    let id = || step.id.clone();
    let is_manual = matches!(task.work, Work::Manual(_));
    match said {
        Ok(Said { code: Some(0), output, .. }) => vec![Event::Did { step: id(), output }],
        // A person is not done yet, or the check cannot tell.
        _ if is_manual => {
            memory.note_checked(&step.id, moment.at, CHECK_EVERY);
            Vec::new()
        }
        // A check that has broken down says nothing.
        Ok(Said { code: Some(1), broke_down: false, .. }) => match state.at(place) {
            // What is in doubt may still come about, until its time is over.
            StepState::InDoubt { since } => {
                let left = state.remaining(place, task.within, moment);
                let is_over = moment.at >= later(since, task.within) && left.is_zero();
                memory.seen_before.insert(id());
                if is_over { vec![Event::NotMade { step: id() }] } else { Vec::new() }
            }
            StepState::Pending { .. }
            | StepState::Begun
            | StepState::Written { .. }
            | StepState::Waiting { .. }
            | StepState::Probing { .. }
            | StepState::Done { .. } => {
                memory.seen_before.insert(id());
                Vec::new()
            }
        },
        Ok(Said { code, output, broke_down: _ }) => {
            let code = code.map_or("a signal".to_owned(), |code| format!("code {code}"));
            vec![undecided(step, &format!("its check ended with {code}: {output}"))]
        }
        Err(why) => vec![undecided(step, &format!("its check cannot be run: {why}"))],
    }
}
