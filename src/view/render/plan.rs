//! The plan as a reviewer reads it: the difference that it makes, its steps with times and reasons,
//! and its assumptions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::Change;
use cutover_zone::{Name, RrKey, RrSet};

use super::calendar::within;
use super::fold::{Folds, nameless};
use super::timeline::timeline;
use super::{chain, count, gate, lines, verdict};
use crate::document::{Block, Diff, Document, Hunk, Item, Mark, Room, Section, Spare, Table, Text};
use cutover_base::calendar::{show_span, since_start};
use cutover_run::artifact::{Artifact, Forecast};
use cutover_steps::graph::{Primitive, Step, StepId, Wait};
use cutover_steps::notify::{Notice, Way};

/// Shown if there is nothing to do.
pub const NOTHING_TO_CHANGE: &str = "nothing to change: everything matches the plan";

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What a reviewer needs to decide: summary, difference, timeline, way back and verdict. Zones
    /// that change alike are folded into one.
    Brief,
    /// Every zone and every step, with reasons.
    Full,
}

/// Shows an artifact, in the order in which a reviewer reads it.
#[must_use]
pub fn plan(artifact: &Artifact, detail: Detail) -> Document {
    let folds = Folds::of(artifact, detail == Detail::Full);
    let what = if artifact.is_way_back() { "way back of" } else { "plan" };
    let title = Text::strong(format!("{what} {}", artifact.name));
    let title = title.and("  ").and_value(artifact.digest().to_string());
    let mut blocks = vec![Block::Lines(vec![title])];
    if artifact.graph.steps().is_empty() {
        blocks.push(Block::Lines(vec![NOTHING_TO_CHANGE.into()]));
        blocks.extend(found(artifact, detail));
        return Document(blocks);
    }
    let beside = match verdict::beside(artifact) {
        items if items.is_empty() => Vec::new(),
        items => vec![Block::List(items)],
    };
    blocks.push(Block::Group { title: verdict::line(artifact).into(), blocks: beside });
    let alike = folds.said().into_iter().map(Text::from).collect();
    blocks.push(Block::Group { title: totals(artifact).into(), blocks: vec![Block::Lines(alike)] });
    blocks.push(difference(artifact, &folds));
    blocks.push(section(
        "Timeline of an undisturbed run",
        Room::Spare(ROWS),
        vec![Block::Timeline(timeline(artifact, &folds))],
    ));
    if detail == Detail::Full {
        blocks.push(steps(artifact));
        blocks.extend(behind(artifact));
    }
    if !artifact.is_way_back() {
        blocks.push(ways_back(artifact, &folds));
    }
    blocks.extend(notices(artifact));
    let at_old = verdict::at_old(artifact, &folds);
    let verdict = verdict::whole(artifact, &folds).into_iter().chain(at_old).collect();
    blocks.push(section("Verdict", Room::Whole, verdict));
    blocks.extend(found(artifact, detail));
    if detail == Detail::Brief {
        let more = Text::from("Add ").and_code("--full");
        let more = more.and(" to see every step, with its records and the reason for each wait. ");
        blocks
            .push(Block::Lines(vec![more.and_code("cutover explain").and(" explains one step.")]));
    }
    Document(blocks)
}

/// Shows an artifact to whoever reviews it where the plan's text lies, such as in a pull request:
/// what decides first, what explains folded. `apply` is the command that applies it, `show` the
/// command that shows all of it.
#[must_use]
pub fn review(artifact: &Artifact, detail: Detail, apply: &str, show: &str) -> Document {
    let folds = Folds::of(artifact, detail == Detail::Full);
    let what = if artifact.is_way_back() { "Way back of" } else { "Plan" };
    let name = Text::strong(format!("{what} {}", artifact.name));
    let digest = Text::from("Digest: ").and_value(artifact.digest().to_string());
    if artifact.graph.steps().is_empty() {
        let line = name.and(format!(": {NOTHING_TO_CHANGE}."));
        let mut blocks = vec![Block::Lines(vec![line])];
        blocks.extend(found(artifact, Detail::Full));
        blocks.push(Block::Lines(vec![digest]));
        return Document(blocks);
    }
    let summary = name.and(format!(": {}. ", totals(artifact)));
    let mut blocks = vec![
        Block::Lines(vec![summary.and_strong(verdict::line(artifact)).and(".")]),
        Block::List(verdict::beside(artifact)),
        Block::Lines(folds.said().into_iter().map(Text::from).collect()),
        difference(artifact, &folds),
        section(
            "Timeline of an undisturbed run",
            Room::Spare(ROWS),
            vec![Block::Timeline(timeline(artifact, &folds))],
        ),
        section("Verdict", Room::Whole, verdict::whole(artifact, &folds)),
    ];
    // A writer with little room counts what it leaves out.
    blocks.extend(found(artifact, Detail::Full));
    let at_old = verdict::at_old(artifact, &folds);
    blocks.extend(at_old.map(|block| {
        section("What breaks when the old host is switched off", Room::Folded(AT_OLD), vec![block])
    }));
    if !artifact.is_way_back() {
        blocks.push(ways_back(artifact, &folds));
    }
    blocks.extend(notices(artifact));
    blocks.push(steps(artifact));
    if detail == Detail::Full {
        blocks.extend(behind(artifact));
    }
    blocks.push(Block::Lines(vec![digest]));
    blocks.push(match artifact.verdict.forbidding().next() {
        Some(_) => Block::Lines(vec!["This plan cannot be applied: the verdict says why.".into()]),
        None if artifact.is_way_back() => Block::Lines(Vec::new()),
        None => Block::Group {
            title: "Apply exactly this plan:".into(),
            blocks: vec![Block::Code(vec![apply.to_owned()])],
        },
    });
    blocks.push(Block::Group {
        title: "Show every step and every zone:".into(),
        blocks: vec![Block::Code(vec![show.to_owned()])],
    });
    Document(blocks)
}

/// What is left out first if there is little room: whatever explains.
const DETAILS: Spare = Spare { turn: 0, part: "detail" };
const STEPS: Spare = Spare { turn: 1, part: "step" };
const WAYS_BACK: Spare = Spare { turn: 2, part: "point" };
const AT_OLD: Spare = Spare { turn: 2, part: "record" };
const ROWS: Spare = Spare { turn: 3, part: "row" };
const CHANGES: Spare = Spare { turn: 4, part: "changed RRset" };
/// What is left out last.
const FINDINGS: Spare = Spare { turn: 5, part: "finding" };
/// How many findings are shown to whoever does not ask for all. Our choice: the many domains of a large
/// plan have the same ones.
const FINDINGS_MAX: usize = 20;

fn section(title: &str, room: Room, blocks: Vec<Block>) -> Block {
    Block::Section(Section { title: title.into(), blocks, room })
}

/// What checks have found, if they have found anything.
fn found(artifact: &Artifact, detail: Detail) -> Option<Block> {
    let mut items = verdict::findings(artifact);
    if items.is_empty() {
        return None;
    }
    let most = if detail == Detail::Full { items.len() } else { FINDINGS_MAX };
    let more = items.len().saturating_sub(most);
    items.truncate(most);
    let how =
        Text::from("They decide nothing about the verdict. ").and_code("cutover explain CODE");
    let how = how.and(" says what one means, and what to do.");
    let mut lines = vec![how];
    if more > 0 {
        let text = Text::from(format!("{} more: ", count(more, "finding"))).and_code("--full");
        lines.push(text.and(" shows them."));
    }
    let blocks = vec![Block::List(items), Block::Lines(lines)];
    Some(section("Found by checks", Room::Spare(FINDINGS), blocks))
}

/// How much is changed, and how long it takes.
pub(super) fn totals(artifact: &Artifact) -> String {
    let kinds = |test: fn(&Primitive) -> bool| {
        artifact.graph.steps().iter().filter(|step| test(&step.primitive)).count()
    };
    let end = artifact.forecast.iter().map(|f| f.end).max().unwrap_or_default();
    let also = [
        (kinds(|p| matches!(p, Primitive::Gate(_))), "gate"),
        (kinds(|p| matches!(p, Primitive::Task(_))), "task"),
    ];
    let also = also.into_iter().filter(|(number, _)| *number > 0);
    let also: String = also.map(|(number, what)| format!(", {}", count(number, what))).collect();
    format!(
        "{} in {}, {}{also}; done after {} at the earliest",
        count(kinds(|p| matches!(p, Primitive::Change(_))), "change"),
        count(artifact.zones.len(), "zone"),
        count(kinds(|p| matches!(p, Primitive::Wait(_))), "wait"),
        show_span(end),
    )
}

pub(super) type Versions<'a> = BTreeMap<&'a RrKey, (Option<&'a RrSet>, Option<&'a RrSet>)>;

/// First and last version of each RRset, by zone.
pub(super) fn ends(artifact: &Artifact) -> BTreeMap<&Name, Versions<'_>> {
    let mut zones: BTreeMap<&Name, Versions<'_>> = BTreeMap::new();
    for step in artifact.graph.steps() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        let versions = zones.entry(changes.zone()).or_default();
        for Change { key, before, after } in changes.changes() {
            let ends = versions.entry(key).or_insert((before.as_ref(), None));
            ends.1 = after.as_ref();
        }
    }
    zones
}

/// The difference between the start and the end, zone by zone.
fn difference(artifact: &Artifact, folds: &Folds<'_>) -> Block {
    let mut blocks = Vec::new();
    let mut usual = BTreeSet::new();
    let zones = ends(artifact).into_iter().filter(|(zone, _)| !folds.hides(zone));
    // The zone that stands for the largest group comes first, so that the others can refer to it.
    let (most, others): (Vec<_>, Vec<_>) =
        zones.partition(|(zone, _)| folds.differs(zone).is_none());
    for (zone, versions) in most.into_iter().chain(others) {
        let like = match folds.like(zone) {
            0 => String::new(),
            others => format!(", and {} like it", count(others, "other")),
        };
        let most = folds.differs(zone);
        let but = most.map_or(String::new(), |most| format!("; otherwise the same as {most}"));
        let mut hunks = Vec::new();
        for (key, (first, last)) in versions {
            let (before, after) = (lines(key, first), lines(key, last));
            if folds.any() {
                let said = [before.join("\n"), after.join("\n")].map(|text| nameless(&text, zone));
                if most.is_none() {
                    usual.insert(said);
                } else if usual.contains(&said) {
                    continue;
                }
            }
            hunks.push(Hunk::of(&before, &after));
        }
        let title = Text::from("zone ").and_value(zone.to_string()).and(" at ");
        let title = title.and_code(&artifact.zones[zone].provider).and(like + &but);
        blocks.push(Block::Group { title, blocks: vec![Block::Diff(Diff(hunks))] });
    }
    section("Difference from start to end", Room::Spare(CHANGES), blocks)
}

fn steps(artifact: &Artifact) -> Block {
    let begins: BTreeMap<&StepId, &Forecast> =
        artifact.forecast.iter().map(|forecast| (&forecast.step, forecast)).collect();
    let steps = artifact.graph.steps().iter().enumerate();
    let items = steps.map(|(number, step)| {
        let begin = begins.get(&step.id).map(|f| since_start(f.begin)).unwrap_or_default();
        Item {
            mark: Mark::Number(number + 1),
            text: Text::strong(&step.title).and(format!("  ({begin})")),
            blocks: details(step),
        }
    });
    section("Steps", Room::Folded(STEPS), vec![Block::List(items.collect())])
}

fn details(step: &Step) -> Vec<Block> {
    let Step { id, primitive, after, title: _, reason, window } = step;
    let mut lines = vec![Text::faint(id.as_str()), format!("why: {reason}").into()];
    if !after.is_empty() {
        lines.push(ids("after: ", after.keys()));
    }
    lines.extend(window.as_ref().map(within).unwrap_or_default());
    if let (Primitive::Wait(wait), Some(cause)) = (primitive, after.values().next()) {
        lines.push(format!("for: {} ({}), {}", cause.of, wait.origin.word(), cause.why).into());
    }
    match primitive {
        Primitive::Gate(gate) => lines.extend(gate::lines(gate)),
        Primitive::Task(task) => lines.extend(gate::of_task(task)),
        Primitive::Change(_) | Primitive::Wait(_) | Primitive::Checkpoint(_) => {}
    }
    let mut blocks = vec![Block::Lines(lines)];
    if let Primitive::Change(changes) = primitive {
        let hunks = changes.changes().iter().map(|Change { key, before, after }| {
            Hunk::of(&super::lines(key, before.as_ref()), &super::lines(key, after.as_ref()))
        });
        blocks.push(Block::Diff(Diff(hunks.collect())));
    }
    blocks
}

/// What explains how long the plan takes.
fn behind(artifact: &Artifact) -> Vec<Block> {
    let room = Room::Folded(DETAILS);
    let exposure = exposure(artifact);
    let exposure = section("Exposure: how long an old version may still be seen", room, exposure);
    let waits = section("Why it takes this long", room, chain::waits(artifact));
    let runbook = chain::runbook(artifact)
        .map(|table| section("Compared with the usual runbook", room, vec![table]));
    [exposure, waits].into_iter().chain(runbook).collect()
}

fn ways_back(artifact: &Artifact, folds: &Folds<'_>) -> Block {
    let blocks = vec![chain::ways_back(artifact, folds)];
    section("The way back", Room::Folded(WAYS_BACK), blocks)
}

/// The first of some ids; the rest are counted.
fn ids<'i>(lead: &str, ids: impl ExactSizeIterator<Item = &'i StepId>) -> Text {
    let more = ids.len().saturating_sub(IDS_MAX);
    let mut text = Text::from(lead);
    for (place, id) in ids.take(IDS_MAX).enumerate() {
        let gap = if place > 0 { ", " } else { "" };
        text = text.and(gap).and_value(id.as_str());
    }
    if more > 0 { text.and(format!(" and {more} more")) } else { text }
}

/// How many ids are shown. Our choice: more would bury the sentence.
const IDS_MAX: usize = 4;

/// One line for each RRset and each reason for waiting until its old version has expired. The
/// reasons are the causes of the steps after the wait.
fn exposure(artifact: &Artifact) -> Vec<Block> {
    let forecasts: BTreeMap<&StepId, &Forecast> =
        artifact.forecast.iter().map(|forecast| (&forecast.step, forecast)).collect();
    type Exposed<'a> = (&'a Change, &'a Forecast, &'a Forecast, Duration);
    let mut rows: Vec<(&RrKey, &str, Exposed<'_>)> = Vec::new();
    for (place, step) in artifact.graph.steps().iter().enumerate() {
        let Primitive::Wait(Wait { over: Some(over), span, .. }) = &step.primitive else {
            continue;
        };
        let Some(change) = artifact.graph.get(over) else { continue };
        let Primitive::Change(changes) = &change.primitive else { continue };
        let (Some(published), Some(gone)) = (forecasts.get(over), forecasts.get(&step.id)) else {
            continue;
        };
        let followers = artifact.graph.followers(place).iter();
        let causes = followers.filter_map(|at| artifact.graph.steps()[*at].after.get(&step.id));
        let reasons: BTreeSet<&str> = causes.map(|cause| &*cause.of).collect();
        for change in changes.changes() {
            for reason in &reasons {
                let exposed: Exposed<'_> = (change, published, gone, *span);
                let same = rows.iter_mut().find(|(key, of, (other, ..))| {
                    **key == change.key && of == reason && other.before == change.before
                });
                match same {
                    Some((_, _, known)) if known.2.end < gone.end => *known = exposed,
                    Some(_) => {}
                    None => rows.push((&change.key, *reason, exposed)),
                }
            }
        }
    }
    let ttl = |rrset: &Option<RrSet>| {
        let shown = |rrset: &RrSet| show_span(rrset.ttl().duration());
        rrset.as_ref().map_or("absent".to_owned(), shown)
    };
    let rows = rows.into_iter().map(|(key, reason, (change, published, gone, span))| {
        let cells = [
            key.to_string(),
            format!("{} -> {}", ttl(&change.before), ttl(&change.after)),
            since_start(published.begin),
            since_start(gone.end),
            show_span(span),
            reason.to_owned(),
        ];
        cells.map(Text::from)
    });
    let head = ["RRset", "TTL", "replaced", "old gone", "wait", "for"];
    vec![Block::Table(Table::new(head, rows))]
}

fn notices(artifact: &Artifact) -> Option<Block> {
    let rows = artifact.notify.iter().map(|Notice { at, way, text: _ }| {
        let at: Vec<&str> = at.iter().map(|occasion| occasion.word()).collect();
        let who = match way {
            Way::Webhook(webhook) => format!("the webhook in {webhook}"),
            Way::Mail(mail) => format!("{} by {}:{}", mail.to.join(", "), mail.server, mail.port),
        };
        Item::new(format!("at {}: {who}", at.join(", ")), Vec::new())
    });
    let rows: Vec<Item> = rows.collect();
    (!rows.is_empty())
        .then(|| section("Notifications", Room::Folded(DETAILS), vec![Block::List(rows)]))
}
