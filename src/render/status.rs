//! The state of a run as text: what is done, what it waits for, what stopped it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono_tz::Tz;
use cutover_contract::{RrKey, RrSet};

use super::calendar::awaited;
use super::difference::difference;
use super::{Paint, Styling, escape_control, is_by_hand, lines};
use crate::artifact::Artifact;
use crate::calendar::window::{SEARCH_MAX, Windows};
use crate::calendar::{Timestamp, later, show_exact, show_instant, show_instant_in, show_span};
use crate::engine::gate::Tally;
use crate::engine::poll::opening;
use crate::engine::{
    ChangeState, CheckpointState, GateState, Made, RunState, StepState, TaskState, WaitState,
};
use crate::graph::{Primitive, Step, StepId};
use crate::journal::{Difference, Entry, Event, Halt, HaltReason};

/// Shows the state of a run.
#[must_use]
pub fn status(artifact: &Artifact, state: &RunState, now: Timestamp, styling: Styling) -> String {
    let what = if artifact.is_way_back() { "way back of" } else { "run" };
    let headline = format!("{what} {}: {}", artifact.name, headline(artifact, state, now));
    let goes_back = artifact.is_way_back() || state.turned_back.is_some();
    let mut text =
        format!("{}\n{}\n\n", styling.paint(Paint::Heading, &headline), state.artifact());
    if let (None, Some(halted)) = (&state.finished, &state.halted) {
        text += &format!("{}\n", halt(artifact, state, Stop::Whole(halted), goes_back, styling));
    }
    if let (None, None) = (&state.finished, &state.halted) {
        for aside in state.aside() {
            text += &format!("{}\n", halt(artifact, state, Stop::Aside(aside), goes_back, styling));
        }
    }
    for (step, detail) in state.behind().filter(|_| is_running(state)) {
        text += &format!("  ! {step}: {}\n\n", escape_control(detail));
    }
    let steps = artifact.graph.steps();
    let ready: BTreeSet<usize> = state.ready().filter(|_| is_running(state)).collect();
    for (place, step) in steps.iter().enumerate() {
        let closed = step.window.as_ref().filter(|windows| !windows.is_open(now));
        let closed = closed.filter(|_| ready.contains(&place));
        let asked = is_by_hand(step) && ready.contains(&place);
        text += &row(step, state.at(place), closed, asked, now);
    }
    let done = (0..steps.len()).filter(|p| state.at(*p).is_done()).count();
    text += &format!("\n{done} of {} steps done", steps.len());
    if let Some(to) = &state.turned_back {
        text += &format!("; turned back to {to}");
    }
    if let Some(by) = &state.replaced {
        text += &format!("; superseded by {}", by.short());
    }
    match (&state.finished, &state.halted) {
        (Some(at), _) => text += &format!("; finished {}\n", show_instant(*at, now)),
        (None, Some(_)) => text.push('\n'),
        (None, None) => text += &next(artifact, state, now),
    }
    text
}

/// The state of a run in one line: what stopped it, or how long it takes at least.
fn headline(artifact: &Artifact, state: &RunState, now: Timestamp) -> String {
    if let Some(at) = state.finished {
        return format!("finished {}", show_instant(at, now));
    }
    if let Some(Halt { step, reason, .. }) = &state.halted {
        return halted_at(artifact, step, *reason);
    }
    let by_hand = state.ready().filter(|_| is_running(state));
    let by_hand = by_hand.map(|place| &artifact.graph.steps()[place]);
    match by_hand.filter(|step| is_by_hand(step)).map(|step| step.id.as_str()).next() {
        Some(step) => format!("{step} waits for a person"),
        None => format!("at least {} left", show_span(left(artifact, state, now))),
    }
}

/// How long the rest of a run takes if nothing goes wrong and people and programs need no time.
fn left(artifact: &Artifact, state: &RunState, now: Timestamp) -> Duration {
    let forecast: BTreeMap<&StepId, Duration> = artifact
        .forecast
        .iter()
        .map(|one| (&one.step, one.end.saturating_sub(one.begin)))
        .collect();
    let since_now = |at: Timestamp| (at - now).to_std().unwrap_or_default();
    let mut ends: BTreeMap<&StepId, Duration> = BTreeMap::new();
    for (place, step) in artifact.graph.steps().iter().enumerate() {
        let before = step.after.keys().filter_map(|id| ends.get(id)).max().copied();
        let ready = before.unwrap_or_default();
        let whole = forecast.get(&step.id).copied().unwrap_or_default();
        let end = match state.at(place) {
            StepState::Wait(WaitState::Running { until }) => since_now(until),
            is if is.is_done() => Duration::ZERO,
            // A checkpoint waits for its window, which the forecast does not know.
            is if is.is_pending() => match opening(step, later(now, ready)) {
                Some(opens) => since_now(opens),
                None => ready + whole,
            },
            StepState::Change(_)
            | StepState::Wait(_)
            | StepState::Gate(_)
            | StepState::Task(_)
            | StepState::Checkpoint(_) => ready + whole,
        };
        ends.insert(&step.id, end);
    }
    let longest = ends.values().max().copied().unwrap_or_default();
    Duration::from_secs(longest.as_secs())
}

/// Said of a step that is set aside.
const OTHERS_CONTINUE: &str = "steps that do not depend on it continue";

fn halted_at(artifact: &Artifact, step: &StepId, reason: HaltReason) -> String {
    format!("halted at {step}: {}", reason.words(artifact.graph.get(step)))
}

fn is_running(state: &RunState) -> bool {
    let may_begin = state.opened.is_some() && !state.leaves();
    may_begin && state.finished.is_none() && state.halted.is_none()
}

fn next(artifact: &Artifact, state: &RunState, now: Timestamp) -> String {
    let waits = state.ready().filter_map(|place| {
        let step = &artifact.graph.steps()[place];
        match (state.at(place), &step.primitive) {
            (StepState::Wait(WaitState::Running { until }), _) => {
                let held = state.held_until(place, now.into());
                Some((until.max(held.unwrap_or(until)), step, "ends"))
            }
            (StepState::Gate(GateState::Probing { last, .. }), Primitive::Gate(gate)) => {
                Some((later(last, gate.pace.every), step, "is asked again"))
            }
            (is, _) if is.is_pending() => match state.held_until(place, now.into()) {
                Some(until) => Some((until, step, "waits until somebody else's records expire:")),
                None => Some((opening(step, now)?, step, "can be reached")),
            },
            (_, _) => None,
        }
    });
    let soonest = waits.min_by_key(|(until, ..)| *until).map(|(until, step, word)| {
        let zone = step.window.as_ref().map_or(Tz::UTC, Windows::zone);
        match until > now {
            true => format!("; next: {} {word} {}", step.id, show_instant_in(until, now, zone)),
            false => {
                format!("; next: {}, as soon as every server serves what it waits for", step.id)
            }
        }
    });
    let mut by_hand = state.ready().map(|place| &artifact.graph.steps()[place]);
    let asked = by_hand.find(|step| is_running(state) && is_by_hand(step));
    let asked = asked.map(|step| format!("; {} waits for a person", step.id));
    format!("{}{}\n", asked.unwrap_or_default(), soonest.unwrap_or_default())
}

/// A step and its state. `closed` has the windows that it waits for; `asked` says whether it waits
/// for a person.
fn row(
    step: &Step,
    state: StepState,
    closed: Option<&Windows>,
    asked: bool,
    now: Timestamp,
) -> String {
    let (mark, word) = match state {
        StepState::Change(ChangeState::Begun) | StepState::Task(TaskState::Begun) => {
            ('>', "begun".into())
        }
        StepState::Change(ChangeState::InDoubt { .. })
        | StepState::Task(TaskState::InDoubt { .. }) => ('?', "outcome unknown".into()),
        StepState::Change(ChangeState::Written { at }) => {
            ('>', format!("written {}, propagating", show_instant(at, now)))
        }
        StepState::Wait(WaitState::Running { until }) => {
            ('~', format!("until {}", show_instant(until, now)))
        }
        StepState::Gate(GateState::Probing { tally, last }) => {
            let Tally { passed, failed, inconclusive, .. } = tally;
            let open = match inconclusive {
                0 => String::new(),
                count => format!(", {count} inconclusive"),
            };
            let asked = show_instant(last, now);
            ('?', format!("{passed} passed, {failed} failed{open}, last asked {asked}"))
        }
        StepState::Change(ChangeState::Done { at })
        | StepState::Wait(WaitState::Done { at })
        | StepState::Gate(GateState::Done { at })
        | StepState::Task(TaskState::Done { at })
        | StepState::Checkpoint(CheckpointState::Done { at }) => {
            ('x', format!("done {}", show_instant(at, now)))
        }
        StepState::Change(ChangeState::Pending)
        | StepState::Wait(WaitState::Pending | WaitState::Lapsed { .. })
        | StepState::Gate(GateState::Pending)
        | StepState::Task(TaskState::Pending)
        | StepState::Checkpoint(CheckpointState::Pending) => match (asked, closed) {
            (true, _) => ('~', format!("waits for a person: {}", escape_control(&step.title))),
            (false, Some(windows)) => ('~', waiting(windows, now)),
            (false, None) => (' ', String::new()),
        },
    };
    format!("  [{mark}] {}  {word}", step.id).trim_end().to_owned() + "\n"
}

fn waiting(windows: &Windows, now: Timestamp) -> String {
    let opens = match windows.next_open(now) {
        Some(at) => format!("opens at {}", show_instant_in(at, now, windows.zone())),
        None => format!("does not open within {}", show_span(SEARCH_MAX)),
    };
    format!("waits for {}, {opens}", awaited(windows))
}

/// What stopped.
#[derive(Clone, Copy, Debug)]
pub enum Stop<'h> {
    /// The whole run.
    Whole(&'h Halt),
    /// A step, and the steps that depend on it.
    Aside(&'h Halt),
}

/// Shows why a run or a part of it stopped, with the planned, expected and live records.
#[must_use]
pub fn halt(
    artifact: &Artifact,
    state: &RunState,
    stop: Stop<'_>,
    goes_back: bool,
    styling: Styling,
) -> String {
    let (Stop::Whole(halt) | Stop::Aside(halt)) = stop;
    let Halt { step, reason, detail, differences } = halt;
    let made = state.made(artifact, halt);
    let at = artifact.graph.get(step);
    let is_task = at.is_some_and(Step::is_task);
    let heading = match stop {
        Stop::Aside(_) => {
            format!("set aside: {step}: {}; {OTHERS_CONTINUE}", reason.words(at))
        }
        Stop::Whole(_) => halted_at(artifact, step, *reason),
    };
    let heading = styling.paint(Paint::Heading, &heading);
    let mut text = format!("{heading}\n");
    if !detail.is_empty() {
        text += &format!("  {}\n", escape_control(detail).trim().replace('\n', "\n  "));
    }
    for Difference { key, planned, expected, live } in differences {
        for (word, rrset) in [("planned", planned), ("expected", expected), ("live", live)] {
            text += &version(word, key, rrset.as_ref());
        }
        text += "  from expected to live:\n";
        text += &difference(
            &lines(key, expected.as_ref()),
            &lines(key, live.as_ref()),
            "    ",
            styling,
        );
    }
    text += &match made {
        Some(Made::Nothing) => "\nNothing was written. ".to_owned(),
        Some(Made::Part { written, all }) => {
            format!("\n{written} of its {all} RRsets are written, the others are not. ")
        }
        Some(Made::All) => "\nAll of it was written. ".to_owned(),
        Some(Made::Overwritten) => {
            "\nIt was written, but somebody else has overwritten it since. ".to_owned()
        }
        Some(Made::Unknown) => {
            "\nIt is unknown whether it was written: check at the provider. ".to_owned()
        }
        None => "\nNo step after it has begun. ".to_owned(),
    };
    let again = if goes_back { "roll back again" } else { "apply again" };
    let ttls = differences.iter().filter_map(|one| Some(one.live.as_ref()?.ttl().duration()));
    if let (HaltReason::Drift, Some(ttl)) = (reason, ttls.max()) {
        let ttl = show_span(ttl);
        text += &format!(
            "Resolvers may cache the live records for {ttl}; the run waits that long after they are replaced. "
        );
    }
    text += &match (reason, goes_back) {
        (HaltReason::Drift, true) => {
            format!("Restore the expected records and {again}.\n")
        }
        (HaltReason::Drift, false) => format!(
            "Restore the expected records and {again}, or plan again from live DNS: `apply --replan`.\n"
        ),
        (HaltReason::Refused, _) => format!("Fix the cause and {again}.\n"),
        (HaltReason::Unpublished, true) => {
            format!("The servers may still serve the old version. Fix the cause and {again}.\n")
        }
        (HaltReason::Unpublished, false) => format!(
            "The servers may still serve the old version. Fix the cause and {again}, or undo it with `cutover rollback`, which restores the records first and then tells the servers.\n"
        ),
        (HaltReason::Unanswered, _) => format!("Bring the server back and {again}.\n"),
        (HaltReason::Undecided, _) if is_task => {
            "Find out whether it was done, then confirm it.\n".to_owned()
        }
        (HaltReason::Failed, _) if is_task => {
            format!("Fix the cause and {again}: the task runs again unless it is done.\n")
        }
        (HaltReason::Failed | HaltReason::Undecided, _) => format!(
            "Fix the cause and {again}: the gate starts over. Or roll back with `cutover rollback`.\n"
        ),
        (HaltReason::NoWayBack, _) => {
            format!("Fix the cause and {again}: from here you can only move forward.\n")
        }
    };
    text
}

fn is_gate(artifact: &Artifact, step: &StepId) -> bool {
    let step = artifact.graph.get(step);
    step.is_some_and(|step| matches!(step.primitive, Primitive::Gate(_)))
}

fn version(word: &str, key: &RrKey, rrset: Option<&RrSet>) -> String {
    let mut shown = lines(key, rrset);
    if shown.is_empty() {
        shown.push(format!("{}  no {} records", key.name, key.rtype));
    }
    shown.iter().map(|line| format!("  {word:<9} {}\n", escape_control(line))).collect()
}

/// A journal entry as a line: when, and what.
#[must_use]
pub fn entry(artifact: &Artifact, entry: &Entry) -> String {
    let what = match &entry.event {
        Event::Opened { name, .. } => format!("run of {name} opened"),
        Event::Resumed { .. } => "resumed".into(),
        Event::Begun { step } => format!("{step}: begun"),
        Event::Written { step, serial: Some(serial) } => {
            format!("{step}: written, serial {serial}")
        }
        Event::Written { step, serial: None } => format!("{step}: written"),
        Event::Unsure { step, detail } => {
            format!("{step}: outcome unknown: {detail}")
        }
        Event::NotMade { step } => format!("{step}: not made"),
        Event::NotDone { step, reason } => {
            format!("{step}: not done, according to a person: {reason}")
        }
        Event::Propagated { step, servers: 0 } => {
            format!("{step}: assumed to be served everywhere")
        }
        Event::Propagated { step, servers } => {
            format!("{step}: served by {}", super::count(*servers, "server"))
        }
        Event::WaitBegun { step, until, .. } => format!("{step}: until {}", show_exact(*until)),
        Event::Lapsed { step, detail } => format!("{step}: starts over: {detail}"),
        Event::Behind { step, detail } => format!("{step}: {detail}"),
        Event::WaitEnded { step } => format!("{step}: over"),
        Event::Reached { step } => format!("{step}: reached"),
        Event::Halted(Halt { step, .. }) => format!("{step}: halted"),
        Event::SetAside(Halt { step, reason, .. }) => {
            let why = reason.words(artifact.graph.get(step));
            format!("{step}: set aside: {why}; {OTHERS_CONTINUE}")
        }
        Event::Probed { step, finding, detail } if detail.is_empty() => {
            format!("{step}: {}", finding.word())
        }
        Event::Probed { step, finding, detail } => {
            format!("{step}: {}: {detail}", finding.word())
        }
        Event::Did { step, output } if output.is_empty() => format!("{step}: done"),
        Event::Did { step, output } => format!("{step}: done: {output}"),
        Event::Allowed { step, reason } if is_gate(artifact, step) => {
            format!("{step}: allowed to pass by a person: {reason}")
        }
        Event::Allowed { step, reason } => format!("{step}: confirmed by a person: {reason}"),
        Event::TurnedBack { to, because: None } => format!("turned back to {to}"),
        Event::TurnedBack { to, because: Some(gate) } => {
            format!("turned back to {to}, because {gate} failed")
        }
        Event::Replaced { by } => format!("superseded by {by}"),
        Event::Told { seq, notice: _, occasion, step, problem } => {
            let of = step.as_ref().map_or(String::new(), |step| format!(" at {step}"));
            let what = format!("of `{}`{of} (entry {seq})", occasion.word());
            match problem {
                None => format!("notified {what}"),
                Some(problem) => format!("could not notify {what}: {problem}"),
            }
        }
        Event::Finished => "finished".into(),
    };
    // One line per entry: untrusted text must not pass for another entry.
    format!("{}  {}", show_exact(entry.at), escape_control(&what).replace('\n', " "))
}
