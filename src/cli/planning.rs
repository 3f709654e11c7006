//! From a file to an artifact: what `check`, `plan` and `apply` share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cutover_contract::{Name, RrKey};

use super::exit::Exit;
use super::{Failure, dress, home, registry, tell};
use crate::artifact::{Artifact, Outcome, ReadError, SealedZone, Verdict};
use crate::diag::{Diagnostic, Source, render_all};
use crate::digest::Digest;
use crate::graph::Primitive;
use crate::intent::{Intent, resolve};
use crate::observe::Snapshot;
use crate::proof::{Counterexample, Findings, Proof, invariant};
use crate::recipe::{Compiled, compile};
use crate::render::{Dress, harmless};
use crate::spec::parse;
use crate::world::real::connect::connect;
use crate::world::real::see::{NO_AUTHORITIES, UNKNOWN_EXCEPTION, authorities_agree, snapshot};
use crate::world::real::store::read_text;
use crate::world::tool;
use crate::{artifact, sim};

/// Octets of an input file at the most: whatever is larger is neither plan nor artifact.
const INPUT_OCTETS_MAX: u64 = artifact::OCTETS_MAX;

/// What a file holds.
pub(super) enum Input {
    /// A plan, as text.
    Plan(Source),
    /// A sealed artifact.
    Artifact(Box<Artifact>),
}

/// Reads a plan or an artifact.
pub(super) fn read(path: &Path) -> Result<Input, Failure> {
    let text = read_text(path, INPUT_OCTETS_MAX)
        .map_err(|e| Failure::new(Exit::Usage, format!("error: {e}")))?;
    match Artifact::decode(&text) {
        Ok(artifact) => Ok(Input::Artifact(Box::new(artifact))),
        // Not JSON with a format: then it is a plan, or wants to be one.
        Err(ReadError::Json(_)) if !text.trim_start().starts_with("{\n  \"format\"") => {
            Ok(Input::Plan(Source { name: path.display().to_string(), text }))
        }
        Err(error) => {
            let text = format!("error: {} cannot be used: {error}", path.display());
            Err(Failure::new(Exit::Usage, text))
        }
    }
}

/// Reads a plan.
pub(super) fn read_plan(path: &Path) -> Result<Source, Failure> {
    match read(path)? {
        Input::Plan(source) => Ok(source),
        Input::Artifact(_) => {
            let text =
                format!("error: {} is an artifact, and a plan is wanted here", path.display());
            Err(Failure::new(Exit::Usage, text))
        }
    }
}

/// What a plan wants.
pub(super) fn intent(source: &Source) -> Result<Intent, Failure> {
    parse(source, registry()).and_then(resolve).map_err(|found| refuse(&found, source))
}

fn refuse(found: &[Diagnostic], source: &Source) -> Failure {
    let coloured = dress(&std::io::stderr()) == Dress::Coloured;
    let errors = match found.len() {
        1 => "1 problem".to_owned(),
        number => format!("{number} problems"),
    };
    let text = render_all(found, source, coloured);
    // The renderer has escaped what needs it, and the rest is colours.
    let name = harmless(&source.name);
    Failure { text: format!("{text}{name}: {errors}"), exit: Exit::Usage }
}

/// The world cannot be seen: an operation that failed, unless the plan itself names whom to ask.
fn unseen(found: &[Diagnostic], source: &Source) -> Failure {
    let is_of_plan = |d: &Diagnostic| [NO_AUTHORITIES, UNKNOWN_EXCEPTION].contains(&d.code);
    let exit = if found.iter().any(is_of_plan) { Exit::Usage } else { Exit::Error };
    Failure { exit, ..refuse(found, source) }
}

/// Reads the world and compiles the plan.
pub(super) async fn plan(path: &Path, source: &Source) -> Result<Artifact, Failure> {
    let intent = intent(source)?;
    let providers = connect(registry(), &intent.providers, &home(path))
        .map_err(|(name, error)| Failure::connect(&name, &error))?;
    let asks_delegation = |provider: &str| {
        let kind = &intent.providers[provider].kind;
        registry().iter().any(|adapter| adapter.kind == kind && adapter.asks_delegation)
    };
    let seen = snapshot(&intent, &providers, &asks_delegation).await;
    let snapshot = seen.map_err(|found| unseen(&found, source))?;
    let compiled = compile(&intent, &snapshot).map_err(|found| refuse(&found, source))?;
    let disagreeing = authorities_agree(&intent, &snapshot, &first_touched(&compiled)).await;
    if !disagreeing.is_empty() {
        return Err(unseen(&disagreeing, source));
    }
    if !compiled.warnings.is_empty() {
        let coloured = dress(&std::io::stderr()) == Dress::Coloured;
        tell(&render_all(&compiled.warnings, source, coloured));
    }
    Ok(seal(&intent, &snapshot, compiled, Digest::of(source.text.as_bytes())))
}

/// The RRsets that a plan changes, each once.
fn first_touched(compiled: &Compiled) -> Vec<(Name, RrKey)> {
    let changes = compiled.graph.steps().iter().filter_map(|step| match &step.primitive {
        Primitive::Change(changes) => Some(changes),
        Primitive::Wait(_) | Primitive::Checkpoint => None,
    });
    let touched: BTreeSet<(Name, RrKey)> = changes
        .flat_map(|set| set.changes().iter().map(|c| (set.zone().clone(), c.key.clone())))
        .collect();
    touched.into_iter().collect()
}

fn seal(intent: &Intent, snapshot: &Snapshot, compiled: Compiled, plan: Digest) -> Artifact {
    let touched: BTreeSet<Name> =
        first_touched(&compiled).into_iter().map(|(zone, _)| zone).collect();
    let Compiled { graph, mut assumptions, warnings: _ } = compiled;
    let verdict = verdict(&Proof::new(intent, snapshot, &graph).findings());
    let zones: BTreeMap<Name, SealedZone> = touched
        .into_iter()
        .map(|name| {
            let (spec, seen) = (&intent.zones[&name], &snapshot.zones[&name]);
            if let Some(within) = seen.capabilities.served_within {
                let within = crate::calendar::show_span(within);
                assumptions.push(format!("what is written to {name} is served everywhere within {within}: nobody is asked"));
            }
            for except in &spec.except {
                let (address, reason) = (except.value.address, &except.value.reason);
                assumptions.push(format!("{address} need not serve {name}: {reason}"));
            }
            let sealed = SealedZone {
                provider: spec.provider.value.clone(),
                authorities: seen.authorities.clone(),
                except: spec.except.iter().map(|except| except.value.clone()).collect(),
                served_within: seen.capabilities.served_within,
                settle_max: seen.capabilities.settle_max,
            };
            (name, sealed)
        })
        .collect();
    if !zones.is_empty() {
        assumptions.push("no record that is changed had a longer TTL, or other data, within its TTL before this plan".into());
    }
    let used: BTreeSet<&String> = zones.values().map(|zone| &zone.provider).collect();
    let providers = intent.providers.iter().filter(|(name, _)| used.contains(name));
    let providers = providers.map(|(name, spec)| (name.clone(), spec.clone())).collect();
    let mut artifact = Artifact {
        name: intent.name.clone(),
        tool: tool(),
        plan,
        parent: None,
        providers,
        zones,
        verdict: Verdict { assumptions, ..verdict },
        graph,
        forecast: Vec::new(),
    };
    artifact.forecast = sim::forecast(&artifact);
    artifact
}

fn verdict(findings: &Findings) -> Verdict {
    let Findings { holding, present, refuted } = findings;
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let told = |counterexamples: &[Counterexample], how: &str| {
        let stories = counterexamples.iter().flat_map(|Counterexample { invariant, story }| {
            std::iter::once(format!("{invariant} {how}")).chain(story.iter().cloned())
        });
        stories.collect::<Vec<String>>()
    };
    Verdict {
        outcome: if refuted.is_empty() { Outcome::Unproved } else { Outcome::Refuted },
        holding: owned(holding),
        unchecked: owned(invariant::MISSING),
        assumptions: Vec::new(),
        present: told(present, "is broken already, before the first step"),
        story: told(refuted, "is broken"),
    }
}

/// A refuted plan is shown, and neither sealed into a file nor run.
pub(super) fn not_refuted(artifact: &Artifact) -> Result<(), Failure> {
    match artifact.verdict.outcome {
        Outcome::Unproved => Ok(()),
        Outcome::Refuted => {
            let story = artifact.verdict.story.join("\n  ");
            let text = format!("error: this plan would do harm\n  {story}");
            Err(Failure::new(Exit::Refuted, crate::render::harmless(&text)))
        }
    }
}
