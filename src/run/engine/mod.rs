//! The engine: what a run's state is, and what comes next.
//!
//! Pure functions over values. [`replay`] folds events into a [`RunState`]; [`poll::poll`] says what
//! to do next; [`outcome`] turns what came back into events. The loop that connects them with the
//! world is `world::drive`, and there is only that one.
//!
//! The states of a change, and where a crash leaves it:
//!
//! ```text
//!            look: as expected        sent and read back            seen at every server
//!  Pending ───────────────▶ Begun ───────────────────▶ Written ───────────────────▶ Done
//!     ▲                     │   │                          ▲
//!     │ the other side said │   │ process died, or         │ looked: the new version is there,
//!     │ no, or looked twice:│   │ no clear answer          │ and published again
//!     │ not made            ▼   ▼                          │
//!     └──────────────────── InDoubt ───────────────────────┘
//! ```
//!
//! If a look shows anything else, that is drift: the run halts and shows planned, expected and live.
//! A wait starts when its predecessors are done, which for changes means seen at every server. It
//! counts from that instant, even if the process looks at the clock later. At its end the servers are
//! asked again. If a server serves the old version, the wait lapses, and it starts again when every
//! server serves the new version. A checkpoint with windows is reached only within one of them; the
//! steps after it are not bound to them.
//!
//! A step of very many RRsets begins without a look of its own: the adapter reads the zone anyway, to
//! compare them. The engine looks only if the adapter finds a difference.
//!
//! A step that cannot go on may be set aside, with every step that depends on it, while the rest goes
//! on (`aside`). When nothing else is left, the run halts. Resuming the run takes up everything that
//! was set aside.
//!
//! A gate that establishes a fact counts for a while ([`cutover_steps::graph::gate::Evidence`]). If that
//! is over when a step is about to begin that relies on it, the gate lapses, and it is asked again.
//!
//! A run that is turned back begins nothing more. It settles what has begun, and then it is finished. A
//! change that is written counts as settled if its servers do not serve it: they may be unable to load
//! it, and only the way back can change that.
//! The way back is a run of its own, of an artifact that [`Artifact::back`] makes.
//!
//! Nothing is tried for ever: [`pace`] says how often and how long. A run that cannot proceed halts,
//! and a halted run moves no step until somebody resumes it, lets it pass, turns it back or
//! supersedes it.

mod aside;
pub mod decide;
mod evidence;
pub mod gate;
mod illegal;
mod memory;
pub mod next;
pub mod notification;
pub mod outcome;
pub mod pace;
pub mod poll;
mod standing;
mod state;

mod transition;
pub mod view;
pub mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::artifact::{Artifact, RollbackPoint, Undo};
use crate::journal::{Approvals, Entry, Event, Halt, HaltReason};
use cutover_base::calendar::{Moment, Steady, Timestamp};
use cutover_base::digest::Digest;
use cutover_steps::graph::gate::Failing;
use cutover_steps::graph::{ChangeStep, OnDrift, Primitive, Step, StepId};
use gate::Judgement;
use notification::{Notification, is_progress, notifications};

pub use illegal::{IllegalEvent, NoWayBack};
pub use memory::{Memory, StepMemory};
pub use standing::Made;
use state::Standing;
pub use state::{ChangeState, CheckpointState, GateState, StepState, TaskState, WaitState};
use transition::{Context, next_state};

/// What is known of a run. It is a fold over the run's journal and holds nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// The digest of the artifact that is run.
    artifact: Digest,
    /// The state of each step, by its place in the graph.
    steps: Vec<StepState>,
    /// How many predecessors of each step are not done, by the step's place.
    unmet: Vec<usize>,
    /// The gates whose word each step relies on, by the step's place. Derived from the artifact.
    reliance: BTreeMap<usize, Vec<usize>>,
    /// When each step entered its state, by the monotonic clock; for a wait, when it starts to count.
    stamps: Vec<Option<Steady>>,
    /// The steps that drift has held up. Resolvers may cache what somebody else had written there.
    held: Vec<Option<Held>>,
    /// The places of the steps that are ready and not done. Only these have to be looked at.
    ready: BTreeSet<usize>,
    /// What was set aside since somebody last resumed the run, by the step's place.
    aside: BTreeMap<usize, Halt>,
    /// The last halt, until somebody resumes the run.
    pub halted: Option<Halt>,
    /// The last halt, until the run makes progress. The same halt again needs no new notification.
    known: Option<Halt>,
    /// When the run was opened.
    pub opened: Option<Timestamp>,
    /// When it finished.
    pub finished: Option<Timestamp>,
    /// The notifications that have not been sent yet, oldest first.
    pub unsent: Vec<Notification>,
    /// How many entries the journal has.
    entries: u64,
    /// The last detail of each gate that has not passed.
    pub last_details: BTreeMap<StepId, String>,
    /// Servers that do not serve a new version yet, or do not answer, by the place of the step that waits
    /// for them.
    lagging: BTreeMap<usize, String>,
    /// When an earlier run did a task that this one keeps, by the step's place.
    kept: BTreeMap<usize, Timestamp>,
    /// The places of changes that the provider holds and could not publish to its servers.
    unpublished: BTreeSet<usize>,
    /// The rollback point that the run goes back to.
    pub turned_back: Option<String>,
    /// The artifact that supersedes this run's.
    pub replaced: Option<Digest>,
    /// The gate whose failure turned the run back, if a gate did.
    pub turned_by: Option<StepId>,
    /// The approvals under which it goes on; `None`: nobody had to approve.
    pub approvals: Option<Approvals>,
    /// When the last entry was written.
    pub last: Option<Timestamp>,
}

/// When a step was held up, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    from: Moment,
    span: Duration,
}

/// Folds a journal.
///
/// # Errors
/// [`IllegalEvent`], with the number of the entry that is not legal.
pub fn replay(
    artifact: &Artifact,
    digest: Digest,
    entries: &[Entry],
) -> Result<RunState, (u64, IllegalEvent)> {
    let mut state = RunState::new(artifact, digest);
    for entry in entries {
        state.apply(artifact, entry.moment(), &entry.event).map_err(|error| (entry.seq, error))?;
    }
    Ok(state)
}

impl RunState {
    /// A run before its first entry, of an artifact with this digest.
    #[must_use]
    pub fn new(artifact: &Artifact, digest: Digest) -> Self {
        let steps = artifact.graph.steps();
        let unmet: Vec<usize> = steps.iter().map(|step| step.after.len()).collect();
        Self {
            artifact: digest,
            steps: steps.iter().map(|step| StepState::first(&step.primitive)).collect(),
            stamps: vec![None; steps.len()],
            held: vec![None; steps.len()],
            ready: (0..steps.len()).filter(|place| unmet[*place] == 0).collect(),
            unmet,
            reliance: evidence::reliance(artifact),
            aside: BTreeMap::new(),
            halted: None,
            known: None,
            opened: None,
            finished: None,
            unsent: Vec::new(),
            entries: 0,
            last_details: BTreeMap::new(),
            lagging: BTreeMap::new(),
            kept: BTreeMap::new(),
            unpublished: BTreeSet::new(),
            turned_back: None,
            replaced: None,
            turned_by: None,
            approvals: None,
            last: None,
        }
    }

    /// The digest of the artifact that is run.
    #[must_use]
    pub fn artifact(&self) -> Digest {
        self.artifact
    }

    /// The state of the step at a place of the artifact's graph.
    #[must_use]
    pub fn at(&self, place: usize) -> StepState {
        self.steps[place]
    }

    /// The state of a step.
    ///
    /// # Panics
    /// For a step that the artifact does not have.
    #[must_use]
    pub fn of(&self, artifact: &Artifact, id: &StepId) -> StepState {
        self.steps[artifact.graph.place(id).expect("a step of the artifact")]
    }

    /// The places of the steps that are ready and not done, in the order of the graph.
    pub fn ready(&self) -> impl Iterator<Item = usize> {
        self.ready.iter().copied()
    }

    /// When the last predecessor of a step was done; for a step without any, when the run was opened.
    #[must_use]
    pub fn ready_since(&self, artifact: &Artifact, step: &Step) -> Option<Timestamp> {
        let done = step.after.keys().filter_map(|id| self.of(artifact, id).done());
        done.max().or(self.opened)
    }

    /// [`RunState::ready_since`] by the monotonic clock.
    fn ready_stamp(&self, artifact: &Artifact, step: &Step) -> Option<Steady> {
        let places = step.after.keys().filter_map(|id| artifact.graph.place(id));
        let done = places.filter_map(|place| Some((self.steps[place].done()?, self.stamps[place])));
        done.max_by_key(|(at, _)| *at)?.1
    }

    /// How much of a span is left, by the monotonic clock. The span starts when the step entered its
    /// state or, for a wait, when it starts to count. Zero if that clock cannot tell.
    #[must_use]
    pub fn remaining(&self, place: usize, span: Duration, now: Moment) -> Duration {
        now.remaining(self.stamps[place], span)
    }

    /// The servers that a step waits for: they do not serve a new version yet, or do not answer.
    #[must_use]
    pub fn lagging(&self, place: usize) -> Option<&str> {
        self.lagging.get(&place).map(String::as_str)
    }

    /// When an earlier run did a task; `None` if this run did it, or nobody has.
    #[must_use]
    pub fn kept(&self, place: usize) -> Option<Timestamp> {
        self.kept.get(&place).copied()
    }

    /// Adds one event.
    ///
    /// # Errors
    /// [`IllegalEvent`]; the state is then unchanged.
    pub fn apply(
        &mut self,
        artifact: &Artifact,
        moment: Moment,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        let at = moment.at;
        let is_open = self.opened.is_some() && self.finished.is_none();
        let may_follow = match event {
            Event::Opened { .. } => self.opened.is_none(),
            Event::Resumed { .. } => is_open,
            // A finished run can be rolled back as well.
            Event::TurnedBack { .. } => self.opened.is_some() && self.turned_back.is_none(),
            Event::Begun { .. }
            | Event::Written { .. }
            | Event::Unsure { .. }
            | Event::NotMade { .. }
            | Event::NotDone { .. }
            | Event::Propagated { .. }
            | Event::WaitBegun { .. }
            | Event::Lapsed { .. }
            | Event::Behind { .. }
            | Event::WaitEnded { .. }
            | Event::Reached { .. }
            | Event::Probed { .. }
            | Event::Did { .. }
            | Event::Kept { .. }
            | Event::Halted(_)
            | Event::SetAside(_)
            | Event::Finished => is_open && self.halted.is_none(),
            Event::Told { seq, notice, .. } => {
                self.unsent.iter().any(|unsent| unsent.seq == *seq && unsent.notice == *notice)
            }
            // A gate that a person lets pass has halted the run, so a halted run accepts it. So does a
            // run that only settles: what became of a task that it began still has to be recorded.
            Event::Allowed { .. } => is_open,
            Event::Replaced { .. } | Event::Approved(_) => is_open && !self.only_settles(),
        };
        if !may_follow {
            return Err(illegal::not_open(event));
        }
        match event {
            Event::Opened { artifact: journal, .. } => {
                if *journal != self.artifact {
                    let artifact = self.artifact;
                    return Err(IllegalEvent::Artifact { journal: *journal, artifact });
                }
                self.opened = Some(at);
            }
            Event::Resumed { .. } => self.resume(artifact, moment),
            Event::Told { seq, notice, .. } => {
                self.unsent.retain(|unsent| unsent.seq != *seq || unsent.notice != *notice);
            }
            Event::TurnedBack { to, because } => {
                self.way_back(artifact, to)?;
                if let Some(gate) = because {
                    self.check_gate_failed(artifact, gate, to, event)?;
                }
                self.turned_back = Some(to.clone());
                self.turned_by.clone_from(because);
                self.finished = None;
                self.resume(artifact, moment);
            }
            Event::Replaced { by } => {
                self.replaced = Some(*by);
                self.resume(artifact, moment);
            }
            Event::Approved(approvals) => {
                illegal::check_approvals(&artifact.approvals, approvals)?;
                self.approvals = Some(approvals.clone());
            }
            Event::SetAside(halt) => {
                let place = artifact.graph.place(&halt.step);
                let place = place.ok_or_else(|| IllegalEvent::UnknownStep(halt.step.clone()))?;
                if artifact.on_drift != OnDrift::Isolate
                    || !self.to_settle().any(|other| other == place)
                {
                    let step = &artifact.graph.steps()[place];
                    return Err(illegal::of_step(step, self.steps[place], event));
                }
                self.aside.insert(place, halt.clone());
            }
            Event::Finished => {
                if let Some(place) = self.to_settle().next() {
                    let step = &artifact.graph.steps()[place];
                    return Err(illegal::of_step(step, self.steps[place], event));
                }
                self.finished = Some(at);
            }
            Event::Halted(halt) => {
                let place = artifact.graph.place(&halt.step);
                let place = place.ok_or_else(|| IllegalEvent::UnknownStep(halt.step.clone()))?;
                if halt.reason == HaltReason::Unpublished {
                    self.unpublished.insert(place);
                }
                self.halted = Some(halt.clone());
            }
            Event::Allowed { step, .. } => {
                self.apply_to_step(artifact, moment, step, event)?;
                self.resume(artifact, moment);
            }
            Event::Begun { step }
            | Event::Written { step, .. }
            | Event::Probed { step, .. }
            | Event::Did { step, .. }
            | Event::Kept { step, .. }
            | Event::Unsure { step, .. }
            | Event::NotMade { step }
            | Event::NotDone { step, .. }
            | Event::Propagated { step, .. }
            | Event::WaitBegun { step, .. }
            | Event::Lapsed { step, .. }
            | Event::Behind { step, .. }
            | Event::WaitEnded { step }
            | Event::Reached { step } => self.apply_to_step(artifact, moment, step, event)?,
        }
        let step = event.step().or(self.turned_by.as_ref());
        let detail = step.and_then(|step| self.last_details.get(step));
        let only_settles = self.only_settles();
        let is_known = matches!(event, Event::Halted(halt) if self.known.as_ref() == Some(halt));
        if !is_known {
            let seq = self.entries;
            self.unsent.extend(notifications(artifact, seq, at, event, only_settles, detail));
        }
        if let Event::Halted(halt) = event {
            self.known = Some(halt.clone());
        } else if is_progress(event) {
            self.known = None;
        }
        self.entries += 1;
        self.last = Some(at);
        Ok(())
    }

    fn resume(&mut self, artifact: &Artifact, moment: Moment) {
        let halted = self.halted.take();
        let again = halted.is_some();
        for halt in halted.into_iter().chain(std::mem::take(&mut self.aside).into_values()) {
            self.hold_up(artifact, &halt, moment);
        }
        let states = self.steps.iter_mut().zip(&mut self.stamps);
        for (step, (state, stamp)) in artifact.graph.steps().iter().zip(states) {
            match Standing::of(&step.primitive, *state) {
                // The process that began it is gone, so a look has to show whether it was sent.
                Standing::Change(_, ChangeState::Begun) => {
                    *state = StepState::Change(ChangeState::InDoubt { since: moment.at });
                    *stamp = moment.steady;
                }
                Standing::Task(_, TaskState::Begun) => {
                    *state = StepState::Task(TaskState::InDoubt { since: moment.at });
                    *stamp = moment.steady;
                }
                // A gate that has ended without passing starts over; other gates keep their findings.
                Standing::Gate(gate, GateState::Probing { tally, .. })
                    if again && tally.judge(&gate.pace) != Judgement::Open =>
                {
                    *state = StepState::Gate(GateState::Pending);
                }
                Standing::Change(..)
                | Standing::Wait(..)
                | Standing::Gate(..)
                | Standing::Task(..)
                | Standing::Checkpoint(..) => {}
            }
        }
    }

    /// A gate turns a run back only if it has failed and the plan says to go back to this point.
    fn check_gate_failed(
        &self,
        artifact: &Artifact,
        gate: &StepId,
        to: &str,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        let place = artifact.graph.place(gate);
        let place = place.ok_or_else(|| IllegalEvent::UnknownStep(gate.clone()))?;
        let step = &artifact.graph.steps()[place];
        if let Standing::Gate(gate, GateState::Probing { tally, .. }) = self.standing(step, place)
            && tally.judge(&gate.pace) == Judgement::Failed
            && gate.on_fail == (Failing::Rollback { to: to.to_owned() })
        {
            return Ok(());
        }
        Err(illegal::of_step(step, self.steps[place], event))
    }

    /// When the approvals of the run expired; `None` if they count, or if nobody had to approve.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.approvals.as_ref()?.until()?;
        (until <= now).then_some(until)
    }

    /// A step of the graph, by its kind.
    fn standing<'a>(&self, step: &'a Step, place: usize) -> Standing<'a> {
        Standing::of(&step.primitive, self.steps[place])
    }

    /// A change of the graph, and what is known of it; `None` for a step of another kind.
    ///
    /// # Panics
    /// If `place` is not the step's place in the graph of this run.
    #[must_use]
    pub fn change<'a>(
        &self,
        step: &'a Step,
        place: usize,
    ) -> Option<(&'a ChangeStep, ChangeState)> {
        match self.standing(step, place) {
            Standing::Change(changes, state) => Some((changes, state)),
            Standing::Wait(..)
            | Standing::Gate(..)
            | Standing::Task(..)
            | Standing::Checkpoint(..) => None,
        }
    }

    fn has_begun(&self, artifact: &Artifact, id: &StepId) -> bool {
        !self.of(artifact, id).is_pending()
    }

    /// The rollback point of this name, if the run can go back to it now.
    ///
    /// # Errors
    /// [`NoWayBack`].
    pub fn way_back<'a>(
        &self,
        artifact: &'a Artifact,
        to: &str,
    ) -> Result<&'a RollbackPoint, NoWayBack> {
        let points = &artifact.rollback_points;
        let point = points.iter().find(|point| point.name == to);
        let point = point.ok_or_else(|| NoWayBack::Unknown {
            to: to.to_owned(),
            known: points.iter().map(|point| point.name.clone()).collect(),
        })?;
        let is_done = |id: &StepId| self.of(artifact, id).is_done();
        if let Some(at) = point.at.as_ref().filter(|at| !is_done(at)) {
            return Err(NoWayBack::NotReached { to: to.to_owned(), at: at.clone() });
        }
        let taken_back: BTreeSet<&StepId> = point.takes_back.values().collect();
        for (step, undo) in &artifact.undos {
            if let Undo::Never(why) = undo
                && self.has_begun(artifact, step)
                && !taken_back.contains(step)
            {
                return Err(NoWayBack::Passed { step: step.clone(), why: why.clone() });
            }
        }
        Ok(point)
    }

    /// The last rollback point that was reached and after which a step has begun; otherwise `start`.
    #[must_use]
    pub fn last_point<'a>(&self, artifact: &'a Artifact) -> Option<&'a RollbackPoint> {
        let has_begun = |point: &&RollbackPoint| {
            let others = point.takes_back.values().filter(|step| Some(*step) != point.at.as_ref());
            others.into_iter().any(|step| self.has_begun(artifact, step))
        };
        let reached = |point: &&RollbackPoint| match &point.at {
            Some(at) => self.of(artifact, at).is_done(),
            None => true,
        };
        let points = &artifact.rollback_points;
        points.iter().filter(reached).rfind(has_begun).or_else(|| points.first())
    }

    fn apply_to_step(
        &mut self,
        artifact: &Artifact,
        moment: Moment,
        id: &StepId,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        let at = moment.at;
        let place = artifact.graph.place(id);
        let place = place.ok_or_else(|| IllegalEvent::UnknownStep(id.clone()))?;
        let step = &artifact.graph.steps()[place];
        let left = match &step.primitive {
            Primitive::Wait(wait) => self.remaining(place, wait.span, moment),
            Primitive::Change(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => Duration::ZERO,
        };
        let context = Context {
            at,
            unmet: step.after.keys().find(|id| !self.of(artifact, id).is_done()),
            ready_since: self.ready_since(artifact, step),
            left,
            is_held: self.held_until(place, moment).is_some(),
            only_settles: self.only_settles(),
            is_expired: self.expired(at).is_some(),
            lacks: self.evidence_lacking(artifact, place, moment).map(|lacking| lacking.gate()),
            may_lapse: self.may_lapse(artifact, place, moment),
        };
        let next = next_state(step, self.steps[place], &context, event)?;
        if let Event::Probed { detail, .. } = event {
            match (next.is_done(), detail.is_empty()) {
                (true, _) => drop(self.last_details.remove(id)),
                (false, true) => {}
                (false, false) => drop(self.last_details.insert(id.clone(), detail.clone())),
            }
        }
        if let Event::Behind { detail, .. } = event {
            self.lagging.insert(place, detail.clone());
            // The step keeps its state, and the time at which it entered it.
            return Ok(());
        }
        if let Event::Kept { since, .. } = event {
            self.kept.insert(place, *since);
        }
        self.lagging.remove(&place);
        self.unpublished.remove(&place);
        // A wait whose event says so counts from when its predecessors were done.
        let counts_from_before = matches!(event, Event::WaitBegun { since, .. } if *since < at);
        self.stamps[place] = match counts_from_before {
            true => self.ready_stamp(artifact, step),
            false => moment.steady,
        };
        let was_done = self.steps[place].is_done();
        self.steps[place] = next;
        match (was_done, next.is_done()) {
            (false, true) => {
                self.ready.remove(&place);
                for follower in artifact.graph.followers(place) {
                    self.unmet[*follower] -= 1;
                    if self.unmet[*follower] == 0 && !self.steps[*follower].is_done() {
                        self.ready.insert(*follower);
                    }
                }
            }
            // A gate whose word has become too old. What has relied on it already is done.
            (true, false) => {
                self.ready.insert(place);
                for follower in artifact.graph.followers(place) {
                    self.unmet[*follower] += 1;
                    self.ready.remove(follower);
                }
            }
            (_, _) => {}
        }
        Ok(())
    }
}
