//! The artifact: everything that a run needs, sealed under a digest.
//!
//! The plan decides, apply obeys: execution makes no choice that is not in the artifact. It holds
//! durations, while instants are in the journal; the time of planning is not in it, so equal input
//! gives equal bytes. Secrets are references.
//!
//! There is one encoding. The reader encodes again what it has read and refuses any difference, so
//! what a reviewer saw is what runs.

mod again;
mod back;
mod programs;
mod v1;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_zone::{Name, RrKey, RrSet};

use cutover_base::digest::Digest;
use cutover_steps::approvals::Demand;
use cutover_steps::authority::{Authority, Exception};
use cutover_steps::config::ProviderSpec;
use cutover_steps::graph::{OnDrift, StepGraph, StepId};
use cutover_steps::notify::Notice;

pub use v1::FORMAT;
pub(crate) use v1::RrSetV1;

/// The maximum size of an artifact, in octets. Our choice: a plan of ten thousand domains fits.
pub const OCTETS_MAX: u64 = 256 * 1024 * 1024;

/// A sealed plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The plan's name.
    pub name: String,
    /// The version of `cutover` that made it.
    pub tool: String,
    /// The digest of the plan's text.
    pub plan: Digest,
    /// The artifact that this one supersedes in a run, if any.
    pub parent: Option<Digest>,
    /// The providers by name, secrets as references.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// The notifications.
    pub notify: Vec<Notice>,
    /// What continues when a part of it cannot.
    pub on_drift: OnDrift,
    /// Who has to approve it before it is applied.
    pub approvals: Demand,
    /// The zones that are changed.
    pub zones: BTreeMap<Name, SealedZone>,
    /// What the proof takes as it is in the plan's zones, and no step changes.
    pub relies_on: BTreeMap<Name, Relied>,
    /// What is known about its safety.
    pub verdict: Verdict,
    /// The steps.
    pub graph: StepGraph,
    /// How each step is undone.
    pub undos: BTreeMap<StepId, Undo>,
    /// The points that a run can roll back to, and how.
    pub rollback_points: Vec<RollbackPoint>,
    /// When each step begins and ends in an ideal run.
    pub forecast: Vec<Forecast>,
}

/// How a step is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// By a step of the way back.
    By(StepId),
    /// Not at all: it only makes additions, which stay.
    Keep,
    /// It cannot be undone: once it begins there is no way back, for this reason.
    Never(String),
}

/// A point that a run can roll back to from every state after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackPoint {
    /// Its name: `start`, `before-switch`.
    pub name: String,
    /// The forward step at which it is reached; `None`: before the first.
    pub at: Option<StepId>,
    /// The way back, as if everything had been done. A run that has done less only makes the steps
    /// that undo something which has begun.
    pub graph: StepGraph,
    /// Which forward step each step undoes; a step that is not listed is always made.
    pub takes_back: BTreeMap<StepId, StepId>,
    /// What a rollback leaves behind, one sentence each.
    pub residue: Vec<String>,
}

/// What a run needs to know about a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedZone {
    /// The provider's name.
    pub provider: String,
    /// The servers that have to serve a change before it counts as propagated.
    pub authorities: Vec<Authority>,
    /// The servers that are exempt, and why.
    pub except: Vec<Exception>,
    /// If no server can be asked: how long after a write it is assumed to be served everywhere.
    pub served_within: Option<Duration>,
    /// How long resolvers may cache that a name does not exist (RFC 2308 §5).
    pub absence: Duration,
    /// The other zones of the plan that its records lead into.
    pub reads: BTreeSet<Name>,
    /// After this time, a change with an unknown outcome can no longer take effect.
    pub settle_max: Duration,
}

/// What the proof takes as it is in one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relied {
    /// The provider's name.
    pub provider: String,
    /// RRsets as they were seen; `None`: there was none.
    pub rrsets: BTreeMap<RrKey, Option<RrSet>>,
}

impl SealedZone {
    /// The servers to ask: all but the exceptions.
    pub fn asked(&self) -> impl Iterator<Item = &Authority> {
        let excepted = |authority: &&Authority| {
            !self.except.iter().any(|exception| exception.address == authority.address)
        };
        self.authorities.iter().filter(excepted)
    }
}

/// What is known about a plan's safety.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was proved.
    pub outcome: Outcome,
    /// The invariants that hold in every order, at every delay and for every cached answer.
    pub holding: Vec<String>,
    /// The invariants that are broken.
    pub broken: Vec<String>,
    /// What the plan allows to be broken (`override:`), and why.
    pub overrides: BTreeMap<String, String>,
    /// How much was checked.
    pub checked: Checked,
    /// What it takes for granted.
    pub assumptions: Vec<String>,
    /// The clocks that are shorter than usual, one sentence each.
    pub shortened: Vec<String>,
    /// The records that still lead to the old host's addresses at the end, in master file format.
    pub at_old: Vec<String>,
    /// Defects that exist before the plan and are not made worse, line by line.
    pub present: Vec<String>,
    /// The counterexamples, line by line.
    pub story: Vec<String>,
    /// Why no other order works, line by line.
    pub derivation: Vec<String>,
    /// What checks have found in what is live and in what the plan leaves, the worst of each domain
    /// first. It decides nothing.
    pub findings: Vec<Finding>,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check's code.
    pub code: String,
    /// Whether mail is lost or refused today already; otherwise some is at risk.
    pub is_error: bool,
    /// What was found: one line, which begins with the domain.
    pub said: String,
    /// Where the plan speaks of it.
    pub place: FindingPlace,
    /// Why the plan ignores it (`checks:`), if it does.
    pub ignored: Option<String>,
}

/// A place in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingPlace {
    /// The name of a file that the plan names, without directories; `None` for the plan itself.
    pub file: Option<String>,
    /// The line, from one.
    pub line: usize,
    /// The column, from one, in characters.
    pub column: usize,
}

/// How much a proof checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Atoms: versions of answers and values of facts that may hold.
    pub atoms: usize,
    /// Bad patterns: sets of atoms that must not hold together.
    pub patterns: usize,
    /// Bad patterns on the ways back.
    pub patterns_back: usize,
}

/// Whether a plan was proved safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every invariant holds.
    Proved,
    /// An invariant is broken; the story shows how.
    Refuted,
}

impl Verdict {
    /// The broken invariants and defects that the plan does not accept.
    pub fn forbidding(&self) -> impl Iterator<Item = &String> {
        self.broken.iter().filter(|name| !is_overridden(&self.overrides, name))
    }
}

/// Whether the plan accepts a broken invariant or a defect: by its own name or id, or a defect by
/// the name of its invariant.
#[must_use]
pub fn is_overridden(overrides: &BTreeMap<String, String>, name: &str) -> bool {
    let invariant = name.split('/').next().unwrap_or(name);
    overrides.contains_key(name) || overrides.contains_key(invariant)
}

/// When a step begins and ends in an ideal run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The step.
    pub step: StepId,
    /// Its begin, since the start of the run.
    pub begin: Duration,
    /// Its end, since the start of the run.
    pub end: Duration,
}

/// Why a text is not an artifact.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or not of this shape.
    #[error("it is not an artifact: {0}")]
    Json(#[from] serde_json::Error),
    /// A format that this version does not read.
    #[error("its format is `{0}`, but this version reads `{FORMAT}`")]
    Format(String),
    /// A value that does not mean anything.
    #[error("{place}: {problem}")]
    Value {
        /// Where: a step's id, or a key.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// Another spelling of the same content.
    #[error("it is not in canonical form: it was edited or reformatted")]
    NotCanonical,
    /// A digest that does not match the contents.
    #[error(
        "its digest is {stated}, but its contents have {actual}: it was changed after it was sealed"
    )]
    Digest {
        /// The digest in the text.
        stated: Digest,
        /// The digest of the contents.
        actual: Digest,
    },
}

impl Artifact {
    /// The digest of everything in it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.seal().1
    }

    /// The one encoding: JSON, indented, with a line end at the end.
    #[must_use]
    pub fn encode(&self) -> String {
        self.seal().0
    }

    /// [`Artifact::encode`] and [`Artifact::digest`] at once.
    #[must_use]
    pub fn seal(&self) -> (String, Digest) {
        v1::encode(self)
    }

    /// Reads exactly what [`Artifact::encode`] writes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn decode(text: &str) -> Result<Self, ReadError> {
        v1::decode(text)
    }
}
