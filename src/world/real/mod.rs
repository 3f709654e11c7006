//! The real world: the system's clock, DNS servers, provider adapters, files.

pub mod beside;
pub mod connect;
pub mod delegation;
mod dns;
mod gate;
pub mod history;
pub mod notify;
pub mod others;
pub mod see;
pub mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::SubsecRound;
use cutover_contract::{ChangeSet, Name, Provider, ProviderError, Receipt, RrKey, Secret};
use futures_util::stream::{self, StreamExt as _};

use super::{AppendError, Held, World};
use crate::calendar::{Steady, Timestamp};
use crate::engine::tell::Message;
use crate::graph::StepId;
use crate::journal::Line;
use crate::observe::{Answered, AskServer, NoEnd, Outside, Query, Said, Served};
use dns::Resolver;
use notify::Reached;
use store::{Lease, Note, RunId, Store};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The time now, in whole milliseconds: what a journal can hold.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    // A clock that was never set may stand before 1970: chrono's own `now` panics there.
    Timestamp::from(std::time::SystemTime::now()).trunc_subsecs(3)
}

/// How long the machine has been up, the time included in which it was suspended: Linux's
/// `CLOCK_BOOTTIME` (clock_gettime(2)); `None` on other systems.
#[must_use]
#[cfg(target_os = "linux")]
pub fn steady() -> Option<Steady> {
    use nix::time::{ClockId, clock_gettime};

    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let boot = u32::from_str_radix(boot.get(..8)?, 16).ok()?;
    let up = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    Some(Steady { boot, millis: u64::try_from(up.as_millis()).ok()? })
}

/// How long the machine has been up: not known on this system.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub fn steady() -> Option<Steady> {
    None
}

/// Questions of one round that are under way at once. Our choice: each is a connection of its own, and
/// resolvers take few from one client (unbound takes ten over TCP from all of them, unless told).
const ROUND_AT_ONCE_MAX: usize = 4;

/// Sleeps.
#[expect(clippy::disallowed_methods, reason = "this is where the program sleeps")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

/// The longest sleep at a time.
const NAP_MAX: Duration = Duration::from_secs(1);

/// The real world of one run.
pub struct Real<'l> {
    /// The adapters by the providers' names.
    pub providers: BTreeMap<String, Box<dyn Provider>>,
    /// Which provider holds which zone.
    pub zones: BTreeMap<Name, String>,
    /// Where commands are run: the plan's directory.
    pub home: PathBuf,
    /// What is taken out of whatever a command writes.
    pub secrets: Vec<Secret>,
    /// Those who are told, in the order of the artifact.
    pub notices: Vec<Reached>,
    /// The run.
    pub run: RunId,
    /// Where people leave notes while this process has the lease.
    pub store: Arc<dyn Store>,
    /// Commands that were started, by the ids of their steps.
    pub running: BTreeMap<StepId, JoinHandle<Result<Said, NoEnd>>>,
    /// What is being asked, by the steps that it is asked for.
    pub asking: BTreeMap<StepId, JoinHandle<Vec<Answered>>>,
    /// Wakes whoever sleeps when a command has ended, or something has been answered.
    pub ended: Arc<Notify>,
    /// The right to write the journal.
    pub lease: &'l mut dyn Lease,
}

impl Real<'_> {
    fn provider(&self, zone: &Name) -> &dyn Provider {
        // The artifact's reader has checked that each zone has a provider.
        &*self.providers[&self.zones[zone]]
    }
}

/// The answer to a question that anybody can be asked, whatever this process has started.
async fn answer(query: Query, home: &Path, secrets: &[Secret]) -> Answered {
    match query {
        Query::Served(question) => {
            let served = served(&question).await;
            Answered::Served(question, served)
        }
        Query::Resolved(question) => {
            let outside = match Resolver::one(&question.resolver) {
                Ok(resolver) => resolver.outside(&question.key).await,
                Err(why) => Outside::Unknown(why),
            };
            Answered::Resolved(question, outside)
        }
        Query::Command(question) => {
            let said = gate::command(&question.argv, home, question.within, secrets).await;
            let said = said.map_err(|(NoEnd::NotRun(why) | NoEnd::Cut(why))| why);
            Answered::Command(question, said)
        }
        Query::Http(question) => {
            let contains = question.contains.as_deref();
            let page = gate::http(&question.url, contains, question.within).await;
            Answered::Http(question, page)
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

    async fn sleep_until(&mut self, until: Timestamp) {
        // Not for long at a time: who watches sees the time run, and a clock that is set is seen.
        let span = (until - now()).to_std().unwrap_or_default().min(NAP_MAX);
        tokio::select! {
            () = pause(span) => {}
            () = self.ended.notified() => {}
        }
    }

    async fn held(&mut self, zone: &Name, keys: &[RrKey]) -> Held {
        self.provider(zone).read_rrsets(zone, keys).await
    }

    async fn served(&mut self, questions: &[AskServer]) -> Vec<Served> {
        stream::iter(questions.iter().map(served)).buffered(see::AT_ONCE_MAX).collect().await
    }

    async fn ended(&mut self, step: &StepId) -> Option<Result<Said, NoEnd>> {
        let command = match self.running.get(step) {
            Some(command) if !command.is_finished() => return None,
            Some(_) | None => self.running.remove(step),
        };
        let cut = |why: String| Err(NoEnd::Cut(why));
        let Some(command) = command else { return Some(cut("nobody has started it".to_owned())) };
        Some(command.await.unwrap_or_else(|error| cut(error.to_string())))
    }

    async fn confirmed(&mut self, step: &StepId) -> Option<String> {
        // Whoever cannot be asked has said nothing yet.
        self.store.note(&self.run, Note::Done(step)).await.ok().flatten()
    }

    async fn begin(&mut self, step: &StepId, queries: Vec<Query>) {
        let (home, secrets) = (self.home.clone(), self.secrets.clone());
        let ended = Arc::clone(&self.ended);
        let asked = tokio::spawn(async move {
            let asked = queries.into_iter().map(|query| answer(query, &home, &secrets));
            let answers = stream::iter(asked).buffered(ROUND_AT_ONCE_MAX).collect().await;
            ended.notify_one();
            answers
        });
        if let Some(before) = self.asking.insert(step.clone(), asked) {
            before.abort();
        }
    }

    async fn answered(&mut self) -> Option<(StepId, Vec<Answered>)> {
        let mut asking = self.asking.iter();
        let step = asking.find(|(_, asked)| asked.is_finished()).map(|(step, _)| step.clone())?;
        let answers = self.asking.remove(&step)?.await;
        Some((step, answers.expect("asking does not panic, and nobody has ended it")))
    }

    async fn wanted_back(&mut self) -> Option<String> {
        self.store.note(&self.run, Note::TurnBack).await.ok().flatten()
    }

    async fn perform(&mut self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        self.provider(changes.zone()).apply(changes).await
    }

    async fn publish(&mut self, zone: &Name) -> Result<(), ProviderError> {
        self.provider(zone).publish(zone).await
    }

    async fn start(
        &mut self,
        step: &StepId,
        argv: &[String],
        within: Duration,
    ) -> Result<(), String> {
        let (argv, home, secrets) = (argv.to_vec(), self.home.clone(), self.secrets.clone());
        let ended = Arc::clone(&self.ended);
        let work = async move {
            let said = gate::command(&argv, &home, within, &secrets).await;
            ended.notify_one();
            said
        };
        self.running.insert(step.clone(), tokio::spawn(work));
        Ok(())
    }

    async fn end_commands(&mut self) -> Vec<StepId> {
        for asked in std::mem::take(&mut self.asking).into_values() {
            asked.abort();
            let _ = asked.await;
        }
        let mut ended = Vec::new();
        for (step, command) in std::mem::take(&mut self.running) {
            if !command.is_finished() {
                ended.push(step);
            }
            command.abort();
            // It is gone when it has been dropped.
            let _ = command.await;
        }
        ended
    }

    async fn tell(&mut self, message: &Message) -> Result<(), String> {
        let Some(reached) = self.notices.get(message.untold.notice) else {
            return Err("there is no such notice".to_owned());
        };
        notify::tell(reached, message).await
    }

    async fn append(&mut self, line: &Line) -> Result<(), AppendError> {
        let after = line.entry().prev;
        Ok(self.lease.append(&self.run, after, &[line]).await?)
    }
}
