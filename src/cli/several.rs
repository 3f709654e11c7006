//! Several plans at once: each has a run of its own, and no two may change the same zone.

use std::collections::BTreeMap;

use cutover_zone::Name;

use super::exit::Exit;
use super::failure::{Code, Failure, Message, Problem};
use super::planning::{Input, Plan};
use crate::diag::{self, Diagnostic, Span, place};

/// Two plans share a name or change the same zone.
const SHARED: diag::Code = diag::Code::semantic(Code::SharedByPlans.name());

/// Refuses plans that share a name, since the state of a run is stored under it, or that change the
/// same zone, since each proof assumes that nobody else changes its zones.
pub(super) fn check_disjoint<'i>(inputs: impl Iterator<Item = &'i Input>) -> Result<(), Failure> {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut zones: BTreeMap<&Name, String> = BTreeMap::new();
    let mut problems: Vec<Problem> = Vec::new();
    for input in inputs {
        match input {
            Input::Plan(plan) => {
                let found = of_plan(plan, &mut names, &mut zones);
                if !found.is_empty() {
                    problems.push(Problem::plan(&found, &plan.source));
                }
            }
            Input::Artifact(artifact) => {
                let here = format!("the artifact {}", artifact.digest().short());
                if let Some(first) = names.insert(&artifact.name, here.clone()) {
                    let name = &artifact.name;
                    let text = format!("{first} and {here} both belong to the plan `{name}`");
                    let message = Message::new(Code::SharedByPlans, text);
                    problems.push(message.help("apply one of them").into());
                }
                for zone in artifact.zones.keys() {
                    if let Some(first) = zones.insert(zone, here.clone()) {
                        let text = format!("{first} and {here} both change the zone {zone}");
                        problems.push(Message::new(Code::SharedByPlans, text).help(HELP).into());
                    }
                }
            }
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure { exit: Exit::Usage, problems }),
    }
}

const HELP: &str =
    "move all changes of a zone into one plan, or apply the plans one after the other";

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
            Diagnostic::error(SHARED, intent.name_span, title, help).why(format!(
                "the state of a run is stored under its plan's name; also at {first}"
            )),
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
        found.push(
            Diagnostic::error(SHARED, span, title, HELP).why(format!(
                "each proof assumes that nobody else changes the zone; also at {first}"
            )),
        );
    }
    found
}
