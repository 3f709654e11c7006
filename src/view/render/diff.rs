//! How two artifacts of one plan differ, for somebody who has reviewed the first.
//!
//! Nothing that differs is left out: what has no section of its own is compared as the artifact writes
//! it, key by key.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{lines, plan, verdict};
use crate::document::{Block, Diff, Document, Hunk, Room, Section, Sign, Spare, Text};
use cutover_base::calendar::since_start;
use cutover_run::artifact::Artifact;

/// The differences between two artifacts, in the order in which a reviewer reads them.
#[derive(Clone, Debug, Serialize)]
pub struct Differences {
    /// The version of this format.
    version: u32,
    /// The plan.
    plan: String,
    /// The digest of the first artifact.
    from: String,
    /// The digest of the second artifact.
    to: String,
    /// What differs; empty if nothing does.
    parts: Vec<Part>,
}

/// What differs in one respect.
#[derive(Clone, Debug, Serialize)]
struct Part {
    /// Which respect.
    title: &'static str,
    /// What a writer with little room may do with it.
    #[serde(skip)]
    room: Room,
    /// What differs, thing by thing.
    things: Vec<Thing>,
}

/// A thing that differs: an RRset, a step, a key of the artifact.
#[derive(Clone, Debug, Serialize)]
struct Thing {
    /// What it is; empty if the title says it.
    name: String,
    /// The lines that only the first artifact has.
    removed: Vec<String>,
    /// The lines that only the second artifact has.
    added: Vec<String>,
    /// Both, in order.
    #[serde(skip)]
    hunk: Hunk,
}

const RECORDS: Room = Room::Spare(Spare { turn: 2, part: "RRset" });
const ROWS: Room = Room::Spare(Spare { turn: 1, part: "row" });
const STEPS: Room = Room::Spare(Spare { turn: 0, part: "step" });

/// Compares two artifacts.
#[must_use]
pub fn differences(from: &Artifact, to: &Artifact) -> Differences {
    let ((from_text, from_digest), (to_text, to_digest)) = (from.seal(), to.seal());
    let whole = |title, room, of: fn(&Artifact) -> Vec<String>| Part {
        title,
        room,
        things: thing(String::new(), &of(from), &of(to)).into_iter().collect(),
    };
    let (from_json, to_json) = (value(&from_text), value(&to_text));
    let parts = vec![
        whole("Summary", Room::Whole, |artifact| {
            vec![verdict::line(artifact), plan::totals(artifact)]
        }),
        Part {
            title: "Records from start to end",
            room: RECORDS,
            things: things(&records(from), &records(to)),
        },
        whole("Overrides", Room::Whole, |artifact| {
            let overrides = artifact.verdict.overrides.iter();
            overrides.map(|(what, why)| format!("{what}: {why}")).collect()
        }),
        whole("Taken for granted", Room::Whole, |artifact| artifact.verdict.assumptions.clone()),
        Part {
            title: "Verdict",
            room: Room::Whole,
            things: things(&of_verdict(&from_json), &of_verdict(&to_json)),
        },
        whole("Timeline of an undisturbed run", ROWS, timeline),
        Part {
            title: "Steps and waits",
            room: STEPS,
            things: things(&steps(&from_json), &steps(&to_json)),
        },
        Part {
            title: "Everything else",
            room: STEPS,
            things: things(&others(&from_json), &others(&to_json)),
        },
    ];
    Differences {
        version: 1,
        plan: to.name.clone(),
        from: from_digest.to_string(),
        to: to_digest.to_string(),
        parts: parts.into_iter().filter(|part| !part.things.is_empty()).collect(),
    }
}

impl Differences {
    /// Whether the artifacts are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The differences as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("it has string keys alone");
        text + "\n"
    }

    /// The differences for people.
    #[must_use]
    pub fn document(&self) -> Document {
        let title = Text::strong(format!("plan {}", self.plan));
        let from = Text::from("from ").and_value(&self.from);
        let to = Text::from("to   ").and_value(&self.to);
        let mut blocks = vec![Block::Lines(vec![title, from, to])];
        if self.is_empty() {
            blocks.push(Block::Lines(vec!["no difference: it is the same artifact".into()]));
        }
        for Part { title, room, things } in &self.parts {
            let blocks_of = things.iter().map(|Thing { name, hunk, .. }| {
                let diff = Block::Diff(Diff(vec![hunk.clone()]));
                match name.is_empty() {
                    true => diff,
                    false => Block::Group { title: Text::value(name.clone()), blocks: vec![diff] },
                }
            });
            let (title, blocks_of) = (Text::from(*title), blocks_of.collect());
            blocks.push(Block::Section(Section { title, blocks: blocks_of, room: *room }));
        }
        Document(blocks)
    }
}

type Lines = BTreeMap<String, Vec<String>>;

/// What differs between things of the same name.
fn things(from: &Lines, to: &Lines) -> Vec<Thing> {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let of = |all: &Lines, name: &String| all.get(name).cloned().unwrap_or_default();
    let found = names.into_iter().map(|name| thing(name.clone(), &of(from, name), &of(to, name)));
    found.flatten().collect()
}

/// The lines that differ; `None` if none does.
fn thing(name: String, from: &[String], to: &[String]) -> Option<Thing> {
    if from == to {
        return None;
    }
    let Hunk(mut lines) = Hunk::of(from, to);
    lines.retain(|line| line.sign != Sign::Kept);
    let only = |sign: Sign| {
        let lines = lines.iter().filter(move |line| line.sign == sign);
        lines.map(|line| line.pieces.iter().map(|(_, text)| &**text).collect()).collect()
    };
    Some(Thing { name, removed: only(Sign::Removed), added: only(Sign::Added), hunk: Hunk(lines) })
}

/// What becomes of each RRset.
fn records(artifact: &Artifact) -> Lines {
    let all = plan::ends(artifact).into_values().flatten();
    let shown = all.map(|(key, (first, last))| {
        let of = |word: &str, rrset| {
            let lines = lines(key, rrset).into_iter().map(|line| format!("{word} {line}"));
            lines.collect::<Vec<_>>()
        };
        let both = [of("from", first), of("to  ", last)].concat();
        (format!("{} {}", key.name, key.rtype), both)
    });
    shown.collect()
}

fn timeline(artifact: &Artifact) -> Vec<String> {
    let rows = artifact
        .forecast
        .iter()
        .map(|row| format!("{}  {} to {}", row.step, since_start(row.begin), since_start(row.end)));
    rows.collect()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("an artifact's own encoding is JSON")
}

fn pretty(value: &Value) -> Vec<String> {
    let text = serde_json::to_string_pretty(value).expect("it was read from JSON");
    // A comma at a line's end says only whether another line follows.
    text.lines().map(|line| line.strip_suffix(',').unwrap_or(line).to_owned()).collect()
}

/// The keys of an object but for some, each with its lines.
fn keys(value: &Value, but: &[&str]) -> Lines {
    let keys = value.as_object().into_iter().flatten();
    let keys = keys.filter(|(key, _)| !but.contains(&key.as_str()));
    keys.map(|(key, value)| (key.clone(), pretty(value))).collect()
}

fn of_verdict(artifact: &Value) -> Lines {
    keys(&artifact["verdict"], &["assumptions", "overrides", "outcome"])
}

/// The steps by id, and the order in which they stand.
fn steps(artifact: &Value) -> Lines {
    let steps = || artifact["steps"].as_array().into_iter().flatten();
    let id = |step: &Value| step["id"].as_str().unwrap_or_default().to_owned();
    steps().map(|step| (id(step), pretty(step))).collect()
}

/// What no other part compares.
fn others(artifact: &Value) -> Lines {
    let mut others = keys(artifact, &["format", "digest", "name", "verdict", "steps", "forecast"]);
    let steps = artifact["steps"].as_array().into_iter().flatten();
    let order = steps.map(|step| step["id"].as_str().unwrap_or_default().to_owned());
    others.insert("order of the steps".to_owned(), order.collect());
    others
}
