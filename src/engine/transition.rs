//! What may happen to a step, in one function.

use super::StepState;
use super::gate::{Judgement, Tally};
use crate::calendar::Timestamp;
use crate::graph::Primitive;
use crate::graph::gate::{Failing, Gate};
use crate::journal::Event;

/// Every legal transition of a step; `None`: there is none.
pub(super) fn next_state(
    primitive: &Primitive,
    state: StepState,
    at: Timestamp,
    event: &Event,
) -> Option<StepState> {
    use StepState::{Begun, Done, InDoubt, Pending, Probing, Waiting, Written};
    match (primitive, state, event) {
        (Primitive::Change(_), Pending { .. }, Event::Begun { .. }) => Some(Begun),
        (Primitive::Change(_), Begun | InDoubt { .. }, Event::Written { .. }) => {
            Some(Written { at })
        }
        (Primitive::Change(_), Begun, Event::Unsure { .. }) => Some(InDoubt { since: at }),
        // Nothing was made: what has to be there is compared again before anything is sent.
        (Primitive::Change(_), Begun | InDoubt { .. }, Event::NotMade { .. }) => {
            Some(Pending { lapsed: None })
        }
        (Primitive::Change(_), Written { .. }, Event::Propagated { .. }) => Some(Done { at }),
        // Whom it waits for was named; nothing else has happened.
        (Primitive::Change(_), Written { .. }, Event::Behind { .. })
        | (Primitive::Wait(_), Pending { lapsed: Some(_) }, Event::Behind { .. }) => Some(state),
        (Primitive::Wait(_), Waiting { until }, Event::Behind { .. }) if at >= until => Some(state),
        (Primitive::Wait(_), Pending { lapsed }, Event::WaitBegun { since, until, .. })
            if lapsed.is_none_or(|lapsed| lapsed <= *since) =>
        {
            Some(Waiting { until: *until })
        }
        (Primitive::Wait(_), Waiting { until }, Event::Lapsed { .. }) if at >= until => {
            Some(Pending { lapsed: Some(at) })
        }
        (Primitive::Wait(_), Waiting { until }, Event::WaitEnded { .. }) if at >= until => {
            Some(Done { at })
        }
        (Primitive::Checkpoint(_), Pending { .. }, Event::Reached { .. }) => Some(Done { at }),
        (Primitive::Gate(gate), Pending { .. }, Event::Probed { finding, .. }) => {
            Some(probed(gate, Tally::default().with(*finding), at))
        }
        (Primitive::Gate(gate), Probing { tally, .. }, Event::Probed { finding, .. })
            if tally.judge(&gate.pace) == Judgement::Open =>
        {
            Some(probed(gate, tally.with(*finding), at))
        }
        // A person may let pass what was left to a person.
        (Primitive::Gate(gate), Probing { tally, .. }, Event::Allowed { .. })
            if gate.on_fail == Failing::Ask && tally.judge(&gate.pace) != Judgement::Open =>
        {
            Some(Done { at })
        }
        (Primitive::Task(_), Pending { .. }, Event::Begun { .. }) => Some(Begun),
        (Primitive::Task(_), Begun, Event::Unsure { .. }) => Some(InDoubt { since: at }),
        (
            Primitive::Task(_),
            Begun | InDoubt { .. },
            Event::NotMade { .. } | Event::NotDone { .. },
        ) => Some(Pending { lapsed: None }),
        // It is done, by whomever.
        (
            Primitive::Task(_),
            Pending { .. } | Begun | InDoubt { .. },
            Event::Did { .. } | Event::Allowed { .. },
        ) => Some(Done { at }),
        (
            Primitive::Change(_)
            | Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_),
            _,
            _,
        ) => None,
    }
}

/// A gate that has passed is done.
fn probed(gate: &Gate, tally: Tally, at: Timestamp) -> StepState {
    match tally.judge(&gate.pace) {
        Judgement::Passed => StepState::Done { at },
        Judgement::Open | Judgement::Failed | Judgement::Undecided => {
            StepState::Probing { tally, last: at }
        }
    }
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
        Event::Allowed { .. } => "allowed",
        Event::Halted { .. } => "halted",
        Event::SetAside { .. } => "set_aside",
        Event::TurnedBack { .. } => "turned_back",
        Event::Replaced { .. } => "replaced",
        Event::Told { .. } => "told",
        Event::Finished => "finished",
    }
}
