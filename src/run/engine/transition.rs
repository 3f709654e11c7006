//! Every legal transition of a step, in one function.
//!
//! Each event of a step goes through [`next_state`], when it is recorded and when it is read back. A
//! transition that is not named there is refused, and the error names the step's state and the event.

use std::time::Duration;

use super::gate::{Judgement, Tally};
use super::state::{
    ChangeState, CheckpointState, GateState, Standing, StepState, TaskState, WaitState,
};
use super::{IllegalEvent, illegal};
use crate::journal::Event;
use cutover_base::calendar::{Timestamp, later};
use cutover_steps::graph::gate::{Failing, Gate};
use cutover_steps::graph::{Step, StepId};

/// What a transition depends on besides the step's own state.
pub(super) struct Context<'a> {
    /// When the event comes.
    pub(super) at: Timestamp,
    /// A predecessor of the step that is not done.
    pub(super) unmet: Option<&'a StepId>,
    /// When the last predecessor was done.
    pub(super) ready_since: Option<Timestamp>,
    /// What is left of a wait, by the monotonic clock.
    pub(super) left: Duration,
    /// Foreign records may still be cached.
    pub(super) is_held: bool,
    /// The run begins nothing more ([`super::RunState::only_settles`]).
    pub(super) only_settles: bool,
    /// The approvals of the run have expired.
    pub(super) is_expired: bool,
    /// A gate whose word the step relies on, and which has not passed, or too long ago.
    pub(super) lacks: Option<&'a StepId>,
    /// The step is a gate that has passed too long ago for a step that relies on it.
    pub(super) may_lapse: bool,
}

/// The state of a step after an event.
///
/// # Errors
/// [`IllegalEvent`], if the transition is not legal.
pub(super) fn next_state(
    step: &Step,
    state: StepState,
    context: &Context<'_>,
    event: &Event,
) -> Result<StepState, IllegalEvent> {
    let Context { at, unmet, ready_since, left, is_held, only_settles, is_expired, lacks, .. } =
        *context;
    let standing = Standing::of(&step.primitive, state);
    if let Some(before) = unmet {
        return Err(IllegalEvent::Order { step: step.id.clone(), before: before.clone() });
    }
    let span = || Err(IllegalEvent::Span(step.id.clone()));
    match (standing, event) {
        (Standing::Wait(wait, _), Event::WaitBegun { since, until, .. })
            if Some(*since) < ready_since || *until != later(*since, wait.span) =>
        {
            return span();
        }
        (_, Event::Begun { .. } | Event::WaitEnded { .. }) if is_held => return span(),
        (Standing::Wait(..), Event::WaitEnded { .. } | Event::Lapsed { .. }) if !left.is_zero() => {
            return span();
        }
        (_, Event::Reached { .. } | Event::Probed { .. })
            if step.window.as_ref().is_some_and(|window| !window.is_open(at)) =>
        {
            return Err(IllegalEvent::Window(step.id.clone()));
        }
        (_, Event::Reached { .. }) if is_expired => {
            return Err(IllegalEvent::Expired(step.id.clone()));
        }
        (_, Event::Begun { .. } | Event::Reached { .. }) if let Some(gate) = lacks => {
            let (step, gate) = (step.id.clone(), gate.clone());
            return Err(IllegalEvent::Evidence { step, gate });
        }
        (_, _) => {}
    }
    let next = match (standing, event) {
        // A run that only settles does not move a step that has not begun or has nothing to settle.
        _ if only_settles && !(state.is_unsettled() || state.is_done()) => None,
        (Standing::Change(_, state), event) => change(state, at, event).map(StepState::Change),
        (Standing::Wait(_, state), event) => wait(state, at, event).map(StepState::Wait),
        (Standing::Gate(_, GateState::Done { .. }), Event::Lapsed { .. })
            if only_settles || !context.may_lapse =>
        {
            None
        }
        (Standing::Gate(gate, state), event) => {
            of_gate(gate, state, at, event).map(StepState::Gate)
        }
        (Standing::Task(_, state), event) => task(state, at, event).map(StepState::Task),
        (Standing::Checkpoint(_, CheckpointState::Pending), Event::Reached { .. }) => {
            Some(StepState::Checkpoint(CheckpointState::Done { at }))
        }
        (Standing::Checkpoint(..), _) => None,
    };
    next.ok_or_else(|| illegal::of_step(step, state, event))
}

fn change(state: ChangeState, at: Timestamp, event: &Event) -> Option<ChangeState> {
    use ChangeState::{Begun, Done, InDoubt, Pending, Written};
    match (state, event) {
        (Pending, Event::Begun { .. }) => Some(Begun),
        (Begun | InDoubt { .. }, Event::Written { .. }) => Some(Written { at }),
        (Begun, Event::Unsure { .. }) => Some(InDoubt { since: at }),
        // Nothing was changed. The next look compares again before anything is sent.
        (Begun | InDoubt { .. }, Event::NotMade { .. }) => Some(Pending),
        (Written { .. }, Event::Propagated { .. }) => Some(Done { at }),
        // The event only names the servers that lag.
        (Written { .. }, Event::Behind { .. }) => Some(state),
        (_, _) => None,
    }
}

fn wait(state: WaitState, at: Timestamp, event: &Event) -> Option<WaitState> {
    use WaitState::{Done, Lapsed, Pending, Running};
    match (state, event) {
        (Pending, Event::WaitBegun { until, .. }) => Some(Running { until: *until }),
        (Lapsed { at: lapsed }, Event::WaitBegun { since, until, .. }) if lapsed <= *since => {
            Some(Running { until: *until })
        }
        (Lapsed { .. }, Event::Behind { .. }) => Some(state),
        (Running { until }, Event::Behind { .. }) if at >= until => Some(state),
        (Running { until }, Event::Lapsed { .. }) if at >= until => Some(Lapsed { at }),
        (Running { until }, Event::WaitEnded { .. }) if at >= until => Some(Done { at }),
        (_, _) => None,
    }
}

fn of_gate(gate: &Gate, state: GateState, at: Timestamp, event: &Event) -> Option<GateState> {
    use GateState::{Done, Pending, Probing};
    match (state, event) {
        (Pending, Event::Probed { finding, .. }) => {
            Some(probed(gate, Tally::default().with(*finding), at))
        }
        (Probing { tally, .. }, Event::Probed { finding, .. })
            if tally.judge(&gate.pace) == Judgement::Open =>
        {
            Some(probed(gate, tally.with(*finding), at))
        }
        // A person may override a gate only if the plan leaves its failure to a person.
        (Probing { tally, .. }, Event::Allowed { .. })
            if gate.on_fail == Failing::Ask && tally.judge(&gate.pace) != Judgement::Open =>
        {
            Some(Done { at })
        }
        // What it has shown is too old for a step that relies on it: `may_lapse` says so.
        (Done { .. }, Event::Lapsed { .. }) if gate.evidence.is_some() => Some(Pending),
        (_, _) => None,
    }
}

/// The state of a gate after a finding.
fn probed(gate: &Gate, tally: Tally, at: Timestamp) -> GateState {
    match tally.judge(&gate.pace) {
        Judgement::Passed => GateState::Done { at },
        Judgement::Open | Judgement::Failed | Judgement::Undecided => {
            GateState::Probing { tally, last: at }
        }
    }
}

fn task(state: TaskState, at: Timestamp, event: &Event) -> Option<TaskState> {
    use TaskState::{Begun, Done, InDoubt, Pending};
    match (state, event) {
        (Pending, Event::Begun { .. }) => Some(Begun),
        // In doubt again: since the doubt arose its command was ended, or was to be ended once more.
        (Begun | InDoubt { .. }, Event::Unsure { .. }) => Some(InDoubt { since: at }),
        (Begun | InDoubt { .. }, Event::NotMade { .. } | Event::NotDone { .. }) => Some(Pending),
        // Another run did it before this one began to.
        (Pending, Event::Kept { .. }) => Some(Done { at }),
        // It is done, no matter by whom.
        (Pending | Begun | InDoubt { .. }, Event::Did { .. } | Event::Allowed { .. }) => {
            Some(Done { at })
        }
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cutover_steps::probe::Finding;

    /// Each event that is about a step, with empty texts.
    fn events(step: &StepId, at: Timestamp) -> Vec<Event> {
        let (step, none) = (|| step.clone(), String::new);
        vec![
            Event::Begun { step: step() },
            Event::Written { step: step(), serial: None },
            Event::Unsure { step: step(), detail: none() },
            Event::NotMade { step: step() },
            Event::NotDone { step: step(), reason: none() },
            Event::Propagated { step: step(), servers: 1 },
            Event::WaitBegun { step: step(), since: at, until: at },
            Event::Lapsed { step: step(), detail: none() },
            Event::Behind { step: step(), detail: none() },
            Event::WaitEnded { step: step() },
            Event::Reached { step: step() },
            Event::Probed { step: step(), finding: Finding::Pass, detail: none() },
            Event::Did { step: step(), output: none() },
            Event::Kept { step: step(), since: at },
            Event::Allowed { step: step(), reason: none() },
        ]
    }

    /// The names of the events that a state accepts, as the journal spells them.
    fn accepted<S>(accepts: impl Fn(&Event) -> Option<S>) -> String {
        let events = events(&StepId::new("a step"), Timestamp::UNIX_EPOCH);
        let accepted = events.iter().filter(|event| accepts(event).is_some());
        accepted.map(illegal::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_state_accepts_the_events_of_the_diagram_and_no_others() {
        let at = Timestamp::UNIX_EPOCH;
        for (state, expected) in [
            (ChangeState::Pending, "begun"),
            (ChangeState::Begun, "written unsure not_made"),
            (ChangeState::InDoubt { since: at }, "written not_made"),
            (ChangeState::Written { at }, "propagated behind"),
            (ChangeState::Done { at }, ""),
        ] {
            assert_eq!(accepted(|event| change(state, at, event)), expected, "{state:?}");
        }
        for (state, expected) in [
            (WaitState::Pending, "wait_begun"),
            (WaitState::Lapsed { at }, "wait_begun behind"),
            (WaitState::Running { until: at }, "lapsed behind wait_ended"),
            (WaitState::Running { until: later(at, Duration::from_secs(1)) }, ""),
            (WaitState::Done { at }, ""),
        ] {
            assert_eq!(accepted(|event| wait(state, at, event)), expected, "{state:?}");
        }
        for (state, expected) in [
            (TaskState::Pending, "begun did kept allowed"),
            (TaskState::Begun, "unsure not_made not_done did allowed"),
            (TaskState::InDoubt { since: at }, "unsure not_made not_done did allowed"),
            (TaskState::Done { at }, ""),
        ] {
            assert_eq!(accepted(|event| task(state, at, event)), expected, "{state:?}");
        }
    }
}
