//! The journal: what has happened, in order, and nothing else. It is the truth of a run.
//!
//! Append-only. Each entry carries the digest of the line before it and its own, so that nothing can
//! be taken out, put in or damaged unseen; only lines missing at the end cannot be noticed, and look
//! like a process that died earlier. There is one encoding: the reader encodes again what it has
//! read and refuses any difference. State is a fold over the events (the module `engine`); nothing else is
//! stored. An entry is never reinterpreted: a changed meaning is a new format.
//!
//! This module reads and writes lines; the file belongs to `world/real`.

mod v1;

use cutover_contract::{RrKey, RrSet};

use crate::calendar::{Moment, Steady, Timestamp};
use crate::digest::Digest;
use crate::graph::{Step, StepId};
use crate::probe::Finding;
use crate::spec::notify::Occasion;

pub use v1::FORMAT;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from zero.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The same by the clock that nobody sets.
    pub steady: Option<Steady>,
    /// The digest of the line before it; of nothing for the first.
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
    /// A process took the run up again.
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
    /// Whether the change was made is not known.
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
    /// A person says that a task of which nobody knew was not done.
    NotDone {
        /// The step.
        step: StepId,
        /// How that is known.
        reason: String,
    },
    /// Every authoritative server was seen to serve the new version, or is taken to.
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
    /// At the end of a wait a server served something else than the new version.
    Lapsed {
        /// The step.
        step: StepId,
        /// Which server, and what it served.
        detail: String,
    },
    /// Servers do not serve a new version yet, or do not answer: they were named.
    Behind {
        /// The step.
        step: StepId,
        /// Which servers, what they say, and until when they are asked.
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
        /// What the command, or the check, wrote; may be empty.
        output: String,
    },
    /// A person lets a gate pass that has not, or says that a task is done.
    Allowed {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// The run stopped, safe.
    Halted(Halt),
    /// A step cannot go on, and what does not hang on it does.
    SetAside(Halt),
    /// The run goes back: what has begun is settled, and nothing else begins.
    TurnedBack {
        /// The rollback point.
        to: String,
        /// The gate that has failed; `None`: somebody wants it.
        because: Option<StepId>,
    },
    /// Another artifact takes the run's place: what has begun is settled, and nothing else begins.
    Replaced {
        /// The artifact.
        by: Digest,
    },
    /// Somebody was told of what an entry says.
    Told {
        /// The number of that entry.
        seq: u64,
        /// The place of the notice in the artifact.
        notice: usize,
        /// What that entry is about.
        occasion: Occasion,
        /// At which step, if at any.
        step: Option<StepId>,
        /// Why it could not be done; `None`: it was.
        problem: Option<String>,
    },
    /// Everything is done; of a run that was turned back, all that had begun is settled.
    Finished,
}

/// Where a run stopped, or what was set aside, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// The step.
    pub step: StepId,
    /// Why.
    pub reason: HaltReason,
    /// Word of the other side, or of ours; may be empty.
    pub detail: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl Halt {
    /// A halt at which nothing differs.
    #[must_use]
    pub fn at(step: &Step, reason: HaltReason, detail: impl Into<String>) -> Self {
        let (step, detail) = (step.id.clone(), detail.into());
        Self { step, reason, detail, differences: Vec::new() }
    }
}

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// What is live is not what the plan was made for.
    Drift,
    /// The provider says no.
    Refused,
    /// Somebody who has to answer does not.
    Unanswered,
    /// The provider holds the change, and its servers could not be told of it.
    Unpublished,
    /// A gate or a task has failed.
    Failed,
    /// A gate has not found out what is true, or nobody knows whether a task was done.
    Undecided,
    /// A gate has failed, and the way back that it leads to cannot be gone.
    NoWayBack,
}

impl HaltReason {
    /// In words, at this step.
    #[must_use]
    pub fn words(self, step: Option<&Step>) -> &'static str {
        let is_task = step.is_some_and(Step::is_task);
        match self {
            Self::Drift => "what is live is not what the plan was made for",
            Self::Refused => "the provider does not make the change",
            Self::Unanswered => "somebody who has to answer does not",
            Self::Unpublished => "the servers were not told of a change that is written",
            Self::Failed if is_task => "the task has failed",
            Self::Failed => "the gate has failed",
            Self::Undecided if is_task => "nobody knows whether the task was done",
            Self::Undecided => "the gate has not found out what is true",
            Self::NoWayBack => "the gate has failed, and there is no way back",
        }
    }
}

/// What was planned, expected and found at one RRset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The RRset.
    pub key: RrKey,
    /// What the step makes of it.
    pub planned: Option<RrSet>,
    /// What had to be there.
    pub expected: Option<RrSet>,
    /// What was there.
    pub live: Option<RrSet>,
}

/// Why a line is no entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not JSON, or not of this shape.
    #[error("it is no entry: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that does not mean anything.
    #[error("it is no entry: {0}")]
    Value(String),
    /// Not UTF-8.
    #[error("it is no entry: it is no text")]
    NoText,
    /// Not what was written: another value, or the same written otherwise.
    #[error("it is not what was written: its own digest is another")]
    Altered,
    /// A number that does not follow.
    #[error("its number is {found}, and {expected} follows")]
    Number {
        /// What was expected.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// A digest that is not that of the line before.
    #[error("it does not follow from the line before it: the chain of digests is broken")]
    Chain,
    /// Another format than the one that this version reads.
    #[error("its format is `{0}`, and this version reads `{FORMAT}`")]
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
            | Self::Allowed { step, .. }
            | Self::Halted(Halt { step, .. })
            | Self::SetAside(Halt { step, .. }) => Some(step),
            Self::Opened { .. }
            | Self::Resumed { .. }
            | Self::TurnedBack { .. }
            | Self::Replaced { .. }
            | Self::Told { .. }
            | Self::Finished => None,
        }
    }
}
