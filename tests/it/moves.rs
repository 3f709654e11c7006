//! Moves as they are met in practice: each is proved, with as little stated as is honest.
//!
//! Soundness must not cost the user typing. Each folder of `tests/fixtures/moves` has a plan and the zones
//! beside it, as large as real ones. Every plan is proved, no step of it waits for nothing, and no line of
//! its `assume:` can be spared; the snapshots show how long a move takes and what is taken for granted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cutover::artifact::Artifact;
use cutover::calendar::show_span;

use crate::bind_fixture::said;
use crate::proof::Case;

/// How many moves there are at the least.
const MOVES_MIN: usize = 12;
/// How many records a zone of a domain that moves has at the least: real zones are not smaller.
const RECORDS_MIN: usize = 15;
/// How a line of `assume:` begins.
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

fn read(one: &str, file: &str) -> String {
    fs::read_to_string(fixtures().join(one).join(file))
        .unwrap_or_else(|error| panic!("{one}/{file}: {error}"))
}

fn case(one: &str, plan: &str) -> Option<Case> {
    Case::try_of(plan, &|zone| read(one, &format!("{zone}.zone")))
}

fn stated(plan: &str) -> Vec<&str> {
    plan.lines().filter(|line| line.starts_with(STATED)).collect()
}

#[test]
fn every_move_is_proved_and_has_nothing_that_is_not_needed() {
    for one in moves() {
        let case = case(&one, &read(&one, "plan.yaml"));
        case.unwrap_or_else(|| panic!("{one} can be compiled")).proved_and_lean(&one);
    }
}

/// Without any of its lines a plan is refuted, or it has a way back less.
#[test]
fn no_stated_fact_can_be_spared() {
    for one in moves() {
        let plan = read(&one, "plan.yaml");
        let whole = case(&one, &plan).unwrap_or_else(|| panic!("{one} can be compiled"));
        let lines = stated(&plan);
        assert_eq!(whole.intent.assume.len(), lines.len(), "{one}: each fact is one line");
        for line in lines {
            let less = plan.replacen(&format!("{line}\n"), "", 1);
            assert_ne!(less, plan, "{one}");
            let Some(case) = case(&one, &less) else { continue };
            let is_proved = case.findings(&case.graph).refuted.is_empty();
            let ways_back = |case: &Case| {
                case.ways_back
                    .iter()
                    .map(|way| (way.name(), way.no_return.len()))
                    .collect::<Vec<_>>()
            };
            assert!(!is_proved || ways_back(&case) != ways_back(&whole), "{one} can spare {line}");
        }
    }
}

#[test]
fn the_zones_are_as_large_as_real_ones() {
    for one in moves() {
        let case = case(&one, &read(&one, "plan.yaml"));
        let case = case.unwrap_or_else(|| panic!("{one} can be compiled"));
        for moved in &case.intent.moves {
            let zone = &case.snapshot.zones[&moved.zone].zone;
            let records: usize = zone.rrsets.values().map(|rrset| rrset.rdata().len()).sum();
            assert!(records >= RECORDS_MIN, "{one}: {} has {records} records", moved.zone);
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
    for one in moves() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(["plan", "plan.yaml", "--format", "json"]).current_dir(fixtures().join(&one));
        let output = command.output().expect("the program can be run");
        assert_eq!(said(&output).0, 0, "{one}: {}", said(&output).1);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let artifact = Artifact::decode(&text).expect("an artifact");
        insta::assert_snapshot!(
            one.clone(),
            shown(&artifact, stated(&read(&one, "plan.yaml")).len())
        );
    }
    let names =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/moves"));
    assert_eq!(names.expect("the snapshots").count(), moves().len(), "each snapshot has its move");
}

fn shown(artifact: &Artifact, stated: usize) -> String {
    let mut text = format!("{} steps, {stated} facts stated\n\n", artifact.graph.steps().len());
    for one in &artifact.forecast {
        text += &format!("T+{}  {}\n", show_span(one.begin), one.step);
    }
    text += "\ntaken for granted:\n";
    artifact.verdict.assumptions.iter().for_each(|one| text += &format!("* {one}\n"));
    text
}
