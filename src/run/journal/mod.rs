//! The journal: what has happened, in order, and nothing else. It is the source of truth of a run.
//!
//! Append-only. Each entry carries its own digest and that of the line before it, so nothing can be
//! removed, inserted or damaged unnoticed. Only lines missing at the end go unnoticed; they look
//! like a process that died earlier. There is one encoding: the reader encodes again what it has
//! read and refuses any difference. State is a fold over the events (the module `engine`); nothing
//! else is stored. An entry is never reinterpreted: a changed meaning is a new format.
//!
//! This module reads and writes lines; the file belongs to `world/real`.

mod approvals;
mod v1;

use cutover_zone::{RrKey, RrSet};

use cutover_base::calendar::{Moment, Steady, Timestamp};
use cutover_base::digest::Digest;
use cutover_steps::graph::{Step, StepId};
use cutover_steps::notify::Occasion;
use cutover_steps::probe::Finding;

pub use approvals::{Approvals, Approver};
pub use v1::FORMAT;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from zero.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The same by the machine's steady clock, which nobody can set.
    pub steady: Option<Steady>,
    /// The digest of the line before it; for the first entry, that of nothing.
    pub prev: Digest,
    /// What happened.
    pub event: Event,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A run began.
    Opened {
        /// The plan's name.
        name: String,
        /// The artifact that is run.
        artifact: Digest,
        /// The version of `cutover`.
        tool: String,
    },
    /// A process resumed the run.
    Resumed {
        /// The version of `cutover`.
        tool: String,
    },
    /// A change is about to be sent: the intent, before the effect.
    Begun {
        /// The step.
        step: StepId,
    },
    /// The provider holds the new version: it was read back.
    Written {
        /// The step.
        step: StepId,
        /// The zone's serial, where the provider has one.
        serial: Option<u32>,
    },
    /// It is unknown whether the change was made.
    Unsure {
        /// The step.
        step: StepId,
        /// Why.
        detail: String,
    },
    /// A change of unknown outcome was looked for and not found: it may be sent again.
    NotMade {
        /// The step.
        step: StepId,
    },
    /// A person says that a task in doubt was not done.
    NotDone {
        /// The step.
        step: StepId,
        /// How the person knows.
        reason: String,
    },
    /// Every authoritative server was seen, or is assumed, to serve the new version.
    Propagated {
        /// The step.
        step: StepId,
        /// How many servers were asked.
        servers: usize,
    },
    /// A wait began.
    WaitBegun {
        /// The step.
        step: StepId,
        /// From when it counts.
        since: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// At the end of a wait, a server served something other than the new version.
    Lapsed {
        /// The step.
        step: StepId,
        /// Which server, and what it served.
        detail: String,
    },
    /// Servers do not serve a new version yet, or do not answer.
    Behind {
        /// The step.
        step: StepId,
        /// Which servers, what they say, and how long they will be asked.
        detail: String,
    },
    /// A wait ended.
    WaitEnded {
        /// The step.
        step: StepId,
    },
    /// A checkpoint was reached.
    Reached {
        /// The step.
        step: StepId,
    },
    /// A gate was asked.
    Probed {
        /// The step.
        step: StepId,
        /// What was found.
        finding: Finding,
        /// In words; may be empty.
        detail: String,
    },
    /// A task is done.
    Did {
        /// The step.
        step: StepId,
        /// The output of the command or of its check; may be empty.
        output: String,
    },
    /// A task was done by a run that this one supersedes, and is unchanged: it is not done again.
    Kept {
        /// The step.
        step: StepId,
        /// When that run did it.
        since: Timestamp,
    },
    /// A person lets a gate pass, or confirms that a task is done.
    Allowed {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// The run stopped safely.
    Halted(Halt),
    /// A step cannot continue; steps that do not depend on it do.
    SetAside(Halt),
    /// The run turns back: what has begun is settled, and nothing else begins.
    TurnedBack {
        /// The rollback point.
        to: String,
        /// The gate that failed; `None` if a person asked for it.
        because: Option<StepId>,
    },
    /// Another artifact supersedes the run: what has begun is settled, and nothing else begins.
    Replaced {
        /// The artifact.
        by: Digest,
    },
    /// People have approved the artifact, before the run began or again after that had expired.
    Approved(Approvals),
    /// A notification about an entry was sent, or failed.
    Told {
        /// The number of that entry.
        seq: u64,
        /// The index of the notice in the artifact.
        notice: usize,
        /// What that entry is about.
        occasion: Occasion,
        /// Its step, if any.
        step: Option<StepId>,
        /// Why sending failed; `None` if it succeeded.
        problem: Option<String>,
    },
    /// Everything is done; in a run that turned back, everything that had begun is settled.
    Finished,
}

/// Where a run stopped, or what was set aside, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// The step.
    pub step: StepId,
    /// Why.
    pub reason: HaltReason,
    /// Details, from the other side or from us; may be empty.
    pub detail: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl Halt {
    /// A halt without differences.
    #[must_use]
    pub fn at(step: &Step, reason: HaltReason, detail: impl Into<String>) -> Self {
        let (step, detail) = (step.id.clone(), detail.into());
        Self { step, reason, detail, differences: Vec::new() }
    }
}

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// The live records are not what the plan expects.
    Drift,
    /// The provider refuses the change, or takes it and does not make it.
    Refused,
    /// A provider or server does not answer, or does not follow in time.
    Unanswered,
    /// The provider holds the change, but its servers could not be notified.
    Unpublished,
    /// A gate or a task has failed.
    Failed,
    /// A gate got no clear result, or nobody knows whether a task was done.
    Undecided,
    /// A gate has failed, but the way back that it should take is closed.
    NoWayBack,
    /// Too few people still approve the artifact.
    Unapproved,
}

impl HaltReason {
    /// The reason in words, for this step.
    #[must_use]
    pub fn words(self, step: Option<&Step>) -> &'static str {
        let is_task = step.is_some_and(Step::is_task);
        match self {
            Self::Drift => "the live records are not what the plan expects",
            Self::Refused => "the provider does not make the change",
            Self::Unanswered => "a provider or server does not respond as needed",
            Self::Unpublished => "the servers were not notified of a change that was written",
            Self::Failed if is_task => "the task has failed",
            Self::Failed => "the gate has failed",
            Self::Undecided if is_task => "nobody knows whether the task was done",
            Self::Undecided => "the gate got no clear result",
            Self::NoWayBack => "the gate has failed, and there is no way back",
            Self::Unapproved => "too few of its approvals still count",
        }
    }
}

/// What was planned, expected and found at one RRset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The RRset.
    pub key: RrKey,
    /// What the step would have written.
    pub planned: Option<RrSet>,
    /// What should have been there.
    pub expected: Option<RrSet>,
    /// What was there.
    pub live: Option<RrSet>,
}

/// Why a line is not an entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not JSON, or not of this shape.
    #[error("it is not an entry: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that does not mean anything.
    #[error("it is not an entry: {0}")]
    Value(String),
    /// Not UTF-8.
    #[error("it is not an entry: it is not text")]
    NoText,
    /// Not what was written: another value, or another spelling of it.
    #[error("it was altered: its digest does not match")]
    Altered,
    /// A number out of sequence.
    #[error("its number is {found}, but {expected} comes next")]
    Number {
        /// The expected number.
        expected: u64,
        /// The number in the line.
        found: u64,
    },
    /// A digest that is not that of the line before.
    #[error("it does not follow from the line before it: the chain of digests is broken")]
    Chain,
    /// A format that this version does not read.
    #[error("its format is `{0}`, but this version reads `{FORMAT}`")]
    Format(String),
}

/// An entry, encoded and hashed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    entry: Entry,
    text: String,
    digest: Digest,
}

impl Line {
    /// What it says.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Its text, without the line end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The digest of its text: what the next entry names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl Entry {
    /// When it was written, by both clocks.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment { at: self.at, steady: self.steady }
    }

    /// The entry as a line.
    #[must_use]
    pub fn line(self) -> Line {
        let text = v1::line(&self);
        let digest = Digest::of(text.as_bytes());
        Line { entry: self, text, digest }
    }

    /// Reads a line and checks that it follows; with the line's digest.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn read(line: &[u8], seq: u64, prev: Digest) -> Result<(Self, Digest), EntryError> {
        let line = std::str::from_utf8(line).map_err(|_| EntryError::NoText)?;
        let (entry, digest) = v1::read(line)?;
        if entry.seq != seq {
            return Err(EntryError::Number { expected: seq, found: entry.seq });
        }
        if entry.prev != prev {
            return Err(EntryError::Chain);
        }
        Ok((entry, digest))
    }
}

impl Event {
    /// The step that it is about, if any.
    #[must_use]
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Begun { step }
            | Self::Written { step, .. }
            | Self::Unsure { step, .. }
            | Self::NotMade { step }
            | Self::NotDone { step, .. }
            | Self::Propagated { step, .. }
            | Self::WaitBegun { step, .. }
            | Self::Lapsed { step, .. }
            | Self::Behind { step, .. }
            | Self::WaitEnded { step }
            | Self::Reached { step }
            | Self::Probed { step, .. }
            | Self::Did { step, .. }
            | Self::Kept { step, .. }
            | Self::Allowed { step, .. }
            | Self::Halted(Halt { step, .. })
            | Self::SetAside(Halt { step, .. }) => Some(step),
            Self::Opened { .. }
            | Self::Resumed { .. }
            | Self::TurnedBack { .. }
            | Self::Replaced { .. }
            | Self::Approved(_)
            | Self::Told { .. }
            | Self::Finished => None,
        }
    }
}
