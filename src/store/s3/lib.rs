//! Runs in a bucket of an object store that understands S3's conditional writes.
//!
//! ```text
//! PREFIX/PLAN/log/0000000042         the records of a plan: leases, runs, lines, notes
//! PREFIX/PLAN/artifacts/sha256-…     artifacts, by the digest of their text
//! ```
//!
//! Every write creates the next record of the plan's log with `If-None-Match: *`, and nothing is
//! ever changed or deleted. So there is one order of everything that happens to a plan, without a
//! database. Whoever creates a record has read all before it. A holder whose lease was taken away
//! finds a record in its way, and learns from it that it has lost the lease: clocks decide only when
//! a lease may be taken, never who can write.
//!
//! A record whose answer was lost is recognised by a token that its writer has made up.
//!
//! The first command about a plan reads its whole log, an object for each write, several at the same
//! time. `If-Match` is not used: some servers that have it compare entity tags without their quotes.

pub mod address;
mod lease;
mod log;
mod objects;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use cutover_base::digest::Digest;
use cutover_store::{
    Claim, Holder, Lease, Note, Part, RunId, Store, StoreError, StoreResult, TakeLine,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Mutex;

pub use address::{Address, AddressError};
use lease::Held;
use log::{Broken, Plan, Record, Run, What};
use objects::{Objects, Put};

/// How old a log may be that a reader sees. Our choice: a reader cannot notice, and one command
/// reads many parts.
const READ_AGE_MAX: Duration = Duration::from_millis(500);
/// The same for notes, which a run looks for all the time. Our choice: requests cost money.
const NOTE_AGE_MAX: Duration = Duration::from_secs(10);
/// How often a record is tried again because others wrote at the same time. Our choice.
const TRIES: u32 = 100;

/// Runs in a bucket.
#[derive(Clone)]
pub struct S3Store(Arc<Shared>);

struct Shared {
    objects: Objects,
    /// The plans whose logs were read, and when.
    plans: Mutex<BTreeMap<String, (Instant, Plan)>>,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3Store").field(&self.0.objects.address().place()).finish()
    }
}

/// What to do with the next number of a log.
enum Next<T> {
    /// Create this record.
    Write(Record),
    /// Nothing: this is the outcome.
    Nothing(T),
}

/// A value that nobody else makes up.
fn token() -> String {
    let mut token = [0_u8; 16];
    SystemRandom::new().fill(&mut token).expect("the operating system has random numbers");
    token.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn note_name(note: Note<'_>) -> String {
    match note {
        Note::Done(step) => Digest::of(step.as_bytes()).to_string(),
        Note::TurnBack => "turn-back".to_owned(),
    }
}

impl S3Store {
    /// The store at this address. Nothing is created or asked yet.
    ///
    /// # Errors
    /// [`StoreError::Away`] if the environment's settings cannot be used, or TLS cannot be set up.
    pub fn new(address: Address) -> StoreResult<Self> {
        let objects = Objects::new(address)?;
        Ok(Self(Arc::new(Shared { objects, plans: Mutex::new(BTreeMap::new()) })))
    }

    fn objects(&self) -> &Objects {
        &self.0.objects
    }

    fn place_of(&self, what: &str) -> String {
        format!("{}: {what}", self.objects().address().place())
    }

    fn foreign(&self, what: &str, detail: &str) -> StoreError {
        StoreError::Foreign { place: self.place_of(what), detail: detail.to_owned() }
    }

    fn record_key(&self, plan: &str, number: u64) -> object_store::path::Path {
        self.objects().key(&format!("{plan}/log/{number:010}"))
    }

    /// The state of a plan that is not older than this.
    async fn plan(&self, plan: &str, age_max: Duration) -> StoreResult<Plan> {
        let mut plans = self.0.plans.lock().await;
        let mut known = match plans.get(plan) {
            Some((read, known)) if read.elapsed() <= age_max => return Ok(known.clone()),
            Some((_, known)) => known.clone(),
            None => Plan::default(),
        };
        let asked = steady();
        self.read_on(plan, &mut known).await?;
        plans.insert(plan.to_owned(), (asked, known.clone()));
        Ok(known)
    }

    /// Reads the records that have been written since.
    async fn read_on(&self, plan: &str, known: &mut Plan) -> StoreResult<()> {
        if !is_name(plan) {
            return Err(self.foreign(plan, "the plan's name cannot be part of a key"));
        }
        // Numbers are from 1, so that there is a key before the first one.
        let below = self.objects().key(&format!("{plan}/log"));
        let keys = self.objects().after(&below, &self.record_key(plan, known.next)).await?;
        for (key, text) in keys.iter().zip(self.objects().get_all(keys.clone()).await?) {
            let number = known.next + 1;
            let broken = |detail: &str| self.foreign(&format!("{plan}, record {number}"), detail);
            if *key != self.record_key(plan, number) {
                return Err(broken("it is missing"));
            }
            let text = text.ok_or_else(|| broken("it is missing"))?;
            let record = Record::read(&text).ok_or_else(|| broken("it is not ours"))?;
            known.apply(&record).map_err(|why| {
                broken(match why {
                    Broken::NotHolder => "it was written without the lease",
                    Broken::NotLast => "it does not follow the last line of its journal",
                    Broken::IsThere => "its run was there already",
                    Broken::NoRun => "there is no such run",
                    Broken::Unreadable => "its contents are not ours",
                })
            })?;
        }
        Ok(())
    }

    /// Creates the next record of a plan. `next` is called with the state before each attempt, and
    /// has to check everything that the record relies on.
    async fn write<T>(
        &self,
        plan: &str,
        mut next: impl FnMut(&Plan) -> StoreResult<Next<T>> + Send,
    ) -> StoreResult<Option<T>> {
        let mut plans = self.0.plans.lock().await;
        let (mut asked, mut known) =
            plans.get(plan).cloned().unwrap_or_else(|| (steady(), Plan::default()));
        if known.next == 0 {
            self.read_on(plan, &mut known).await?;
        }
        for _ in 0..TRIES {
            let record = match next(&known) {
                Ok(Next::Write(record)) => record,
                outcome => {
                    // It may rest on what is known no longer.
                    let before = known.next;
                    asked = steady();
                    self.read_on(plan, &mut known).await?;
                    plans.insert(plan.to_owned(), (asked, known.clone()));
                    if known.next != before {
                        continue;
                    }
                    return match outcome? {
                        Next::Nothing(outcome) => Ok(Some(outcome)),
                        Next::Write(_) => unreachable!("it was matched above"),
                    };
                }
            };
            let number = known.next + 1;
            let key = self.record_key(plan, number);
            let is_ours = match self.objects().create(&key, &record.text()).await? {
                Put::Created => true,
                Put::IsThere => {
                    let found = self.objects().get(&key).await?;
                    let found = found.and_then(|text| Record::read(&text));
                    found.is_some_and(|found| found.token == record.token)
                }
            };
            if is_ours {
                known.apply(&record).expect("it was checked against this state");
                plans.insert(plan.to_owned(), (asked, known));
                return Ok(None);
            }
            asked = steady();
            self.read_on(plan, &mut known).await?;
            plans.insert(plan.to_owned(), (asked, known.clone()));
        }
        let detail = "other processes write all the time".to_owned();
        Err(StoreError::Away { place: self.place_of(plan), detail })
    }

    /// Creates an artifact by its digest; its key below the plan.
    async fn put_artifact(&self, plan: &str, text: &str) -> StoreResult<String> {
        let name = Digest::of(text.as_bytes()).to_string().replace(':', "-");
        let key = self.objects().key(&format!("{plan}/artifacts/{name}"));
        // One that is there has the same text.
        self.objects().create(&key, text).await?;
        Ok(name)
    }

    async fn get_artifact(&self, plan: &str, name: &str) -> StoreResult<String> {
        let below = format!("{plan}/artifacts/{name}");
        let text = self.objects().get(&self.objects().key(&below)).await?;
        let text = text.ok_or_else(|| self.foreign(&below, "there is no such object"))?;
        match Digest::of(text.as_bytes()).to_string().replace(':', "-") == name {
            true => Ok(text),
            false => Err(self.foreign(&below, "its text has another digest")),
        }
    }

    async fn run(&self, run: &RunId, age_max: Duration) -> StoreResult<Run> {
        let mut plan = self.plan(&run.plan, age_max).await?;
        let found = plan.runs.remove(&run.name);
        found.ok_or_else(|| self.foreign(&run.to_string(), "there is no such run"))
    }
}

/// Whether a plan's name can be part of a key.
fn is_name(plan: &str) -> bool {
    RunId::new(plan, 1).is_portable()
}

#[async_trait]
impl Store for S3Store {
    async fn plans(&self) -> StoreResult<Vec<String>> {
        let mut plans = self.objects().names().await?;
        plans.retain(|name| is_name(name));
        plans.sort();
        Ok(plans)
    }

    async fn runs(&self, plan: &str) -> StoreResult<Vec<RunId>> {
        let runs = self.plan(plan, READ_AGE_MAX).await?.runs.into_keys();
        Ok(runs.map(|name| RunId { plan: plan.to_owned(), name }).collect())
    }

    async fn artifact(&self, run: &RunId) -> StoreResult<String> {
        let found = self.run(run, READ_AGE_MAX).await?;
        self.get_artifact(&run.plan, &found.artifact).await
    }

    async fn lines(&self, run: &RunId, take: &mut TakeLine<'_>) -> StoreResult<u64> {
        for line in self.run(run, READ_AGE_MAX).await?.lines {
            if take(line.text().as_bytes()).is_break() {
                break;
            }
        }
        // A record is there or not, so no line can be incomplete.
        Ok(0)
    }

    async fn kept(&self, run: &RunId, digest: Digest) -> StoreResult<Option<String>> {
        match self.run(run, READ_AGE_MAX).await?.kept.get(&digest) {
            Some(name) => self.get_artifact(&run.plan, name).await.map(Some),
            None => Ok(None),
        }
    }

    async fn leave(&self, run: &RunId, note: Note<'_>, text: &str) -> StoreResult<()> {
        let what = What::Note { run: run.name.clone(), note: note_name(note) };
        let contents = text.to_owned();
        let record = Record { token: token(), fence: 0, what, contents };
        let written = self.write::<()>(&run.plan, |plan| match plan.runs.contains_key(&run.name) {
            true => Ok(Next::Write(record.clone())),
            false => Err(self.foreign(&run.to_string(), "there is no such run")),
        });
        written.await.map(drop)
    }

    async fn note(&self, run: &RunId, note: Note<'_>) -> StoreResult<Option<String>> {
        Ok(self.run(run, NOTE_AGE_MAX).await?.notes.remove(&note_name(note)))
    }

    async fn holder(&self, plan: &str) -> StoreResult<Option<Holder>> {
        let found = self.plan(plan, Duration::ZERO).await?;
        Ok(found.holder_at(now()).cloned())
    }

    async fn lease(&self, plan: &str, claim: &Claim) -> StoreResult<Box<dyn Lease>> {
        Held::take(self, plan, claim).await.map(|held| Box::new(held) as Box<dyn Lease>)
    }

    async fn unlock(&self, plan: &str, fence: u64) -> StoreResult<bool> {
        let record = Record { token: token(), fence, what: What::Over, contents: String::new() };
        let done = self.write(plan, |found| {
            Ok(match found.holder_at(now()).is_some_and(|holder| holder.fence == fence) {
                true => Next::Write(record.clone()),
                false => Next::Nothing(()),
            })
        });
        Ok(done.await?.is_none())
    }

    fn place(&self, run: &RunId, part: Part) -> String {
        let part = match part {
            Part::Artifact => "artifact",
            Part::Journal => "journal",
        };
        self.place_of(&format!("{run}, {part}"))
    }

    fn folder(&self, _run: &RunId) -> Option<PathBuf> {
        None
    }
}

#[expect(clippy::disallowed_methods, reason = "a lease has an end by the clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "what was read grows old")]
fn steady() -> Instant {
    Instant::now()
}
