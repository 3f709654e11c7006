//! What cannot happen to a run, and why.

use crate::digest::Digest;
use crate::graph::StepId;

/// An event that cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// A step that the artifact does not have.
    #[error("the artifact has no step `{0}`")]
    UnknownStep(StepId),
    /// An event that the step's state, or its kind, does not allow.
    #[error("`{step}` is not at a point of the run where it can be {}", words(.event))]
    Step {
        /// The step.
        step: StepId,
        /// The event.
        event: String,
    },
    /// A step that began before what it comes after was done.
    #[error("`{step}` comes after `{before}`, which is not done")]
    Order {
        /// The step.
        step: StepId,
        /// What is not done.
        before: StepId,
    },
    /// A run of another artifact.
    #[error("the journal is of artifact {journal}, not of {artifact}")]
    Artifact {
        /// What the journal says.
        journal: Digest,
        /// What is there.
        artifact: Digest,
    },
    /// An event outside of an open run, or in one that has halted.
    #[error("the run is not open for `{0}`")]
    NotOpen(String),
    /// A checkpoint that is reached at an instant at which no window of it is open.
    #[error("`{0}` is reached outside of its windows")]
    Window(StepId),
    /// A way back that cannot be gone.
    #[error(transparent)]
    NoWayBack(#[from] NoWayBack),
    /// A wait that does not begin when it may, or does not last as long as the artifact says.
    #[error("`{0}` does not begin and end as the artifact says")]
    Span(StepId),
}

/// Why a run cannot go back to a point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    /// The artifact has no such point.
    #[error("there is no rollback point `{to}`; there {}", known_points(.known))]
    Unknown {
        /// What was asked for.
        to: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The run has not come there.
    #[error("the run has not reached the rollback point `{to}`: `{at}` is not done")]
    NotReached {
        /// The point.
        to: String,
        /// The step at which it is reached.
        at: StepId,
    },
    /// The run has gone further than anything leads back from.
    #[error("there is no way back behind `{step}`: {why}")]
    Passed {
        /// The first step that nothing takes back.
        step: StepId,
        /// Why not.
        why: String,
    },
}

/// What an event says of its step, in words.
fn words(event: &str) -> &str {
    match event {
        "allowed" => "let pass, or said to be done",
        "not_made" | "not_done" => "said not to be done",
        "turned_back" => "gone back from",
        other => other,
    }
}

fn known_points(known: &[String]) -> String {
    match known {
        [] => "is none".to_owned(),
        [one] => format!("is `{one}`"),
        many => format!("are `{}`", many.join("`, `")),
    }
}
