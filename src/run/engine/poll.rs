//! What to do next.
//!
//! [`poll`] looks at the artifact, the state, the little that this process remembers, and the time, and
//! names one thing to do. Steps that are ready at the same time are done in the order of the graph. No
//! step waits for another step's wait or slow server unless it depends on that step.

use cutover_contract::{Change, ChangeSet};
use cutover_zone::RrSet;

use super::gate::{self, Judgement};
use super::memory::{Doubt, Memory, StepMemory};
use super::next::{Look, Next, Pause, See};
use super::state::Standing;
use super::{ChangeState, CheckpointState, GateState, RunState, TaskState, WaitState, work};
use crate::artifact::Artifact;
use crate::journal::{Event, Halt, HaltReason};
use cutover_base::calendar::window::SEARCH_MAX;
use cutover_base::calendar::{Moment, Timestamp, later, show_second};
use cutover_steps::authority::Authority;
use cutover_steps::graph::gate::{Failing, Gate};
use cutover_steps::graph::{Primitive, SAMPLE_MAX, Step, Wait, sample};
use cutover_steps::probe;

/// Names one thing to do.
#[must_use]
pub fn poll<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    memory: &Memory,
    now: Moment,
) -> Next<'a> {
    if let Some(next) = state.unsent.first().filter(|_| notifies_now(artifact, state, memory)) {
        return Next::Notify { notification: next.clone() };
    }
    if state.finished.is_some() {
        return Next::Finished;
    }
    if state.halted.is_some() {
        return Next::Halted;
    }
    let mut sleep: Option<(Timestamp, Pause)> = None;
    let mut busy: Option<Timestamp> = None;
    let mut person: Option<Timestamp> = None;
    let mut open = false;
    let sooner =
        |known: Option<Timestamp>, other| Some(known.map_or(other, |known| known.min(other)));
    for place in state.open(artifact) {
        open = true;
        let Some(next) = of_step(artifact, state, memory, now, place) else { continue };
        if let Next::Sleep { until, pause } = next {
            if sleep.is_none_or(|(other, _)| until < other) {
                sleep = Some((until, pause));
            }
        } else if let Next::Busy { until } = next {
            busy = sooner(busy, until);
        } else if let Next::Await { until } = next {
            person = sooner(person, until);
        } else {
            return next;
        }
    }
    match (open, busy, sleep, person) {
        (false, ..) => Next::Record(state.halt_of_aside().unwrap_or(Event::Finished)),
        // The next look is soon enough to notice the end of any wait.
        (true, Some(until), _, _) => Next::Busy { until },
        (true, None, Some((until, pause)), _) => Next::Sleep { until, pause },
        (true, None, None, Some(until)) => Next::Await { until },
        // A graph without circles always has a step that is ready. But a gate that has to be asked
        // again waits while other steps are set aside.
        (true, None, None, None) => state.halt_of_aside().map_or(Next::Halted, Next::Record),
    }
}

/// Whether notifications are sent now. They are not sent while mail still has to be routed back: a
/// receiver that does not answer would delay that. A run that was turned back sends them once its way
/// back has routed mail back.
fn notifies_now(artifact: &Artifact, state: &RunState, memory: &Memory) -> bool {
    if state.halted.is_some() {
        return true;
    }
    if state.turned_back.is_some() {
        return memory.announces_rollback;
    }
    let mut steps = artifact.graph.steps().iter().enumerate();
    let is_back = |(place, step): (usize, &Step)| {
        !step.routes_mail() || state.at(place).is_done() || state.aside.contains_key(&place)
    };
    !artifact.is_way_back() || steps.all(is_back)
}

/// What to do next for a step; `None` if it is done.
pub(super) fn of_step<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    memory: &Memory,
    moment: Moment,
    place: usize,
) -> Option<Next<'a>> {
    let now = moment.at;
    let step = &artifact.graph.steps()[place];
    let whole_memory = memory;
    let memory = whole_memory.of(&step.id);
    if let Some(until) = memory.paused(now) {
        return Some(Next::Sleep { until, pause: Pause::Retry });
    }
    let standing = state.standing(step, place);
    if let Standing::Checkpoint(_, CheckpointState::Pending)
    | Standing::Change(_, ChangeState::Pending)
    | Standing::Task(_, TaskState::Pending) = standing
        && opening(step, now).is_none()
        && let Some(lacking) = state.evidence_lacking(artifact, place, moment)
    {
        // If the gate is open, it is asked as a step of its own.
        return lacking.lapses(step).map(Next::Record);
    }
    match standing {
        Standing::Checkpoint(_, CheckpointState::Pending) => Some(match opening(step, now) {
            Some(until) => Next::Sleep { until, pause: Pause::Window },
            None => Next::Record(reached(state, step, now)),
        }),
        Standing::Checkpoint(_, CheckpointState::Done { .. }) => None,
        Standing::Wait(wait, is) => of_wait(artifact, state, place, moment, (step, wait, is)),
        Standing::Gate(gate, is) => of_gate(artifact, state, memory, now, (step, gate, is)),
        Standing::Task(task, TaskState::Pending)
            if let Some(parent) = work::parent(artifact, task, whole_memory, memory) =>
        {
            Some(Next::AskEarlier { step, parent })
        }
        Standing::Task(task, is) => work::next(state, place, memory, moment, (step, task, is)),
        Standing::Change(change, is) => {
            // A step that is held up has been looked at, and is looked at again when it may begin.
            let is_held = memory.seen_before && state.held_until(place, moment).is_some();
            if is == ChangeState::Pending
                && !is_held
                && let Some((zone, relied)) = whole_memory.unseen(artifact, change.set.zone())
            {
                return Some(Next::LookAtRelied { step, zone, relied });
            }
            of_change(artifact, state, place, memory, moment, (step, &change.set, is))
        }
    }
}

/// A checkpoint is a place to rest, so approvals that no longer count hold the run up here and nowhere
/// else: what has begun after the last one is still finished.
fn reached(state: &RunState, step: &Step, now: Timestamp) -> Event {
    match state.expired(now) {
        None => Event::Reached { step: step.id.clone() },
        Some(expired) => {
            let detail = format!(
                "the approvals counted until {}; they are looked at when a run begins or is resumed, and before each checkpoint",
                show_second(expired)
            );
            Event::Halted(Halt::at(step, HaltReason::Unapproved, detail))
        }
    }
}

/// When the window of a step opens, or has to be looked at again; `None` if it is open now.
#[must_use]
pub fn opening(step: &Step, now: Timestamp) -> Option<Timestamp> {
    let windows = step.window.as_ref().filter(|windows| !windows.is_open(now))?;
    Some(windows.next_open(now).unwrap_or_else(|| later(now, SEARCH_MAX)))
}

fn of_gate<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    memory: &StepMemory,
    now: Timestamp,
    (step, gate, is): (&'a Step, &'a Gate, GateState),
) -> Option<Next<'a>> {
    if let Some(until) = memory.busy(now) {
        return Some(Next::Busy { until });
    }
    let ready = state.ready_since(artifact, step);
    let due = match is {
        GateState::Probing { tally, last } => match tally.judge(&gate.pace) {
            Judgement::Open => gate::again(gate, last),
            judgement @ (Judgement::Passed | Judgement::Failed | Judgement::Undecided) => {
                let detail = tally.summary(state.last_details.get(&step.id));
                let event = gate_ends(artifact, state, step, gate, judgement, detail);
                return Some(Next::Record(event));
            }
        },
        GateState::Pending => ready.map_or(now, |ready| gate::first(gate, ready)),
        GateState::Done { .. } => return None,
    };
    if let Some(until) = opening(step, now.max(due)) {
        return Some(Next::Sleep { until, pause: Pause::Window });
    }
    if now < due {
        return Some(Next::Sleep { until: due, pause: Pause::Gate });
    }
    Some(match gate::ask(artifact, gate, &memory.rounds, gate::since(ready, now)) {
        probe::Next::Ask(queries) => Next::Probe { step, queries },
        probe::Next::Found(finding, detail) => {
            Next::Record(Event::Probed { step: step.id.clone(), finding, detail })
        }
    })
}

/// The event to record when a gate has ended without passing.
fn gate_ends(
    artifact: &Artifact,
    state: &RunState,
    step: &Step,
    gate: &Gate,
    judgement: Judgement,
    detail: String,
) -> Event {
    let halted = |reason, detail: String| Event::Halted(Halt::at(step, reason, detail));
    match (judgement, &gate.on_fail) {
        (Judgement::Failed, Failing::Rollback { to }) => match state.way_back(artifact, to) {
            Ok(_) => Event::TurnedBack { to: to.clone(), because: Some(step.id.clone()) },
            Err(error) => halted(HaltReason::NoWayBack, format!("{detail}; {error}")),
        },
        (Judgement::Failed, Failing::Halt | Failing::Ask) => halted(HaltReason::Failed, detail),
        (Judgement::Undecided | Judgement::Open | Judgement::Passed, _) => {
            halted(HaltReason::Undecided, detail)
        }
    }
}

fn of_wait<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    place: usize,
    moment: Moment,
    (step, wait, is): (&'a Step, &'a Wait, WaitState),
) -> Option<Next<'a>> {
    let now = moment.at;
    let begun = |since| Next::Record(wait_begun(step, wait, since));
    let ready = || state.ready_since(artifact, step);
    match is {
        WaitState::Pending => Some(begun(ready().unwrap_or(now))),
        // The version that is waited out must first be replaced everywhere again.
        WaitState::Lapsed { at } => {
            let see = see(artifact, state, step, wait, See::Lapsed { wait, at });
            Some(see.unwrap_or_else(|| begun(ready().map_or(at, |ready| ready.max(at)))))
        }
        WaitState::Running { until } => {
            let left = state.remaining(place, wait.span, moment);
            if now < until || !left.is_zero() {
                return Some(Next::Sleep {
                    until: until.max(later(now, left)),
                    pause: Pause::Wait,
                });
            }
            // The version that was waited out must still be replaced everywhere.
            let ended = || match state.held_until(place, moment) {
                Some(until) => Next::Sleep { until, pause: Pause::ForeignRecords },
                None => Next::Record(Event::WaitEnded { step: step.id.clone() }),
            };
            let see = see(artifact, state, step, wait, See::AtEnd { until });
            Some(see.unwrap_or_else(ended))
        }
        WaitState::Done { .. } => None,
    }
}

/// How to see that servers serve the change whose old version is waited out. `None` if there is no server
/// to ask, or if a later change of the same RRsets is on its way: that change is checked by its own step.
fn see<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    step: &'a Step,
    wait: &Wait,
    see: See<'a>,
) -> Option<Next<'a>> {
    let place = artifact.graph.place(wait.over.as_ref()?)?;
    let Primitive::Change(changes) = &artifact.graph.steps()[place].primitive else { return None };
    let servers: Vec<&Authority> = artifact.zones[changes.zone()].asked().collect();
    if servers.is_empty() {
        return None;
    }
    let current: Vec<Change> = sample(changes.changes())
        .filter_map(|change| current(artifact, state, place, change))
        .collect();
    if current.is_empty() {
        return None;
    }
    let changes = ChangeSet::new(changes.zone().clone(), current);
    let changes = changes.expect("each RRset of a change set, with another version after it");
    Some(Next::See { step, changes, servers, see })
}

/// A change, with the version that has to be served by now: the last that this run has written since and
/// has seen everywhere. `None` while a later change is on its way.
fn current(artifact: &Artifact, state: &RunState, place: usize, change: &Change) -> Option<Change> {
    let mut current = change.clone();
    for (later, step) in artifact.graph.steps().iter().enumerate().skip(place + 1) {
        let Standing::Change(changes, is) = state.standing(step, later) else { continue };
        let Some(next) = changes.changes().iter().find(|next| next.key == change.key) else {
            continue;
        };
        match is {
            ChangeState::Done { .. } => current.after.clone_from(&next.after),
            ChangeState::Pending => break,
            ChangeState::Begun | ChangeState::InDoubt { .. } | ChangeState::Written { .. } => {
                return None;
            }
        }
    }
    // If a later change has restored the old version, that is no lapse: nothing is left to wait out.
    (current.after != current.before).then_some(current)
}

pub(super) fn wait_begun(step: &Step, wait: &Wait, since: Timestamp) -> Event {
    Event::WaitBegun { step: step.id.clone(), since, until: later(since, wait.span) }
}

fn of_change<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    place: usize,
    memory: &StepMemory,
    moment: Moment,
    (step, changes, is): (&'a Step, &'a ChangeSet, ChangeState),
) -> Option<Next<'a>> {
    let now = moment.at;
    let zone = &artifact.zones[changes.zone()];
    let look = |look| Some(Next::Look { step, changes, look });
    // The look comes before this wait: it is pointless while the foreign records are still there.
    let held = state.held_until(place, moment);
    let begin = || match held {
        Some(until) => Next::Sleep { until, pause: Pause::ForeignRecords },
        None => Next::Record(Event::Begun { step: step.id.clone() }),
    };
    match is {
        ChangeState::Pending if memory.seen_before => Some(begin()),
        // A look at so many RRsets reads the zone, and the adapter reads it anyway, to compare. The
        // engine looks only after the adapter has found a difference.
        ChangeState::Pending if changes.changes().len() > SAMPLE_MAX && memory.setbacks == 0 => {
            Some(begin())
        }
        ChangeState::Pending => look(Look::BeforeSending),
        ChangeState::Begun | ChangeState::InDoubt { .. } if memory.change.found => {
            Some(Next::Publish { step, zone: changes.zone() })
        }
        // The provider has confirmed it. It is read back before that is believed.
        ChangeState::Begun if memory.change.sent.is_some() => look(Look::AfterSending),
        ChangeState::Begun => Some(Next::Perform { step, changes }),
        ChangeState::InDoubt { since } => {
            let left = state.remaining(place, zone.settle_max, moment);
            let settled = later(since, zone.settle_max).max(later(now, left));
            // The second look comes when the change can no longer take effect.
            if memory.change.missed_once && now < settled {
                return Some(Next::Sleep { until: settled, pause: Pause::Doubt });
            }
            look(Look::InDoubt)
        }
        ChangeState::Written { .. } if memory.change.doubted == Some(Doubt::Open) => {
            look(Look::StillThere)
        }
        ChangeState::Written { at } => Some(match zone.served_within {
            Some(within) => {
                let left = state.remaining(place, within, moment);
                let served = later(at, within).max(later(now, left));
                // The way back assumes the same of what it writes there, and waits for that.
                if now < served && state.turned_back.is_some() {
                    let detail = "the run goes back before its servers are assumed to have it";
                    let (step, detail) = (step.id.clone(), detail.to_owned());
                    return Some(Next::Record(Event::Behind { step, detail }));
                }
                if now < served {
                    return Some(Next::Sleep { until: served, pause: Pause::Propagation });
                }
                Next::Record(Event::Propagated { step: step.id.clone(), servers: 0 })
            }
            None => {
                let asked = sample(changes.changes()).cloned().collect();
                let changes = ChangeSet::new(changes.zone().clone(), asked);
                let changes = changes.expect("a part of a change set is one");
                let servers = zone.asked().collect();
                Next::See { step, changes, servers, see: See::Written { at } }
            }
        }),
        ChangeState::Done { .. } => None,
    }
}

/// Whether what is live equals one side (`before` or `after`) of every change.
pub(super) fn all_equal<'c>(
    live: &[Option<RrSet>],
    side: impl Iterator<Item = &'c Option<RrSet>>,
) -> bool {
    live.iter().eq(side)
}
