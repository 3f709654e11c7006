//! The only boundary to the world, and the loop that drives a run across it.
//!
//! A [`World`] has a clock and can sleep, query, perform, publish, notify and append. The real and
//! the simulated world implement it, and [`drive`] is the same loop for both. The loop decides
//! nothing: `engine` does.

mod approved;
mod begin;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{ChangeSet, ProviderError, Receipt};
use cutover_zone::{Name, RrKey, RrSet};

use crate::artifact::Artifact;
use crate::engine::next::Next;
use crate::engine::notification::{Message, NotSent, message};
use crate::engine::outcome::{self, PropagationCheck};
use crate::engine::poll::poll;
use crate::engine::{IllegalEvent, Memory, RunState, work};
use crate::journal::{Approvals, Entry, EntryError, Event, Halt, Line};
use cutover_base::calendar::{Moment, Steady, Timestamp, later};
use cutover_base::digest::Digest;
use cutover_steps::ask::{Answered, AskServer, NoEnd, NotStarted, Query, Said, Served};
use cutover_steps::graph::{Step, StepId};

use begin::begin;

/// What a provider holds of some RRsets, in the order of the keys.
pub type ProviderRead = Result<Vec<Option<RrSet>>, ProviderError>;

/// Everything that touches the world. Each kind of question has its own function, so that its
/// answer has its own type.
pub trait World {
    /// The time in whole milliseconds, the precision of a journal.
    fn now(&self) -> Timestamp;
    /// The time of a clock that cannot be set, if the world has one.
    fn steady(&self) -> Option<Steady>;
    /// Sleeps until then. May return early; returns late only if it must.
    fn sleep_until(&mut self, until: Timestamp) -> impl Future<Output = ()>;
    /// Some RRsets as their zone's provider holds them, in the order of the keys.
    fn read_provider(&mut self, zone: &Name, keys: &[RrKey]) -> impl Future<Output = ProviderRead>;
    /// What authoritative servers serve, in the order of the questions.
    fn query_servers(&mut self, questions: &[AskServer]) -> impl Future<Output = Vec<Served>>;
    /// What the command of a step printed, or why it did not run to its end; `None` while it still
    /// runs.
    fn command_result(
        &mut self,
        step: &StepId,
    ) -> impl Future<Output = Option<Result<Said, NoEnd>>>;
    /// When a run that this one supersedes has done a task; `None` if none has. The chain of such runs
    /// begins with the artifact `parent`.
    fn done_earlier(
        &mut self,
        _step: &Step,
        _parent: Digest,
    ) -> impl Future<Output = Result<Option<Timestamp>, String>> {
        std::future::ready(Ok(None))
    }
    /// What a person wrote when confirming elsewhere that a step is done; `None` if nobody has.
    fn confirmation(&mut self, step: &StepId) -> impl Future<Output = Option<String>>;
    /// Starts queries for a step and drops the earlier ones of that step.
    /// [`World::finished_queries`] returns the answers; nothing else waits for them.
    fn start_queries(&mut self, step: &StepId, queries: Vec<Query>) -> impl Future<Output = ()>;
    /// The answers to the queries of one step, in their order, once all of them are known.
    fn finished_queries(&mut self) -> impl Future<Output = Option<(StepId, Vec<Answered>)>>;
    /// The rollback point to which somebody asks the run to return while this process drives it.
    /// `None` in a world where nobody can ask.
    fn rollback_request(&mut self) -> impl Future<Output = Option<String>> {
        std::future::ready(None)
    }
    /// The approvals of the run as they count now, if that can be said anew; `None`: as its journal has
    /// them. Asked before each checkpoint of a run that was approved.
    fn approvals(
        &mut self,
        _state: &RunState,
    ) -> impl Future<Output = Result<Option<Approvals>, NotJudged>> {
        std::future::ready(Ok(None))
    }
    /// Makes a change.
    fn perform(
        &mut self,
        changes: &ChangeSet,
    ) -> impl Future<Output = Result<Receipt, ProviderError>>;
    /// Makes a zone's servers load what its provider holds, if that is a separate action.
    fn publish(&mut self, zone: &Name) -> impl Future<Output = Result<(), ProviderError>>;
    /// Starts a step's command, or says why it cannot be started. [`World::command_result`] returns
    /// its result.
    fn start_command(
        &mut self,
        step: &StepId,
        argv: &[String],
        within: Duration,
    ) -> impl Future<Output = Result<(), NotStarted>>;
    /// Ends every command that still runs, with all its child processes, and returns their steps.
    /// Returns nothing in a world where nothing runs beside the loop.
    fn end_commands(&mut self) -> impl Future<Output = Vec<StepId>> {
        std::future::ready(Vec::new())
    }
    /// Sends a notification, or says why it could not be sent.
    fn notify(&mut self, message: &Message) -> impl Future<Output = Result<(), NotSent>>;
    /// Writes an entry to the journal so that it survives a crash.
    ///
    /// # Errors
    /// Whatever keeps it from being written; the entry then counts as not written.
    fn append(&mut self, line: &Line) -> impl Future<Output = Result<(), AppendError>>;
}

/// Why it cannot be said who may approve, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotJudged(pub String);

/// Why an entry cannot be written. The type is opaque because no caller knows which store it is.
pub type AppendError = Box<dyn std::error::Error + Send + Sync>;

/// Why a line of a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line is not an entry, or not the next one.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The entry cannot follow the entries before it.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
}

/// A run in progress: its artifact, its state, and the end of its journal.
#[derive(Clone, Debug)]
pub struct Run {
    /// The artifact that is run.
    pub artifact: Arc<Artifact>,
    /// The state that follows from the journal.
    pub state: RunState,
    /// The number of the next entry.
    pub seq: u64,
    /// The digest of the last line.
    pub head: Digest,
    /// What has happened since a halted run was resumed, as long as it may still halt as before.
    pub resumed: Option<Resumed>,
    /// The present reason, if it has halted again as before.
    pub halted_again: Option<Halt>,
    /// Whether the notices about its rollback are due: mail has gone back.
    pub announces_rollback: bool,
    /// Approvals that were checked for it, to be written down when it begins or is resumed.
    pub approvals: Option<Approvals>,
}

/// A halted run that was resumed. If it halts again as before, nothing has changed and nothing is
/// written: a run that is applied every minute has one halt in its journal and sends one
/// notification.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The state in which it had halted.
    before: RunState,
    /// The events since then. None of them has had an effect.
    unwritten: Vec<(Moment, Event)>,
}

/// Number of events that are kept back. Our choice: a gate has reached a result by then.
const UNWRITTEN_MAX: usize = 16;

/// How long the loop stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It sleeps through every wait.
    Stay,
    /// It returns as soon as the plan has to wait, but sleeps through short pauses.
    Leave,
}

/// How long [`Patience::Leave`] sleeps through short pauses. Our choice: secondaries that are
/// notified have a change within this time.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// After a pause of this length, what the proof relies on is checked again, as after a wait. Our
/// choice: changes within it belong to one burst.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// How the loop ended.
#[derive(Clone, Debug, PartialEq)]
pub enum DriveOutcome {
    /// Everything is done.
    Finished,
    /// The next step is due later.
    Waiting {
        /// When the run continues.
        until: Timestamp,
    },
    /// A person has to act before the run can continue.
    NeedsPerson,
    /// The run stopped in a safe state.
    Halted(Halt),
}

/// Why the loop could not continue.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal cannot be written; everything that was done is in it.
    #[error("the journal cannot be written")]
    Append(#[source] AppendError),
    /// An event that cannot follow, which is a bug of ours.
    #[error("an event cannot follow")]
    Illegal(#[from] IllegalEvent),
}

/// What the loop reports while it runs.
#[derive(Debug)]
pub enum Progress<'p> {
    /// An event was written to the journal.
    Event(&'p Entry),
    /// The loop sleeps: the next step is due later.
    Sleeping {
        /// When it wakes up.
        until: Timestamp,
    },
}

impl Run {
    /// A run of the artifact with this digest, before its first event.
    #[must_use]
    pub fn new(artifact: Artifact, digest: Digest) -> Self {
        let state = RunState::new(&artifact, digest);
        Self {
            artifact: Arc::new(artifact),
            state,
            seq: 0,
            head: Digest::of(b""),
            resumed: None,
            halted_again: None,
            announces_rollback: false,
            approvals: None,
        }
    }

    /// Adds the next line of its journal.
    ///
    /// # Errors
    /// [`LineError`]; the run is then unchanged.
    pub fn read_line(&mut self, line: &[u8]) -> Result<Entry, LineError> {
        let (entry, digest) = Entry::read(line, self.seq, self.head)?;
        self.state.apply(&self.artifact, entry.moment(), &entry.event)?;
        self.seq += 1;
        self.head = digest;
        Ok(entry)
    }

    /// Makes the run go back to a rollback point. [`drive`] then settles what has begun.
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

    /// Lets another artifact supersede the run. [`drive`] then settles what has begun.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn supersede<W: World>(
        &mut self,
        world: &mut W,
        by: Digest,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        self.record(world, world.now(), Event::Replaced { by }, watch).await
    }

    /// Lets a gate pass whose failure is left to a person to decide.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn pass_gate<W: World>(
        &mut self,
        world: &mut W,
        step: StepId,
        reason: String,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        self.record(world, world.now(), Event::Allowed { step, reason }, watch).await
    }

    /// Records that a task was interrupted, because the process that had started it ended it.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn record_interrupted<W: World>(
        &mut self,
        world: &mut W,
        step: StepId,
        detail: String,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        self.record(world, world.now(), Event::Unsure { step, detail }, watch).await
    }

    /// Records that a task whose outcome was unknown was not done, and how that is known.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn record_not_done<W: World>(
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
        if let Some(resumed) = &mut self.resumed {
            if let (Some(before), Event::Halted(halt)) = (&resumed.before.halted, &event)
                && is_as_before(before, halt)
            {
                self.halted_again = Some(halt.clone());
                self.state = resumed.before.clone();
                self.resumed = None;
                return Ok(());
            }
            if matches!(event, Event::Probed { .. }) && resumed.unwritten.len() < UNWRITTEN_MAX {
                self.state.apply(&self.artifact, moment, &event)?;
                resumed.unwritten.push((moment, event));
                return Ok(());
            }
        }
        self.write_kept_back(world, watch).await?;
        // Apply before writing, because a journal holds only legal events. If writing fails, the
        // run ends here and its state in memory is dropped.
        self.state.apply(&self.artifact, moment, &event)?;
        self.append(world, moment, event, watch).await
    }

    /// Writes the events that were kept back: the run does not halt as before.
    async fn write_kept_back<W: World>(
        &mut self,
        world: &mut W,
        watch: &mut dyn FnMut(&RunState, Progress<'_>),
    ) -> Result<(), DriveError> {
        for (moment, event) in self.resumed.take().into_iter().flat_map(|resumed| resumed.unwritten)
        {
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

/// Whether a run has halted for the same reason as before; the detail may differ.
fn is_as_before(before: &Halt, halt: &Halt) -> bool {
    *before == Halt { detail: before.detail.clone(), ..halt.clone() }
}

/// Drives a run as far as `patience` allows.
///
/// # Errors
/// [`DriveError`].
pub async fn drive<W: World>(
    world: &mut W,
    run: &mut Run,
    patience: Patience,
    watch: &mut dyn FnMut(&RunState, Progress<'_>),
) -> Result<DriveOutcome, DriveError> {
    begin(world, run, watch).await?;
    let mut memory = Memory::new(run.announces_rollback);
    let mut pausing_since = world.now();
    loop {
        if let Some(to) = world.rollback_request().await
            && run.state.finished.is_none()
            && !run.state.only_settles()
            && run.state.way_back(&run.artifact, &to).is_ok()
        {
            run.turn_back(world, &to, watch).await?;
        }
        if run.state.turned_back.is_some() && run.state.finished.is_none() {
            // The way back waits for no task, and no task continues beside it.
            for step in world.end_commands().await {
                let detail = "its command was ended: the run goes back".to_owned();
                run.record_interrupted(world, step, detail, watch).await?;
            }
        }
        let now = world.now();
        let moment = Moment { at: now, steady: world.steady() };
        let artifact = Arc::clone(&run.artifact);
        // An event carries the time of the decision that led to it, so that a clock set back
        // meanwhile does not make it illegal.
        let after = |world: &W| world.now().max(now);
        if let Some((step, answers)) = world.finished_queries().await {
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
            Next::Finished => return Ok(DriveOutcome::Finished),
            Next::Halted => {
                let halt = run.halted_again.take().or_else(|| run.state.halted.clone());
                return Ok(DriveOutcome::Halted(halt.expect("`poll` says that it has halted")));
            }
            Next::Sleep { until, pause } => {
                let is_wait = pause.is_of_plan();
                let is_short = !is_wait && now < later(pausing_since, PAUSE_MAX);
                if !is_short {
                    run.write_kept_back(world, watch).await?;
                }
                if patience == Patience::Leave && !is_short {
                    return Ok(DriveOutcome::Waiting { until });
                }
                watch(&run.state, Progress::Sleeping { until });
                world.sleep_until(until).await;
                // Waking up early in a long wait does not count as its end.
                if world.now() >= until && (is_wait || until >= later(now, LONG_PAUSE)) {
                    memory.waits();
                }
                continue;
            }
            Next::Record(event @ Event::Reached { .. }) if run.state.approvals.is_some() => {
                let approvals = world.approvals(&run.state).await;
                (approved::before_checkpoint(&run.state, event, approvals), now)
            }
            Next::Record(event) => (vec![event], now),
            Next::Look { step, changes, look } => {
                let keys = changes.changes().iter().map(|change| change.key.clone());
                let keys: Vec<_> = keys.collect();
                let answer = world.read_provider(changes.zone(), &keys).await;
                let now = after(world);
                let is_held = held_until(run, world, step).is_some();
                let memory = memory.at(&step.id);
                (outcome::looked(look, memory, (step, changes), answer, is_held, now), now)
            }
            Next::LookAtRelied { step, zone, relied } => {
                let keys: Vec<RrKey> = relied.rrsets.keys().cloned().collect();
                let answer = world.read_provider(zone, &keys).await;
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
                let goes_back = run.state.turned_back.is_some();
                (outcome::published(memory.at(&step.id), step, answer, goes_back, now), now)
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
                let answers = world.query_servers(&questions).await;
                let answers: Vec<Vec<Served>> =
                    answers.chunks(changes.changes().len()).map(<[Served]>::to_vec).collect();
                let now = after(world);
                let held = held_until(run, world, step);
                let place = artifact.graph.place(&step.id);
                let named = place.and_then(|place| run.state.lagging(place));
                let goes_back = run.state.turned_back.is_some();
                let (changes, servers, answers) = (&changes, &servers, &answers);
                let check = PropagationCheck { changes, servers, answers, named, goes_back };
                let seen = outcome::seen(see, memory.at(&step.id), step, check, held, now);
                (seen, now)
            }
            Next::Busy { until } => {
                // The loop never leaves while a command runs.
                pausing_since = now;
                world.sleep_until(until).await;
                memory.waits();
                continue;
            }
            Next::Await { .. } if patience == Patience::Leave => {
                run.write_kept_back(world, watch).await?;
                return Ok(DriveOutcome::NeedsPerson);
            }
            Next::Await { until } => {
                run.write_kept_back(world, watch).await?;
                watch(&run.state, Progress::Sleeping { until });
                world.sleep_until(until).await;
                memory.waits();
                continue;
            }
            Next::AskEarlier { step, parent } => {
                let answer = world.done_earlier(step, parent).await;
                (work::earlier(memory.at(&step.id), step, answer), after(world))
            }
            Next::Start { step, argv, within } => {
                let answer = world.start_command(&step.id, argv, within).await;
                let now = after(world);
                (work::started(memory.at(&step.id), step, answer, now), now)
            }
            Next::AskEnded { step } => {
                let answer = world.command_result(&step.id).await;
                let now = after(world);
                (work::ended(memory.at(&step.id), step, answer, now), now)
            }
            Next::AskPerson { step } => {
                let answer = world.confirmation(&step.id).await;
                let now = after(world);
                (work::confirmed(memory.at(&step.id), step, answer, now), now)
            }
            Next::Notify { notification } => {
                let answer = world.notify(&message(&artifact, &notification)).await;
                (outcome::notified(&notification, answer), after(world))
            }
            Next::Probe { step, queries } => {
                world.start_queries(&step.id, queries).await;
                memory.at(&step.id).begun();
                continue;
            }
        };
        if !events.is_empty() {
            pausing_since = world.now();
        }
        for event in events {
            let event = run.state.isolate(&artifact, event);
            run.record(world, at, event, watch).await?;
        }
    }
}

/// Until when a step has to wait for records that somebody else had published there.
fn held_until<W: World>(run: &Run, world: &W, step: &Step) -> Option<Timestamp> {
    let place = run.artifact.graph.place(&step.id)?;
    run.state.held_until(place, Moment { at: world.now(), steady: world.steady() })
}

/// The name and version of this program, as artifacts and journals carry it.
#[must_use]
pub fn tool() -> String {
    concat!("cutover ", env!("CARGO_PKG_VERSION")).to_owned()
}
