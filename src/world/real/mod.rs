//! The real world: the system's clock, DNS servers, provider adapters, files.

pub mod approvals;
pub mod clashes;
pub mod connect;
pub mod delegation;
pub mod discover;
mod dns;
pub mod earlier;
mod gate;
pub mod history;
mod mail;
pub mod mailboxes;
pub mod notify;
pub mod plan_files;
mod round_trip;
pub mod snapshot;
pub mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::SubsecRound;
use cutover_contract::{ChangeSet, Provider, ProviderError, Receipt, Secret};
use cutover_zone::{Name, RrKey};
use futures_util::stream::{self, StreamExt as _};

use super::{AppendError, NotJudged, ProviderRead, World};
use crate::ask::{Answered, AskServer, NoEnd, NotStarted, Outside, Query, Said, Served};
use crate::calendar::{Steady, Timestamp};
use crate::digest::Digest;
use crate::engine::RunState;
use crate::engine::notification::{Message, NotSent};
use crate::graph::{Step, StepId};
use crate::journal::{Approvals, Line};
use dns::Resolver;
use notify::Recipient;
use store::{Lease, Note, RunId, Store};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The time now, in whole milliseconds, the precision of a journal.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    // A clock that was never set may show a time before 1970, for which chrono's own `now` panics.
    Timestamp::from(std::time::SystemTime::now()).trunc_subsecs(3)
}

/// How long the machine has been up, including the time that it was suspended: Linux's
/// `CLOCK_BOOTTIME` (clock_gettime(2)). `None` on other systems.
#[must_use]
#[cfg(target_os = "linux")]
pub fn steady() -> Option<Steady> {
    use nix::time::{ClockId, clock_gettime};

    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let boot = u32::from_str_radix(boot.get(..8)?, 16).ok()?;
    let up = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    Some(Steady { boot, millis: u64::try_from(up.as_millis()).ok()? })
}

/// How long the machine has been up, which is not known on this system.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub fn steady() -> Option<Steady> {
    None
}

/// Concurrent queries of one round. Our choice: each is a connection of its own, and resolvers
/// accept few from one client (unbound's default is ten over TCP from all clients).
const CONCURRENT_IN_ROUND_MAX: usize = 4;

/// Sleeps.
#[expect(clippy::disallowed_methods, reason = "this is where the program sleeps")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

/// The longest single sleep.
const NAP_MAX: Duration = Duration::from_secs(1);

/// Which approvals of a run count now ([`World::approvals`]).
pub type Approving = Box<dyn Fn(&RunState) -> Result<Option<Approvals>, NotJudged>>;

/// The real world of one run.
pub struct Real<'l> {
    /// The adapters by the providers' names.
    pub providers: BTreeMap<String, Box<dyn Provider>>,
    /// Which provider holds which zone.
    pub zones: BTreeMap<Name, String>,
    /// The plan's directory, where commands are run.
    pub home: PathBuf,
    /// What is redacted from the output of commands.
    pub secrets: Vec<Secret>,
    /// The recipients of notices, in the order of the artifact.
    pub notices: Vec<Recipient>,
    /// The run.
    pub run: RunId,
    /// Where people leave notes while this process has the lease.
    pub store: Arc<dyn Store>,
    /// The commands that were started, by step.
    pub running: BTreeMap<StepId, JoinHandle<Result<Said, NoEnd>>>,
    /// The queries under way, by step.
    pub querying: BTreeMap<StepId, JoinHandle<Vec<Answered>>>,
    /// Ends a sleep when a command has ended or queries were answered.
    pub wake: Arc<Notify>,
    /// Judges approvals anew, if somebody has said who may approve.
    pub approving: Option<Approving>,
    /// The right to write the journal.
    pub lease: &'l mut dyn Lease,
}

impl Real<'_> {
    fn provider(&self, zone: &Name) -> &dyn Provider {
        // The reader of the artifact has checked that each zone has a provider.
        &*self.providers[&self.zones[zone]]
    }
}

/// The answers to the queries of a round, in order. Programs run in `home`, and `secrets` are
/// redacted from what they print.
pub async fn answers(queries: Vec<Query>, home: &Path, secrets: &[Secret]) -> Vec<Answered> {
    let answers = queries.into_iter().map(|query| answer(query, home, secrets));
    stream::iter(answers).buffered(CONCURRENT_IN_ROUND_MAX).collect().await
}

/// The answer to a query, which needs no state of this process.
async fn answer(query: Query, home: &Path, secrets: &[Secret]) -> Answered {
    match query {
        Query::Served(question) => {
            let served = served(&question).await;
            Answered::Served(question, served)
        }
        Query::Resolved(question) => {
            let outside = match Resolver::single(&question.resolver) {
                Ok(resolver) => resolver.outside(&question.key).await,
                Err(error) => Outside::Unknown(error.to_string()),
            };
            Answered::Resolved(question, outside)
        }
        Query::Command(question) => {
            let said = gate::command(&question.argv, home, question.within, secrets).await;
            Answered::Command(question, said)
        }
        Query::Http(question) => {
            let contains = question.contains.as_deref();
            let page = gate::http(&question.url, contains, question.within).await;
            Answered::Http(question, page)
        }
        Query::Smtp(question) => {
            let seen = mail::smtp(&question, home).await;
            Answered::Smtp(question, seen)
        }
        Query::Imap(question) => {
            let seen = mail::imap(&question, home).await;
            Answered::Imap(question, seen)
        }
        Query::Name(question) => {
            let looked = dns::looked(&question.resolvers, &question.key).await;
            Answered::Name(question, looked)
        }
        Query::Document(question) => {
            let fetched = gate::document(&question).await;
            Answered::Document(question, fetched)
        }
        Query::Mailboxes(question) => {
            let seen = mailboxes::compare(&question, home).await;
            Answered::Mailboxes(question, seen)
        }
        Query::RoundTrip(question) => {
            let seen = round_trip::round_trip(&question, home).await;
            Answered::RoundTrip(question, seen)
        }
        Query::Lines(question) => {
            let lines = gate::lines(&question, home).await;
            Answered::Lines(question, lines)
        }
    }
}

async fn served(AskServer { zone: _, server, key, or_absent }: &AskServer) -> Served {
    match or_absent {
        false => dns::served(*server, key).await,
        true => dns::served_or_absent(*server, key).await,
    }
}

impl World for Real<'_> {
    fn now(&self) -> Timestamp {
        now()
    }

    fn steady(&self) -> Option<Steady> {
        steady()
    }

    async fn approvals(&mut self, state: &RunState) -> Result<Option<Approvals>, NotJudged> {
        self.approving.as_ref().map_or(Ok(None), |judge| judge(state))
    }

    async fn sleep_until(&mut self, until: Timestamp) {
        // Whether the lease was lost is asked before the next effect and by the next entry.
        let _ = self.lease.renew().await;
        // Sleep in short naps, so that the progress display stays current and a clock that is set
        // is noticed.
        let span = (until - now()).to_std().unwrap_or_default().min(NAP_MAX);
        tokio::select! {
            () = pause(span) => {}
            () = self.wake.notified() => {}
        }
    }

    async fn read_provider(&mut self, zone: &Name, keys: &[RrKey]) -> ProviderRead {
        self.provider(zone).read_rrsets(zone, keys).await
    }

    async fn query_servers(&mut self, questions: &[AskServer]) -> Vec<Served> {
        let answers = stream::iter(questions.iter().map(served));
        answers.buffered(snapshot::CONCURRENT_QUERIES_MAX).collect().await
    }

    async fn command_result(&mut self, step: &StepId) -> Option<Result<Said, NoEnd>> {
        let command = match self.running.get(step) {
            Some(command) if !command.is_finished() => return None,
            Some(_) | None => self.running.remove(step),
        };
        let cut = |why: String| Err(NoEnd::Cut(why));
        let Some(command) = command else { return Some(cut("it was not started".to_owned())) };
        Some(command.await.unwrap_or_else(|error| cut(error.to_string())))
    }

    async fn done_earlier(
        &mut self,
        step: &Step,
        parent: Digest,
    ) -> Result<Option<Timestamp>, String> {
        let found = earlier::done(&self.store, &self.run, step, parent).await;
        found.map_err(|error| error.to_string())
    }

    async fn confirmation(&mut self, step: &StepId) -> Option<String> {
        // A store that cannot be read counts as one without a confirmation.
        self.store.note(&self.run, Note::Done(step.as_str())).await.ok().flatten()
    }

    async fn start_queries(&mut self, step: &StepId, queries: Vec<Query>) {
        let (home, secrets) = (self.home.clone(), self.secrets.clone());
        let wake = Arc::clone(&self.wake);
        let querying = tokio::spawn(async move {
            let answers = answers(queries, &home, &secrets).await;
            wake.notify_one();
            answers
        });
        if let Some(earlier) = self.querying.insert(step.clone(), querying) {
            earlier.abort();
        }
    }

    async fn finished_queries(&mut self) -> Option<(StepId, Vec<Answered>)> {
        let mut querying = self.querying.iter();
        let step = querying.find(|(_, task)| task.is_finished()).map(|(step, _)| step.clone())?;
        let answers = self.querying.remove(&step)?.await;
        Some((step, answers.expect("querying does not panic, and was not aborted")))
    }

    async fn rollback_request(&mut self) -> Option<String> {
        self.store.note(&self.run, Note::TurnBack).await.ok().flatten()
    }

    async fn perform(&mut self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        // A process that slept since its last entry may have lost the lease. What it has begun is
        // settled by its successor.
        if let Err(error) = self.lease.renew().await {
            let (zone, peer) = (changes.zone().clone(), "the store of runs".to_owned());
            return Err(ProviderError::Unreachable { zone, peer, detail: error.to_string() });
        }
        self.provider(changes.zone()).apply(changes).await
    }

    async fn publish(&mut self, zone: &Name) -> Result<(), ProviderError> {
        self.provider(zone).publish(zone).await
    }

    async fn start_command(
        &mut self,
        step: &StepId,
        argv: &[String],
        within: Duration,
    ) -> Result<(), NotStarted> {
        self.lease.renew().await.map_err(|error| NotStarted(error.to_string()))?;
        let (argv, home, secrets) = (argv.to_vec(), self.home.clone(), self.secrets.clone());
        let wake = Arc::clone(&self.wake);
        let work = async move {
            let said = gate::command(&argv, &home, within, &secrets).await;
            wake.notify_one();
            said
        };
        self.running.insert(step.clone(), tokio::spawn(work));
        Ok(())
    }

    async fn end_commands(&mut self) -> Vec<StepId> {
        for task in std::mem::take(&mut self.querying).into_values() {
            task.abort();
            let _ = task.await;
        }
        let mut ended = Vec::new();
        for (step, command) in std::mem::take(&mut self.running) {
            if !command.is_finished() {
                ended.push(step);
            }
            command.abort();
            // The command has ended once its task was dropped.
            let _ = command.await;
        }
        ended
    }

    async fn notify(&mut self, message: &Message) -> Result<(), NotSent> {
        let Some(recipient) = self.notices.get(message.notification.notice) else {
            return Err(NotSent("there is no such notice".to_owned()));
        };
        notify::notify(recipient, message).await
    }

    async fn append(&mut self, line: &Line) -> Result<(), AppendError> {
        let after = line.entry().prev;
        let line = store::Line::new(line.text());
        Ok(self.lease.append(&self.run, after, &[line]).await?)
    }
}
