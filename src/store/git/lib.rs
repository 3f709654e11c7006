//! Runs in a branch of a git repository, so that a team with nothing but a forge shares them.
//!
//! ```text
//! format                               what this branch is
//! PLAN/lease.json                      who may write, and the fencing number
//! PLAN/0001/artifact.json              the artifact that is run
//! PLAN/0001/journal/00000000.jsonl     what has happened, 256 lines a file
//! PLAN/0001/next-sha256-DIGEST.json    the artifact that supersedes it
//! PLAN/0001/notes/NOTE                 notes from people
//! ```
//!
//! Every write is one commit whose parent is the commit that was read, pushed with
//! `--force-with-lease` on exactly that commit. If anybody else was faster, the branch is read
//! again: if the lease has another fencing number by then, the write is refused, and otherwise it
//! is made again on top. So clocks decide only when a lease may be taken, never who can write.
//!
//! A push whose answer was lost is looked for before it is made again.

pub mod address;
mod lease;
mod program;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use cutover_base::digest::Digest;
use cutover_store::{
    Claim, Holder, Lease, Note, Part, RunId, Store, StoreError, StoreResult, TakeLine,
};

pub use address::{Address, AddressError};
use lease::{Held, Unlock};
use program::{Commit, Git, Written};

/// What the file `format` contains.
const FORMAT: &str = "cutover/state/git/1\n";

/// How old the branch may be that a reader sees. Our choice: a reader cannot notice, and one
/// command reads many files.
const READ_AGE_MAX: Duration = Duration::from_millis(500);
/// The same for notes, which a run looks for all the time. Our choice: forges limit requests.
const NOTE_AGE_MAX: Duration = Duration::from_secs(10);
/// How often a write is made again because others wrote at the same time. Our choice.
const TRIES: u32 = 20;

/// Runs in a branch.
#[derive(Clone)]
pub struct GitStore(Arc<Shared>);

struct Shared {
    git: Git,
    /// The branch's newest commit, and when it was seen.
    tip: Mutex<Option<(Instant, Option<Commit>)>>,
    /// The paths of a commit: one command asks for them several times.
    listing: Mutex<Option<(Commit, Arc<Vec<String>>)>>,
}

impl fmt::Debug for GitStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GitStore").field(&self.0.git.place()).finish()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.git.forget();
    }
}

/// What to write on top of a commit.
enum Change {
    /// These files, with the commit's message.
    Write(String, Vec<Written>),
    /// Nothing: it is there already, or does not apply any more.
    Nothing,
}

/// Something that is to be written.
trait Write: Sync {
    /// What the writer learns.
    type Made: Send;

    /// What to write on top of a commit. Called with each commit that is tried; it has to check
    /// everything that the write relies on.
    fn on(
        &self,
        store: &GitStore,
        tip: Option<&Commit>,
    ) -> impl Future<Output = StoreResult<(Change, Self::Made)>> + Send;
}

/// A note.
struct Leave<'w> {
    run: &'w RunId,
    note: Note<'w>,
    text: &'w str,
}

impl Write for Leave<'_> {
    type Made = ();

    async fn on(&self, _: &GitStore, _: Option<&Commit>) -> StoreResult<(Change, ())> {
        let path = note_path(self.run, self.note);
        let written = Written { path, octets: self.text.into() };
        Ok((Change::Write(format!("{}: a note", self.run), vec![written]), ()))
    }
}

impl GitStore {
    /// The store at this address, with caches of repositories in this directory. Nothing is
    /// created or asked yet.
    ///
    /// `user_has_ssh_command` says whether the user has set how `git` runs `ssh`; otherwise it is
    /// run so that it never asks for anything.
    #[must_use]
    pub fn new(address: Address, caches: &Path, user_has_ssh_command: bool) -> Self {
        let git = Git::new(address, caches, user_has_ssh_command);
        Self(Arc::new(Shared { git, tip: Mutex::new(None), listing: Mutex::new(None) }))
    }

    fn git(&self) -> &Git {
        &self.0.git
    }

    fn place_of(&self, path: &str) -> String {
        format!("{}: {path}", self.git().place())
    }

    fn foreign(&self, path: &str, detail: &str) -> StoreError {
        StoreError::Foreign { place: self.place_of(path), detail: detail.to_owned() }
    }

    fn remember(&self, tip: Option<Commit>) {
        let mut known = self.0.tip.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((steady(), tip));
    }

    /// The branch's newest commit, asked now.
    async fn tip_now(&self) -> StoreResult<Option<Commit>> {
        let tip = self.git().fetch().await?;
        if let Some(commit) = &tip {
            let files = self.git().files(commit, &["format".to_owned()]).await?;
            if files != [Some(FORMAT.as_bytes().to_vec())] {
                let detail = "the branch has other contents; choose one with `?branch=NAME`";
                return Err(self.foreign("format", detail));
            }
        }
        self.remember(tip.clone());
        Ok(tip)
    }

    /// The branch's newest commit, not older than this.
    async fn tip(&self, age_max: Duration) -> StoreResult<Option<Commit>> {
        let known = self.0.tip.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((seen, tip)) if seen.elapsed() <= age_max => Ok(tip),
            Some(_) | None => self.tip_now().await,
        }
    }

    async fn paths(&self, tip: Option<&Commit>) -> StoreResult<Arc<Vec<String>>> {
        let Some(commit) = tip else { return Ok(Arc::default()) };
        let known = self.0.listing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, paths)) = known.filter(|(of, _)| of == commit) {
            return Ok(paths);
        }
        let paths = Arc::new(self.git().paths(commit).await?);
        let mut listing = self.0.listing.lock().unwrap_or_else(PoisonError::into_inner);
        *listing = Some((commit.clone(), Arc::clone(&paths)));
        Ok(paths)
    }

    async fn file(&self, tip: Option<&Commit>, path: String) -> StoreResult<Option<String>> {
        let Some(commit) = tip else { return Ok(None) };
        let found = self.git().files(commit, std::slice::from_ref(&path)).await?;
        let Some(octets) = found.into_iter().flatten().next() else { return Ok(None) };
        let text = String::from_utf8(octets);
        text.map(Some).map_err(|_| self.foreign(&path, "it is not text"))
    }

    /// The last lease of a plan, whether it is over or not.
    async fn last_holder(&self, tip: Option<&Commit>, plan: &str) -> StoreResult<Option<Holder>> {
        let path = lease_path(plan);
        let Some(text) = self.file(tip, path.clone()).await? else { return Ok(None) };
        let holder = Holder::read(&text);
        holder.map(Some).ok_or_else(|| self.foreign(&path, "it does not name a holder"))
    }

    /// Writes on top of a commit that should be the newest, and again if somebody else was faster.
    async fn change<W: Write>(
        &self,
        from: Option<Commit>,
        author: (&str, &str),
        write: &W,
    ) -> StoreResult<W::Made> {
        let mut tip = from;
        let mut refused = None;
        for again in 0..TRIES {
            let (change, made) = write.on(self, tip.as_ref()).await?;
            let Change::Write(message, mut files) = change else { return Ok(made) };
            if tip.is_none() {
                files.push(Written { path: "format".to_owned(), octets: FORMAT.into() });
            }
            let secs = now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let author = (author.0, author.1, secs);
            let commit = self.git().commit(tip.as_ref(), author, &message, &files).await?;
            match self.git().push(tip.as_ref(), &commit).await? {
                Ok(()) => {
                    self.remember(Some(commit));
                    return Ok(made);
                }
                Err(error) => refused = Some(error),
            }
            tip = self.tip_now().await?;
            if tip.as_ref() == Some(&commit) {
                // Only the answer was lost.
                return Ok(made);
            }
            pause(again).await;
        }
        Err(refused.expect("there was a try"))
    }

    async fn runs_at(&self, tip: Option<&Commit>, plan: &str) -> StoreResult<Vec<RunId>> {
        let mut found = Vec::new();
        for path in self.paths(tip).await?.iter() {
            let parts: Vec<&str> = path.split('/').collect();
            if let [of, name, "artifact.json"] = parts[..]
                && of == plan
            {
                found.push(RunId { plan: plan.to_owned(), name: name.to_owned() });
            }
        }
        // Paths are in another order, where a run's name is the beginning of another's.
        found.sort();
        Ok(found)
    }

    /// The files of a journal, in order.
    async fn segments(&self, tip: Option<&Commit>, run: &RunId) -> StoreResult<Vec<String>> {
        let below = format!("{run}/journal/");
        let paths = self.paths(tip).await?;
        Ok(paths.iter().filter(|path| path.starts_with(&below)).cloned().collect())
    }
}

fn lease_path(plan: &str) -> String {
    format!("{plan}/lease.json")
}

fn kept_path(run: &RunId, digest: Digest) -> String {
    format!("{run}/next-{}.json", digest.to_string().replace(':', "-"))
}

/// A note's file. It is named by a digest, because a step's id may contain characters that a path
/// may not. No digest equals `turn-back`.
fn note_path(run: &RunId, note: Note<'_>) -> String {
    let name = match note {
        Note::Done(step) => Digest::of(step.as_bytes()).to_string().replace(':', "-"),
        Note::TurnBack => "turn-back".to_owned(),
    };
    format!("{run}/notes/{name}")
}

#[async_trait]
impl Store for GitStore {
    async fn plans(&self) -> StoreResult<Vec<String>> {
        let tip = self.tip(READ_AGE_MAX).await?;
        let paths = self.paths(tip.as_ref()).await?;
        let plans = paths.iter().filter_map(|path| Some(path.split_once('/')?.0.to_owned()));
        let plans: std::collections::BTreeSet<String> = plans.collect();
        Ok(plans.into_iter().collect())
    }

    async fn runs(&self, plan: &str) -> StoreResult<Vec<RunId>> {
        let tip = self.tip(READ_AGE_MAX).await?;
        self.runs_at(tip.as_ref(), plan).await
    }

    async fn artifact(&self, run: &RunId) -> StoreResult<String> {
        let tip = self.tip(READ_AGE_MAX).await?;
        let path = format!("{run}/artifact.json");
        let text = self.file(tip.as_ref(), path.clone()).await?;
        text.ok_or_else(|| self.foreign(&path, "there is no such file"))
    }

    async fn lines(&self, run: &RunId, take: &mut TakeLine<'_>) -> StoreResult<u64> {
        let Some(tip) = self.tip(READ_AGE_MAX).await? else { return Ok(0) };
        let paths = self.segments(Some(&tip), run).await?;
        let files = self.git().files(&tip, &paths).await?;
        for (path, octets) in paths.iter().zip(files) {
            let octets = octets.unwrap_or_default();
            // A commit is there or not, so no line can be incomplete.
            let Some(whole) = octets.strip_suffix(b"\n") else {
                return Err(self.foreign(path, "its last line is incomplete"));
            };
            for line in whole.split(|octet| *octet == b'\n') {
                if let ControlFlow::Break(()) = take(line) {
                    return Ok(0);
                }
            }
        }
        Ok(0)
    }

    async fn kept(&self, run: &RunId, digest: Digest) -> StoreResult<Option<String>> {
        let tip = self.tip(READ_AGE_MAX).await?;
        self.file(tip.as_ref(), kept_path(run, digest)).await
    }

    async fn leave(&self, run: &RunId, note: Note<'_>, text: &str) -> StoreResult<()> {
        let tip = self.tip_now().await?;
        self.change(tip, ("cutover", "localhost"), &Leave { run, note, text }).await
    }

    async fn note(&self, run: &RunId, note: Note<'_>) -> StoreResult<Option<String>> {
        let tip = self.tip(NOTE_AGE_MAX).await?;
        self.file(tip.as_ref(), note_path(run, note)).await
    }

    async fn holder(&self, plan: &str) -> StoreResult<Option<Holder>> {
        let tip = self.tip_now().await?;
        let last = self.last_holder(tip.as_ref(), plan).await?;
        Ok(last.filter(|holder| !holder.is_over(now())))
    }

    async fn lease(&self, plan: &str, claim: &Claim) -> StoreResult<Box<dyn Lease>> {
        if plan.is_empty() || plan.starts_with(['.', '"']) || plan.contains(['/', '\n', '\0']) {
            return Err(self.foreign(plan, "the plan's name cannot be a directory"));
        }
        Held::take(self, plan, claim).await.map(|held| Box::new(held) as Box<dyn Lease>)
    }

    async fn unlock(&self, plan: &str, fence: u64) -> StoreResult<bool> {
        let tip = self.tip_now().await?;
        self.change(tip, ("cutover", "localhost"), &Unlock { plan, fence }).await
    }

    fn place(&self, run: &RunId, part: Part) -> String {
        let part = match part {
            Part::Artifact => "artifact.json",
            Part::Journal => "journal",
        };
        self.place_of(&format!("{run}/{part}"))
    }

    fn folder(&self, _run: &RunId) -> Option<PathBuf> {
        None
    }
}

#[expect(clippy::disallowed_methods, reason = "a lease has an end by the clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "what was seen grows old")]
fn steady() -> Instant {
    Instant::now()
}

/// Pauses before a write is made again: longer each time, and not as long as others do.
#[expect(clippy::disallowed_methods, reason = "another process is writing")]
async fn pause(again: u32) {
    let spread = u64::from(std::process::id() % 7 + 1);
    tokio::time::sleep(Duration::from_millis(spread * 5 * u64::from(again.min(10)))).await;
}
