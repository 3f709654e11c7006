//! What comes next.
//!
//! [`poll`] looks at artifact, state, a little memory of this process, and the time, and names one
//! thing to do. Steps that are ready at the same time are done in the order of the graph; nothing
//! waits behind a wait or a slow server that does not have to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::{Change, ChangeSet, Name, Receipt, RrKey, RrSet};

use super::gate::{self, Judgement};
use super::tell::Untold;
use super::{RunState, StepState, work};
use crate::artifact::Artifact;
use crate::calendar::window::SEARCH_MAX;
use crate::calendar::{Moment, Timestamp, later};
use crate::graph::gate::{Failing, Gate};
use crate::graph::{Primitive, Step, StepId, Wait};
use crate::journal::{Event, HaltReason};
use crate::model::{ASKED_MAX, spread};
use crate::observe::Query;
use crate::probe::{self, Round};
use crate::spec::Authority;

/// How often servers are asked whether they serve a change: our choice; a server that has to be
/// notified takes about this long.
pub const SEE_EVERY: Duration = Duration::from_millis(500);
/// After how many questions the pace slows down to [`SEE_SLOWLY_EVERY`]: half a minute's worth.
pub const SEE_QUICKLY_COUNT: u32 = 60;
/// The slower pace: our choice, gentle to servers and quick enough for waits of minutes.
pub const SEE_SLOWLY_EVERY: Duration = Duration::from_secs(10);
/// How long a change may take to reach every server before the run halts. Our choice: secondaries
/// that are not notified refresh within an hour in most zones (RFC 1912 §2.2: 20 min to 2 h).
pub const SEE_MAX: Duration = Duration::from_secs(2 * 3_600);
/// How often somebody who cannot be reached is asked, a change that is not made is sent, and a wait
/// that lapses starts anew, before the run halts. Our choice.
pub const TRIES_MAX: u32 = 5;
/// How often somebody looks whether a command has ended, or a person has confirmed. Our choice.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest pause between two tries, whatever the other side asks for. Our choice: whoever wants
/// more than an hour has to be seen to by a person.
pub const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// What this process remembers besides the journal: lost with it, and never needed to be right.
#[derive(Debug, Default)]
pub struct Memory {
    /// Changes that this process has sent and the provider has confirmed.
    pub(super) sent: BTreeMap<StepId, Receipt>,
    /// Changes that this process did not see made and has found made: the servers may not have
    /// been told.
    pub(super) found: BTreeSet<StepId>,
    /// Steps that may be tried again only after some time, and how often nobody answered.
    pub(super) tries: BTreeMap<StepId, (u32, Timestamp)>,
    /// Changes in doubt that were looked for once and not found.
    pub(super) missed_once: BTreeMap<StepId, Timestamp>,
    /// Changes that were looked at and found as expected: they may begin.
    pub(super) seen_before: BTreeSet<StepId>,
    /// How often a change was sent and not made, or a wait lapsed; no answer in between resets it.
    pub(super) setbacks: BTreeMap<StepId, u32>,
    /// Commands of tasks that run, and when they were looked at last.
    pub(super) running: BTreeMap<StepId, Timestamp>,
    /// Until when nobody is asked whether a person has confirmed a task.
    pub(super) asked: BTreeMap<StepId, Timestamp>,
    /// Until when the check of a person's work is not run.
    pub(super) checked: BTreeMap<StepId, Timestamp>,
    /// What gates have asked and been answered since their last finding.
    pub(super) rounds: BTreeMap<StepId, Vec<Round>>,
    /// Written changes of which a server serves neither the new version nor the old one, or the old one
    /// for long: whether the provider still holds them is looked for, and when that was done last.
    pub(super) doubted: BTreeMap<StepId, Doubt>,
    /// What is being asked, by the step that it is asked for.
    pub(super) asking: BTreeMap<StepId, Vec<Query>>,
}

/// Whether a provider still holds what it held when a change was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It has to be looked for.
    Open,
    /// It was there at this time.
    Settled(Timestamp),
}

impl Memory {
    /// Doubts that a provider still holds what was written, unless that was looked for a moment ago.
    pub(super) fn doubt(&mut self, step: &StepId, now: Timestamp) {
        let doubt = self.doubted.entry(step.clone()).or_insert(Doubt::Open);
        if let Doubt::Settled(at) = doubt
            && later(*at, SEE_SLOWLY_EVERY) <= now
        {
            *doubt = Doubt::Open;
        }
    }

    /// Notes that something is being asked for a step.
    pub fn begun(&mut self, step: &Step, queries: Vec<Query>) {
        self.asking.insert(step.id.clone(), queries);
    }

    /// When to look again for what is being asked for a step; `None`: nothing is.
    pub(super) fn busy(&self, step: &StepId, now: Timestamp) -> Option<Timestamp> {
        self.asking.contains_key(step).then(|| later(now, LOOK_EVERY))
    }

    /// Whether the check of a person's work is to be run.
    pub(super) fn is_due(&self, step: &StepId, now: Timestamp) -> bool {
        self.checked.get(step).is_none_or(|until| *until <= now)
    }

    /// Whether it was asked a moment ago whether a person has confirmed.
    pub(super) fn is_asked(&self, step: &StepId, now: Timestamp) -> bool {
        self.asked.get(step).is_some_and(|until| now < *until)
    }

    pub(super) fn note_asked(&mut self, step: &StepId, now: Timestamp, pause: Duration) {
        self.asked.insert(step.clone(), later(now, pause));
    }

    pub(super) fn note_checked(&mut self, step: &StepId, now: Timestamp, pause: Duration) {
        self.checked.insert(step.clone(), later(now, pause));
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Next<'a> {
    /// Write this down; nothing has to be asked.
    Record(Event),
    /// Ask the provider what it holds; then [`super::outcome::looked`].
    Look {
        /// The step.
        step: &'a Step,
        /// The zone.
        zone: &'a Name,
        /// Which RRsets.
        keys: Vec<RrKey>,
    },
    /// Send the change; then [`super::outcome::performed`].
    Perform {
        /// The step.
        step: &'a Step,
        /// The change.
        changes: &'a ChangeSet,
    },
    /// Have the servers told of what the provider holds; then [`super::outcome::published`].
    Publish {
        /// The step.
        step: &'a Step,
        /// The zone.
        zone: &'a Name,
    },
    /// Ask every server for what it serves; then [`super::outcome::seen`].
    See {
        /// The step: a change that is to propagate, or a wait at its end or after a lapse.
        step: &'a Step,
        /// The change whose new version is to be served.
        changes: ChangeSet,
        /// Whom to ask.
        servers: Vec<&'a Authority>,
    },
    /// Ask what a gate's probe or a task's check wants to know, while the run goes on; then
    /// [`super::outcome::answered`].
    Probe {
        /// The step.
        step: &'a Step,
        /// The questions.
        queries: Vec<Query>,
    },
    /// Start a task's command; then [`super::work::started`].
    Start {
        /// The step.
        step: &'a Step,
        /// The program and its arguments.
        argv: &'a [String],
        /// How long it may take.
        within: Duration,
    },
    /// Ask something for a task; then [`super::work::asked`].
    Ask {
        /// The step.
        step: &'a Step,
        /// The question.
        queries: Vec<Query>,
    },
    /// A command runs that has to be looked after, or something is being asked.
    Busy {
        /// When to look again.
        until: Timestamp,
    },
    /// Nothing can be done before a person has done something.
    Await {
        /// When to look again.
        until: Timestamp,
    },
    /// Tell somebody; then [`super::outcome::told`].
    Tell {
        /// What.
        untold: Untold,
    },
    /// Nothing can be done before this.
    Sleep {
        /// Until when.
        until: Timestamp,
        /// Whether it is a wait of the plan, and not only a pause between questions.
        is_wait: bool,
    },
    /// The run stands still until somebody resumes it.
    Halted,
    /// Everything is done.
    Finished,
}

/// Names one thing to do.
#[must_use]
pub fn poll<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    memory: &Memory,
    now: Moment,
) -> Next<'a> {
    if let Some(untold) = state.untold.first() {
        return Next::Tell { untold: untold.clone() };
    }
    if state.finished.is_some() {
        return Next::Finished;
    }
    if state.halted.is_some() {
        return Next::Halted;
    }
    let mut sleep: Option<(Timestamp, bool)> = None;
    let mut busy: Option<Timestamp> = None;
    let mut person: Option<Timestamp> = None;
    let mut open = false;
    let sooner = |one: Option<Timestamp>, other| Some(one.map_or(other, |one| one.min(other)));
    for place in state.open(artifact) {
        open = true;
        let next = of_step(artifact, state, memory, now, place);
        if let Next::Sleep { until, is_wait } = next {
            if sleep.is_none_or(|(other, _)| until < other) {
                sleep = Some((until, is_wait));
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
        // Waits end no later than the next look.
        (true, Some(until), _, _) => Next::Busy { until },
        (true, None, Some((until, is_wait)), _) => Next::Sleep { until, is_wait },
        (true, None, None, Some(until)) => Next::Await { until },
        // A graph without circles always has a step that is ready.
        (true, None, None, None) => Next::Halted,
    }
}

fn of_step<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    memory: &Memory,
    moment: Moment,
    place: usize,
) -> Next<'a> {
    let now = moment.at;
    let step = &artifact.graph.steps()[place];
    if let Some((_, again)) = memory.tries.get(&step.id)
        && now < *again
    {
        return Next::Sleep { until: *again, is_wait: false };
    }
    match &step.primitive {
        Primitive::Checkpoint(_) => match opening(step, now) {
            Some(until) => Next::Sleep { until, is_wait: true },
            None => Next::Record(Event::Reached { step: step.id.clone() }),
        },
        Primitive::Wait(wait) => of_wait(artifact, state, place, moment, step, wait),
        Primitive::Gate(gate) => of_gate(artifact, state, memory, now, step, gate),
        Primitive::Task(task) => work::next(state, place, memory, moment, step, task),
        Primitive::Change(changes) => {
            of_change(artifact, state, place, memory, moment, &changes.set)
        }
    }
}

/// When a step that is closed at this instant opens, or has to be looked at again; `None`: it is open.
#[must_use]
pub fn opening(step: &Step, now: Timestamp) -> Option<Timestamp> {
    let windows = step.window.as_ref().filter(|windows| !windows.is_open(now))?;
    Some(windows.next_open(now).unwrap_or_else(|| later(now, SEARCH_MAX)))
}

fn of_gate<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    memory: &Memory,
    now: Timestamp,
    step: &'a Step,
    gate: &'a Gate,
) -> Next<'a> {
    if let Some(until) = memory.busy(&step.id, now) {
        return Next::Busy { until };
    }
    let ready = state.ready_since(artifact, step);
    let due = match state.of(artifact, &step.id) {
        StepState::Probing { tally, last } => match tally.judge(&gate.pace) {
            Judgement::Open => gate::again(gate, last),
            judgement @ (Judgement::Passed | Judgement::Failed | Judgement::Undecided) => {
                let detail = tally.said(state.last_words.get(&step.id));
                return Next::Record(gate_ends(artifact, state, step, gate, judgement, detail));
            }
        },
        StepState::Pending { .. }
        | StepState::Begun
        | StepState::InDoubt { .. }
        | StepState::Written { .. }
        | StepState::Waiting { .. }
        | StepState::Done { .. } => ready.map_or(now, |ready| gate::first(gate, ready)),
    };
    if let Some(until) = opening(step, now.max(due)) {
        return Next::Sleep { until, is_wait: true };
    }
    if now < due {
        return Next::Sleep { until: due, is_wait: true };
    }
    let rounds = memory.rounds.get(&step.id).map_or(&[][..], Vec::as_slice);
    match gate::ask(artifact, gate, rounds, gate::since(ready, now)) {
        probe::Next::Ask(queries) => Next::Probe { step, queries },
        probe::Next::Found(finding, detail) => {
            Next::Record(Event::Probed { step: step.id.clone(), finding, detail })
        }
    }
}

/// What is written down when a gate has not passed.
fn gate_ends(
    artifact: &Artifact,
    state: &RunState,
    step: &Step,
    gate: &Gate,
    judgement: Judgement,
    detail: String,
) -> Event {
    let halted = |reason, detail| Event::Halted {
        step: step.id.clone(),
        reason,
        detail,
        differences: Vec::new(),
    };
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
    step: &'a Step,
    wait: &Wait,
) -> Next<'a> {
    let now = moment.at;
    let left = state.remaining(place, wait.span, moment);
    let held = state.held_until(place, moment);
    match (state.at(place), see(artifact, state, step, wait)) {
        (StepState::Waiting { until }, _) if now < until || !left.is_zero() => {
            Next::Sleep { until: until.max(later(now, left)), is_wait: true }
        }
        // What was waited out must still be replaced everywhere, and be so again after a lapse.
        (StepState::Waiting { .. } | StepState::Pending { lapsed: Some(_) }, Some(see)) => see,
        (StepState::Waiting { .. }, None) if held.is_some() => {
            Next::Sleep { until: held.unwrap_or(now), is_wait: true }
        }
        (StepState::Waiting { .. }, None) => {
            Next::Record(Event::WaitEnded { step: step.id.clone() })
        }
        (StepState::Pending { lapsed }, _) => {
            let since = state.ready_since(artifact, step).max(lapsed).unwrap_or(now);
            Next::Record(wait_begun(step, wait, since))
        }
        (
            StepState::Begun
            | StepState::InDoubt { .. }
            | StepState::Written { .. }
            | StepState::Probing { .. }
            | StepState::Done { .. },
            _,
        ) => unreachable!("a wait is pending or waiting, and a done step is not polled"),
    }
}

/// How to see that the change whose old version is waited out is served; `None` where nobody can be
/// asked, or where a later change of the same RRsets is on its way: that one is seen to by itself.
fn see<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    step: &'a Step,
    wait: &Wait,
) -> Option<Next<'a>> {
    let place = artifact.graph.place(wait.over.as_ref()?)?;
    let Primitive::Change(changes) = &artifact.graph.steps()[place].primitive else { return None };
    let servers: Vec<&Authority> = artifact.zones[changes.zone()].asked().collect();
    if servers.is_empty() {
        return None;
    }
    let current: Vec<Change> =
        spread(changes.changes()).filter_map(|one| current(artifact, state, place, one)).collect();
    if current.is_empty() {
        return None;
    }
    let changes = ChangeSet::new(changes.zone().clone(), current);
    let changes = changes.expect("each RRset of a change set, with another version after it");
    Some(Next::See { step, changes, servers })
}

/// What has to be served by now of what a change has made: the last version that this run has put in
/// its place since, and has seen everywhere. `None` while one is on its way.
fn current(artifact: &Artifact, state: &RunState, place: usize, change: &Change) -> Option<Change> {
    let mut current = change.clone();
    for (later, step) in artifact.graph.steps().iter().enumerate().skip(place + 1) {
        let Primitive::Change(changes) = &step.primitive else { continue };
        let Some(next) = changes.changes().iter().find(|one| one.key == change.key) else {
            continue;
        };
        match state.at(later) {
            StepState::Done { .. } => current.after.clone_from(&next.after),
            StepState::Pending { .. } => break,
            StepState::Begun
            | StepState::InDoubt { .. }
            | StepState::Written { .. }
            | StepState::Waiting { .. }
            | StepState::Probing { .. } => return None,
        }
    }
    // A way back to what was there before is no lapse: nothing is left to be waited out.
    (current.after != current.before).then_some(current)
}

pub(super) fn wait_begun(step: &Step, wait: &Wait, since: Timestamp) -> Event {
    Event::WaitBegun { step: step.id.clone(), since, until: later(since, wait.span) }
}

fn of_change<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    place: usize,
    memory: &Memory,
    moment: Moment,
    changes: &'a ChangeSet,
) -> Next<'a> {
    let now = moment.at;
    let step = &artifact.graph.steps()[place];
    let zone = &artifact.zones[changes.zone()];
    let look = || Next::Look {
        step,
        zone: changes.zone(),
        keys: changes.changes().iter().map(|change| change.key.clone()).collect(),
    };
    // It is looked at before that is waited for: what is still there need not be.
    let held = state.held_until(place, moment);
    let begin = || match held {
        Some(until) => Next::Sleep { until, is_wait: true },
        None => Next::Record(Event::Begun { step: step.id.clone() }),
    };
    match state.at(place) {
        StepState::Pending { .. } if memory.seen_before.contains(&step.id) => begin(),
        // To look at so many is to read the zone, and the adapter reads it to compare. What it then
        // finds otherwise is looked at here.
        StepState::Pending { .. }
            if changes.changes().len() > ASKED_MAX && !memory.setbacks.contains_key(&step.id) =>
        {
            begin()
        }
        StepState::Pending { .. } => look(),
        StepState::Begun | StepState::InDoubt { .. } if memory.found.contains(&step.id) => {
            Next::Publish { step, zone: changes.zone() }
        }
        // Sent and confirmed: read back before it is believed.
        StepState::Begun if memory.sent.contains_key(&step.id) => look(),
        StepState::Begun => Next::Perform { step, changes },
        StepState::InDoubt { since } => {
            let missed = memory.missed_once.get(&step.id);
            let left = state.remaining(place, zone.settle_max, moment);
            let settled = later(since, zone.settle_max).max(later(now, left));
            // The second look comes when nothing can land any more.
            if missed.is_some() && now < settled {
                return Next::Sleep { until: settled, is_wait: false };
            }
            look()
        }
        StepState::Written { .. } if memory.doubted.get(&step.id) == Some(&Doubt::Open) => look(),
        StepState::Written { at } => match zone.served_within {
            Some(within) => {
                let left = state.remaining(place, within, moment);
                let served = later(at, within).max(later(now, left));
                if now < served {
                    return Next::Sleep { until: served, is_wait: true };
                }
                Next::Record(Event::Propagated { step: step.id.clone(), servers: 0 })
            }
            None => {
                let asked = spread(changes.changes()).cloned().collect();
                let changes = ChangeSet::new(changes.zone().clone(), asked);
                let changes = changes.expect("a part of a change set is one");
                Next::See { step, changes, servers: zone.asked().collect() }
            }
        },
        StepState::Waiting { .. } | StepState::Probing { .. } | StepState::Done { .. } => {
            unreachable!("a change does not wait and is not probed, and a done step is not polled")
        }
    }
}

/// Whether what is there equals one side of every change.
pub(super) fn all_equal<'c>(
    live: &[Option<RrSet>],
    side: impl Iterator<Item = &'c Option<RrSet>>,
) -> bool {
    live.iter().eq(side)
}
