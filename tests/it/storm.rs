//! A simulated world in which, by seed, everything goes wrong that can: a virtual clock over zones
//! in memory, with servers that lag, fall silent and return to an old version, a provider whose
//! answers get lost, other users who edit, and a process that dies between any two calls.
//!
//! What an engine must never do is recorded in [`Storm::violations`].

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use cutover::artifact::Artifact;
use cutover::ask::{
    Answered, AskServer, MailSeen, NoEnd, NotStarted, Outside, Page, Query, Said, Served,
};
use cutover::calendar::{Steady, Timestamp, later};
use cutover::digest::Digest;
use cutover::engine::RunState;
use cutover::engine::notification::{Message, NotSent};
use cutover::engine::work::{Earlier, done_of};
use cutover::graph::{Primitive, Step, StepId};
use cutover::journal::{Entry, Event, Line};
use cutover::world::{AppendError, ProviderRead, World};
use cutover_contract::{ChangeSet, Provider, ProviderError, Receipt};
use cutover_memory::Memory;
use cutover_zone::{Name, RrKey, RrSet, Ttl, Zone};
use futures_util::FutureExt;

use crate::agreement::Dice;

/// How often each fault happens, in a thousand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// The process dies at a call.
    pub(crate) crash: usize,
    /// An entry cannot be written.
    pub(crate) append: usize,
    /// A read from the provider fails.
    pub(crate) read: usize,
    /// A change fails, in one of the seven ways of [`Fate`].
    pub(crate) perform: usize,
    /// Changes fail only in this way.
    pub(crate) fate: Option<Fate>,
    /// At the end of every wait, a server serves the previous version.
    pub(crate) lapses: bool,
    /// The servers cannot be notified.
    pub(crate) publish: usize,
    /// What a gate queries fails, is inconclusive, or does not answer.
    pub(crate) gate: usize,
    /// A query to a server gets no answer.
    pub(crate) silence: usize,
    /// A server serves the previous version for a while.
    pub(crate) fall_back: usize,
    /// A server gets a version late, by up to hours.
    pub(crate) lag: usize,
    /// Somebody else edits.
    pub(crate) edit: usize,
    /// The wall clock is set, by up to two hours forward or back.
    pub(crate) set_clock: usize,
}

/// How a change can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Unreachable,
    Throttled,
    Conflict,
    /// The answer gets lost, and nothing is changed.
    LostBefore,
    /// The answer gets lost, and the change is made later.
    LostAndLate,
    /// The answer gets lost, and the change was made.
    LostAfter,
    /// The provider reports success and does nothing.
    Ignored,
}

const FATES: &[Fate] = &[
    Fate::Unreachable,
    Fate::Throttled,
    Fate::Conflict,
    Fate::LostBefore,
    Fate::LostAndLate,
    Fate::LostAfter,
    Fate::Ignored,
];

/// The world of a seed.
pub(crate) struct Storm {
    pub(crate) now: Timestamp,
    pub(crate) faults: Faults,
    pub(crate) journal: Vec<Entry>,
    /// Keys that somebody else has changed.
    pub(crate) edited: BTreeSet<RrKey>,
    /// Change sets that have taken effect, in order.
    pub(crate) effects: Vec<ChangeSet>,
    pub(crate) violations: Vec<String>,
    /// How far the wall clock is ahead. Instants in the journal are then not a measure of time.
    pub(crate) skew: TimeDelta,
    /// Calls since the process began. A process that never ends makes too many.
    pub(crate) calls: usize,
    /// After this many entries the process dies.
    pub(crate) entries_max: Option<usize>,
    pub(crate) dice: Dice,
    /// The run that the present one supersedes.
    pub(crate) earlier: Option<(Arc<Artifact>, RunState)>,
    /// The provider does not compare: only the engine protects edits of others.
    is_blind: bool,
    is_dead: bool,
    /// The commands of this process.
    running: BTreeSet<StepId>,
    answered: Vec<(StepId, Vec<Answered>)>,
    provider: Memory,
    settle_max: Duration,
    servers: Vec<SocketAddr>,
    /// The values of each RRset, with the time since when.
    history: BTreeMap<RrKey, Vec<(Timestamp, Option<RrSet>)>>,
    /// When a server gets the version with this number.
    arrivals: BTreeMap<(SocketAddr, RrKey, usize), Timestamp>,
    /// During which time a server serves the previous version.
    fallen_back: BTreeMap<(SocketAddr, RrKey), Vec<(Timestamp, Timestamp)>>,
    /// Effects that come late.
    late: Vec<(Timestamp, ChangeSet)>,
    /// A counter of reads and edits, which shows their order.
    moment: usize,
    looked: BTreeMap<RrKey, usize>,
    edited_at: BTreeMap<RrKey, usize>,
}

/// The result of a future that is always ready.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it waits for nobody")
}

/// No run of a plan makes more calls than this in a process; an unbounded loop does.
pub(crate) const CALLS_MAX: usize = 100_000;

impl Storm {
    /// A world with what the artifact expects to find, and one more RRset in each zone.
    pub(crate) fn of(artifact: &Artifact, seed: u64, faults: Faults) -> Self {
        let mut dice = Dice(seed);
        let now = Timestamp::from_timestamp(1_800_000_000, 0).expect("a valid instant");
        let mut zones: BTreeMap<Name, Zone> = BTreeMap::new();
        let mut history: BTreeMap<RrKey, Vec<(Timestamp, Option<RrSet>)>> = BTreeMap::new();
        for (origin, relied) in &artifact.relies_on {
            let there = relied.rrsets.iter();
            let there = there.filter_map(|(key, rrset)| Some((key.clone(), rrset.clone()?)));
            let zone = Zone { origin: origin.clone(), rrsets: there.collect() };
            zones.insert(origin.clone(), zone);
        }
        for step in artifact.graph.steps() {
            let Primitive::Change(changes) = &step.primitive else { continue };
            let zone = zones.entry(changes.zone().clone());
            let origin = changes.zone().clone();
            let zone = zone.or_insert_with(|| Zone { origin, rrsets: BTreeMap::new() });
            for change in changes.changes() {
                // The first change of an RRset determines its original value.
                history.entry(change.key.clone()).or_insert_with(|| {
                    let before = change.before.clone();
                    zone.rrsets.extend(before.clone().map(|before| (change.key.clone(), before)));
                    vec![(Timestamp::MIN_UTC, before)]
                });
            }
        }
        let authorities = artifact.zones.values().flat_map(|zone| &zone.authorities);
        let servers: BTreeSet<SocketAddr> = authorities.map(|a| a.address).collect();
        let settle_max = artifact.zones.values().map(|zone| zone.settle_max).max();
        Self {
            now,
            faults,
            journal: Vec::new(),
            edited: BTreeSet::new(),
            effects: Vec::new(),
            violations: Vec::new(),
            skew: TimeDelta::zero(),
            calls: 0,
            entries_max: None,
            is_blind: dice.below(3) == 0,
            dice,
            is_dead: false,
            running: BTreeSet::new(),
            answered: Vec::new(),
            earlier: None,
            provider: Memory::new(zones.into_values()),
            settle_max: settle_max.unwrap_or_default(),
            servers: servers.into_iter().collect(),
            history,
            arrivals: BTreeMap::new(),
            fallen_back: BTreeMap::new(),
            late: Vec::new(),
            moment: 0,
            looked: BTreeMap::new(),
            edited_at: BTreeMap::new(),
        }
    }

    /// What the provider holds.
    pub(crate) fn holds(&self, key: &RrKey) -> Option<RrSet> {
        self.history[key].last().expect("a beginning").1.clone()
    }

    /// Every RRset of the plan.
    pub(crate) fn keys(&self) -> Vec<RrKey> {
        self.history.keys().cloned().collect()
    }

    /// Starts another process, at this time of the wall clock.
    pub(crate) fn revive(&mut self, until: Timestamp) {
        let until = until - self.skew;
        self.is_dead = false;
        self.calls = 0;
        self.running.clear();
        // Answers that were not recorded are lost with the process.
        if let Some(last) = self.journal.last() {
            self.fallen_back.values_mut().for_each(|e| e.retain(|(from, _)| *from < truly(last)));
        }
        self.advance(until);
    }

    /// Ends all faults: everyone can be reached, and every server has the present version.
    pub(crate) fn calm(&mut self) {
        self.faults = Faults::default();
        self.advance(later(self.now, Duration::from_secs(5 * 3_600)));
    }

    /// Changes an RRset as another user.
    pub(crate) fn edit(&mut self, key: &RrKey, version: Option<RrSet>) {
        self.moment += 1;
        self.edited_at.insert(key.clone(), self.moment);
        self.set(key, version);
    }

    fn set(&mut self, key: &RrKey, version: Option<RrSet>) {
        let zones = self.provider.zones();
        let zone = zones.iter().find(|zone| key.name.is_at_or_below(&zone.origin));
        self.provider.edit(&zone.expect("a zone of the plan").origin, |zone| {
            match version.clone() {
                Some(version) => zone.rrsets.insert(key.clone(), version),
                None => zone.rrsets.remove(key),
            }
        });
        self.note(key, version);
    }

    fn note(&mut self, key: &RrKey, version: Option<RrSet>) {
        let versions = self.history.get_mut(key).expect("a key of the plan");
        versions.push((self.now, version));
        let number = versions.len() - 1;
        for server in self.servers.clone() {
            let secs = match self.strikes(self.faults.lag) {
                // The longest takes more time than any run waits for it.
                true => *self.dice.one(&[30_u64, 600, 7_000, 12_000]),
                false => self.dice.next() % 4,
            };
            let arrival = later(self.now, Duration::from_secs(secs));
            self.arrivals.insert((server, key.clone(), number), arrival);
        }
    }

    /// What a server serves at an instant.
    pub(crate) fn serves(&self, server: SocketAddr, key: &RrKey, at: Timestamp) -> Option<RrSet> {
        let versions = &self.history[key];
        let has = |number: &usize| {
            self.arrivals.get(&(server, key.clone(), *number)).is_none_or(|arrival| *arrival <= at)
        };
        let number = (0..versions.len()).rev().find(has).expect("the first one is everywhere");
        let episodes = self.fallen_back.get(&(server, key.clone()));
        let is_back =
            episodes.is_some_and(|e| e.iter().any(|(from, to)| (*from..*to).contains(&at)));
        versions[number.saturating_sub(usize::from(is_back))].1.clone()
    }

    /// The instants at which what a server serves may change.
    pub(crate) fn turns(&self, server: SocketAddr, key: &RrKey) -> Vec<Timestamp> {
        let mine = |(of, other, _): &(SocketAddr, RrKey, usize)| *of == server && other == key;
        let arrivals = self.arrivals.iter().filter(|(of, _)| mine(of)).map(|(_, at)| *at);
        let episodes = self.fallen_back.get(&(server, key.clone())).into_iter().flatten();
        arrivals.chain(episodes.flat_map(|(from, to)| [*from, *to])).collect()
    }

    fn strikes(&mut self, of_thousand: usize) -> bool {
        of_thousand > 0 && self.dice.below(1_000) < of_thousand
    }

    fn advance(&mut self, until: Timestamp) {
        self.late.sort_by_key(|(at, _)| *at);
        while let Some((at, _)) = self.late.first()
            && *at <= until
        {
            let (at, changes) = self.late.remove(0);
            self.now = self.now.max(at);
            // The late effect is dropped if its time is over, or another change came first.
            let _ = self.make(&changes);
        }
        self.now = self.now.max(until);
        if self.strikes(self.faults.edit) {
            self.meddle();
        }
    }

    fn meddle(&mut self) {
        let keys = self.keys();
        let key = self.dice.one(&keys).clone();
        let held = self.holds(&key);
        let first = self.history[&key].first().expect("a beginning").1.clone();
        let version = match (self.dice.below(3), held) {
            (0, _) => first,
            (1, Some(_)) => None,
            (_, Some(held)) => {
                Some(held.with_ttl(Ttl::from_secs(held.ttl().secs() + 7).expect("small")))
            }
            (_, None) => return,
        };
        self.edited.insert(key.clone());
        self.edit(&key, version);
    }

    /// Decides whether the process dies here.
    async fn call(&mut self) {
        self.calls += 1;
        assert!(self.calls < CALLS_MAX, "a loop without a bound: {:?}", self.journal.last());
        if self.is_dead || self.strikes(self.faults.crash) {
            self.is_dead = true;
            pending::<()>().await;
        }
        let millis = Duration::from_millis(self.dice.next() % 1_500);
        self.advance(later(self.now, millis));
        if self.strikes(self.faults.set_clock) {
            let secs = i64::try_from(self.dice.next() % 14_400).expect("a few hours") - 7_200;
            self.skew = TimeDelta::seconds(secs);
        }
    }

    /// Takes effect, unless another change came first.
    fn make(&mut self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        for change in changes.changes() {
            let seen = self.looked.get(&change.key) >= self.edited_at.get(&change.key);
            if self.holds(&change.key) != change.before && seen {
                self.violations.push(format!("{} was not compared with what is there", change.key));
            }
        }
        if self.is_blind {
            for change in changes.changes() {
                self.set(&change.key, change.after.clone());
            }
        } else {
            self.provider.apply(changes).now_or_never().expect("zones in memory")?;
            for change in changes.changes() {
                self.note(&change.key, change.after.clone());
            }
        }
        self.effects.push(changes.clone());
        Ok(Receipt::default())
    }

    fn fate(&mut self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let zone = changes.zone().clone();
        let (peer, detail) = ("the provider".to_owned(), "a storm".to_owned());
        if !self.strikes(self.faults.perform) {
            return self.make(changes);
        }
        let fate = *self.dice.one(FATES);
        match self.faults.fate.unwrap_or(fate) {
            Fate::Unreachable => Err(ProviderError::Unreachable { zone, peer, detail }),
            Fate::Throttled => {
                Err(ProviderError::Throttled { zone, retry_after: Duration::from_secs(90) })
            }
            Fate::Conflict => {
                let key = changes.changes()[0].key.clone();
                Err(ProviderError::Conflict { zone, live: self.holds(&key), key })
            }
            Fate::LostBefore => Err(ProviderError::InDoubt { zone, peer, detail }),
            Fate::LostAndLate => {
                let millis = u64::try_from(self.settle_max.as_millis()).expect("small");
                let after = Duration::from_millis(self.dice.next() % (millis + 1));
                self.late.push((later(self.now, after), changes.clone()));
                Err(ProviderError::InDoubt { zone, peer, detail })
            }
            Fate::LostAfter => {
                self.make(changes)?;
                Err(ProviderError::InDoubt { zone, peer, detail })
            }
            Fate::Ignored => Ok(Receipt::default()),
        }
    }

    fn read(&mut self, zone: &Name, keys: &[RrKey]) -> Result<Vec<Option<RrSet>>, ProviderError> {
        if self.strikes(self.faults.read) {
            let (peer, detail) = ("the provider".to_owned(), "a storm".to_owned());
            return Err(ProviderError::Unreachable { zone: zone.clone(), peer, detail });
        }
        self.moment += 1;
        self.looked.extend(keys.iter().map(|key| (key.clone(), self.moment)));
        let read = self.provider.read_rrsets(zone, keys).now_or_never();
        read.expect("zones in memory")
    }

    fn says(&mut self, AskServer { server, key, .. }: &AskServer) -> Served {
        if self.strikes(self.faults.silence) {
            return Served::Unanswered("silence".to_owned());
        }
        let last = self.journal.last().map(|entry| &entry.event);
        let is_at_an_end = matches!(last, Some(Event::WaitBegun { .. }));
        if self.strikes(self.faults.fall_back) || (self.faults.lapses && is_at_an_end) {
            let secs = Duration::from_secs(1 + self.dice.next() % 900);
            let episode = (self.now, later(self.now, secs));
            self.fallen_back.entry((*server, key.clone())).or_default().push(episode);
        }
        Served::Answer(self.serves(*server, key, self.now))
    }

    fn answer(&mut self, query: Query) -> Answered {
        match query {
            Query::Served(question) => {
                let served = self.says(&question);
                Answered::Served(question, served)
            }
            Query::Resolved(question) => {
                let outside = match self.holds(&question.key) {
                    _ if self.strikes(self.faults.silence) => {
                        Outside::Unknown("silence".to_owned())
                    }
                    Some(rrset) => Outside::Records(rrset.shared_rdata()),
                    None => Outside::Absent,
                };
                Answered::Resolved(question, outside)
            }
            Query::Command(question) => {
                let code = match self.strikes(self.faults.gate) {
                    true => i32::try_from(1 + self.dice.below(3)).expect("a code"),
                    false => 0,
                };
                Answered::Command(question, Ok(Said::with(code, "a word")))
            }
            Query::Http(question) => {
                let contains = !self.strikes(self.faults.gate);
                Answered::Http(question, Ok(Page { status: 200, contains }))
            }
            Query::Smtp(question) => {
                let mut commands = question.commands.clone();
                if self.strikes(self.faults.gate) {
                    // It knows no recipient.
                    commands.iter_mut().for_each(|command| command.ideal = 550);
                }
                let seen = MailSeen::ideal(&question.host, &commands, false);
                Answered::Smtp(question, seen)
            }
            Query::Imap(_)
            | Query::Name(_)
            | Query::Document(_)
            | Query::Lines(_)
            | Query::Mailboxes(_)
            | Query::RoundTrip(_) => {
                panic!("no gate of a storm asks that: {query:?}")
            }
        }
    }
}

/// The true time of an entry, whatever the wall clock showed.
pub(crate) fn truly(entry: &Entry) -> Timestamp {
    let steady = entry.steady.expect("a storm has a steady clock");
    let millis = i64::try_from(steady.millis).expect("some decades");
    Timestamp::from_timestamp_millis(millis).expect("a valid instant")
}

impl World for Storm {
    fn now(&self) -> Timestamp {
        self.now + self.skew
    }

    fn steady(&self) -> Option<Steady> {
        let millis = u64::try_from(self.now.timestamp_millis()).expect("after 1970");
        Some(Steady { boot: 0, millis })
    }

    async fn sleep_until(&mut self, until: Timestamp) {
        self.call().await;
        let until = until - self.skew;
        let until = match self.dice.below(4) {
            // It may come back early.
            0 => (self.now + (until - self.now) / 2).trunc_subsecs(3),
            _ => until,
        };
        self.advance(until);
    }

    async fn read_provider(&mut self, zone: &Name, keys: &[RrKey]) -> ProviderRead {
        self.call().await;
        let held = self.read(zone, keys);
        self.call().await;
        held
    }

    async fn query_servers(&mut self, questions: &[AskServer]) -> Vec<Served> {
        self.call().await;
        let served = questions.iter().map(|question| self.says(question)).collect();
        self.call().await;
        served
    }

    async fn command_result(&mut self, step: &StepId) -> Option<Result<Said, NoEnd>> {
        self.call().await;
        let ended = match self.dice.below(3) {
            0 => None,
            _ if !self.running.remove(step) => {
                Some(Err(NoEnd::Cut("it was not started".to_owned())))
            }
            _ if self.strikes(self.faults.gate) => Some(match self.dice.below(2) {
                0 => Err(NoEnd::Cut("it was killed after an hour".to_owned())),
                _ => Ok(Said::with(1, "a word")),
            }),
            _ => Some(Ok(Said::with(0, ""))),
        };
        self.call().await;
        ended
    }

    async fn done_earlier(
        &mut self,
        step: &Step,
        parent: Digest,
    ) -> Result<Option<Timestamp>, String> {
        self.call().await;
        let earlier = self.earlier.as_ref().filter(|(artifact, _)| artifact.digest() == parent);
        match earlier.map(|(artifact, state)| done_of(artifact, state, step)) {
            Some(Earlier::Done { at }) => Ok(Some(at)),
            Some(Earlier::Open { .. } | Earlier::Nothing) | None => Ok(None),
        }
    }

    async fn confirmation(&mut self, _: &StepId) -> Option<String> {
        self.call().await;
        let confirmed = (self.dice.below(9) == 0).then(|| "it is done".to_owned());
        self.call().await;
        confirmed
    }

    async fn start_queries(&mut self, step: &StepId, queries: Vec<Query>) {
        self.call().await;
        let answers = queries.into_iter().map(|query| self.answer(query)).collect();
        self.call().await;
        self.answered.retain(|(other, _)| other != step);
        self.answered.push((step.clone(), answers));
    }

    async fn finished_queries(&mut self) -> Option<(StepId, Vec<Answered>)> {
        self.answered.pop()
    }

    async fn perform(&mut self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        self.call().await;
        let fate = self.fate(changes);
        self.call().await;
        fate
    }

    async fn start_command(
        &mut self,
        step: &StepId,
        _: &[String],
        _: Duration,
    ) -> Result<(), NotStarted> {
        self.call().await;
        if self.strikes(self.faults.gate) {
            return Err(NotStarted("there is no such program".to_owned()));
        }
        self.running.insert(step.clone());
        Ok(())
    }

    async fn notify(&mut self, message: &Message) -> Result<(), NotSent> {
        self.call().await;
        match self.strikes(self.faults.publish) {
            true => Err(NotSent(format!("nobody listens to {}", message.text))),
            false => Ok(()),
        }
    }

    async fn publish(&mut self, zone: &Name) -> Result<(), ProviderError> {
        self.call().await;
        if self.strikes(self.faults.publish) {
            let (zone, detail) = (zone.clone(), "a storm".to_owned());
            return Err(ProviderError::Refused { zone, detail });
        }
        Ok(())
    }

    async fn append(&mut self, line: &Line) -> Result<(), AppendError> {
        let is_full = self.entries_max.is_some_and(|most| self.journal.len() >= most);
        if self.is_dead || is_full || self.strikes(self.faults.append) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        self.journal.push(line.entry().clone());
        self.is_dead = self.strikes(self.faults.crash);
        Ok(())
    }
}
