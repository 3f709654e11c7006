//! From a file to a sealed artifact: what `check`, `plan` and `apply` share.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use cutover_zone::Name;

use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message, Problem};
use super::standing::Standing;
use super::{StateArgs, home, language, registry};
use crate::artifact::{self, Artifact, ReadError, Verdict};
use crate::calendar::Moment;
use crate::compile::{compile, touched};
use crate::diag::{Diagnostic, Source, some_of};
use crate::findings;
use crate::intent::{Intent, resolve};
use crate::journal::Halt;
use crate::language::Reading;
use crate::observe::Snapshot;
use crate::seal::{changes_by_zone, seal};
use crate::sim;
use crate::slug::is_slug;
use crate::world::real::clashes::{Clash, clashes};
use crate::world::real::connect::{Commands, Connected, connect};
use crate::world::real::delegation::NOT_DELEGATED;
use crate::world::real::history::add_history;
use crate::world::real::plan_files::read_plan_file;
use crate::world::real::snapshot::{
    NO_AUTHORITIES, NOT_WRITABLE, UNKNOWN_EXCEPTION, authorities_agree, check_writable, snapshot,
};
use crate::world::real::store::{Runs, Store, read_text};
use crate::world::real::{now, steady};

/// The maximum size of an input file, in octets: anything larger is neither plan nor artifact.
const INPUT_OCTETS_MAX: u64 = artifact::OCTETS_MAX;

/// A parsed input file.
pub(super) enum Input {
    /// A plan.
    Plan(Box<Plan>),
    /// A sealed artifact.
    Artifact(Box<Artifact>),
}

/// A plan.
pub(super) struct Plan {
    /// Its text.
    pub(super) source: Source,
    /// What it wants.
    pub(super) intent: Intent,
}

impl Input {
    /// The name of the plan.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Plan(plan) => &plan.intent.name,
            Self::Artifact(artifact) => &artifact.name,
        }
    }
}

/// Reads a plan or an artifact.
pub(super) fn read(path: &Path) -> Result<Input, Failure> {
    let text = read_text(path, INPUT_OCTETS_MAX)
        .map_err(|error| Message::new(Code::InputUnreadable, error.to_string()).usage())?;
    match Artifact::decode(&text) {
        Ok(artifact) => Ok(Input::Artifact(Box::new(artifact))),
        // It does not start like an artifact, so read it as a plan.
        Err(ReadError::Json(_)) if !text.trim_start().starts_with("{\n  \"format\"") => {
            let reading = Reading::of(Source::new(path.display().to_string(), text));
            let (source, spec) = with_files(reading, &home(path)).finish(language());
            let intent = spec.and_then(resolve);
            let intent = intent.map_err(|found| Failure::plan(&found, &source))?;
            Ok(Input::Plan(Box::new(Plan { source, intent })))
        }
        Err(error) => {
            let text = format!("cannot use {}: {error}", path.display());
            Err(Message::new(Code::ArtifactUnusable, text).usage())
        }
    }
}

/// The runs of the plan that is meant: by a plan or an artifact in a file, or by its name, so that a
/// machine without the file can look at the runs too.
pub(super) async fn runs(input: &Path, state: &StateArgs) -> Result<Runs, Failure> {
    let Some(name) = input.to_str().filter(|name| is_slug(name) && !input.exists()) else {
        return state.runs(input, read(input)?.name());
    };
    let runs = state.runs(input, name)?;
    if !runs.store().plans().await?.iter().any(|plan| plan == name) {
        let text = format!("there is no file `{name}`, and no run of a plan of this name");
        return Err(Message::new(Code::InputUnreadable, text).usage());
    }
    Ok(runs)
}

/// Reads the files that a plan names.
fn with_files(mut reading: Reading, home: &Path) -> Reading {
    while let Some(wanted) = reading.wanted() {
        match read_plan_file(home, &wanted) {
            Ok((name, text)) => reading.add(&wanted, name, text),
            Err(error) => reading.unusable(&wanted, &error.to_string()),
        }
    }
    reading
}

/// Reads a plan.
pub(super) fn read_plan(path: &Path) -> Result<Plan, Failure> {
    match read(path)? {
        Input::Plan(plan) => Ok(*plan),
        Input::Artifact(_) => {
            let text = format!("{} is an artifact, but this command needs a plan", path.display());
            Err(Message::new(Code::NotAPlan, text).usage())
        }
    }
}

/// Something could not be looked up. That is a failed operation (exit code 1), unless the plan has
/// to be changed to name the right server (exit code 2).
fn unseen(found: &[Diagnostic], source: &Source) -> Failure {
    let is_of_plan =
        |d: &Diagnostic| [NO_AUTHORITIES, UNKNOWN_EXCEPTION, NOT_DELEGATED].contains(&d.code);
    let exit = if found.iter().any(is_of_plan) { Exit::Usage } else { Exit::Error };
    Failure::plan(found, source).ends(exit)
}

/// How plans are made from what is live.
pub(super) struct Planning<'a> {
    pub(super) state: &'a StateArgs,
    pub(super) commands: Commands,
    /// How warnings are written.
    pub(super) errors: ErrorFormat,
}

/// Reads the plan's zones.
pub(super) async fn seen(
    path: &Path,
    plan: &Plan,
    &Planning { state: _, commands, errors: _ }: &Planning<'_>,
) -> Result<Snapshot, Failure> {
    let Plan { source, intent } = plan;
    let connected = connect(registry(), &intent.providers, &home(path), commands)
        .map_err(|(name, error)| Failure::connect(&name, &error))?;
    looked_at(plan, &connected).await.map_err(|found| unseen(&found, source))
}

async fn looked_at(
    Plan { intent, .. }: &Plan,
    connected: &Connected,
) -> Result<Snapshot, Vec<Diagnostic>> {
    let asks_delegation = |provider: &str| {
        let kind = &intent.providers[provider].kind;
        registry().iter().any(|adapter| adapter.kind == kind && adapter.asks_delegation)
    };
    snapshot(intent, &connected.providers, &asks_delegation).await
}

/// Reads the world and compiles the plan.
pub(super) async fn plan(
    path: &Path,
    plan: &Plan,
    &Planning { state, commands, errors }: &Planning<'_>,
) -> Result<Artifact, Failure> {
    let Plan { source, intent } = plan;
    intent.check_decided().map_err(|found| Failure::plan(&found, source))?;
    let connected = connect(registry(), &intent.providers, &home(path), commands)
        .map_err(|(name, error)| Failure::connect(&name, &error))?;
    let seen = looked_at(plan, &connected).await;
    let mut snapshot = seen.map_err(|found| unseen(&found, source))?;
    let now = Moment { at: now(), steady: steady() };
    let digest = source.digest();
    let apart = |said: &str, zones: &BTreeSet<Name>| {
        Standing::read(said).is_some_and(|standing| standing.is_apart_from(zones))
    };
    add_history(&state.store(path)?, (intent, digest), &mut snapshot, now, apart).await?;
    let compiled = compile(intent, &snapshot)
        .map_err(|found: Vec<Diagnostic>| Failure::plan(&found, source))?;
    let changes = changes_by_zone(&compiled);
    check_writable(intent, &connected.providers, &changes).await.map_err(|found| {
        let is_of_plan = found.iter().any(|diagnostic| diagnostic.code == NOT_WRITABLE);
        if is_of_plan { Failure::plan(&found, source) } else { unseen(&found, source) }
    })?;
    let disagreeing = authorities_agree(
        intent,
        &snapshot,
        &touched(&compiled.tracks).into_iter().collect::<Vec<_>>(),
    )
    .await;
    if !disagreeing.is_empty() {
        return Err(unseen(&disagreeing, source));
    }
    let found = findings::of_plan(intent, &snapshot);
    let warnings = findings::warnings(&found);
    let warnings = [&snapshot.remarks[..], &compiled.warnings[..], &warnings[..]].concat();
    if !warnings.is_empty() {
        errors.remark(Problem::plan(&warnings, source));
    }
    let mut artifact = seal(intent, &snapshot, compiled, digest).map_err(|halt| never(&halt))?;
    artifact.verdict.findings = findings::sealed(&found, source);
    Ok(artifact)
}

/// A gate that cannot pass, whatever its servers answer.
pub(super) fn never(halt: &Halt) -> Failure {
    let text = format!("{} can never pass: {}", halt.step, halt.detail);
    let help = "name what it asks, as its keys in plans/README.md say, or remove it";
    Message::new(Code::GateImpossible, text).help(help).usage()
}

/// Checks an artifact instead of trusting it: its waits, its versions, and its forecast, which is
/// recomputed. [`Artifact::contradictions`] says what this check can find.
pub(super) fn check_consistent(artifact: &Artifact) -> Result<(), Failure> {
    let mut found = artifact.contradictions();
    if found.is_empty() && sim::forecast(artifact).ok().as_ref() != Some(&artifact.forecast) {
        found.push("its forecast does not match its steps".to_owned());
    }
    if found.is_empty() {
        return Ok(());
    }
    let text = "this artifact is not proved: it was edited and its digest recomputed";
    let help = "create it again with `cutover plan PLAN -o ARTIFACT`";
    Err(Message::new(Code::ArtifactEdited, text).details(&found).help(help).ends(Exit::Refuted))
}

/// Whether standard output already shows the verdict, with the story of what breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// It does: do not repeat the story.
    Shown,
    /// It does not.
    NotShown,
}

/// Refuses to write or run a refuted plan, unless its `override:` accepts all that is broken.
/// `undone` tells the user what was not done.
pub(super) fn check_not_refuted(
    artifact: &Artifact,
    story: Story,
    undone: &str,
) -> Result<(), Failure> {
    let broken: Vec<&str> = artifact.verdict.forbidding().map(String::as_str).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let Verdict { story: told, derivation, .. } = &artifact.verdict;
    let names = broken.join(", ");
    let message = if told.is_empty() {
        let ids = broken.iter().map(|id| format!("\n  - {{ defect: \"{id}\", reason: \"\" }}"));
        let ids: String = ids.collect();
        Message::new(Code::BrokenBefore, format!("broken before the plan begins: {names}"))
            .detail(undone)
            .help(format!("fix it, or accept each defect with a reason:\noverride:{ids}"))
    } else {
        let text = format!("this plan would do harm: {names}");
        let message = Message::new(Code::PlanRefuted, text).detail(undone);
        match story {
            Story::Shown => message.help("the verdict above says how, and how to fix it"),
            Story::NotShown => message.details(told).details(derivation),
        }
    };
    Err(message.ends(Exit::Refuted))
}

/// Refuses to start a run while an open run of another plan changes the same records.
pub(super) async fn check_no_clash(
    artifact: &Artifact,
    store: &Arc<dyn Store>,
) -> Result<(), Failure> {
    /// How many records are named; the rest are counted. Our choice: one line.
    const SHOWN_MAX: usize = 4;
    let zones = artifact.zones.keys().chain(artifact.relies_on.keys()).cloned().collect();
    let apart = |said: &str| {
        let is_apart = |standing: Standing| !standing.is_open || standing.is_apart_from(&zones);
        Standing::read(said).is_some_and(is_apart)
    };
    let found = clashes(store, artifact, apart).await?;
    if found.is_empty() {
        return Ok(());
    }
    let lines = found.iter().map(|Clash { plan, keys, relied }| match keys.is_empty() {
        false => {
            let keys = some_of(keys, SHOWN_MAX);
            format!("the open run of `{plan}` changes the same records: {keys}")
        }
        true => {
            let keys = some_of(relied, SHOWN_MAX);
            format!("this plan and the open run of `{plan}`: one changes what the proof of the other relies on: {keys}")
        }
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    let help = "finish that run or roll it back (`cutover rollback`) before you apply this plan: each would take the other's changes for drift, and halt";
    Err(Message::new(Code::RunsClash, lines).help(help).usage())
}
