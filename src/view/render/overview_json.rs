//! What `status --all` shows, as JSON for programs. Its version is raised when a meaning changes;
//! readers ignore fields that they do not know.
//!
//! Version 1 had every step of every run, for which all journals have to be read. It is what
//! [`json_of_all`](super::status_json::json_of_all) still writes.

use std::time::Duration;

use serde::Serialize;

use super::overview::{Doing, Line, NextUp};
use super::status_json::pause_word;
use cutover_base::calendar::{Timestamp, show_exact};
use cutover_base::digest::Digest;

/// A run, in a list of all of them.
#[derive(Clone, Copy, Debug)]
pub struct RunLine<'l> {
    /// The name of the run in its store.
    pub run: &'l str,
    /// The digest of its artifact.
    pub artifact: Digest,
    /// `running`, `settling`, `halted` or `finished`.
    pub stage: &'static str,
    /// How many entries its journal has.
    pub entries: u64,
    /// How `status PLAN --exit-code` would end.
    pub exit_code: u8,
    /// What it is doing, and what comes next.
    pub line: &'l Line,
}

#[derive(Serialize)]
struct AllV2 {
    version: u32,
    seen_at: String,
    runs: Vec<RunV2>,
    unreadable: Vec<UnreadableV2>,
}

#[derive(Serialize)]
struct RunV2 {
    plan: String,
    run: String,
    artifact: String,
    way_back: bool,
    stage: &'static str,
    entries: u64,
    exit_code: u8,
    finished_at: Option<String>,
    /// At which step it halted, and why.
    halted: Option<String>,
    /// The step that a person has to do.
    needs_person: Option<String>,
    /// How long it takes at least from now on; `null` if it does not go on by itself.
    remaining_secs: Option<u64>,
    next: Option<NextV2>,
}

#[derive(Serialize)]
struct NextV2 {
    step: String,
    /// Not before this time, for this reason; `null` if nothing holds it up.
    at: Option<String>,
    pause: Option<&'static str>,
}

#[derive(Serialize)]
struct UnreadableV2 {
    plan: String,
    why: String,
}

/// The newest runs of several plans as JSON, and why others cannot be read.
#[must_use]
pub fn json_of_lines<'l>(
    runs: impl IntoIterator<Item = (&'l str, Result<RunLine<'l>, String>)>,
    now: Timestamp,
) -> String {
    let seen_at = show_exact(now);
    let mut all = AllV2 { version: 2, seen_at, runs: Vec::new(), unreadable: Vec::new() };
    for (plan, run) in runs {
        match run {
            Ok(run) => all.runs.push(run_v2(plan, run, now)),
            Err(why) => all.unreadable.push(UnreadableV2 { plan: plan.to_owned(), why }),
        }
    }
    serde_json::to_string_pretty(&all).expect("it has string keys alone") + "\n"
}

fn run_v2(
    plan: &str,
    RunLine { run, artifact, stage, entries, exit_code, line }: RunLine<'_>,
    now: Timestamp,
) -> RunV2 {
    let Line { is_way_back, doing, next } = line;
    let (mut finished_at, mut halted, mut needs_person) = (None, None, None);
    let mut remaining_secs = None;
    match doing {
        Doing::Finished { at } => finished_at = Some(show_exact(*at)),
        Doing::Halted { words } => halted = Some(words.clone()),
        Doing::Person { step } => needs_person = Some(step.clone()),
        Doing::Going { then } => {
            let due = next.as_ref().and_then(|next| next.not_before);
            let until =
                due.map_or(Duration::ZERO, |(at, _)| (at - now).to_std().unwrap_or_default());
            remaining_secs = Some((until + *then).as_secs());
        }
    }
    RunV2 {
        plan: plan.to_owned(),
        run: run.to_owned(),
        artifact: artifact.to_string(),
        way_back: *is_way_back,
        stage,
        entries,
        exit_code,
        finished_at,
        halted,
        needs_person,
        remaining_secs,
        next: next.as_ref().map(|NextUp { step, not_before, zone: _ }| {
            // The line may be older than this time, and nothing holds the step up any more.
            let held = not_before.filter(|(at, _)| *at > now);
            NextV2 {
                step: step.clone(),
                at: held.map(|(at, _)| show_exact(at)),
                pause: held.map(|(_, pause)| pause_word(pause)),
            }
        }),
    }
}
