//! Where runs are kept: a trait, so that nothing above it knows whether that is a directory.
//!
//! A [`Store`] holds texts and lines, and gives them no meaning: sealed artifacts, the lines of
//! journals, and what people say beside them. [`Runs`] reads them as the runs of one plan and checks
//! every line. Whoever writes holds a [`Lease`], and there is no other way to write: one writer for each
//! plan at a time.
//!
//! An append names the digest of the last line that the writer knows. A store refuses it where another
//! line is the last, so a writer that has lost its lease without knowing it writes nothing.

mod directory;
mod files;
mod runs;

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;

use crate::artifact;
use crate::digest::Digest;
use crate::graph::StepId;
use crate::journal::Line;
use crate::world::LineError;

pub use directory::Directory;
pub use files::{read_artifact, read_text};
pub use runs::{Found, Runs};

/// Names a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    /// The plan's name.
    pub plan: String,
    /// The run's name: its number, from 1, or something else where it was given up.
    pub name: String,
}

impl RunId {
    /// The run of a number.
    #[must_use]
    pub fn new(plan: &str, number: u32) -> Self {
        Self { plan: plan.to_owned(), name: format!("{number:04}") }
    }

    /// Its number; `None` if it was given up.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        let number = self.name.parse().ok()?;
        (*self == Self::new(&self.plan, number)).then_some(number)
    }
}

impl fmt::Display for RunId {
    /// `move/0001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plan, self.name)
    }
}

/// What somebody says to the process that drives a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'n> {
    /// That a step is done; the text is the reason.
    Done(&'n StepId),
    /// That the run shall go back; the text is the rollback point.
    TurnBack,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is run.
    Artifact,
    /// What has happened.
    Journal,
}

/// Takes the lines of a journal one by one, without their line ends.
pub type TakeLine<'t> = dyn FnMut(&[u8]) -> StoreResult<()> + Send + 't;

/// What a store answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// Where runs are kept.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// The names of the plans that have runs, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn plans(&self) -> StoreResult<Vec<String>>;

    /// The runs of a plan, in order; those that were given up or never opened are among them.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn runs(&self, plan: &str) -> StoreResult<Vec<RunId>>;

    /// The text of the artifact that a run was created with.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn artifact(&self, run: &RunId) -> StoreResult<String>;

    /// Reads the journal of a run from its first line. Returns how many octets of an incomplete last
    /// line stand at its end, which a crash can leave.
    ///
    /// # Errors
    /// [`StoreError`], and whatever `take` says.
    async fn lines(&self, run: &RunId, take: &mut TakeLine<'_>) -> StoreResult<u64>;

    /// The text of the artifact with this digest that a run keeps as its successor.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn kept(&self, run: &RunId, digest: Digest) -> StoreResult<Option<String>>;

    /// Leaves a note for the process that drives a run, in place of an earlier one of this kind.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was said then.
    async fn leave(&self, run: &RunId, note: Note<'_>, text: &str) -> StoreResult<()>;

    /// The text of a note; `None` if nobody has left one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note(&self, run: &RunId, note: Note<'_>) -> StoreResult<Option<String>>;

    /// Takes the lease of a plan; `owner` is what others are told.
    ///
    /// # Errors
    /// [`StoreError::Locked`], with the text of the owner.
    async fn lease(&self, plan: &str, owner: &str) -> StoreResult<Box<dyn Lease>>;

    /// What to call a part of a run in messages.
    fn place(&self, run: &RunId, part: Part) -> String;

    /// The folder of a run, where runs are folders.
    fn folder(&self, run: &RunId) -> Option<PathBuf>;
}

/// The right to write the runs of one plan.
#[async_trait]
pub trait Lease: fmt::Debug + Send + Sync {
    /// Creates a run with the text of its artifact and an empty journal.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn create(&mut self, artifact: &str) -> StoreResult<RunId>;

    /// Appends lines to the journal of a run. They are durable when this returns. `after` is the digest
    /// of the last line so far, and of nothing for the first. An incomplete last line is cut off.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another line is the last, and other [`StoreError`]s; nothing counts
    /// as written then.
    async fn append(&mut self, run: &RunId, after: Digest, lines: &[&Line]) -> StoreResult<()>;

    /// Keeps the text of the artifact that supersedes a run, until the run has settled what it has begun.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep(&mut self, run: &RunId, digest: Digest, artifact: &str) -> StoreResult<()>;
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system says no.
    #[error("{place} cannot be used: {source}")]
    Io {
        /// The file, or whatever it is.
        place: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// Another process holds the lease.
    #[error("the plan is locked by {owner}")]
    Locked {
        /// Who, and since when.
        owner: String,
    },
    /// A text that is larger than any that we write.
    #[error("{place} is larger than {octets_max} octets")]
    TooLarge {
        /// The file, or whatever it is.
        place: String,
        /// The bound.
        octets_max: u64,
    },
    /// The sealed artifact of a run cannot be used.
    #[error("{place} cannot be used: {source}")]
    Artifact {
        /// The file, or whatever it is.
        place: String,
        /// Why.
        source: artifact::ReadError,
    },
    /// A line of a journal cannot be used.
    #[error("{place}:{line}: {source}")]
    Line {
        /// The journal.
        place: String,
        /// The line, from one.
        line: u64,
        /// Why.
        source: LineError,
    },
    /// Another process has written to the journal since.
    #[error("{place}: another process has written to it since it was read")]
    Conflict {
        /// The journal.
        place: String,
    },
}
