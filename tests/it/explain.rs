//! `cutover explain`, and what is needed to break an invariant on purpose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::bind_fixture::said;

/// A copy of a trap: the old host refuses mail while it is still listed.
struct Trap {
    dir: TempDir,
}

impl Trap {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traps/t04-leftover-mx");
        for name in ["acme.test.zone", "refuted.yaml", "repaired.yaml"] {
            fs::copy(root.join(name), dir.path().join(name)).expect("a copy");
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        said(&command.args(args).current_dir(self.dir.path()).output().expect("the program"))
    }

    fn overridden(&self, invariants: &[&str]) -> String {
        let text = fs::read_to_string(self.path("refuted.yaml")).expect("the plan");
        // Without this line a second invariant is broken.
        let says = "fact: routes_local, host: new";
        assert!(text.contains(says), "{text}");
        let kept: Vec<&str> = text.lines().filter(|line| !line.contains(says)).collect();
        let mut text = kept.join("\n") + "\noverride:\n";
        for invariant in invariants {
            text +=
                &format!("  - {{ invariant: {invariant}, reason: the host keeps {invariant} }}\n");
        }
        fs::write(self.path("overridden.yaml"), text).expect("a plan");
        "overridden.yaml".to_owned()
    }
}

#[test]
fn a_broken_invariant_passes_only_where_the_plan_says_why() {
    let trap = Trap::new();
    let (code, text) = trap.cutover(&["plan", "refuted.yaml"]);
    assert_eq!(code, 3, "{text}");
    // One override of two is not enough, and the message names the other invariant.
    let plan = trap.overridden(&["deliverable"]);
    let (code, text) = trap.cutover(&["plan", &plan]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("error: this plan would do harm: one-mailbox\n"), "{text}");
    // With both, the plan can be applied, and the verdict still says what is broken and for which
    // reason.
    let plan = trap.overridden(&["deliverable", "one-mailbox"]);
    let (code, text) = trap.cutover(&["plan", &plan, "--output", "plan.json"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = trap.cutover(&["show", "plan.json"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("REFUTED, BUT ACCEPTED (`override:`)"), "{text}");
    assert!(text.contains("deliverable is broken"), "{text}");
    assert!(text.contains("! deliverable: the host keeps deliverable"), "{text}");
    assert!(text.contains("! one-mailbox: the host keeps one-mailbox"), "{text}");
    // The reason is sealed too.
    let sealed = fs::read_to_string(trap.path("plan.json")).expect("the artifact");
    let forged = sealed.replace("the host keeps deliverable", "the host is fine");
    assert_ne!(sealed, forged);
    fs::write(trap.path("plan.json"), forged).expect("a forged artifact");
    let (code, text) = trap.cutover(&["show", "plan.json"]);
    assert_ne!(code, 0, "{text}");
}

#[test]
fn steps_waits_invariants_and_facts_are_explained() {
    let trap = Trap::new();
    let explain = |args: &[&str]| {
        let (code, text) = trap.cutover(&[&["explain"], args].concat());
        assert_eq!(code, 0, "{text}");
        text
    };
    let steps = explain(&["repaired.yaml"]);
    assert!(steps.contains("\n  wait/lower/acme.test/@/MX\n"), "{steps}");
    let step = explain(&["repaired.yaml", "switch/acme.test/@/MX"]);
    assert!(step.contains("\n  checkpoint/before-switch\n"), "{step}");
    // No fact says that mailboxes would be copied back, so there is no way back from the switch.
    assert!(
        step.contains("no way back from checkpoint/before-switch on: mail that arrived"),
        "{step}"
    );
    let step = explain(&["repaired.yaml", "lower/acme.test/@/MX"]);
    assert!(step.contains("A rollback undoes it with back/lower/acme.test/@/MX"), "{step}");
    let wait = explain(&["repaired.yaml", "wait/lower/acme.test/@/MX"]);
    assert!(wait.contains("mail needs it (reach): otherwise the switch, or a way back,"), "{wait}");
    // A refuted plan has no way back, and nothing else is printed.
    let step = explain(&["refuted.yaml", "switch/acme.test/@/MX"]);
    assert!(step.contains("no way back was derived"), "{step}");
    assert!(explain(&["deliverable"]).contains("at every instant"));
    let facts = explain(&["facts"]);
    assert!(facts.contains("accepts") && facts.contains("synced"), "{facts}");
}

#[test]
fn what_cannot_be_explained_is_a_usage_error_with_a_guess() {
    let trap = Trap::new();
    let (code, text) = trap.cutover(&["explain", "repaired.yaml", "checkpoint/before-switc"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("did you mean `checkpoint/before-switch`?"), "{text}");
    let (code, text) = trap.cutover(&["explain", "delivrable"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("the names are deliverable, "), "{text}");
}
