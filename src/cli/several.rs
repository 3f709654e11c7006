//! Several plans at once: each is a run of its own, and no two of them change the same zone.

use std::collections::BTreeMap;

use cutover_contract::Name;

use super::Failure;
use super::exit::Exit;
use super::planning::{Input, Plan, refuse};
use crate::diag::{Code, Diagnostic, Span, place};

/// Two plans that would be one run, or that change one zone.
const SHARED: Code = Code::semantic("shared-by-plans");

/// Refuses plans that share a name, since runs are kept by it, or a zone that both change: each proof
/// takes for granted that nobody else changes what it rests on.
pub(super) fn apart<'i>(inputs: impl Iterator<Item = &'i Input>) -> Result<(), Failure> {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut zones: BTreeMap<&Name, String> = BTreeMap::new();
    let mut texts = Vec::new();
    for input in inputs {
        match input {
            Input::Plan(plan) => {
                let found = of_plan(plan, &mut names, &mut zones);
                if !found.is_empty() {
                    texts.push(refuse(&found, &plan.source).text);
                }
            }
            Input::Artifact(artifact) => {
                let here = format!("the artifact {}", artifact.digest().short());
                if let Some(first) = names.insert(&artifact.name, here.clone()) {
                    texts.push(format!(
                        "error: {first} and {here} are both of the plan `{}`\n\
                         help: apply one of them",
                        artifact.name
                    ));
                }
                for zone in artifact.zones.keys() {
                    if let Some(first) = zones.insert(zone, here.clone()) {
                        texts.push(format!(
                            "error: {zone} is changed by {here} too, besides {first}\nhelp: {HELP}"
                        ));
                    }
                }
            }
        }
    }
    match texts.is_empty() {
        true => Ok(()),
        false => Err(Failure { text: texts.join("\n\n"), exit: Exit::Usage }),
    }
}

const HELP: &str = "put what changes one zone into one plan, or apply one plan after the other";

fn of_plan<'p>(
    plan: &'p Plan,
    names: &mut BTreeMap<&'p str, String>,
    zones: &mut BTreeMap<&'p Name, String>,
) -> Vec<Diagnostic> {
    let Plan { source, intent } = plan;
    let mut found = Vec::new();
    let here = |span: Span| place(source, span);
    if let Some(first) = names.insert(&intent.name, here(intent.name_span)) {
        let title = format!("two plans have the name `{}`", intent.name);
        let help = "give one of them another name";
        found.push(
            Diagnostic::error(SHARED, intent.name_span, title, help)
                .why(format!("runs are kept by the plan's name; the other one: {first}")),
        );
    }
    let moves = intent.moves.iter().map(|one| (&one.zone, one.domain.span));
    let records = intent.records.iter().map(|one| (&one.zone.value, one.name.span));
    let mut own: BTreeMap<&Name, Span> = BTreeMap::new();
    for (zone, span) in moves.chain(records) {
        own.entry(zone).or_insert(span);
    }
    for (zone, span) in own {
        let Some(first) = zones.insert(zone, here(span)) else { continue };
        let title = format!("two plans change the zone {zone}");
        found.push(Diagnostic::error(SHARED, span, title, HELP).why(format!(
            "each is proved as if nobody else changed anything there; the other one: {first}"
        )));
    }
    found
}
