//! What this process remembers besides the journal: lost with it, and never needed to be right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::{Name, Receipt};

use super::pace::{LOOK_EVERY, SEE_SLOWLY_EVERY, TRIES_MAX};
use crate::artifact::{Artifact, Relied};
use crate::calendar::{Timestamp, later};
use crate::graph::StepId;
use crate::probe::Round;

/// What this process remembers, one entry a step.
#[derive(Debug, Default)]
pub struct Memory {
    steps: BTreeMap<StepId, StepMemory>,
    /// The zones whose providers hold what the proof takes as it is: seen since the run last waited.
    relied: BTreeSet<Name>,
    /// What is remembered of all others.
    nothing: StepMemory,
    /// The run was turned back, its way back has routed mail back, and the notifications are due.
    pub(super) announces_rollback: bool,
}

impl Memory {
    /// What is remembered of a step.
    pub(super) fn of(&self, step: &StepId) -> &StepMemory {
        self.steps.get(step).unwrap_or(&self.nothing)
    }

    /// What is remembered of a step, to be added to.
    pub fn at(&mut self, step: &StepId) -> &mut StepMemory {
        self.steps.entry(step.clone()).or_default()
    }

    /// A zone of which something has to be looked at before a change in `zone` begins, and what: one
    /// that the proof relies on there, and that was not looked at since the run last waited.
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

    /// Notes that a provider holds what the proof takes as it is.
    pub(super) fn note_relied(&mut self, zone: &Name) {
        self.relied.insert(zone.clone());
    }

    /// The memory of a process that drives a run. `announces_rollback`: it sends the notifications of
    /// a run that was turned back.
    #[must_use]
    pub fn new(announces_rollback: bool) -> Self {
        Self { announces_rollback, ..Self::default() }
    }

    /// Notes that the run waits: what was seen may be edited meanwhile. Within a burst of changes it is
    /// looked at once, for each look is a request or two.
    pub fn waits(&mut self) {
        self.relied.clear();
    }
}

/// What this process remembers of a step.
#[derive(Clone, Debug, Default)]
pub struct StepMemory {
    /// How often nobody answered, and before when nothing is tried again.
    pub(super) tries: Option<Tries>,
    /// How often a change was sent and not made, or a wait lapsed; no answer in between resets it.
    pub(super) setbacks: u32,
    /// It was looked at and found as expected: it may begin.
    pub(super) seen_before: bool,
    /// What is being asked for it has no answer yet.
    pub(super) asking: bool,
    /// Of a change.
    pub(super) change: ChangeMemory,
    /// Of a task.
    pub(super) task: TaskMemory,
    /// What a gate has asked and been answered since its last finding.
    pub(super) rounds: Vec<Round>,
}

/// How often somebody did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) count: u32,
    /// Nothing is tried before this.
    pub(super) again: Timestamp,
}

/// What this process remembers of a change.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeMemory {
    /// This process has sent it, and the provider has confirmed it.
    pub(super) sent: Option<Receipt>,
    /// This process did not see it made and has found it made: the servers may not have been told.
    pub(super) found: bool,
    /// It is in doubt, was looked for once, and not found.
    pub(super) missed_once: bool,
    /// A server serves neither the new version nor the old one, or the old one for long: whether the
    /// provider still holds what was written is looked for, and when that was done last.
    pub(super) doubted: Option<Doubt>,
}

/// What this process remembers of a task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaskMemory {
    /// Its command runs, and was looked at last at this time.
    pub(super) looked: Option<Timestamp>,
    /// Before this nobody is asked whether a person has confirmed it.
    pub(super) ask_after: Option<Timestamp>,
    /// Before this the check of a person's work is not run.
    pub(super) check_after: Option<Timestamp>,
}

/// Whether a provider still holds what it held when a change was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It has to be looked for.
    Open,
    /// It was there at this time.
    Settled(Timestamp),
}

impl StepMemory {
    /// Notes that something is being asked.
    pub fn begun(&mut self) {
        self.asking = true;
    }

    /// How often nobody has answered so far.
    pub(super) fn tried(&self) -> u32 {
        self.tries.map_or(0, |tries| tries.count)
    }

    /// Nothing is tried again before this.
    pub(super) fn pause(&mut self, count: u32, again: Timestamp) {
        self.tries = Some(Tries { count, again });
    }

    /// Until when nothing is tried; `None`: it may be.
    pub(super) fn paused(&self, now: Timestamp) -> Option<Timestamp> {
        self.tries.map(|tries| tries.again).filter(|again| now < *again)
    }

    /// Counts a change that was sent and not made, or a wait that lapsed; whether it was the last time.
    pub(super) fn setback(&mut self) -> bool {
        self.setbacks = self.setbacks.saturating_add(1);
        self.setbacks >= TRIES_MAX
    }

    /// When to look again for what is being asked; `None`: nothing is.
    pub(super) fn busy(&self, now: Timestamp) -> Option<Timestamp> {
        self.asking.then(|| later(now, LOOK_EVERY))
    }
}

impl ChangeMemory {
    /// Doubts that a provider still holds what was written, unless that was looked for a moment ago.
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
    /// Whether the check of a person's work is to be run.
    pub(super) fn is_check_due(&self, now: Timestamp) -> bool {
        self.check_after.is_none_or(|until| until <= now)
    }

    /// Whether it was asked a moment ago whether a person has confirmed.
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
