//! The engine: what a run's state is, and what comes next.
//!
//! Pure functions over values. [`replay`] folds events into a [`RunState`]; [`poll::poll`] says what
//! to do next; [`outcome`] turns what came back into events. The loop that connects them with the
//! world is `world::drive`, and there is only that one.
//!
//! How a change goes, and where a crash leaves it:
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
//! Anything else that a look shows is drift: the run halts and shows planned, expected and live.
//! A wait starts when its predecessors are done, which for changes means seen at every server, and
//! counts from that instant, not from when somebody looked at the clock again. At its end the
//! servers are asked again; where one serves the old version the wait lapses, and starts anew when
//! every server is seen to serve the new one. A checkpoint with windows is reached within one of them
//! only; what comes behind it is not bound to them.
//!
//! A step of very many RRsets begins without a look of its own: the adapter reads the zone to compare
//! them, and what it finds otherwise is looked at then.
//!
//! A step that cannot go on may be set aside, with all that hangs on it, while the rest goes on
//! (`aside`): when nothing else is left the run halts. Whoever resumes it takes up all of it again.
//!
//! A run that is turned back begins nothing any more. What has begun is settled, and then it is
//! finished; the way back is a run of its own, of an artifact that [`Artifact::back`] makes.
//!
//! Nothing is tried for ever: [`pace`] says how often and how long. A run that cannot proceed
//! halts, and a halted run takes no event but that somebody has resumed it.

mod aside;
pub mod decide;
pub mod gate;
pub mod history;
mod illegal;
mod memory;
pub mod next;
pub mod outcome;
pub mod pace;
pub mod poll;
mod standing;
mod state;
pub mod tell;
mod transition;
pub mod view;
pub mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::artifact::{Artifact, RollbackPoint, Undo};
use crate::calendar::{Moment, Steady, Timestamp};
use crate::digest::Digest;
use crate::graph::gate::Failing;
use crate::graph::{Primitive, Step, StepId};
use crate::journal::{Entry, Event, Halt, HaltReason};
use crate::spec::OnDrift;
use gate::Judgement;

pub use illegal::{IllegalEvent, NoWayBack};
pub use memory::{Memory, StepMemory};
pub use standing::Made;
use state::Standing;
pub use state::{ChangeState, CheckpointState, GateState, StepState, TaskState, WaitState};
use tell::{Untold, comes_on, occasioned};
use transition::{Around, next_state};

/// What is known of a run: nothing but a fold over its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// The digest of the artifact that is run.
    artifact: Digest,
    /// By the step's place in the graph.
    steps: Vec<StepState>,
    /// How many steps have to be done before each; by place.
    unmet: Vec<usize>,
    /// When each came to its state, by the clock that nobody sets; of a wait, from when it counts.
    stamps: Vec<Option<Steady>>,
    /// Steps that drift has held up: what somebody else had put there may be cached from then on.
    held: Vec<Option<Held>>,
    /// The places of the steps that are ready and not done: only they have to be looked at.
    ready: BTreeSet<usize>,
    /// What was set aside since somebody resumed last, by the step's place.
    aside: BTreeMap<usize, Halt>,
    /// The last halt that nobody has resumed from.
    pub halted: Option<Halt>,
    /// The last halt, while nothing has come of the run since: whoever was told of it knows.
    known: Option<Halt>,
    /// When the run was opened.
    pub opened: Option<Timestamp>,
    /// When it finished.
    pub finished: Option<Timestamp>,
    /// What somebody has not been told yet, in the order in which it happened.
    pub untold: Vec<Untold>,
    /// How many entries there are.
    entries: u64,
    /// What each gate that has not passed said last.
    pub last_words: BTreeMap<StepId, String>,
    /// Servers that do not serve a new version yet, or do not answer, by the step that waits for them.
    lagging: BTreeMap<StepId, String>,
    /// The places of changes that the provider holds, and whose servers could not be told of them.
    unpublished: BTreeSet<usize>,
    /// The rollback point that the run goes back to.
    pub turned_back: Option<String>,
    /// The artifact that takes its place.
    pub replaced: Option<Digest>,
    /// The gate whose failure turned it, if it was one.
    pub turned_by: Option<StepId>,
    /// When the last entry was written.
    pub last: Option<Timestamp>,
}

/// From when on, and for how long, a step is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    from: Moment,
    span: Duration,
}

/// Folds a journal.
///
/// # Errors
/// [`IllegalEvent`], with the number of the entry that cannot follow.
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
    /// A run of which nothing is known yet, of an artifact with this digest.
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
            aside: BTreeMap::new(),
            halted: None,
            known: None,
            opened: None,
            finished: None,
            untold: Vec::new(),
            entries: 0,
            last_words: BTreeMap::new(),
            lagging: BTreeMap::new(),
            unpublished: BTreeSet::new(),
            turned_back: None,
            replaced: None,
            turned_by: None,
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

    /// When the last of what a step comes after was done; the run's beginning where there is none.
    #[must_use]
    pub fn ready_since(&self, artifact: &Artifact, step: &Step) -> Option<Timestamp> {
        let done = step.after.keys().filter_map(|id| self.of(artifact, id).done());
        done.max().or(self.opened)
    }

    /// [`RunState::ready_since`] by the clock that nobody sets.
    fn ready_stamp(&self, artifact: &Artifact, step: &Step) -> Option<Steady> {
        let places = step.after.keys().filter_map(|id| artifact.graph.place(id));
        let done = places.filter_map(|place| Some((self.steps[place].done()?, self.stamps[place])));
        done.max_by_key(|(at, _)| *at)?.1
    }

    /// How much of a span is still to come since the step at a place came to its state, of a wait since
    /// it counts, by the clock that nobody sets; nothing where it cannot say.
    #[must_use]
    pub fn remaining(&self, place: usize, span: Duration, now: Moment) -> Duration {
        now.remaining(self.stamps[place], span)
    }

    /// What is known of the servers that a step waits for: those that do not serve a new version yet,
    /// or do not answer.
    #[must_use]
    pub fn lagging(&self, step: &StepId) -> Option<&str> {
        self.lagging.get(step).map(String::as_str)
    }

    /// Adds one event.
    ///
    /// # Errors
    /// [`IllegalEvent`]; the state is as before then.
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
            // A run that has finished can be gone back as well.
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
            | Event::Halted(_)
            | Event::SetAside(_)
            | Event::Finished => is_open && self.halted.is_none(),
            Event::Told { seq, notice, .. } => {
                self.untold.iter().any(|one| one.seq == *seq && one.notice == *notice)
            }
            // What somebody lets pass stands still.
            // Of a run that leaves its way, what became of a task that was begun is still to be said.
            Event::Allowed { .. } => is_open,
            Event::Replaced { .. } => is_open && !self.leaves(),
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
                self.untold.retain(|one| one.seq != *seq || one.notice != *notice);
            }
            Event::TurnedBack { to, because } => {
                self.way_back(artifact, to)?;
                if let Some(gate) = because {
                    self.failed_into(artifact, gate, to, event)?;
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
        let words = event.step().or(self.turned_by.as_ref());
        let words = words.and_then(|step| self.last_words.get(step));
        let leaves = self.leaves();
        let is_known = matches!(event, Event::Halted(halt) if self.known.as_ref() == Some(halt));
        if !is_known {
            self.untold.extend(occasioned(artifact, self.entries, at, event, leaves, words));
        }
        if let Event::Halted(halt) = event {
            self.known = Some(halt.clone());
        } else if comes_on(event) {
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
                // Whoever had begun is gone: whether it was sent has to be looked for.
                Standing::Change(_, ChangeState::Begun) => {
                    *state = StepState::Change(ChangeState::InDoubt { since: moment.at });
                    *stamp = moment.steady;
                }
                Standing::Task(_, TaskState::Begun) => {
                    *state = StepState::Task(TaskState::InDoubt { since: moment.at });
                    *stamp = moment.steady;
                }
                // A gate that has come to nothing begins anew; what others have found so far stays.
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

    /// Only a gate that has failed, and that the plan lets lead back to this point, turns a run.
    fn failed_into(
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

    /// A step of the graph, by its kind.
    fn standing<'a>(&self, step: &'a Step, place: usize) -> Standing<'a> {
        Standing::of(&step.primitive, self.steps[place])
    }

    fn has_begun(&self, artifact: &Artifact, id: &StepId) -> bool {
        !self.of(artifact, id).is_pending()
    }

    /// The rollback point of this name, if the run can go back to it from here.
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

    /// The rollback point that was reached last, and behind which something has begun; `start` where
    /// there is none.
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
        let around = Around {
            at,
            unmet: step.after.keys().find(|id| !self.of(artifact, id).is_done()),
            ready_since: self.ready_since(artifact, step),
            left,
            is_held: self.held_until(place, moment).is_some(),
            leaves: self.leaves(),
        };
        let next = next_state(step, self.steps[place], &around, event)?;
        if let Event::Probed { detail, .. } = event {
            match (next.is_done(), detail.is_empty()) {
                (true, _) => drop(self.last_words.remove(id)),
                (false, true) => {}
                (false, false) => drop(self.last_words.insert(id.clone(), detail.clone())),
            }
        }
        if let Event::Behind { detail, .. } = event {
            self.lagging.insert(id.clone(), detail.clone());
            // The step stands where it stood, since when it stood there.
            return Ok(());
        }
        self.lagging.remove(id);
        self.unpublished.remove(&place);
        // A wait counts from when its predecessors were done, where it says so.
        let counts_from_before = matches!(event, Event::WaitBegun { since, .. } if *since < at);
        self.stamps[place] = match counts_from_before {
            true => self.ready_stamp(artifact, step),
            false => moment.steady,
        };
        self.steps[place] = next;
        if next.is_done() {
            self.ready.remove(&place);
            for follower in artifact.graph.followers(place) {
                self.unmet[*follower] -= 1;
                if self.unmet[*follower] == 0 {
                    self.ready.insert(*follower);
                }
            }
        }
        Ok(())
    }
}
