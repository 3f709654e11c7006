//! The state of a run as people read it: what is done, what comes next and when, what stopped it.

use std::collections::HashMap;

use cutover_zone::{RrKey, RrSet};

use super::calendar::awaited;
use super::fold::{Folds, nameless};
use super::lines;
use super::overview::{Line, NextUp, halted_at};
use crate::document::{Block, Diff, Document, Hunk, Item, Mark, Room, Section, Table, Text, count};
use cutover_base::calendar::window::{SEARCH_MAX, Windows};
use cutover_base::calendar::{
    Timestamp, show_exact, show_instant, show_instant_in, show_second, show_span,
};
use cutover_base::diag::escape_control;
use cutover_run::artifact::Artifact;
use cutover_run::engine::gate::Tally;
use cutover_run::engine::next::Pause;
use cutover_run::engine::view::{RunView, Stage, StepNext, StepView, Stopped};
use cutover_run::engine::{
    ChangeState, CheckpointState, GateState, Made, StepState, TaskState, WaitState,
};
use cutover_run::journal::{Approvals, Approver, Difference, Entry, Event, Halt, HaltReason};
use cutover_steps::graph::{Primitive, Step, StepId};

/// Shows the state of a run. If zones change alike, a row stands for the same step of all of them
/// that are as far, unless `full`.
#[must_use]
pub fn status(view: &RunView<'_>, full: bool) -> Document {
    let what = if view.artifact.is_way_back() { "way back of" } else { "run" };
    let title = Text::strong(format!(
        "{what} {}: {}",
        view.artifact.name,
        Line::of(view).headline(view.now)
    ));
    let mut blocks = vec![Block::Lines(vec![title, Text::value(view.digest.to_string())])];
    match view.stage {
        Stage::Halted(stopped) => blocks.push(halt(view.artifact, stopped, Extent::Whole)),
        Stage::Running | Stage::Settling => {
            let aside = view.aside.iter();
            blocks.extend(aside.map(|stopped| halt(view.artifact, *stopped, Extent::Part)));
        }
        Stage::Finished { .. } => {}
    }
    blocks.extend(view.approvals.map(|approvals| Block::Lines(by_whom(approvals, view.now))));
    let lagging = view.steps.iter().filter_map(|step| {
        let detail = step.lagging?;
        Some(Item::marked(Mark::Warning, format!("{}: {detail}", step.step.id)))
    });
    let lagging: Vec<Item> = lagging.collect();
    if !lagging.is_empty() {
        blocks.push(Block::List(lagging));
    }
    let rows = rows(view, full).into_iter().map(|Row { mark, step, words }| {
        [Text::from(format!("[{mark}] ")).and_value(step.to_string()), words.into()]
    });
    blocks.push(Block::Section(Section {
        title: format!("{} of {} done", view.done(), count(view.steps.len(), "step")).into(),
        blocks: vec![Block::Table(Table::new(["    step", "state"], rows))],
        room: Room::Whole,
    }));
    let ends = ends(view);
    if !ends.is_empty() {
        blocks.push(Block::Lines(ends));
    }
    Document(blocks)
}

/// A row of the table of steps.
struct Row<'v> {
    mark: char,
    step: &'v StepId,
    words: String,
}

/// A row for each step, or for the same step of several zones.
fn rows<'v>(view: &RunView<'v>, full: bool) -> Vec<Row<'v>> {
    struct Group<'v> {
        row: Row<'v>,
        others: usize,
        last: Option<String>,
    }
    let graph = &view.artifact.graph;
    let folds = Folds::of(view.artifact, full);
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<(char, String), usize> = HashMap::new();
    for seen in &view.steps {
        let step = seen.step;
        let (mark, words) = row(seen, view.now);
        let zone = graph.zone_of(step).filter(|zone| folds.is_folded(zone));
        if let Some(zone) = zone {
            let next = groups.len();
            let shape = (mark, nameless(step.id.as_str(), zone));
            let place = *places.entry(shape).or_insert(next);
            if let Some(group) = groups.get_mut(place) {
                group.others += 1;
                group.last = Some(words);
                continue;
            }
        }
        let row = Row { mark, step: &step.id, words };
        groups.push(Group { row, others: 0, last: None });
    }
    let shown = |Group { row, others, last }: Group<'v>| {
        let like = match last {
            None => return row,
            Some(last) if last == row.words => String::new(),
            Some(last) => format!(": {last}"),
        };
        let Row { mark, step, words } = row;
        let zones = count(others, "zone");
        let words = match words.as_str() {
            "" => format!("and in {zones} like it"),
            _ => format!("{words} (and in {zones} like it{like})"),
        };
        Row { mark, step, words }
    };
    groups.into_iter().map(shown).collect()
}

/// Who has approved a run, until when that counts, and when it is looked at.
fn by_whom(approvals: &Approvals, now: Timestamp) -> Vec<Text> {
    let until = approvals.until().map_or(String::new(), |at| show_instant(at, now));
    let (people, need) = (approvals.people(), approvals.need);
    vec![
        format!("Approved by {people} ({need} needed); this counts until {until}.").into(),
        "Approvals that have expired, or whose signer may not approve any more, halt the run before its next checkpoint.".into(),
    ]
}

/// Where the run goes, and what comes next.
fn ends(view: &RunView<'_>) -> Vec<Text> {
    let mut lines = Vec::new();
    if let Some(to) = view.turned_back {
        lines.push(format!("Turned back to {to}.").into());
    }
    if let Some(by) = view.superseded_by {
        lines.push(format!("Superseded by {}.", by.short()).into());
    }
    for (step, _) in view.by_hand() {
        lines.push(format!("{step} waits for a person.").into());
    }
    if let Some(due) = view.due() {
        lines.push(NextUp::of(due).text(view.now));
    }
    lines
}

/// A mark for the state of a step, and the state in words.
fn row(StepView { step, state, next, kept, .. }: &StepView<'_>, now: Timestamp) -> (char, String) {
    let until = |at: Timestamp| show_instant(at, now);
    if let Some(since) = kept {
        return ('x', format!("done by an earlier run {}", until(*since)));
    }
    match (*state, *next) {
        (StepState::Change(ChangeState::Begun) | StepState::Task(TaskState::Begun), _) => {
            ('>', "begun".into())
        }
        (
            StepState::Change(ChangeState::InDoubt { .. })
            | StepState::Task(TaskState::InDoubt { .. }),
            next,
        ) => match next {
            StepNext::At { at, .. } => {
                ('?', format!("outcome unknown, looked at again {}", until(at)))
            }
            StepNext::Nothing | StepNext::Blocked | StepNext::Now | StepNext::Person(_) => {
                ('?', "outcome unknown".into())
            }
        },
        (StepState::Change(ChangeState::Written { at }), next) => {
            let served = match next {
                StepNext::At { at, .. } => format!("counts as served {}", until(at)),
                StepNext::Nothing | StepNext::Blocked | StepNext::Now | StepNext::Person(_) => {
                    "propagating".to_owned()
                }
            };
            ('>', format!("written {}, {served}", until(at)))
        }
        (StepState::Wait(WaitState::Running { until: planned }), next) => match next {
            StepNext::At { at, pause: Pause::ForeignRecords } => {
                ('~', format!("until {}, when somebody else's records expire", until(at)))
            }
            StepNext::At { at, .. } => ('~', format!("until {}", until(at))),
            StepNext::Now => ('~', "over, once every server still serves the change".into()),
            StepNext::Nothing | StepNext::Blocked | StepNext::Person(_) => {
                ('~', format!("until {}", until(planned)))
            }
        },
        (StepState::Gate(GateState::Probing { tally, last }), next) => {
            let Tally { passed, failed, inconclusive, .. } = tally;
            let open = match inconclusive {
                0 => String::new(),
                count => format!(", {count} inconclusive"),
            };
            let again = match next {
                StepNext::At { at, .. } => format!(", next {}", until(at)),
                StepNext::Nothing | StepNext::Blocked | StepNext::Now | StepNext::Person(_) => {
                    String::new()
                }
            };
            let asked = until(last);
            ('?', format!("{passed} passed, {failed} failed{open}, last asked {asked}{again}"))
        }
        (
            StepState::Change(ChangeState::Done { at })
            | StepState::Wait(WaitState::Done { at })
            | StepState::Gate(GateState::Done { at })
            | StepState::Task(TaskState::Done { at })
            | StepState::Checkpoint(CheckpointState::Done { at }),
            _,
        ) => ('x', format!("done {}", until(at))),
        (
            StepState::Change(ChangeState::Pending)
            | StepState::Wait(WaitState::Pending | WaitState::Lapsed { .. })
            | StepState::Gate(GateState::Pending)
            | StepState::Task(TaskState::Pending)
            | StepState::Checkpoint(CheckpointState::Pending),
            next,
        ) => pending(step, next, now),
    }
}

fn pending(step: &Step, next: StepNext<'_>, now: Timestamp) -> (char, String) {
    match next {
        StepNext::Person(_) => ('~', format!("waits for a person: {}", step.title)),
        StepNext::At { at, pause: Pause::Window } => match &step.window {
            Some(windows) => ('~', waiting(windows, now)),
            None => ('~', format!("until {}", show_instant(at, now))),
        },
        StepNext::At { at, pause: Pause::ForeignRecords } => {
            ('~', format!("waits until somebody else's records expire, {}", show_instant(at, now)))
        }
        StepNext::At { at, .. } => ('~', format!("begins {}", show_instant(at, now))),
        StepNext::Now => (' ', "ready".to_owned()),
        StepNext::Nothing | StepNext::Blocked => (' ', String::new()),
    }
}

fn waiting(windows: &Windows, now: Timestamp) -> String {
    let opens = match windows.next_open(now) {
        Some(at) => format!("opens at {}", show_instant_in(at, now, windows.zone())),
        None => format!("does not open within {}", show_span(SEARCH_MAX)),
    };
    format!("waits for {}, {opens}", awaited(windows))
}

/// How much of a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The whole run.
    Whole,
    /// A step and the steps that depend on it.
    Part,
}

/// Said of a step that is set aside.
const OTHERS_CONTINUE: &str = "steps that do not depend on it continue";

/// Shows why a run or a part of it stopped, with the planned, expected and live records.
#[must_use]
pub fn halt(artifact: &Artifact, stopped: Stopped<'_>, extent: Extent) -> Block {
    let Stopped { halt, made, goes_back } = stopped;
    let Halt { step, reason, detail, differences } = halt;
    let at = artifact.graph.get(step);
    let title = match extent {
        Extent::Part => format!("set aside: {step}: {}; {OTHERS_CONTINUE}", reason.words(at)),
        Extent::Whole => halted_at(artifact, step, *reason),
    };
    let mut blocks = Vec::new();
    if !detail.is_empty() {
        let detail = detail.trim().split('\n');
        blocks.push(Block::Lines(detail.map(Text::from).collect()));
    }
    for Difference { key, planned, expected, live } in differences {
        let versions = [("planned", planned), ("expected", expected), ("live", live)];
        let versions = versions.iter().flat_map(|(word, rrset)| version(word, key, rrset.as_ref()));
        blocks.push(Block::Code(versions.collect()));
        blocks.push(Block::Group {
            title: "from expected to live:".into(),
            blocks: vec![Block::Diff(Diff(vec![Hunk::of(
                &lines(key, expected.as_ref()),
                &lines(key, live.as_ref()),
            )]))],
        });
    }
    blocks.push(Block::Lines(vec![
        written(made).into(),
        help(*reason, goes_back, at.is_some_and(Step::is_task), differences).into(),
    ]));
    Block::Section(Section { title: title.into(), blocks, room: Room::Whole })
}

/// How much of the change at which a run stopped is written.
fn written(made: Option<Made>) -> String {
    match made {
        Some(Made::Nothing) => "Nothing was written.".to_owned(),
        Some(Made::Part { written, all }) => {
            format!("{written} of its {all} RRsets are written, the others are not.")
        }
        Some(Made::All) => "All of it was written.".to_owned(),
        Some(Made::Overwritten) => {
            "It was written, but somebody else has overwritten it since.".to_owned()
        }
        Some(Made::Unknown) => {
            "It is unknown whether it was written: check at the provider.".to_owned()
        }
        None => "No step begins that waits for it.".to_owned(),
    }
}

/// What to do about a stop.
fn help(reason: HaltReason, goes_back: bool, is_task: bool, differences: &[Difference]) -> String {
    let again = if goes_back { "roll back again" } else { "apply again" };
    match (reason, goes_back) {
        (HaltReason::Drift, _) => {
            let ttls = differences.iter();
            let ttls = ttls.filter_map(|each| Some(each.live.as_ref()?.ttl().duration()));
            let cached = ttls.max().map_or(String::new(), |ttl| {
                format!(
                    "Resolvers may cache the live records for {}; the run waits that long after they are replaced. ",
                    show_span(ttl)
                )
            });
            let or = match goes_back {
                true => "",
                false => ", or plan again from live DNS: `apply --replan`",
            };
            format!("{cached}Restore the expected records and {again}{or}.")
        }
        (HaltReason::Refused, _) => format!("Fix the cause and {again}."),
        (HaltReason::Unpublished, true) => {
            format!("The servers may still serve the old version. Fix the cause and {again}.")
        }
        (HaltReason::Unpublished, false) => format!(
            "The servers may still serve the old version. Fix the cause and {again}, or undo it with `cutover rollback`, which restores the records first and then tells the servers."
        ),
        (HaltReason::Unanswered, _) => format!("Bring the server back and {again}."),
        (HaltReason::Undecided, _) if is_task => {
            "Find out whether it was done, then confirm it.".to_owned()
        }
        (HaltReason::Failed, _) if is_task => {
            format!("Fix the cause and {again}: the task runs again unless it is done.")
        }
        (HaltReason::Failed | HaltReason::Undecided, _) => format!(
            "Fix the cause and {again}: the gate starts over. Or roll back with `cutover rollback`."
        ),
        (HaltReason::Unapproved, _) => {
            "Approve the artifact again (`cutover approve`), and apply it again.".to_owned()
        }
        (HaltReason::NoWayBack, _) => {
            format!("Fix the cause and {again}: from here you can only move forward.")
        }
    }
}

fn is_gate(artifact: &Artifact, step: &StepId) -> bool {
    let step = artifact.graph.get(step);
    step.is_some_and(|step| matches!(step.primitive, Primitive::Gate(_)))
}

fn version(word: &str, key: &RrKey, rrset: Option<&RrSet>) -> Vec<String> {
    let mut shown = lines(key, rrset);
    if shown.is_empty() {
        shown.push(format!("{}  no {} records", key.name, key.rtype));
    }
    shown.iter().map(|line| format!("{word:<9} {line}")).collect()
}

fn approved(approvals: &Approvals) -> String {
    let one = |by: &Approver| {
        let Approver { principals, fingerprint, name, until, .. } = by;
        let until = show_second(*until);
        format!("{} ({fingerprint}, as {name}) until {until}", principals.join(", "))
    };
    let by: Vec<String> = approvals.by.iter().map(one).collect();
    format!("approved by {}; {} needed", by.join(" and "), approvals.need)
}

/// A journal entry as a line: when, and what.
#[must_use]
pub fn entry(artifact: &Artifact, entry: &Entry) -> String {
    let what = match &entry.event {
        Event::Opened { name, .. } => format!("run of {name} opened"),
        Event::Resumed { .. } => "resumed".into(),
        Event::Begun { step } => format!("{step}: begun"),
        Event::Written { step, serial: Some(serial) } => {
            format!("{step}: written, serial {serial}")
        }
        Event::Written { step, serial: None } => format!("{step}: written"),
        Event::Unsure { step, detail } => {
            format!("{step}: outcome unknown: {detail}")
        }
        Event::NotMade { step } => format!("{step}: not made"),
        Event::NotDone { step, reason } => {
            format!("{step}: not done, according to a person: {reason}")
        }
        Event::Propagated { step, servers: 0 } => {
            format!("{step}: assumed to be served everywhere")
        }
        Event::Propagated { step, servers } => {
            format!("{step}: served by {}", count(*servers, "server"))
        }
        Event::WaitBegun { step, until, .. } => format!("{step}: until {}", show_exact(*until)),
        Event::Lapsed { step, detail } => format!("{step}: starts over: {detail}"),
        Event::Behind { step, detail } => format!("{step}: {detail}"),
        Event::WaitEnded { step } => format!("{step}: over"),
        Event::Reached { step } => format!("{step}: reached"),
        Event::Halted(Halt { step, .. }) => format!("{step}: halted"),
        Event::SetAside(Halt { step, reason, .. }) => {
            let why = reason.words(artifact.graph.get(step));
            format!("{step}: set aside: {why}; {OTHERS_CONTINUE}")
        }
        Event::Probed { step, finding, detail } if detail.is_empty() => {
            format!("{step}: {}", finding.word())
        }
        Event::Probed { step, finding, detail } => {
            format!("{step}: {}: {detail}", finding.word())
        }
        Event::Did { step, output } if output.is_empty() => format!("{step}: done"),
        Event::Did { step, output } => format!("{step}: done: {output}"),
        Event::Kept { step, since } => {
            format!("{step}: unchanged, and done by an earlier run at {}", show_exact(*since))
        }
        Event::Allowed { step, reason } if is_gate(artifact, step) => {
            format!("{step}: allowed to pass by a person: {reason}")
        }
        Event::Allowed { step, reason } => format!("{step}: confirmed by a person: {reason}"),
        Event::TurnedBack { to, because: None } => format!("turned back to {to}"),
        Event::TurnedBack { to, because: Some(gate) } => {
            format!("turned back to {to}, because {gate} failed")
        }
        Event::Replaced { by } => format!("superseded by {by}"),
        Event::Approved(approvals) => approved(approvals),
        Event::Told { seq, notice: _, occasion, step, problem } => {
            let of = step.as_ref().map_or(String::new(), |step| format!(" at {step}"));
            let what = format!("of `{}`{of} (entry {seq})", occasion.word());
            match problem {
                None => format!("notified {what}"),
                Some(problem) => format!("could not notify {what}: {problem}"),
            }
        }
        Event::Finished => "finished".into(),
    };
    // One line per entry: untrusted text must not pass for another entry.
    format!("{}  {}", show_exact(entry.at), escape_control(&what).replace('\n', " "))
}
