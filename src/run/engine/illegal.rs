//! Events that a run refuses, and why.

use super::StepState;
use crate::journal::{Approvals, Event};
use cutover_base::digest::Digest;
use cutover_steps::approvals::Demand;
use cutover_steps::graph::{Step, StepId};

/// An event that is not legal now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// A step that the artifact does not have.
    #[error("there is no step `{0}` in this run")]
    UnknownStep(StepId),
    /// An event that the step's state, or its kind, does not allow.
    #[error("`{step}` cannot be {}: it is {}", words(.event), .state.words())]
    Step {
        /// The step.
        step: StepId,
        /// The state that it is in.
        state: StepState,
        /// The event.
        event: &'static str,
    },
    /// A step that began before its predecessor was done.
    #[error("`{step}` comes after `{before}`, which is not done")]
    Order {
        /// The step.
        step: StepId,
        /// The predecessor that is not done.
        before: StepId,
    },
    /// A run of another artifact.
    #[error("the journal is of artifact {journal}, not of {artifact}")]
    Artifact {
        /// The artifact that the journal names.
        journal: Digest,
        /// The artifact at hand.
        artifact: Digest,
    },
    /// An event outside of an open run, or in one that has halted.
    #[error("the run is not open for `{0}`")]
    NotOpen(&'static str),
    /// A checkpoint that is reached while none of its windows is open.
    #[error("`{0}` is reached outside of its windows")]
    Window(StepId),
    /// Approvals by fewer people than have to approve.
    #[error("the artifact is approved by too few people")]
    TooFewApprove,
    /// An approval by somebody of whom the artifact asks none.
    #[error("the artifact asks for approvals of others than {0}")]
    NotNamed(String),
    /// A checkpoint that is reached after the approvals have expired.
    #[error("`{0}` is reached after the approval has expired")]
    Expired(StepId),
    /// A step that begins although a gate that it relies on has not passed, or too long ago.
    #[error("`{step}` relies on `{gate}`, which has not passed, or too long ago")]
    Evidence {
        /// The step.
        step: StepId,
        /// The gate.
        gate: StepId,
    },
    /// A way back that is not possible.
    #[error(transparent)]
    NoWayBack(#[from] NoWayBack),
    /// A wait that begins too early, or does not last as long as the artifact says.
    #[error("`{0}` does not begin and end as the artifact says")]
    Span(StepId),
}

/// Why a run cannot go back to a point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    /// The artifact has no such point.
    #[error("there is no rollback point `{to}`; there {}", known_points(.known))]
    Unknown {
        /// The point that was requested.
        to: String,
        /// The points that exist.
        known: Vec<String>,
    },
    /// The run has not reached the point.
    #[error("the run has not reached the rollback point `{to}`: `{at}` is not done")]
    NotReached {
        /// The point.
        to: String,
        /// The step at which it is reached.
        at: StepId,
    },
    /// A step has begun that cannot be taken back.
    #[error("there is no way back behind `{step}`: {why}")]
    Passed {
        /// The first step that cannot be taken back.
        step: StepId,
        /// Why not.
        why: String,
    },
}

/// The error for an event that a step in this state refuses.
pub(super) fn of_step(step: &Step, state: StepState, event: &Event) -> IllegalEvent {
    IllegalEvent::Step { step: step.id.clone(), state, event: name(event) }
}

/// The error for an event that the run refuses.
pub(super) fn not_open(event: &Event) -> IllegalEvent {
    IllegalEvent::NotOpen(name(event))
}

/// The event's name as it stands in the journal.
pub(super) fn name(event: &Event) -> &'static str {
    match event {
        Event::Opened { .. } => "opened",
        Event::Resumed { .. } => "resumed",
        Event::Begun { .. } => "begun",
        Event::Written { .. } => "written",
        Event::Unsure { .. } => "unsure",
        Event::NotMade { .. } => "not_made",
        Event::NotDone { .. } => "not_done",
        Event::Propagated { .. } => "propagated",
        Event::WaitBegun { .. } => "wait_begun",
        Event::Lapsed { .. } => "lapsed",
        Event::Behind { .. } => "behind",
        Event::WaitEnded { .. } => "wait_ended",
        Event::Reached { .. } => "reached",
        Event::Probed { .. } => "probed",
        Event::Did { .. } => "did",
        Event::Kept { .. } => "kept",
        Event::Allowed { .. } => "allowed",
        Event::Halted(_) => "halted",
        Event::SetAside(_) => "set_aside",
        Event::TurnedBack { .. } => "turned_back",
        Event::Replaced { .. } => "replaced",
        Event::Approved(_) => "approved",
        Event::Told { .. } => "told",
        Event::Finished => "finished",
    }
}

/// An event in words, to follow `cannot be`.
fn words(event: &str) -> &str {
    match event {
        "allowed" => "let pass, or said to be done",
        "not_made" | "not_done" => "said not to be done",
        "turned_back" => "gone back from",
        "set_aside" => "set aside",
        "unsure" => "in doubt",
        "wait_begun" => "begun",
        "wait_ended" => "ended",
        "lapsed" => "started anew",
        "behind" => "said to wait for servers",
        "did" => "done",
        other => other,
    }
}

fn known_points(known: &[String]) -> String {
    match known {
        [] => "is none".to_owned(),
        [name] => format!("is `{name}`"),
        names => format!("are `{}`", names.join("`, `")),
    }
}

/// Refuses approvals that are fewer than the artifact asks for, or by others.
pub(super) fn check_approvals(demand: &Demand, approvals: &Approvals) -> Result<(), IllegalEvent> {
    let Approvals { need, by } = approvals;
    if *need < demand.need || approvals.until().is_none() {
        return Err(IllegalEvent::TooFewApprove);
    }
    let is_named = |of: &[String]| of.iter().any(|name| demand.signers.contains(name));
    let mut others =
        by.iter().filter(|one| !demand.signers.is_empty() && !is_named(&one.principals));
    match others.next() {
        Some(other) => Err(IllegalEvent::NotNamed(other.principals.join(", "))),
        None => Ok(()),
    }
}
