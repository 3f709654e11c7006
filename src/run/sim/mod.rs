//! The simulated world: a clock that jumps, and zones in memory.
//!
//! It needs no runtime: every future is ready at once. This is the *ideal* world, in which every
//! answer comes at once and is as planned. Its journal is the forecast of a plan, so there is no
//! second scheduler. It imports `world`, never `world/real`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use cutover_contract::{ChangeSet, Provider, ProviderError, Receipt};
use cutover_memory::Memory as MemoryProvider;
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Zone};
use futures_util::FutureExt;

use crate::artifact::{Artifact, Forecast};
use crate::engine::notification::{Message, NotSent};
use crate::journal::{Entry, Event, Halt, Line};
use crate::world::{AppendError, DriveOutcome, Patience, ProviderRead, Run, World, drive};
use cutover_base::calendar::{Steady, Timestamp};
use cutover_base::digest::Digest;
use cutover_steps::ask::{
    Answered, AskServer, Fetched, Looked, MailSeen, MailboxesSeen, MessageSeen, NoEnd, NotStarted,
    Outside, Page, Query, RoundTripSeen, Said, Served,
};
use cutover_steps::graph::{Primitive, StepId};

/// A world in which everything goes as planned.
struct Ideal {
    now: Timestamp,
    provider: MemoryProvider,
    zones: Vec<Name>,
    journal: Vec<Entry>,
    answered: Vec<(StepId, Vec<Answered>)>,
}

impl Ideal {
    /// A world that holds what the artifact expects to find.
    fn of(artifact: &Artifact, now: Timestamp) -> Self {
        let mut zones: BTreeMap<Name, BTreeMap<RrKey, RrSet>> = BTreeMap::new();
        let mut touched = BTreeSet::new();
        for (origin, relied) in &artifact.relies_on {
            let there =
                relied.rrsets.iter().filter_map(|(key, rrset)| Some((key.clone(), rrset.clone()?)));
            zones.entry(origin.clone()).or_default().extend(there);
        }
        for step in artifact.graph.steps() {
            let Primitive::Change(changes) = &step.primitive else { continue };
            for change in changes.changes() {
                let zone = zones.entry(changes.zone().clone()).or_default();
                // The first change of an RRset says what is there at the start.
                if touched.insert(&change.key)
                    && let Some(before) = &change.before
                {
                    zone.insert(change.key.clone(), before.clone());
                }
            }
        }
        let zones = zones.into_iter().map(|(origin, rrsets)| Zone { origin, rrsets });
        let zones: Vec<Zone> = zones.collect();
        let names = zones.iter().map(|zone| zone.origin.clone()).collect();
        let (journal, answered) = (Vec::new(), Vec::new());
        Self { now, provider: MemoryProvider::new(zones), zones: names, journal, answered }
    }

    async fn at_provider(&self, zone: &Name, keys: &[RrKey]) -> ProviderRead {
        self.provider.read_rrsets(zone, keys).await
    }

    async fn at_servers(&self, AskServer { zone, key, .. }: &AskServer) -> Served {
        match self.at_provider(zone, std::slice::from_ref(key)).await {
            Ok(mut rrsets) => Served::Answer(rrsets.pop().flatten()),
            Err(error) => Served::Unanswered(error.to_string()),
        }
    }

    async fn answer(&self, query: Query) -> Answered {
        match query {
            Query::Served(question) => {
                let served = self.at_servers(&question).await;
                Answered::Served(question, served)
            }
            // A gate waits until caches have expired, so a resolver returns what is in the zone.
            Query::Resolved(question) => {
                let resolved = self.resolved(&question.key).await;
                Answered::Resolved(question, resolved)
            }
            Query::Command(question) => Answered::Command(question, Ok(Said::with(0, ""))),
            Query::Http(question) => {
                Answered::Http(question, Ok(Page { status: 200, contains: true }))
            }
            Query::Smtp(question) => {
                let has_tlsa = !question.tlsa.is_empty();
                let seen = MailSeen::ideal(&question.host, &question.commands, has_tlsa);
                Answered::Smtp(question, seen)
            }
            Query::Imap(question) => {
                let seen = MailSeen::ideal(&question.host, &[], false);
                Answered::Imap(question, seen)
            }
            Query::Name(question) => {
                let looked = looked(&question.key);
                Answered::Name(question, looked)
            }
            // Nothing leads there: the ideal world publishes no policy.
            Query::Document(question) => {
                Answered::Document(question, Fetched::Unanswered("nobody is there".to_owned()))
            }
            Query::Mailboxes(question) => {
                let mailboxes = question.accounts.len();
                Answered::Mailboxes(question, MailboxesSeen { mailboxes, ..Default::default() })
            }
            Query::RoundTrip(question) => {
                let sent = question.exchanges.iter().map(MessageSeen::ideal).collect();
                Answered::RoundTrip(question, RoundTripSeen::Sent(sent))
            }
            Query::Lines(question) => {
                Answered::Lines(question, Ok(vec!["somebody@example.net".to_owned()]))
            }
        }
    }

    async fn resolved(&self, key: &RrKey) -> Outside {
        let zones = self.zones.iter().filter(|zone| key.name.is_at_or_below(zone));
        let Some(zone) = zones.max_by_key(|zone| zone.wire().len()) else {
            return Outside::Absent;
        };
        match self
            .at_provider(zone, std::slice::from_ref(key))
            .await
            .map(|mut held| held.pop().flatten())
        {
            Ok(Some(rrset)) => Outside::Records(rrset.shared_rdata()),
            Ok(None) => Outside::Absent,
            Err(error) => Outside::Unknown(error.to_string()),
        }
    }
}

/// An address for documentation (RFC 5737), at which nobody is asked.
const SOMEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// What resolvers answer: every host is there, and nothing else is published.
fn looked(key: &RrKey) -> Looked {
    let is_address = key.rtype == RrType::A;
    let rdata = is_address.then(|| Rdata::a(SOMEWHERE)).into_iter().collect();
    Looked::Found { rdata, is_validated: false }
}

impl World for Ideal {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn steady(&self) -> Option<Steady> {
        let millis = u64::try_from(self.now.timestamp_millis()).ok()?;
        Some(Steady { boot: 0, millis })
    }

    async fn sleep_until(&mut self, until: Timestamp) {
        self.now = self.now.max(until);
    }

    async fn read_provider(&mut self, zone: &Name, keys: &[RrKey]) -> ProviderRead {
        self.at_provider(zone, keys).await
    }

    async fn query_servers(&mut self, questions: &[AskServer]) -> Vec<Served> {
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            answers.push(self.at_servers(question).await);
        }
        answers
    }

    async fn command_result(&mut self, _: &StepId) -> Option<Result<Said, NoEnd>> {
        Some(Ok(Said::with(0, "")))
    }

    async fn confirmation(&mut self, _: &StepId) -> Option<String> {
        Some("it is done".to_owned())
    }

    async fn start_queries(&mut self, step: &StepId, queries: Vec<Query>) {
        let mut answers = Vec::with_capacity(queries.len());
        for query in queries {
            answers.push(self.answer(query).await);
        }
        self.answered.retain(|(other, _)| other != step);
        self.answered.push((step.clone(), answers));
    }

    async fn finished_queries(&mut self) -> Option<(StepId, Vec<Answered>)> {
        self.answered.pop()
    }

    async fn perform(&mut self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        self.provider.apply(changes).await
    }

    async fn publish(&mut self, zone: &Name) -> Result<(), ProviderError> {
        self.provider.publish(zone).await
    }

    async fn start_command(
        &mut self,
        _: &StepId,
        _: &[String],
        _: Duration,
    ) -> Result<(), NotStarted> {
        Ok(())
    }

    async fn notify(&mut self, _: &Message) -> Result<(), NotSent> {
        Ok(())
    }

    async fn append(&mut self, line: &Line) -> Result<(), AppendError> {
        self.journal.push(line.entry().clone());
        Ok(())
    }
}

/// When each step begins and ends in an ideal run, with all windows open.
///
/// # Errors
/// The halt of a run that does not finish even in an ideal world: a gate asks what nobody can answer.
///
/// # Panics
/// If the run ends in any other way, which is a bug in the compiler.
pub fn forecast(artifact: &Artifact) -> Result<Vec<Forecast>, Halt> {
    if artifact.graph.steps().iter().all(|step| step.window.is_none()) {
        return forecast_from(artifact, Timestamp::UNIX_EPOCH);
    }
    let open = Artifact { graph: artifact.graph.without_windows(), ..artifact.clone() };
    forecast_from(&open, Timestamp::UNIX_EPOCH)
}

/// When each step begins and ends, counted from `start`, in an ideal run that starts then and obeys
/// windows and freezes. A checkpoint begins when only its windows still hold it back.
///
/// # Errors
/// As [`forecast`].
///
/// # Panics
/// As [`forecast`].
pub fn forecast_from(artifact: &Artifact, start: Timestamp) -> Result<Vec<Forecast>, Halt> {
    let mut world = Ideal::of(artifact, start);
    // There is no digest yet: the forecast is part of the artifact that will be sealed.
    let mut run = Run::new(artifact.clone(), Digest::of(b""));
    let ended = drive(&mut world, &mut run, Patience::Stay, &mut |_, _| {})
        .now_or_never()
        .expect("a simulated world never waits");
    match ended {
        Ok(DriveOutcome::Finished) => {}
        Ok(DriveOutcome::Halted(halt)) => return Err(halt),
        _ => panic!("an ideal run of a compiled plan finishes: {ended:?}"),
    }
    let since = |at: Timestamp| {
        let delta = at - start;
        Duration::from_secs(delta.num_seconds().unsigned_abs())
    };
    let mut begins: BTreeMap<&StepId, Timestamp> = BTreeMap::new();
    let mut forecasts: BTreeMap<&StepId, Forecast> = BTreeMap::new();
    for Entry { at, event, .. } in &world.journal {
        match event {
            Event::Begun { step } => {
                begins.entry(step).or_insert(*at);
            }
            Event::WaitBegun { step, since, .. } => {
                begins.entry(step).or_insert(*since);
            }
            Event::Propagated { step, .. } | Event::WaitEnded { step } => {
                let begin = since(begins.get(step).copied().unwrap_or(*at));
                forecasts.insert(step, Forecast { step: step.clone(), begin, end: since(*at) });
            }
            Event::Probed { step, .. }
            | Event::Did { step, .. }
            | Event::Kept { step, .. }
            | Event::Allowed { step, .. } => {
                let begin = *begins.entry(step).or_insert(*at);
                let (begin, end) = (since(begin), since(*at));
                forecasts.insert(step, Forecast { step: step.clone(), begin, end });
            }
            Event::Reached { step } => {
                let before = artifact.graph.get(step).into_iter().flat_map(|it| it.after.keys());
                let ready = before.filter_map(|id| forecasts.get(id)).map(|one| one.end).max();
                let end = since(*at);
                let begin = ready.unwrap_or(end);
                forecasts.insert(step, Forecast { step: step.clone(), begin, end });
            }
            Event::Opened { .. }
            | Event::Resumed { .. }
            | Event::Written { .. }
            | Event::Unsure { .. }
            | Event::NotMade { .. }
            | Event::NotDone { .. }
            | Event::Lapsed { .. }
            | Event::Behind { .. }
            | Event::Halted(_)
            | Event::SetAside(_)
            | Event::Replaced { .. }
            | Event::Approved(_)
            | Event::Told { .. }
            | Event::TurnedBack { .. }
            | Event::Finished => {}
        }
    }
    let steps = artifact.graph.steps().iter();
    Ok(steps.filter_map(|step| forecasts.remove(&step.id)).collect())
}
