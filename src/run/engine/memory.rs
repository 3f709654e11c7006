//! What this process remembers besides the journal. It is lost with the process, and a run is right
//! without it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::Receipt;
use cutover_zone::Name;

use super::pace::{LOOK_EVERY, SEE_SLOWLY_EVERY, TRIES_MAX};
use crate::artifact::{Artifact, Relied};
use cutover_base::calendar::{Timestamp, later};
use cutover_steps::graph::StepId;
use cutover_steps::probe::Round;

/// What this process remembers, with one entry per step.
#[derive(Debug, Default)]
pub struct Memory {
    steps: BTreeMap<StepId, StepMemory>,
    /// The zones whose providers still hold what the proof relies on, as seen since the run last waited.
    relied: BTreeSet<Name>,
    /// What is remembered of every other step.
    nothing: StepMemory,
    /// Whether the loop asks what earlier runs have done; a view asks nobody.
    pub(super) asks_earlier: bool,
    /// The run was turned back, its way back has routed mail back, and the notifications are due.
    pub(super) announces_rollback: bool,
}

impl Memory {
    /// What is remembered of a step.
    pub(super) fn of(&self, step: &StepId) -> &StepMemory {
        self.steps.get(step).unwrap_or(&self.nothing)
    }

    /// What is remembered of a step, for changing it.
    pub fn at(&mut self, step: &StepId) -> &mut StepMemory {
        self.steps.entry(step.clone()).or_default()
    }

    /// A zone that has to be looked at before a change in `zone` begins, and what to look at there: the
    /// proof relies on it, and nobody has looked since the run last waited.
    pub(super) fn unseen<'a>(
        &self,
        artifact: &'a Artifact,
        zone: &Name,
    ) -> Option<(&'a Name, &'a Relied)> {
        let reads = &artifact.zones[zone].reads;
        let zones = std::iter::once(zone).chain(reads);
        let mut relied = zones.filter_map(|zone| artifact.relies_on.get_key_value(zone));
        relied.find(|(zone, _)| !self.relied.contains(*zone))
    }

    /// Notes that a provider still holds what the proof relies on.
    pub(super) fn note_relied(&mut self, zone: &Name) {
        self.relied.insert(zone.clone());
    }

    /// The memory of a process that drives a run. `announces_rollback`: it sends the notifications of
    /// a run that was turned back.
    #[must_use]
    pub fn new(announces_rollback: bool) -> Self {
        Self { announces_rollback, asks_earlier: true, ..Self::default() }
    }

    /// Notes that the run waits. What was seen may be edited meanwhile, so it is looked at again
    /// afterwards. Within a burst of changes one look is enough, since each costs a request or two.
    pub fn waits(&mut self) {
        self.relied.clear();
    }
}

/// What this process remembers of a step.
#[derive(Clone, Debug, Default)]
pub struct StepMemory {
    /// The tries without an answer, and when the next may follow.
    pub(super) tries: Option<Tries>,
    /// How often a change was sent and not made, or a wait lapsed. No answer in between resets it.
    pub(super) setbacks: u32,
    /// A look found what is expected, so the step may begin.
    pub(super) seen_before: bool,
    /// A query for this step has no answer yet.
    pub(super) asking: bool,
    /// For a change.
    pub(super) change: ChangeMemory,
    /// For a task.
    pub(super) task: TaskMemory,
    /// For a gate: its queries and their answers since its last finding.
    pub(super) rounds: Vec<Round>,
}

/// Tries without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) count: u32,
    /// The next try is not made before this.
    pub(super) again: Timestamp,
}

/// What this process remembers of a change.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeMemory {
    /// This process has sent it, and the provider has confirmed it.
    pub(super) sent: Option<Receipt>,
    /// A look found it made, but this process did not see it made, so it may still be unpublished.
    pub(super) found: bool,
    /// It is in doubt, and one look has not found it.
    pub(super) missed_once: bool,
    /// Whether the provider still holds what was written is in question: a server serves neither the new
    /// version nor the old one, or has served the old one for long.
    pub(super) doubted: Option<Doubt>,
}

/// What this process remembers of a task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaskMemory {
    /// No earlier run has done it.
    pub(super) is_new: bool,
    /// When its running command was last looked at; `None` if no command runs.
    pub(super) looked: Option<Timestamp>,
    /// When to ask again whether a person has confirmed it.
    pub(super) ask_after: Option<Timestamp>,
    /// When to run the check of a person's work again.
    pub(super) check_after: Option<Timestamp>,
}

/// Whether a provider still holds what it held when a change was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// A look is due.
    Open,
    /// The last look was at this time.
    Settled(Timestamp),
}

impl StepMemory {
    /// Notes that a query is under way.
    pub fn begun(&mut self) {
        self.asking = true;
    }

    /// The number of tries without an answer so far.
    pub(super) fn tried(&self) -> u32 {
        self.tries.map_or(0, |tries| tries.count)
    }

    /// Notes that nothing is tried before `again`.
    pub(super) fn pause(&mut self, count: u32, again: Timestamp) {
        self.tries = Some(Tries { count, again });
    }

    /// Until when nothing is tried; `None` if a try may be made now.
    pub(super) fn paused(&self, now: Timestamp) -> Option<Timestamp> {
        self.tries.map(|tries| tries.again).filter(|again| now < *again)
    }

    /// Counts a change that was sent and not made, or a wait that lapsed. True if no more are allowed.
    pub(super) fn setback(&mut self) -> bool {
        self.setbacks = self.setbacks.saturating_add(1);
        self.setbacks >= TRIES_MAX
    }

    /// When to look again for an answer; `None` if no query is under way.
    pub(super) fn busy(&self, now: Timestamp) -> Option<Timestamp> {
        self.asking.then(|| later(now, LOOK_EVERY))
    }
}

impl ChangeMemory {
    /// Requests a look at whether the provider still holds what was written, unless the last was a
    /// moment ago.
    pub(super) fn doubt(&mut self, now: Timestamp) {
        let is_fresh = match self.doubted {
            None | Some(Doubt::Open) => false,
            Some(Doubt::Settled(at)) => now < later(at, SEE_SLOWLY_EVERY),
        };
        if !is_fresh {
            self.doubted = Some(Doubt::Open);
        }
    }
}

impl TaskMemory {
    /// Whether the check of a person's work is due.
    pub(super) fn is_check_due(&self, now: Timestamp) -> bool {
        self.check_after.is_none_or(|until| until <= now)
    }

    /// Whether the last question for a person's confirmation was a moment ago.
    pub(super) fn is_asked(&self, now: Timestamp) -> bool {
        self.ask_after.is_some_and(|until| now < until)
    }

    pub(super) fn note_asked(&mut self, now: Timestamp, pause: Duration) {
        self.ask_after = Some(later(now, pause));
    }

    pub(super) fn note_checked(&mut self, now: Timestamp, pause: Duration) {
        self.check_after = Some(later(now, pause));
    }
}
