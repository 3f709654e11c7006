//! The one boundary to the world, and the one loop that crosses it.
//!
//! A [`World`] has a clock, can sleep, ask, perform, publish and append. The real world and the simulated one
//! implement it; [`drive`] is the same loop for both. It decides nothing: `engine` does.

pub mod real;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{ChangeSet, Name, ProviderError, Receipt, RrKey, RrSet};

use crate::artifact::Artifact;
use crate::calendar::{Moment, Steady, Timestamp, later};
use crate::digest::Digest;
use crate::engine::outcome::{self, Sight};
use crate::engine::poll::{Next, poll};
use crate::engine::tell::{Message, message};
use crate::engine::{IllegalEvent, Memory, RunState, work};
use crate::graph::{Step, StepId};
use crate::journal::{Entry, EntryError, Event, Halt, Line};
use crate::observe::{Answered, AskServer, NoEnd, Query, Said, Served};

/// What a provider holds of some RRsets, in the order of the keys.
pub type Held = Result<Vec<Option<RrSet>>, ProviderError>;

/// Everything that touches the world. Each question has a function, and so an answer of its own type.
pub trait World {
    /// The time, in whole milliseconds: what a journal can hold.
    fn now(&self) -> Timestamp;
    /// The time by the clock that nobody sets, where there is one.
    fn steady(&self) -> Option<Steady>;
    /// Sleeps until then; may come back early, never late without need.
    fn sleep_until(&mut self, until: Timestamp) -> impl Future<Output = ()>;
    /// Some RRsets as their zone's provider holds them, in the order of the keys.
    fn held(&mut self, zone: &Name, keys: &[RrKey]) -> impl Future<Output = Held>;
    /// What authoritative servers serve, in the order of the questions.
    fn served(&mut self, questions: &[AskServer]) -> impl Future<Output = Vec<Served>>;
    /// What a command that was started for a step has said, or why it did not come to its end; `None`: it
    /// still runs.
    fn ended(&mut self, step: &StepId) -> impl Future<Output = Option<Result<Said, NoEnd>>>;
    /// In which words a person has said elsewhere that a step is done; `None`: nobody has.
    fn confirmed(&mut self, step: &StepId) -> impl Future<Output = Option<String>>;
    /// Begins to ask something for a step, and takes the place of what was asked for it before;
    /// [`World::answered`] has the answers, and nothing else waits for them.
    fn begin(&mut self, step: &StepId, queries: Vec<Query>) -> impl Future<Output = ()>;
    /// The answers to what was begun, in the order of the questions, as soon as they are there.
    fn answered(&mut self) -> impl Future<Output = Option<(StepId, Vec<Answered>)>>;
    /// The rollback point that somebody wants the run to go back to while this process drives it. Nobody
    /// does where nobody else can.
    fn wanted_back(&mut self) -> impl Future<Output = Option<String>> {
        std::future::ready(None)
    }
    /// Makes a change.
    fn perform(
        &mut self,
        changes: &ChangeSet,
    ) -> impl Future<Output = Result<Receipt, ProviderError>>;
    /// Has a zone's servers told of what its provider holds, where that is an act of its own.
    fn publish(&mut self, zone: &Name) -> impl Future<Output = Result<(), ProviderError>>;
    /// Starts a command for a step, which [`World::ended`] asks for; why it cannot be started.
    fn start(
        &mut self,
        step: &StepId,
        argv: &[String],
        within: Duration,
    ) -> impl Future<Output = Result<(), String>>;
    /// Ends every command that was started and still runs, with all that it has started; the steps whose
    /// work they are. None where nothing runs beside the loop.
    fn end_commands(&mut self) -> impl Future<Output = Vec<StepId>> {
        std::future::ready(Vec::new())
    }
    /// Tells somebody; why that could not be done.
    fn tell(&mut self, message: &Message) -> impl Future<Output = Result<(), String>>;
    /// Writes an entry to the journal so that it survives a crash.
    ///
    /// # Errors
    /// Whatever keeps it from being written; the entry counts as not written then.
    fn append(&mut self, line: &Line) -> impl Future<Output = Result<(), AppendError>>;
}

/// Why an entry cannot be written; which store it is, nobody above it knows.
pub type AppendError = Box<dyn std::error::Error + Send + Sync>;

/// Why a line of a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is no entry, or not the next one.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The entry cannot follow from those before it.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
}

/// A run in progress: its artifact, its state, and the end of its journal.
#[derive(Clone, Debug)]
pub struct Run {
    /// What is run.
    pub artifact: Arc<Artifact>,
    /// What is known.
    pub state: RunState,
    /// The number of the next entry.
    pub seq: u64,
    /// The digest of the last line.
    pub head: Digest,
    /// What has happened since a halted run was taken up again, while it may halt as before.
    pub again: Option<Again>,
    /// In which words it has halted as before.
    pub as_before: Option<Halt>,
    /// Whether people are told now that it was turned back: its way back has led mail back.
    pub tells_of_turn: bool,
}

/// A halted run that was taken up again. Where it halts as before, nothing has happened, and nothing is
/// written down: whoever applies a run every minute finds one halt in its journal, and is told once.
#[derive(Clone, Debug)]
pub struct Again {
    /// The state in which it had halted.
    before: RunState,
    /// What has happened since. None of it has had an effect.
    unwritten: Vec<(Moment, Event)>,
}

/// Events that are kept back at the most. Our choice: a gate has come to something by then.
const UNWRITTEN_MAX: usize = 16;

/// How long the loop stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Through every wait.
    Stay,
    /// Until the plan has to wait; short pauses are sat out.
    Leave,
}

/// How long short pauses are sat out under [`Patience::Leave`]. Our choice: secondaries that are
/// notified have a change within this time.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// A pause after which what the proof takes as it is has to be looked at again, like after a wait. Our
/// choice: what is seen within it is one burst of changes.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// How the loop ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything is done.
    Finished,
    /// Nothing can be done before this.
    Waiting {
        /// Until when.
        until: Timestamp,
    },
    /// Nothing can be done before a person has done something.
    Asked,
    /// The run stopped, safe.
    Halted(Halt),
}

/// Why the loop could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal cannot be written; nothing was done that is not in it.
    #[error("the journal cannot be written")]
    Append(#[source] AppendError),
    /// An event that cannot follow: our mistake.
    #[error("an event cannot follow")]
    Illegal(#[from] IllegalEvent),
}

/// What somebody who watches is told.
#[derive(Debug)]
pub enum Progress<'p> {
    /// An event was written down.
    Event(&'p Entry),
    /// Nothing can be done before this.
    Sleeping {
        /// Until when.
        until: Timestamp,
    },
}

impl Run {
    /// A run of which nothing is known yet, of an artifact with this digest.
    #[must_use]
    pub fn new(artifact: Artifact, digest: Digest) -> Self {
        let state = RunState::new(&artifact, digest);
        Self {
            artifact: Arc::new(artifact),
            state,
            seq: 0,
            head: Digest::of(b""),
            again: None,
            as_before: None,
            tells_of_turn: false,
        }
    }

    /// Adds a line of its journal, which is the next one.
    ///
    /// # Errors
    /// [`LineError`]; the run is as before then.
    pub fn take(&mut self, line: &[u8]) -> Result<Entry, LineError> {
        let (entry, digest) = Entry::read(line, self.seq, self.head)?;
        self.state.apply(&self.artifact, entry.moment(), &entry.event)?;
        self.seq += 1;
        self.head = digest;
        Ok(entry)
    }

    /// Turns the run back to a rollback point; [`drive`] then settles what has begun.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn turn_back<W: World>(
        &mut self,
        world: &mut W,
        to: &str,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        self.record(
            world,
            world.now(),
            Event::TurnedBack { to: to.to_owned(), because: None },
            watch,
        )
        .await
    }

    /// Has another artifact take the run's place; [`drive`] then settles what has begun.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn give_way<W: World>(
        &mut self,
        world: &mut W,
        by: Digest,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        self.record(world, world.now(), Event::Replaced { by }, watch).await
    }

    /// Lets a gate pass that was left to a person.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn allow<W: World>(
        &mut self,
        world: &mut W,
        step: StepId,
        reason: String,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        self.record(world, world.now(), Event::Allowed { step, reason }, watch).await
    }

    /// Writes down that a task was ended in the middle, with the process that had started it.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn cut<W: World>(
        &mut self,
        world: &mut W,
        step: StepId,
        detail: String,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        self.record(world, world.now(), Event::Unsure { step, detail }, watch).await
    }

    /// Says of a task of which nobody knows whether it was done that it was not, and how that is
    /// known.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn disown<W: World>(
        &mut self,
        world: &mut W,
        step: StepId,
        reason: Option<String>,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        begin(world, self, watch).await?;
        let event = match reason {
            Some(reason) => Event::NotDone { step, reason },
            None => Event::NotMade { step },
        };
        self.record(world, world.now(), event, watch).await
    }

    async fn record<W: World>(
        &mut self,
        world: &mut W,
        at: Timestamp,
        event: Event,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        let moment = Moment { at, steady: world.steady() };
        if let Some(again) = &mut self.again {
            if let (Some(before), Event::Halted(halt)) = (&again.before.halted, &event)
                && is_as_before(before, halt)
            {
                self.as_before = Some(halt.clone());
                self.state = again.before.clone();
                self.again = None;
                return Ok(());
            }
            if matches!(event, Event::Probed { .. }) && again.unwritten.len() < UNWRITTEN_MAX {
                self.state.apply(&self.artifact, moment, &event)?;
                again.unwritten.push((moment, event));
                return Ok(());
            }
        }
        self.write_down(world, watch).await?;
        // Whether it may follow is decided before it is written: a journal holds legal events only.
        // Where it cannot be written the run ends here, and the state in memory with it.
        self.state.apply(&self.artifact, moment, &event)?;
        self.append(world, moment, event, watch).await
    }

    /// Writes down what was kept back: the run does not halt as before.
    async fn write_down<W: World>(
        &mut self,
        world: &mut W,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        for (moment, event) in self.again.take().into_iter().flat_map(|again| again.unwritten) {
            self.append(world, moment, event, watch).await?;
        }
        Ok(())
    }

    async fn append<W: World>(
        &mut self,
        world: &mut W,
        Moment { at, steady }: Moment,
        event: Event,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        let line = Entry { seq: self.seq, at, steady, prev: self.head, event }.line();
        world.append(&line).await.map_err(DriveError::Append)?;
        self.seq += 1;
        self.head = line.digest();
        watch(&self.state, Progress::Event(line.entry()));
        Ok(())
    }
}

/// Whether a run has halted as it had before; what is said of it in detail may have changed.
fn is_as_before(before: &Halt, halt: &Halt) -> bool {
    *before == Halt { detail: before.detail.clone(), ..halt.clone() }
}

/// Drives a run as far as patience goes.
///
/// # Errors
/// [`DriveError`].
pub async fn drive<W: World>(
    world: &mut W,
    run: &mut Run,
    patience: Patience,
    watch: &mut dyn FnMut(&RunState, Progress<'_>),
) -> Result<Outcome, DriveError> {
    begin(world, run, watch).await?;
    let mut memory = Memory::new(run.tells_of_turn);
    let mut pausing_since = world.now();
    loop {
        if let Some(to) = world.wanted_back().await
            && run.state.finished.is_none()
            && !run.state.leaves()
            && run.state.way_back(&run.artifact, &to).is_ok()
        {
            run.turn_back(world, &to, watch).await?;
        }
        if run.state.turned_back.is_some() && run.state.finished.is_none() {
            // No task is waited for, and none goes on beside the way back.
            for step in world.end_commands().await {
                let detail = "its command was ended: the run goes back".to_owned();
                run.cut(world, step, detail, watch).await?;
            }
        }
        let now = world.now();
        let moment = Moment { at: now, steady: world.steady() };
        let artifact = Arc::clone(&run.artifact);
        // An event has the instant of what decided it, and a clock that is set back in between
        // does not make it illegal.
        let after = |world: &W| world.now().max(now);
        if let Some((step, answers)) = world.answered().await {
            let moment = Moment { at: after(world), steady: world.steady() };
            let events =
                outcome::answered(&artifact, &run.state, &mut memory, &step, answers, moment);
            if !events.is_empty() {
                pausing_since = world.now();
            }
            for event in events {
                run.record(world, moment.at, event, watch).await?;
            }
            continue;
        }
        let (events, at) = match poll(&artifact, &run.state, &memory, moment) {
            Next::Finished => return Ok(Outcome::Finished),
            Next::Halted => {
                let halt = run.as_before.take().or_else(|| run.state.halted.clone());
                return Ok(Outcome::Halted(halt.expect("a run that stands still has halted")));
            }
            Next::Sleep { until, is_wait } => {
                let patient = !is_wait && now < later(pausing_since, PAUSE_MAX);
                if !patient {
                    run.write_down(world, watch).await?;
                }
                if patience == Patience::Leave && !patient {
                    return Ok(Outcome::Waiting { until });
                }
                watch(&run.state, Progress::Sleeping { until });
                world.sleep_until(until).await;
                // A nap in a long wait is none.
                if world.now() >= until && (is_wait || until >= later(now, LONG_PAUSE)) {
                    memory.waits();
                }
                continue;
            }
            Next::Record(event) => (vec![event], now),
            Next::Look { step, changes, look } => {
                let keys = changes.changes().iter().map(|change| change.key.clone());
                let answer = world.held(changes.zone(), &keys.collect::<Vec<_>>()).await;
                let now = after(world);
                let is_held = held(run, world, step).is_some();
                let memory = memory.at(&step.id);
                (outcome::looked(look, memory, (step, changes), answer, is_held, now), now)
            }
            Next::LookAtRelied { step, zone, relied } => {
                let keys: Vec<RrKey> = relied.rrsets.keys().cloned().collect();
                let answer = world.held(zone, &keys).await;
                let now = after(world);
                (outcome::relied_on(&mut memory, (step, zone, relied), answer, now), now)
            }
            Next::Perform { step, changes } => {
                let answer = world.perform(changes).await;
                let now = after(world);
                (outcome::performed(memory.at(&step.id), step, answer, now), now)
            }
            Next::Publish { step, zone } => {
                let answer = world.publish(zone).await;
                let now = after(world);
                (outcome::published(memory.at(&step.id), step, answer, now), now)
            }
            Next::See { step, changes, servers, see } => {
                let mut questions = Vec::new();
                for server in &servers {
                    questions.extend(changes.changes().iter().map(|change| AskServer {
                        zone: changes.zone().clone(),
                        server: server.address,
                        key: change.key.clone(),
                        or_absent: change.before.is_none() || change.after.is_none(),
                    }));
                }
                let answers = world.served(&questions).await;
                let answers: Vec<Vec<Served>> =
                    answers.chunks(changes.changes().len()).map(<[Served]>::to_vec).collect();
                let now = after(world);
                let held = held(run, world, step);
                let named = run.state.behind_of(&step.id);
                let sight =
                    Sight { changes: &changes, servers: &servers, answers: &answers, named };
                let seen = outcome::seen(see, memory.at(&step.id), step, sight, held, now);
                (seen, now)
            }
            Next::Busy { until } => {
                // Nobody leaves a command alone.
                pausing_since = now;
                world.sleep_until(until).await;
                memory.waits();
                continue;
            }
            Next::Await { .. } if patience == Patience::Leave => {
                run.write_down(world, watch).await?;
                return Ok(Outcome::Asked);
            }
            Next::Await { until } => {
                run.write_down(world, watch).await?;
                watch(&run.state, Progress::Sleeping { until });
                world.sleep_until(until).await;
                memory.waits();
                continue;
            }
            Next::Start { step, argv, within } => {
                let answer = world.start(&step.id, argv, within).await;
                let now = after(world);
                (work::started(memory.at(&step.id), step, answer, now), now)
            }
            Next::AskEnded { step } => {
                let answer = world.ended(&step.id).await;
                let now = after(world);
                (work::ended(memory.at(&step.id), step, answer, now), now)
            }
            Next::AskPerson { step } => {
                let answer = world.confirmed(&step.id).await;
                let now = after(world);
                (work::confirmed(memory.at(&step.id), step, answer, now), now)
            }
            Next::Tell { untold } => {
                let answer = world.tell(&message(&artifact, &untold)).await;
                (outcome::told(&untold, answer), after(world))
            }
            Next::Probe { step, queries } => {
                world.begin(&step.id, queries).await;
                memory.at(&step.id).begun();
                continue;
            }
        };
        if !events.is_empty() {
            pausing_since = world.now();
        }
        for event in events {
            let event = run.state.isolated(&artifact, event);
            run.record(world, at, event, watch).await?;
        }
    }
}

/// Until when a step is held up by what somebody else had put there.
fn held<W: World>(run: &Run, world: &W, step: &Step) -> Option<Timestamp> {
    let place = run.artifact.graph.place(&step.id)?;
    run.state.held_until(place, Moment { at: world.now(), steady: world.steady() })
}

/// Opens a run, or takes it up again.
async fn begin<W: World>(
    world: &mut W,
    run: &mut Run,
    watch: &mut dyn FnMut(&RunState, Progress<'_>),
) -> Result<(), DriveError> {
    let tool = tool();
    if run.state.opened.is_none() {
        let (name, artifact) = (run.artifact.name.clone(), run.state.artifact());
        return run.record(world, world.now(), Event::Opened { name, artifact, tool }, watch).await;
    }
    let begun = run.state.ready().any(|place| run.state.at(place).is_under_way());
    // Looking in while a wait runs leaves no trace.
    let event = Event::Resumed { tool };
    let is_aside = run.state.aside().next().is_some();
    match (run.state.finished.is_none(), begun || is_aside, run.state.halted.is_some()) {
        (true, true, false) => run.record(world, world.now(), event, watch).await,
        (true, _, true) if begun => run.record(world, world.now(), event, watch).await,
        (true, _, true) => {
            let before = run.state.clone();
            let moment = Moment { at: world.now(), steady: world.steady() };
            run.state.apply(&run.artifact, moment, &event)?;
            run.again = Some(Again { before, unwritten: vec![(moment, event)] });
            Ok(())
        }
        (_, _, _) => Ok(()),
    }
}

/// The name and version of this program, as artifacts and journals carry it.
#[must_use]
pub fn tool() -> String {
    concat!("cutover ", env!("CARGO_PKG_VERSION")).to_owned()
}
