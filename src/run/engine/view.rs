//! A run as people look at it: what it is doing, what each step does next, and when.
//!
//! [`RunView`] asks the same function as the loop ([`super::poll`]) what comes next of each step, with
//! nothing remembered, as a process that has just started. So `status` cannot differ from what `apply`
//! does. Text, JSON and pages are written from this value.

use std::collections::BTreeMap;
use std::time::Duration;

use super::memory::Memory;
use super::next::{Next, Pause};
use super::poll::{of_step, opening};
use super::{Made, RunState, StepState, WaitState};
use crate::artifact::Artifact;
use crate::journal::{Approvals, Halt, HaltReason};
use cutover_base::calendar::{Moment, Timestamp, later};
use cutover_base::digest::Digest;
use cutover_steps::graph::gate::{Failing, Gate};
use cutover_steps::graph::task::{Task, Work};
use cutover_steps::graph::{Primitive, Step, StepId};

/// A run at one instant.
#[derive(Clone, Debug)]
pub struct RunView<'r> {
    /// What is run.
    pub artifact: &'r Artifact,
    /// Its digest, as the journal says.
    pub digest: Digest,
    /// What the run as a whole is doing.
    pub stage: Stage<'r>,
    /// The rollback point that it goes back to, by a run of its own.
    pub turned_back: Option<&'r str>,
    /// The artifact that takes its place.
    pub superseded_by: Option<Digest>,
    /// The approvals under which it goes on; `None`: nobody had to approve.
    pub approvals: Option<&'r Approvals>,
    /// The steps, in the order of the graph.
    pub steps: Vec<StepView<'r>>,
    /// What stopped a part of the run while the rest continues.
    pub aside: Vec<Stopped<'r>>,
    /// How long the rest takes if nothing goes wrong and people and programs need no time.
    pub remaining: Duration,
    /// When the run was seen like this.
    pub now: Timestamp,
}

/// What a run as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage<'r> {
    /// Its steps are carried out.
    Running,
    /// It begins nothing more, because it goes back or is superseded; what has begun is settled.
    Settling,
    /// It stands still until somebody continues it.
    Halted(Stopped<'r>),
    /// It is done, or nothing of it is left to settle.
    Finished {
        /// Since when.
        at: Timestamp,
    },
}

/// What stopped a run or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped<'r> {
    /// What happened.
    pub halt: &'r Halt,
    /// How much of the change at which it happened is written; `None` for other steps.
    pub made: Option<Made>,
    /// Whether the run goes back.
    pub goes_back: bool,
}

impl<'r> Stopped<'r> {
    /// What stopped a run in this state.
    #[must_use]
    pub fn of(artifact: &Artifact, state: &RunState, halt: &'r Halt) -> Self {
        let goes_back = artifact.is_way_back() || state.turned_back.is_some();
        Self { halt, made: state.made(artifact, halt), goes_back }
    }
}

/// A step of a run at one instant.
#[derive(Clone, Debug)]
pub struct StepView<'r> {
    /// The step.
    pub step: &'r Step,
    /// What is known of it.
    pub state: StepState,
    /// What comes next of it.
    pub next: StepNext<'r>,
    /// Servers that do not serve its change yet, or do not answer.
    pub lagging: Option<&'r str>,
    /// When an earlier run did this task, which this one keeps.
    pub kept: Option<Timestamp>,
}

/// What comes next of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepNext<'r> {
    /// Nothing: it is done, or its run stands still or has ended.
    Nothing,
    /// Other steps have to be done first.
    Blocked,
    /// Whoever drives the run continues with it at once.
    Now,
    /// Nothing before this time.
    At {
        /// The time.
        at: Timestamp,
        /// Why not earlier.
        pause: Pause,
    },
    /// A person has to do this, and confirm it.
    Person(&'r str),
}

/// The step that is due next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due<'r> {
    /// The step.
    pub step: &'r Step,
    /// When; not in the future if whoever drives the run continues with it at once.
    pub at: Timestamp,
    /// Why not earlier; `None` if it can continue at once.
    pub pause: Option<Pause>,
}

impl<'r> RunView<'r> {
    /// A run at an instant.
    #[must_use]
    pub fn of(artifact: &'r Artifact, state: &'r RunState, now: Timestamp) -> Self {
        let stage = stage(artifact, state);
        let memory = Memory::default();
        let open = state.open(artifact);
        let moment: Moment = now.into();
        let steps: Vec<StepView<'r>> = artifact
            .graph
            .steps()
            .iter()
            .enumerate()
            .map(|(place, step)| {
                let is = state.at(place);
                let may_continue = open.contains(&place) && stage.continues();
                let held = state.held_until(place, moment);
                let next = match may_continue {
                    true => next(step, of_step(artifact, state, &memory, moment, place), held),
                    false if is.is_done() || !stage.continues() => StepNext::Nothing,
                    false => StepNext::Blocked,
                };
                let lagging = state.lagging(place).filter(|_| stage == Stage::Running);
                StepView { step, state: is, next, lagging, kept: state.kept(place) }
            })
            .collect();
        let remaining = remaining(artifact, &steps, now);
        let aside = state.aside().filter(|_| stage.continues());
        Self {
            artifact,
            digest: state.artifact(),
            stage,
            turned_back: state.turned_back.as_deref(),
            superseded_by: state.replaced,
            approvals: state.approvals.as_ref(),
            steps,
            aside: aside.map(|halt| Stopped::of(artifact, state, halt)).collect(),
            remaining,
            now,
        }
    }

    /// The steps that wait for a person, each with what that person has to do.
    pub fn by_hand(&self) -> impl Iterator<Item = (&'r StepId, &'r str)> + use<'_, 'r> {
        self.steps.iter().filter_map(|view| match view.next {
            StepNext::Person(words) => Some((&view.step.id, words)),
            StepNext::Nothing | StepNext::Blocked | StepNext::Now | StepNext::At { .. } => None,
        })
    }

    /// The step that is due next; `None` if the run waits for people alone, stands still or has ended.
    #[must_use]
    pub fn due(&self) -> Option<Due<'r>> {
        let due = self.steps.iter().filter_map(|view| match view.next {
            StepNext::Now => Some(Due { step: view.step, at: self.now, pause: None }),
            StepNext::At { at, pause } => Some(Due { step: view.step, at, pause: Some(pause) }),
            StepNext::Nothing | StepNext::Blocked | StepNext::Person(_) => None,
        });
        due.min_by_key(|due| (due.pause.is_some(), due.at))
    }

    /// How many steps are done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.steps.iter().filter(|view| view.state.is_done()).count()
    }
}

impl Stage<'_> {
    /// Whether whoever drives the run has anything to do.
    #[must_use]
    pub fn continues(self) -> bool {
        match self {
            Self::Running | Self::Settling => true,
            Self::Halted(_) | Self::Finished { .. } => false,
        }
    }
}

/// The steps of a run that wait for a person, each with what that person has to do. It looks only at
/// steps that are ready, so that it can be asked after every event.
pub fn by_hand<'r>(
    artifact: &'r Artifact,
    state: &'r RunState,
) -> impl Iterator<Item = (&'r StepId, &'r str)> {
    // A run that turns back or is superseded no longer waits for anybody.
    let ready = state.ready().filter(|_| !state.only_settles());
    let ready = ready.map(|place| &artifact.graph.steps()[place]);
    ready.filter_map(|step| Some((&step.id, manual(step)?)))
}

/// The gate that halted the run, if a person may let it pass.
#[must_use]
pub fn gate_that_asks<'h>(artifact: &Artifact, halt: &'h Halt) -> Option<&'h StepId> {
    match (halt, &artifact.graph.get(&halt.step)?.primitive) {
        (
            Halt { step, reason: HaltReason::Failed | HaltReason::Undecided, .. },
            Primitive::Gate(Gate { on_fail: Failing::Ask, .. }),
        ) => Some(step),
        _ => None,
    }
}

/// The task that halted the run because nobody knows whether it was done.
#[must_use]
pub fn task_in_doubt<'h>(artifact: &Artifact, halt: &'h Halt) -> Option<&'h StepId> {
    match (halt, &artifact.graph.get(&halt.step)?.primitive) {
        (Halt { step, reason: HaltReason::Undecided, .. }, Primitive::Task(_)) => Some(step),
        _ => None,
    }
}

/// What a person has to do for a step; `None`: nothing.
fn manual(step: &Step) -> Option<&str> {
    match &step.primitive {
        Primitive::Task(Task { work: Work::Manual(words), .. }) => Some(words),
        Primitive::Task(_)
        | Primitive::Change(_)
        | Primitive::Wait(_)
        | Primitive::Gate(_)
        | Primitive::Checkpoint(_) => None,
    }
}

fn stage<'r>(artifact: &Artifact, state: &'r RunState) -> Stage<'r> {
    match (state.finished, &state.halted) {
        (Some(at), _) => Stage::Finished { at },
        (None, Some(halt)) => Stage::Halted(Stopped::of(artifact, state, halt)),
        (None, None) if state.only_settles() => Stage::Settling,
        (None, None) => Stage::Running,
    }
}

/// What the engine would do, as far as people care. `held`: until when the step is held up once what it
/// replaces has been looked at.
fn next<'r>(step: &'r Step, next: Option<Next<'r>>, held: Option<Timestamp>) -> StepNext<'r> {
    if let Some(words) = manual(step) {
        return match next {
            Some(_) => StepNext::Person(words),
            None => StepNext::Nothing,
        };
    }
    match next {
        None => StepNext::Nothing,
        Some(Next::Sleep { until, pause }) => match held.filter(|held| *held > until) {
            Some(at) => StepNext::At { at, pause: Pause::ForeignRecords },
            None => StepNext::At { at: until, pause },
        },
        Some(Next::Look { .. } | Next::LookAtRelied { .. } | Next::See { .. })
            if let Some(at) = held =>
        {
            StepNext::At { at, pause: Pause::ForeignRecords }
        }
        Some(
            Next::Record(_)
            | Next::Look { .. }
            | Next::LookAtRelied { .. }
            | Next::Perform { .. }
            | Next::Publish { .. }
            | Next::See { .. }
            | Next::Probe { .. }
            | Next::AskEarlier { .. }
            | Next::Start { .. }
            | Next::AskEnded { .. }
            | Next::AskPerson { .. }
            | Next::Busy { .. }
            | Next::Await { .. }
            | Next::Notify { .. }
            | Next::Halted
            | Next::Finished,
        ) => StepNext::Now,
    }
}

/// How long the rest of a run takes if nothing goes wrong and people and programs need no time.
fn remaining(artifact: &Artifact, steps: &[StepView<'_>], now: Timestamp) -> Duration {
    let forecast: BTreeMap<&StepId, Duration> = artifact
        .forecast
        .iter()
        .map(|forecast| (&forecast.step, forecast.end.saturating_sub(forecast.begin)))
        .collect();
    let from_now = |at: Timestamp| (at - now).to_std().unwrap_or_default();
    let mut ends: BTreeMap<&StepId, Duration> = BTreeMap::new();
    for StepView { step, state, next, .. } in steps {
        let before = step.after.keys().filter_map(|id| ends.get(id)).max().copied();
        let ready = before.unwrap_or_default();
        let whole = forecast.get(&step.id).copied().unwrap_or_default();
        let end = match (*state, *next) {
            (StepState::Wait(WaitState::Running { until }), _) => from_now(until),
            (is, _) if is.is_done() => Duration::ZERO,
            (is, StepNext::At { at, pause: Pause::ForeignRecords }) if is.is_pending() => {
                from_now(at) + whole
            }
            // A checkpoint waits for its window, which the forecast does not know.
            (is, _) if is.is_pending() => match opening(step, later(now, ready)) {
                Some(opens) => from_now(opens),
                None => ready + whole,
            },
            (_, StepNext::At { at, pause: Pause::Propagation }) => from_now(at),
            (_, _) => ready + whole,
        };
        ends.insert(&step.id, end);
    }
    let longest = ends.values().max().copied().unwrap_or_default();
    Duration::from_secs(longest.as_secs())
}
