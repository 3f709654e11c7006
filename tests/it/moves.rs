//! Moves as they occur in practice. Each is proved, with as few stated facts as is honest.
//!
//! Soundness must not cost the user typing. Each folder of `tests/fixtures/moves` has a plan and
//! its zones, as large as real ones. Every plan is proved, none of its steps waits without need,
//! and each line of its `assume:` is necessary. The snapshots show how long a move takes and what
//! it assumes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cutover::artifact::Artifact;
use cutover::calendar::show_span;

use crate::bind_fixture::said;
use crate::proof::Case;

/// Minimum number of moves.
const MOVES_MIN: usize = 12;
/// Minimum records of a zone of a domain that moves. Real zones are not smaller.
const RECORDS_MIN: usize = 15;
/// The start of a line of `assume:`.
const STATED: &str = "  - { fact: ";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/moves")
}

fn moves() -> Vec<String> {
    let entries = fs::read_dir(fixtures()).expect("the moves");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> =
        entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect();
    names.sort();
    assert!(names.len() >= MOVES_MIN, "{names:?}");
    names
}

fn read(name: &str, file: &str) -> String {
    fs::read_to_string(fixtures().join(name).join(file))
        .unwrap_or_else(|error| panic!("{name}/{file}: {error}"))
}

fn case(name: &str, plan: &str) -> Option<Case> {
    Case::try_of(plan, &|zone| read(name, &format!("{zone}.zone")))
}

fn stated(plan: &str) -> Vec<&str> {
    plan.lines().filter(|line| line.starts_with(STATED)).collect()
}

#[test]
fn every_move_is_proved_and_has_nothing_that_is_not_needed() {
    for name in moves() {
        let case = case(&name, &read(&name, "plan.yaml"));
        case.unwrap_or_else(|| panic!("{name} can be compiled")).proved_and_lean(&name);
    }
}

/// Without any of these lines the plan is refuted, or has fewer ways back.
#[test]
fn every_stated_fact_is_needed() {
    for name in moves() {
        let plan = read(&name, "plan.yaml");
        let whole = case(&name, &plan).unwrap_or_else(|| panic!("{name} can be compiled"));
        let lines = stated(&plan);
        assert_eq!(whole.intent.assume.len(), lines.len(), "{name}: each fact is one line");
        for line in lines {
            let less = plan.replacen(&format!("{line}\n"), "", 1);
            assert_ne!(less, plan, "{name}");
            let Some(case) = case(&name, &less) else { continue };
            let is_proved = case.findings(&case.graph).refuted.is_empty();
            let ways_back = |case: &Case| {
                case.ways_back
                    .iter()
                    .map(|way| (way.name(), way.no_return.len()))
                    .collect::<Vec<_>>()
            };
            assert!(!is_proved || ways_back(&case) != ways_back(&whole), "{name} can spare {line}");
        }
    }
}

#[test]
fn the_zones_are_as_large_as_real_ones() {
    for name in moves() {
        let case = case(&name, &read(&name, "plan.yaml"));
        let case = case.unwrap_or_else(|| panic!("{name} can be compiled"));
        for moved in &case.intent.moves {
            let zone = &case.snapshot.zones[&moved.zone].zone;
            let records: usize = zone.rrsets.values().map(|rrset| rrset.rdata().len()).sum();
            assert!(records >= RECORDS_MIN, "{name}: {} has {records} records", moved.zone);
        }
    }
}

#[test]
fn the_timeline_of_a_move_and_what_it_takes_for_granted() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots/moves");
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for name in moves() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(["plan", "plan.yaml", "--format", "json"]).current_dir(fixtures().join(&name));
        let output = command.output().expect("the program can be run");
        assert_eq!(said(&output).0, 0, "{name}: {}", said(&output).1);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let artifact = Artifact::decode(&text).expect("an artifact");
        insta::assert_snapshot!(
            name.clone(),
            shown(&artifact, stated(&read(&name, "plan.yaml")).len())
        );
    }
    let names =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/moves"));
    assert_eq!(names.expect("the snapshots").count(), moves().len(), "each snapshot has its move");
}

fn shown(artifact: &Artifact, stated: usize) -> String {
    let mut text = format!("{} steps, {stated} facts stated\n\n", artifact.graph.steps().len());
    for forecast in &artifact.forecast {
        text += &format!("T+{}  {}\n", show_span(forecast.begin), forecast.step);
    }
    text += "\ntaken for granted:\n";
    artifact.verdict.assumptions.iter().for_each(|assumption| text += &format!("* {assumption}\n"));
    text
}
