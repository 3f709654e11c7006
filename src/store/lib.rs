//! Where runs are kept: a trait, so that nothing above it knows whether that is a directory.
//!
//! A [`Store`] holds text and does not interpret it: sealed artifacts, the lines of journals, and
//! notes from people. Whoever reads that text checks every line. Writing needs a [`Lease`], so each
//! plan has one writer at a time.
//!
//! An append names the digest of the last line that the writer knows. The store refuses it if
//! another line is the last. Each lease has a fencing number, and a store takes nothing from a
//! holder whose number is not the newest: a process that slept past the end of its lease cannot
//! write, however late it wakes.

mod directory;
mod files;
mod lease;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use cutover_base::digest::Digest;

pub use directory::Directory;
pub use files::read_text;
pub use lease::{Claim, Holder};

/// Maximum octets of an artifact. Our choice: a plan of a hundred thousand changes has a quarter of
/// it.
pub const ARTIFACT_OCTETS_MAX: u64 = 256 * 1024 * 1024;

/// Maximum octets of a plan's name, and of a run's. Our choice: less than a file system takes.
const PART_OCTETS_MAX: usize = 128;

/// A line of a journal, without its line end, and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    text: String,
    digest: Digest,
}

impl Line {
    /// The line with this text.
    ///
    /// # Panics
    /// If the text contains a line end: it would be two lines when it is read back.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        assert!(!text.contains('\n'), "a line of a journal is one line");
        Self { digest: Digest::of(text.as_bytes()), text }
    }

    /// Its text, without the line end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The digest of its text: what the next line names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Identifies a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    /// The plan's name.
    pub plan: String,
    /// The run's name: its number, from 1, or something else if the run was abandoned.
    pub name: String,
}

impl RunId {
    /// The run with this number.
    #[must_use]
    pub fn new(plan: &str, number: u32) -> Self {
        Self { plan: plan.to_owned(), name: format!("{number:04}") }
    }

    /// Its number; `None` if it was abandoned.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        let number = self.name.parse().ok()?;
        (*self == Self::new(&self.plan, number)).then_some(number)
    }
}

impl RunId {
    /// Whether every store can hold it: letters, digits, `-`, `_` and `.`, without a dot in front.
    #[must_use]
    pub fn is_portable(&self) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let part = |part: &str| {
            (1..=PART_OCTETS_MAX).contains(&part.len())
                && !part.starts_with('.')
                && part.chars().all(plain)
        };
        part(&self.plan) && part(&self.name)
    }
}

impl fmt::Display for RunId {
    /// `move/0001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plan, self.name)
    }
}

/// A message to the process that drives a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'n> {
    /// The step with this id is done; the text is the reason.
    Done(&'n str),
    /// The run is to go back; the text is the rollback point.
    TurnBack,
}

/// What a list of all runs shows of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The run.
    pub run: RunId,
    /// The last line of its journal, whose digest is the journal's head; `None` if there is no line.
    pub last: Option<Line>,
    /// Who holds the lease of its plan.
    pub holder: Option<Holder>,
}

/// What whoever has driven a plan says of its newest run, so that others need not read that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The run.
    pub run: RunId,
    /// The digest of the last line of its journal: with another one, this is not true any more.
    pub head: Digest,
    /// What is said. The store does not interpret it.
    pub text: String,
}

/// A plan in a list of all plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub plan: String,
    /// The text of its [`Standing`], if that is of the newest run as it is now. Otherwise the run
    /// has to be read.
    pub standing: Option<String>,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The artifact that is run.
    Artifact,
    /// The journal of what has happened.
    Journal,
}

/// Takes the lines of a journal in order, without their line ends, until it breaks.
pub type TakeLine<'t> = dyn FnMut(&[u8]) -> ControlFlow<()> + Send + 't;

/// The result of a store's operation.
pub type StoreResult<T> = Result<T, StoreError>;

/// Where runs are kept.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// The names of the plans that have runs, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn plans(&self) -> StoreResult<Vec<String>>;

    /// The runs of a plan, in order, including those that were abandoned or never opened.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn runs(&self, plan: &str) -> StoreResult<Vec<RunId>>;

    /// The text of the artifact that a run was created with.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn artifact(&self, run: &RunId) -> StoreResult<String>;

    /// Reads the journal of a run from its first line, until `take` breaks. Returns the length in
    /// octets of an incomplete last line, which a crash can leave.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lines(&self, run: &RunId, take: &mut TakeLine<'_>) -> StoreResult<u64>;

    /// The text of the artifact with this digest that a run keeps as its successor.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn kept(&self, run: &RunId, digest: Digest) -> StoreResult<Option<String>>;

    /// Leaves a note for the process that drives a run. It replaces an earlier note of this kind.
    ///
    /// # Errors
    /// [`StoreError`]; then no note was left.
    async fn leave(&self, run: &RunId, note: Note<'_>, text: &str) -> StoreResult<()>;

    /// The text of a note; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note(&self, run: &RunId, note: Note<'_>) -> StoreResult<Option<String>>;

    /// Who holds the lease of a plan; `None` if it is free.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn holder(&self, plan: &str) -> StoreResult<Option<Holder>>;

    /// Takes the lease of a plan. It ends when it is dropped.
    ///
    /// # Errors
    /// [`StoreError::Locked`], with the present holder.
    async fn lease(&self, plan: &str, claim: &Claim) -> StoreResult<Box<dyn Lease>>;

    /// Takes the lease away from the holder with this fencing number, which cannot write from then
    /// on. Returns `false` if it is not the holder any more.
    ///
    /// # Errors
    /// [`StoreError`]; then the holder still has the lease.
    async fn unlock(&self, plan: &str, fence: u64) -> StoreResult<bool>;

    /// All runs of all plans, in order. A store that can be asked for all of this at once overrides
    /// this; otherwise every journal is read.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn summaries(&self) -> StoreResult<Vec<Summary>> {
        let mut found = Vec::new();
        for plan in self.plans().await? {
            let holder = self.holder(&plan).await?;
            for run in self.runs(&plan).await? {
                let mut last = None;
                let mut take = |line: &[u8]| {
                    last = Some(line.to_vec());
                    ControlFlow::Continue(())
                };
                self.lines(&run, &mut take).await?;
                let last = match last.map(String::from_utf8).transpose() {
                    Ok(last) => last.map(Line::new),
                    Err(_) => {
                        let detail = "its last line is not text".to_owned();
                        let place = self.place(&run, Part::Journal);
                        return Err(StoreError::Foreign { place, detail });
                    }
                };
                found.push(Summary { run, last, holder: holder.clone() });
            }
        }
        Ok(found)
    }

    /// Whether it keeps when each plan is due ([`Lease::rest`]), so that [`Store::lease_due`] shares
    /// out the plans among any number of processes.
    fn shares_out(&self) -> bool {
        false
    }

    /// The plans that have runs, in order, each with what was said of it ([`Lease::rest`]).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn listed(&self) -> StoreResult<Vec<Listed>> {
        let plans = self.plans().await?.into_iter();
        Ok(plans.map(|plan| Listed { plan, standing: None }).collect())
    }

    /// Takes the lease of a plan that has runs, is due, and is held by nobody; `None` if there is no
    /// such plan. Plans in `but` are left out. Processes that call this at the same time get
    /// different plans.
    ///
    /// A store that does not keep when a plan is due ([`Lease::rest`]) takes each for due, and tries
    /// one lease after the other. Then the caller has to remember for itself what has to wait.
    ///
    /// # Errors
    /// [`StoreError`], but never [`StoreError::Locked`].
    async fn lease_due(
        &self,
        but: &BTreeSet<String>,
        claim: &Claim,
    ) -> StoreResult<Option<(String, Box<dyn Lease>)>> {
        for plan in self.plans().await? {
            if but.contains(&plan) {
                continue;
            }
            match self.lease(&plan, claim).await {
                Ok(lease) => return Ok(Some((plan, lease))),
                Err(StoreError::Locked { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The name of a part of a run in messages.
    fn place(&self, run: &RunId, part: Part) -> String;

    /// The folder of a run, in a store whose runs are folders.
    fn folder(&self, run: &RunId) -> Option<PathBuf>;
}

/// The right to write the runs of one plan.
#[async_trait]
pub trait Lease: fmt::Debug + Send + Sync {
    /// The holder, as others see it.
    fn holder(&self) -> &Holder;

    /// Prolongs the lease if a third of its time is over, so a process that calls this before each
    /// effect and while it waits keeps the lease. Before that, a store whose leases end by
    /// themselves asks nobody.
    ///
    /// # Errors
    /// [`StoreError::Lost`] if another process has taken it, and other [`StoreError`]s.
    async fn renew(&mut self) -> StoreResult<()>;

    /// Says that the plan is due again after this time, or, for `None`, only when something happens.
    /// A note or a new run makes it due at once, also if it came after the lease was taken and
    /// before this call. `standing` is what [`Store::listed`] shows of the plan from now on; `None`:
    /// the run has to be read. A store that does not share out plans does nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then the plan stays due.
    async fn rest(
        &mut self,
        _span: Option<Duration>,
        _standing: Option<&Standing>,
    ) -> StoreResult<()> {
        Ok(())
    }

    /// Gives the lease back, as dropping it does. It may be quicker, because it can wait.
    ///
    /// # Errors
    /// [`StoreError`]; then the lease ends by itself.
    async fn give_back(self: Box<Self>) -> StoreResult<()> {
        Ok(())
    }

    /// Creates a run with the text of its artifact and an empty journal.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn create(&mut self, artifact: &str) -> StoreResult<RunId>;

    /// Creates a run that has a name already, with the text of its artifact and an empty journal: a
    /// run that comes from another store keeps its name.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is a run of this name, [`StoreError::Foreign`] if no store
    /// may hold the name, and other [`StoreError`]s.
    async fn create_named(&mut self, run: &RunId, artifact: &str) -> StoreResult<()>;

    /// Appends lines to the journal of a run. They are durable when this returns. `after` is the
    /// digest of the present last line, or of the empty text for the first line. An incomplete last
    /// line is cut off.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another line is the last, and other [`StoreError`]s; then
    /// nothing counts as written.
    async fn append(&mut self, run: &RunId, after: Digest, lines: &[Line]) -> StoreResult<()>;

    /// Keeps the text of the artifact that supersedes a run, until the run has settled what it has
    /// begun.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep(&mut self, run: &RunId, digest: Digest, artifact: &str) -> StoreResult<()>;
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system reports an error.
    #[error("{place} cannot be used: {source}")]
    Io {
        /// The file or other location.
        place: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another process holds the lease.
    #[error("the plan is locked by {holder}")]
    Locked {
        /// Who it is.
        holder: Box<Holder>,
    },
    /// The lease was taken away: by `unlock`, or by another process after its end.
    #[error("{place}: this process has lost the lease of the plan{}", to_whom(holder.as_deref()))]
    Lost {
        /// The lease.
        place: String,
        /// Who holds it now, if that is known.
        holder: Option<Box<Holder>>,
    },
    /// The store cannot be reached, or does not respond.
    #[error("{place} cannot be reached: {detail}")]
    Away {
        /// The store.
        place: String,
        /// What the other side or the system says.
        detail: String,
    },
    /// What is there was not written by us, or not completely.
    #[error("{place} is damaged or not ours: {detail}")]
    Foreign {
        /// The location.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// The text is larger than any that we write.
    #[error("{place} is larger than {octets_max} octets")]
    TooLarge {
        /// The file or other location.
        place: String,
        /// The limit.
        octets_max: u64,
    },
    /// Another process has written to the journal since it was read.
    #[error("{place}: another process has written to it since it was read")]
    Conflict {
        /// The journal.
        place: String,
    },
}

fn to_whom(holder: Option<&Holder>) -> String {
    holder.map_or(String::new(), |holder| format!(" to {holder}"))
}
