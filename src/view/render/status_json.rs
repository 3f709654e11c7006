//! The state of a run as JSON, for programs and pages. Its version is raised when a meaning changes;
//! readers ignore fields that they do not know.

use cutover_zone::{RrKey, RrSet};
use serde::Serialize;

use super::timeline::kind;
use cutover_base::calendar::show_exact;
use cutover_run::engine::next::Pause;
use cutover_run::engine::view::{RunView, Stage, StepNext, StepView, Stopped};
use cutover_run::engine::{
    ChangeState, CheckpointState, GateState, Made, StepState, TaskState, WaitState,
};
use cutover_run::journal::{Approvals, Difference, Halt, HaltReason};

#[derive(Serialize)]
struct RunV1 {
    version: u32,
    plan: String,
    artifact: String,
    /// Whether this run is the way back of another.
    way_back: bool,
    seen_at: String,
    /// `running`, `settling`, `halted` or `finished`.
    stage: &'static str,
    finished_at: Option<String>,
    turned_back_to: Option<String>,
    superseded_by: Option<String>,
    halted: Option<StoppedV1>,
    set_aside: Vec<StoppedV1>,
    approvals: Option<ApprovalsV1>,
    steps_done: usize,
    remaining_secs: u64,
    next: Option<NextV1>,
    needs_person: Vec<PersonV1>,
    steps: Vec<StepV1>,
}

#[derive(Serialize)]
struct StepV1 {
    id: String,
    kind: &'static str,
    title: String,
    state: &'static str,
    /// When the step came to its state, or until when it waits; not known of every state.
    at: Option<String>,
    next: NextV1,
    lagging: Option<String>,
    /// When an earlier run did this task.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

/// What comes next.
#[derive(Serialize)]
struct NextV1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// `nothing`, `blocked`, `now`, `at` or `person`.
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause: Option<&'static str>,
}

#[derive(Serialize)]
struct PersonV1 {
    step: String,
    what: String,
}

/// Who has approved the artifact; `null` if nobody had to.
#[derive(Serialize)]
struct ApprovalsV1 {
    need: u32,
    /// Until when enough people approve.
    until: Option<String>,
    by: Vec<ApproverV1>,
}

#[derive(Serialize)]
struct ApproverV1 {
    principals: Vec<String>,
    name: String,
    fingerprint: String,
    signed_at: String,
    until: String,
}

#[derive(Serialize)]
struct StoppedV1 {
    step: String,
    reason: &'static str,
    detail: String,
    /// How much of the change is written; `null` for other steps.
    written: Option<WrittenV1>,
    differences: Vec<DifferenceV1>,
}

#[derive(Serialize)]
struct WrittenV1 {
    /// `nothing`, `part`, `all`, `overwritten` or `unknown`.
    how_much: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rrsets: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<usize>,
}

#[derive(Serialize)]
struct DifferenceV1 {
    name: String,
    r#type: String,
    planned: Option<RrSetV1>,
    expected: Option<RrSetV1>,
    live: Option<RrSetV1>,
}

#[derive(Serialize)]
struct RrSetV1 {
    ttl: u32,
    rdata: Vec<String>,
}

/// The newest runs of several plans.
#[derive(Serialize)]
struct AllV1 {
    version: u32,
    runs: Vec<RunV1>,
    unreadable: Vec<UnreadableV1>,
}

#[derive(Serialize)]
struct UnreadableV1 {
    plan: String,
    why: String,
}

/// The state of a run as JSON.
#[must_use]
pub fn json(view: &RunView<'_>) -> String {
    text(&run_v1(view))
}

/// The newest runs of several plans as JSON, and why others cannot be read.
#[must_use]
pub fn json_of_all<'v>(
    runs: impl IntoIterator<Item = (&'v str, Result<&'v RunView<'v>, String>)>,
) -> String {
    let mut all = AllV1 { version: 1, runs: Vec::new(), unreadable: Vec::new() };
    for (plan, view) in runs {
        match view {
            Ok(view) => all.runs.push(run_v1(view)),
            Err(why) => all.unreadable.push(UnreadableV1 { plan: plan.to_owned(), why }),
        }
    }
    text(&all)
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("it has string keys alone") + "\n"
}

fn run_v1(view: &RunView<'_>) -> RunV1 {
    let (stage, finished_at, halted) = match view.stage {
        Stage::Running => ("running", None, None),
        Stage::Settling => ("settling", None, None),
        Stage::Halted(stopped) => ("halted", None, Some(stopped_v1(stopped))),
        Stage::Finished { at } => ("finished", Some(show_exact(at)), None),
    };
    let next = view.due().map(|due| NextV1 {
        step: Some(due.step.id.to_string()),
        ..next_v1(match due.pause {
            Some(pause) => StepNext::At { at: due.at, pause },
            None => StepNext::Now,
        })
    });
    let person =
        |(step, words): (_, &str)| PersonV1 { step: format!("{step}"), what: words.to_owned() };
    RunV1 {
        version: 1,
        plan: view.artifact.name.clone(),
        artifact: view.digest.to_string(),
        way_back: view.artifact.is_way_back(),
        seen_at: show_exact(view.now),
        stage,
        finished_at,
        turned_back_to: view.turned_back.map(str::to_owned),
        superseded_by: view.superseded_by.map(|digest| digest.to_string()),
        halted,
        set_aside: view.aside.iter().copied().map(stopped_v1).collect(),
        approvals: view.approvals.map(approvals_v1),
        steps_done: view.done(),
        remaining_secs: view.remaining.as_secs(),
        next,
        needs_person: view.by_hand().map(person).collect(),
        steps: view.steps.iter().map(step_v1).collect(),
    }
}

fn step_v1(StepView { step, state, next, lagging, kept }: &StepView<'_>) -> StepV1 {
    let (word, at) = match *state {
        StepState::Change(ChangeState::Pending)
        | StepState::Wait(WaitState::Pending)
        | StepState::Gate(GateState::Pending)
        | StepState::Task(TaskState::Pending)
        | StepState::Checkpoint(CheckpointState::Pending) => ("pending", None),
        StepState::Change(ChangeState::Begun) | StepState::Task(TaskState::Begun) => {
            ("begun", None)
        }
        StepState::Change(ChangeState::InDoubt { since })
        | StepState::Task(TaskState::InDoubt { since }) => ("in-doubt", Some(since)),
        StepState::Change(ChangeState::Written { at }) => ("written", Some(at)),
        StepState::Wait(WaitState::Lapsed { at }) => ("lapsed", Some(at)),
        StepState::Wait(WaitState::Running { until }) => ("waiting", Some(until)),
        StepState::Gate(GateState::Probing { last, .. }) => ("probing", Some(last)),
        StepState::Change(ChangeState::Done { at })
        | StepState::Wait(WaitState::Done { at })
        | StepState::Gate(GateState::Done { at })
        | StepState::Task(TaskState::Done { at })
        | StepState::Checkpoint(CheckpointState::Done { at }) => ("done", Some(at)),
    };
    StepV1 {
        id: step.id.to_string(),
        kind: kind(step).word(),
        title: step.title.clone(),
        state: word,
        at: at.map(show_exact),
        next: next_v1(*next),
        lagging: lagging.map(str::to_owned),
        kept: kept.map(show_exact),
    }
}

fn next_v1(next: StepNext<'_>) -> NextV1 {
    let (what, at) = match next {
        StepNext::Nothing => ("nothing", None),
        StepNext::Blocked => ("blocked", None),
        StepNext::Now => ("now", None),
        StepNext::At { at, pause } => ("at", Some((at, pause))),
        StepNext::Person(_) => ("person", None),
    };
    let pause = at.map(|(_, pause)| pause_word(pause));
    NextV1 { step: None, what, at: at.map(|(at, _)| show_exact(at)), pause }
}

/// What holds a step up, in a word.
pub(super) fn pause_word(pause: Pause) -> &'static str {
    match pause {
        Pause::Wait => "wait",
        Pause::Window => "window",
        Pause::Gate => "gate",
        Pause::ForeignRecords => "foreign-records",
        Pause::Propagation => "propagation",
        Pause::Doubt => "doubt",
        Pause::Retry => "retry",
    }
}

fn approvals_v1(approvals: &Approvals) -> ApprovalsV1 {
    let by = approvals.by.iter().map(|one| ApproverV1 {
        principals: one.principals.clone(),
        name: one.name.clone(),
        fingerprint: one.fingerprint.clone(),
        signed_at: show_exact(one.signed_at),
        until: show_exact(one.until),
    });
    ApprovalsV1 { need: approvals.need, until: approvals.until().map(show_exact), by: by.collect() }
}

fn stopped_v1(Stopped { halt, made, goes_back: _ }: Stopped<'_>) -> StoppedV1 {
    let Halt { step, reason, detail, differences } = halt;
    let reason = match reason {
        HaltReason::Drift => "drift",
        HaltReason::Refused => "refused",
        HaltReason::Unanswered => "unanswered",
        HaltReason::Unpublished => "unpublished",
        HaltReason::Failed => "failed",
        HaltReason::Undecided => "undecided",
        HaltReason::NoWayBack => "no-way-back",
        HaltReason::Unapproved => "unapproved",
    };
    let written = made.map(|made| {
        let (how_much, rrsets, of) = match made {
            Made::Nothing => ("nothing", None, None),
            Made::Part { written, all } => ("part", Some(written), Some(all)),
            Made::All => ("all", None, None),
            Made::Overwritten => ("overwritten", None, None),
            Made::Unknown => ("unknown", None, None),
        };
        WrittenV1 { how_much, rrsets, of }
    });
    StoppedV1 {
        step: step.to_string(),
        reason,
        detail: detail.clone(),
        written,
        differences: differences.iter().map(difference_v1).collect(),
    }
}

fn difference_v1(difference: &Difference) -> DifferenceV1 {
    let Difference { key: RrKey { name, rtype }, planned, expected, live } = difference;
    let rrset = |rrset: &Option<RrSet>| {
        let rrset = rrset.as_ref()?;
        let rdata = rrset.rdata().iter().map(ToString::to_string).collect();
        Some(RrSetV1 { ttl: rrset.ttl().secs(), rdata })
    };
    DifferenceV1 {
        name: name.to_string(),
        r#type: rtype.to_string(),
        planned: rrset(planned),
        expected: rrset(expected),
        live: rrset(live),
    }
}
