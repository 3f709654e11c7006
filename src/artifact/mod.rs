//! The artifact: everything that a run needs, sealed under a digest.
//!
//! The plan decides, apply obeys: execution makes no choice that is not in here. Durations are in
//! the artifact, instants are in the journal; no instant of planning enters it, so equal input gives
//! equal bytes. Secrets are references.
//!
//! There is one encoding. The reader encodes again what it has read and refuses any difference, so
//! that what a reviewer saw is what is run.

mod again;
mod back;
mod programs;
mod v1;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::{Name, RrKey, RrSet};

use crate::digest::Digest;
use crate::graph::{StepGraph, StepId};
use crate::spec::notify::Notice;
use crate::spec::{Authority, Exception, OnDrift, ProviderSpec};

pub use v1::FORMAT;
pub(crate) use v1::RrSetV1;

/// Octets of an artifact at the most. Our choice: a plan of ten thousand domains fits.
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
    /// The artifact that this one replaces in a run, if any.
    pub parent: Option<Digest>,
    /// The providers by name, secrets as references.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// Who is told, and when.
    pub notify: Vec<Notice>,
    /// What goes on when a part of it cannot.
    pub on_drift: OnDrift,
    /// The zones that are changed.
    pub zones: BTreeMap<Name, SealedZone>,
    /// What the proof takes as it is in the plan's zones, and no step changes.
    pub relies_on: BTreeMap<Name, Relied>,
    /// What is known of its safety.
    pub verdict: Verdict,
    /// The steps.
    pub graph: StepGraph,
    /// What takes each step back.
    pub undos: BTreeMap<StepId, Undo>,
    /// Where a run can go back to, and how.
    pub rollback_points: Vec<RollbackPoint>,
    /// When each step begins and ends in an ideal run.
    pub forecast: Vec<Forecast>,
}

/// What takes a step back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// A step of the way back.
    By(StepId),
    /// Nothing has to: it only adds, and stays.
    Keep,
    /// Nothing can: from its begin on there is no way back, and why.
    Never(String),
}

/// A point that a run can go back to from every state behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackPoint {
    /// Its name: `start`, `before-switch`.
    pub name: String,
    /// The step of the way there at which it is reached; `None`: before the first.
    pub at: Option<StepId>,
    /// The way back, as if everything had been done. Of a run that has done less, the steps are made
    /// that take back something which has begun.
    pub graph: StepGraph,
    /// Which steps of the way there each step takes back; one that is not here is always made.
    pub takes_back: BTreeMap<StepId, StepId>,
    /// What stays behind, one sentence each.
    pub residue: Vec<String>,
}

/// What a run has to know of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedZone {
    /// The provider's name.
    pub provider: String,
    /// Who has to serve a change before it counts as propagated.
    pub authorities: Vec<Authority>,
    /// Who is left out, and why.
    pub except: Vec<Exception>,
    /// Where nobody can be asked: how long after a write it is taken to be served everywhere.
    pub served_within: Option<Duration>,
    /// How long the absence of a name may be cached (RFC 2308 §5).
    pub absence: Duration,
    /// The other zones of the plan that its records lead into.
    pub reads: BTreeSet<Name>,
    /// After how long an effect whose outcome is unknown can no longer land.
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
    /// The servers that are asked what they serve: all but the exceptions.
    pub fn asked(&self) -> impl Iterator<Item = &Authority> {
        let excepted = |authority: &&Authority| {
            !self.except.iter().any(|exception| exception.address == authority.address)
        };
        self.authorities.iter().filter(excepted)
    }
}

/// What is known of a plan's safety.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was proved.
    pub outcome: Outcome,
    /// The invariants that hold in every order, at every delay and for every cached answer.
    pub holding: Vec<String>,
    /// The invariants that are broken.
    pub broken: Vec<String>,
    /// The invariants that may be broken, and why, as the plan says.
    pub overrides: BTreeMap<String, String>,
    /// What was looked at.
    pub checked: Checked,
    /// What it takes for granted.
    pub assumptions: Vec<String>,
    /// The clocks that are shorter than what is known of the world, one sentence each.
    pub shortened: Vec<String>,
    /// The records that lead to the old host's addresses in the end, as master files have them.
    pub at_old: Vec<String>,
    /// What is broken already and not made worse, line by line.
    pub present: Vec<String>,
    /// The counterexamples, line by line.
    pub story: Vec<String>,
    /// Why no other order would do, line by line.
    pub derivation: Vec<String>,
}

/// How much a proof looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Things that may be true: versions of answers, values of facts.
    pub atoms: usize,
    /// Sets of them that must not be true together.
    pub patterns: usize,
    /// The same, along the way back.
    pub patterns_back: usize,
}

/// Whether a plan was proved safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every invariant holds.
    Proved,
    /// An invariant is broken; the story tells how.
    Refuted,
}

impl Verdict {
    /// The broken invariants that the plan does not say may be broken.
    pub fn forbidding(&self) -> impl Iterator<Item = &String> {
        self.broken.iter().filter(|name| !is_overridden(&self.overrides, name))
    }
}

/// Whether the plan says that an invariant, or a defect by its id, may be broken: by that very word,
/// or a defect by the name of its invariant.
#[must_use]
pub fn is_overridden(overrides: &BTreeMap<String, String>, name: &str) -> bool {
    let invariant = name.split('/').next().unwrap_or(name);
    overrides.contains_key(name) || overrides.contains_key(invariant)
}

/// When a step begins and ends in an ideal run, from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The step.
    pub step: StepId,
    /// From the beginning of the run.
    pub begin: Duration,
    /// From the beginning of the run.
    pub end: Duration,
}

/// Why some text is no artifact.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or not of this shape.
    #[error("it is no artifact: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format than those that this version reads.
    #[error("its format is `{0}`, and this version reads `{FORMAT}`")]
    Format(String),
    /// A value that does not mean anything.
    #[error("{place}: {problem}")]
    Value {
        /// Where: a step's id, or a key.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// Text that means the same but is written otherwise.
    #[error("it is not in canonical form: somebody has edited or reformatted it")]
    NotCanonical,
    /// A digest that is not that of the contents.
    #[error(
        "its digest is {stated}, but its contents have {actual}: it was changed after it was sealed"
    )]
    Digest {
        /// What it says.
        stated: Digest,
        /// What is true.
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

    /// [`Artifact::encode`] and [`Artifact::digest`] in one go.
    #[must_use]
    pub fn seal(&self) -> (String, Digest) {
        v1::encode(self)
    }

    /// Reads what [`Artifact::encode`] has written, and nothing else.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn decode(text: &str) -> Result<Self, ReadError> {
        v1::decode(text)
    }
}
