//! Earlier versions that caches may still hold: known from the journals of earlier runs, or assumed
//! and stated in the verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::calendar::{Timestamp, later};
use cutover::digest::Digest;
use cutover::graph::{Primitive, StepId};
use cutover::world::real::history::add_history;
use cutover::world::real::now;
use cutover::world::real::store::{Directory, Store};
use cutover_zone::{RrKey, RrType, Ttl};
use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::proof::Case;
use crate::recipes::STATED;
use crate::storm::at_once;

const ZONE: &str = "\
$TTL 1d
@ SOA ns1 hostmaster 1 3600 600 86400 600
@ NS ns1
ns1 A 192.0.2.53
@ MX 10 mail
mail A 192.0.2.10
mx A 203.0.113.25
";

fn plan_text() -> String {
    format!(
        "version: 1
name: move
providers: {{ files: {{ type: zonefile, directory: ., served: {{ assume_within: 0s }} }} }}
resolver: none
zones: {{ acme.test: {{ provider: files }} }}
hosts:
  old: {{ exchanges: [ {{ preference: 10, name: mail.acme.test. }} ] }}
  new: {{ exchanges: [ {{ preference: 10, name: mx.acme.test. }} ] }}
migrate: {{ domains: [ acme.test ], from: old, to: new }}
{STATED}"
    )
}

struct Workspace {
    dir: TempDir,
}

impl Workspace {
    fn new() -> Self {
        let workspace = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        fs::write(workspace.path("acme.test.zone"), ZONE).expect("the zone");
        fs::write(workspace.path("plan.yaml"), plan_text()).expect("the plan");
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        said(&command.args(args).current_dir(self.dir.path()).output().expect("the program"))
    }

    fn planned(&self) -> Artifact {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(["plan", "plan.yaml", "--format", "json"]).current_dir(self.dir.path());
        let output = command.output().expect("the program");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output).1);
        // Warnings of checks go to standard error.
        let text = String::from_utf8(output.stdout).expect("text");
        Artifact::decode(&text).expect("an artifact")
    }

    /// A run that has lowered the TTL of the MX records, and was then abandoned.
    fn given_up(&self) {
        let (code, text) = self.cutover(&["apply", "plan.yaml", "--auto-approve"]);
        assert_eq!(code, 4, "{text}");
        let zone = fs::read_to_string(self.path("acme.test.zone")).expect("the zone");
        assert!(zone.contains("300") && zone.contains("MX"), "the TTL is lowered: {zone}");
        let run = self.path(".cutover/move/0001");
        fs::rename(&run, run.with_extension("given-up")).expect("the run can be moved away");
    }
}

const BEGINNING: &str = "wait/checkpoint/beginning";

fn span(artifact: &Artifact, id: &str) -> Option<Duration> {
    match &artifact.graph.get(&StepId::new(id))?.primitive {
        Primitive::Wait(wait) => Some(wait.span),
        Primitive::Change(_)
        | Primitive::Gate(_)
        | Primitive::Task(_)
        | Primitive::Checkpoint(_) => None,
    }
}

#[test]
fn what_an_abandoned_run_has_replaced_is_waited_out() {
    let workspace = Workspace::new();
    let first = workspace.planned();
    assert_eq!(span(&first, BEGINNING), None);
    workspace.given_up();
    let second = workspace.planned();
    // The day that the old MX records may be cached, and a margin. Nothing needs to be lowered any
    // more.
    assert_eq!(span(&second, BEGINNING), Some(Duration::from_secs(86_460)));
    assert!(second.graph.get(&StepId::new("lower/acme.test/@/MX")).is_none());
    // Otherwise the switch would take a day instead of five minutes.
    let (_, why) = workspace.cutover(&["explain", "plan.yaml", BEGINNING]);
    assert!(
        why.contains("mail needs it (reach): otherwise the switch, or a way back, takes up to 1d"),
        "{why}"
    );
    // In the end the TTL from before the first run is restored.
    let restored = second.graph.get(&StepId::new("restore/acme.test/@/MX")).expect("a step");
    let Primitive::Change(changes) = &restored.primitive else { panic!("a change") };
    let after = changes.changes()[0].after.as_ref().expect("records");
    assert_eq!(after.ttl(), Ttl::from_wire(86_400));
}

#[test]
fn what_has_expired_since_is_forgotten() {
    let workspace = Workspace::new();
    workspace.given_up();
    let zone = fs::read_to_string(workspace.path("acme.test.zone")).expect("the zone");
    let plan = plan_text();
    let mx = RrKey::new(cutover_zone::Name::from_user("acme.test").expect("a name"), RrType::MX);
    let earlier = |at: Timestamp| {
        let mut case = Case::of(&plan, &|_| zone.clone());
        let store: Arc<dyn Store> = Arc::new(Directory::new(&workspace.path(".cutover")));
        let plan = (&case.intent, Digest::of(plan.as_bytes()));
        let remembered = add_history(&store, plan, &mut case.snapshot, at.into(), |_, _| false);
        at_once(remembered).expect("journals that can be read");
        let known = case.snapshot.earlier.get(&mx).cloned().unwrap_or_default();
        known.iter().map(|earlier| earlier.is_late).collect::<Vec<bool>>()
    };
    let begun = now();
    let at = |secs| earlier(later(begun, Duration::from_secs(secs)));
    assert_eq!(at(86_440), [false], "a day old, and a part of the margin");
    assert_eq!(at(86_475), [true], "some keep it for longer, and some are still using it");
    // A day for resolvers that keep records too long, half an hour of use, and five days in queues.
    let gone = 86_475 + 86_400 + 1_800 + 5 * 86_400;
    assert_eq!(at(gone - 60), [true], "what came by it may still lie in a queue");
    assert_eq!(at(gone), [] as [bool; 0], "nothing of it is left");
}

/// A manual edit before the plan cannot be known. The plan states what it assumes.
#[test]
fn the_assumption_about_manual_edits_is_stated() {
    let workspace = Workspace::new();
    fs::write(workspace.path("acme.test.zone"), ZONE.replace("@ MX", "@ 300 MX"))
        .expect("the zone");
    let artifact = workspace.planned();
    let sentence = "caches hold nothing older than what was live when the plan was made: shortly before, nobody added or changed a record that the plan relies on, or lowered its TTL";
    assert!(artifact.verdict.assumptions.iter().any(|assumption| assumption == sentence));
    assert_eq!(span(&artifact, BEGINNING), None);
}

#[test]
fn a_journal_that_was_changed_is_refused() {
    let workspace = Workspace::new();
    workspace.given_up();
    let journal = workspace.path(".cutover/move/0001.given-up/journal.jsonl");
    let text = fs::read_to_string(&journal).expect("the journal");
    fs::write(&journal, text.replacen("lower", "lowre", 1)).expect("the journal");
    let (code, text) = workspace.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains(Path::new("0001.given-up/journal.jsonl:").to_str().expect("text")),
        "{text}"
    );
}
