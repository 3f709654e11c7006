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
//! Nothing is tried for ever: how often and how long stands in [`poll`]. A run that cannot proceed
//! halts, and a halted run takes no event but that somebody has resumed it.

pub mod outcome;
pub mod poll;

use std::collections::BTreeSet;

use crate::artifact::Artifact;
use crate::calendar::{Timestamp, later};
use crate::digest::Digest;
use crate::graph::{Primitive, Step, StepId};
use crate::journal::{Entry, Event};

/// What is known of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Nothing has been done.
    Pending {
        /// When a wait lapsed: it starts anew when every server is seen to serve the new version.
        lapsed: Option<Timestamp>,
    },
    /// A change is being sent by this process.
    Begun,
    /// A change may or may not have been made; since when that is so.
    InDoubt {
        /// When the doubt arose.
        since: Timestamp,
    },
    /// The provider holds the new version.
    Written {
        /// Since when that is known.
        at: Timestamp,
    },
    /// A wait is running.
    Waiting {
        /// When it ends.
        until: Timestamp,
    },
    /// Done.
    Done {
        /// When.
        at: Timestamp,
    },
}

/// What is known of a run: nothing but a fold over its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// The digest of the artifact that is run.
    artifact: Digest,
    /// By the step's place in the graph.
    steps: Vec<StepState>,
    /// How many steps have to be done before each; by place.
    unmet: Vec<usize>,
    /// The places of the steps that are ready and not done: only they have to be looked at.
    ready: BTreeSet<usize>,
    /// The last halt that nobody has resumed from.
    pub halted: Option<Event>,
    /// When the run was opened.
    pub opened: Option<Timestamp>,
    /// When it finished.
    pub finished: Option<Timestamp>,
    /// When the last entry was written.
    pub last: Option<Timestamp>,
}

/// An event that cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// A step that the artifact does not have.
    #[error("the artifact has no step `{0}`")]
    UnknownStep(StepId),
    /// An event that the step's state, or its kind, does not allow.
    #[error("`{event}` cannot happen to `{step}` now")]
    Step {
        /// The step.
        step: StepId,
        /// The event.
        event: String,
    },
    /// A step that began before what it comes after was done.
    #[error("`{step}` comes after `{before}`, which is not done")]
    Order {
        /// The step.
        step: StepId,
        /// What is not done.
        before: StepId,
    },
    /// A run of another artifact.
    #[error("the journal is of artifact {journal}, not of {artifact}")]
    Artifact {
        /// What the journal says.
        journal: Digest,
        /// What is there.
        artifact: Digest,
    },
    /// An event outside of an open run, or in one that has halted.
    #[error("the run is not open for `{0}`")]
    NotOpen(String),
    /// A checkpoint that is reached at an instant at which no window of it is open.
    #[error("`{0}` is reached outside of its windows")]
    Window(StepId),
    /// A wait that does not begin when it may, or does not last as long as the artifact says.
    #[error("`{0}` does not begin and end as the artifact says")]
    Span(StepId),
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
        state.apply(artifact, entry.at, &entry.event).map_err(|error| (entry.seq, error))?;
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
            steps: vec![StepState::Pending { lapsed: None }; steps.len()],
            ready: (0..steps.len()).filter(|place| unmet[*place] == 0).collect(),
            unmet,
            halted: None,
            opened: None,
            finished: None,
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
        let done = step.after.keys().filter_map(|id| match self.of(artifact, id) {
            StepState::Done { at } => Some(at),
            StepState::Pending { .. }
            | StepState::Begun
            | StepState::InDoubt { .. }
            | StepState::Written { .. }
            | StepState::Waiting { .. } => None,
        });
        done.max().or(self.opened)
    }

    /// Adds one event.
    ///
    /// # Errors
    /// [`IllegalEvent`]; the state is as before then.
    pub fn apply(
        &mut self,
        artifact: &Artifact,
        at: Timestamp,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        let open = self.opened.is_some() && self.finished.is_none();
        let is_opening = matches!(event, Event::Opened { .. });
        let stands_still = self.halted.is_some() && !matches!(event, Event::Resumed { .. });
        if is_opening == open || (is_opening && self.opened.is_some()) || stands_still {
            return Err(IllegalEvent::NotOpen(name(event).to_owned()));
        }
        match event {
            Event::Opened { artifact: journal, .. } => {
                if *journal != self.artifact {
                    let artifact = self.artifact;
                    return Err(IllegalEvent::Artifact { journal: *journal, artifact });
                }
                self.opened = Some(at);
            }
            Event::Resumed { .. } => {
                self.halted = None;
                for state in &mut self.steps {
                    // Whoever had begun is gone: whether it was sent has to be looked for.
                    if *state == StepState::Begun {
                        *state = StepState::InDoubt { since: at };
                    }
                }
            }
            Event::Finished => {
                if let Some(place) = self.ready.first() {
                    let step = artifact.graph.steps()[*place].id.clone();
                    return Err(IllegalEvent::Step { step, event: name(event).to_owned() });
                }
                self.finished = Some(at);
            }
            Event::Halted { step, .. } => {
                if artifact.graph.place(step).is_none() {
                    return Err(IllegalEvent::UnknownStep(step.clone()));
                }
                self.halted = Some(event.clone());
            }
            Event::Begun { step }
            | Event::Written { step, .. }
            | Event::Unsure { step, .. }
            | Event::NotMade { step }
            | Event::Propagated { step, .. }
            | Event::WaitBegun { step, .. }
            | Event::Lapsed { step, .. }
            | Event::WaitEnded { step }
            | Event::Reached { step } => self.apply_to_step(artifact, at, step, event)?,
        }
        self.last = Some(at);
        Ok(())
    }

    fn apply_to_step(
        &mut self,
        artifact: &Artifact,
        at: Timestamp,
        id: &StepId,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        let place = artifact.graph.place(id);
        let place = place.ok_or_else(|| IllegalEvent::UnknownStep(id.clone()))?;
        let step = &artifact.graph.steps()[place];
        let done = |id: &&StepId| !matches!(self.of(artifact, id), StepState::Done { .. });
        if let Some(before) = step.after.keys().find(done) {
            return Err(IllegalEvent::Order { step: id.clone(), before: before.clone() });
        }
        if let (Primitive::Wait(wait), Event::WaitBegun { since, until, .. }) =
            (&step.primitive, event)
            && (Some(*since) < self.ready_since(artifact, step)
                || *until != later(*since, wait.span))
        {
            return Err(IllegalEvent::Span(id.clone()));
        }
        if matches!(event, Event::Reached { .. })
            && step.window.as_ref().is_some_and(|w| !w.is_open(at))
        {
            return Err(IllegalEvent::Window(id.clone()));
        }
        let next = next_state(&step.primitive, self.steps[place], at, event);
        let next = next.ok_or_else(|| IllegalEvent::Step {
            step: id.clone(),
            event: name(event).to_owned(),
        })?;
        self.steps[place] = next;
        if matches!(next, StepState::Done { .. }) {
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

/// Every legal transition of a step; `None`: there is none.
fn next_state(
    primitive: &Primitive,
    state: StepState,
    at: Timestamp,
    event: &Event,
) -> Option<StepState> {
    use StepState::{Begun, Done, InDoubt, Pending, Waiting, Written};
    match (primitive, state, event) {
        (Primitive::Change(_), Pending { .. }, Event::Begun { .. }) => Some(Begun),
        (Primitive::Change(_), Begun | InDoubt { .. }, Event::Written { .. }) => {
            Some(Written { at })
        }
        (Primitive::Change(_), Begun, Event::Unsure { .. }) => Some(InDoubt { since: at }),
        // Nothing was made: what has to be there is compared again before anything is sent.
        (Primitive::Change(_), Begun | InDoubt { .. }, Event::NotMade { .. }) => {
            Some(Pending { lapsed: None })
        }
        (Primitive::Change(_), Written { .. }, Event::Propagated { .. }) => Some(Done { at }),
        (Primitive::Wait(_), Pending { lapsed }, Event::WaitBegun { since, until, .. })
            if lapsed.is_none_or(|lapsed| lapsed <= *since) =>
        {
            Some(Waiting { until: *until })
        }
        (Primitive::Wait(_), Waiting { until }, Event::Lapsed { .. }) if at >= until => {
            Some(Pending { lapsed: Some(at) })
        }
        (Primitive::Wait(_), Waiting { until }, Event::WaitEnded { .. }) if at >= until => {
            Some(Done { at })
        }
        (Primitive::Checkpoint, Pending { .. }, Event::Reached { .. }) => Some(Done { at }),
        (Primitive::Change(_) | Primitive::Wait(_) | Primitive::Checkpoint, _, _) => None,
    }
}

/// The event's name as it stands in the journal.
fn name(event: &Event) -> &'static str {
    match event {
        Event::Opened { .. } => "opened",
        Event::Resumed { .. } => "resumed",
        Event::Begun { .. } => "begun",
        Event::Written { .. } => "written",
        Event::Unsure { .. } => "unsure",
        Event::NotMade { .. } => "not_made",
        Event::Propagated { .. } => "propagated",
        Event::WaitBegun { .. } => "wait_begun",
        Event::Lapsed { .. } => "lapsed",
        Event::WaitEnded { .. } => "wait_ended",
        Event::Reached { .. } => "reached",
        Event::Halted { .. } => "halted",
        Event::Finished => "finished",
    }
}
