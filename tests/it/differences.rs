//! `cutover diff`: what a reviewer of the first artifact has to see of the second. And what shells and
//! `man` are told of the command line.

use serde_json::Value;

use crate::zonefile_fixture::ZonefileFixture;

/// Two artifacts of the plan, `a.json` and `b.json`: the second with a text replaced.
fn two(from: &str, to: &str) -> ZonefileFixture {
    let fixture = ZonefileFixture::new();
    fixture.ends(0, &["plan", "plan.yaml", "-o", "a.json"]);
    let plan = fixture.read("plan.yaml");
    assert!(plan.contains(from), "{from}");
    fixture.write("plan.yaml", plan.replacen(from, to, 1));
    fixture.ends(0, &["plan", "plan.yaml", "-o", "b.json"]);
    fixture
}

/// The titles of what differs.
fn titles(fixture: &ZonefileFixture) -> Vec<String> {
    let said = fixture.ends(0, &["diff", "a.json", "b.json", "--format", "json"]);
    let found: Value = serde_json::from_str(&said).expect("JSON");
    let parts = found["parts"].as_array().expect("parts").iter();
    parts.map(|part| part["title"].as_str().expect("a title").to_owned()).collect()
}

#[test]
fn the_same_artifact_has_no_difference() {
    let fixture = two("name: move", "name: move");
    let said = fixture.ends(0, &["diff", "a.json", "b.json", "--detailed-exitcode"]);
    assert!(said.contains("no difference: it is the same artifact"), "{said}");
    assert_eq!(titles(&fixture), Vec::<String>::new());
}

#[test]
fn what_differs_is_shown_and_nothing_else() {
    let fixture = two("203.0.113.80", "203.0.113.81");
    let said = fixture.ends(2, &["diff", "a.json", "b.json", "--detailed-exitcode"]);
    for line in
        ["    - to   www.acme.test. 2 A 203.0.113.80", "    + to   www.acme.test. 2 A 203.0.113.81"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("192.0.2.80") && !said.contains("Timeline"), "{said}");
    let said = fixture.ends(0, &["diff", "a.json", "b.json", "--format", "markdown"]);
    assert!(said.contains("```diff") && said.contains("+ to   www.acme.test. 2 A"), "{said}");
}

#[test]
fn each_change_of_a_plan_is_seen() {
    for (from, to, expected) in [
        ("203.0.113.80", "203.0.113.81", "Records from start to end"),
        ("margin: 0s", "margin: 3s", "Timeline of an undisturbed run"),
        ("margin: 0s", "margin: 3s", "Summary"),
        ("margin: 0s", "margin: 3s", "Verdict"),
        ("margin: 0s", "margin: 3s", "Steps and waits"),
        ("assume_within: 1s", "assume_within: 2s", "Taken for granted"),
        ("name: move", "name: move\non_drift: halt", "Everything else"),
        ("name: move", "name: move\napprovals: { need: 2 }", "Everything else"),
        ("sh, reload.sh", "sh, other.sh", "Everything else"),
        (
            "name: move",
            "name: move\noverride: [ { invariant: deliverable, reason: tried } ]",
            "Overrides",
        ),
        // Only the digest of the plan's text.
        ("name: move", "name: move  # the site", "Everything else"),
    ] {
        let found = titles(&two(from, to));
        assert!(found.iter().any(|title| title == expected), "{to}: {found:?}");
    }
}

#[test]
fn artifacts_of_two_plans_are_not_compared() {
    let fixture = two("name: move", "name: other");
    let said = fixture.ends(2, &["diff", "a.json", "b.json"]);
    assert!(said.contains("artifacts of two plans, `move` and `other`"), "{said}");
    fixture.ends(1, &["diff", "a.json", "b.json", "--detailed-exitcode"]);
    fixture.ends(2, &["diff", "a.json", "nothing.json"]);
}

#[test]
fn shells_and_man_know_every_command() {
    let fixture = ZonefileFixture::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = fixture.ends(0, &["completions", shell]);
        for word in ["approvals", "diff", "rollback", "allowed-signers"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let (code, said) = fixture.shell("cutover completions bash > it && bash -n it");
    assert_eq!(code, 0, "{said}");
    let (code, said) =
        fixture.shell("cutover completions bash > it && bash -c '. ./it; complete -p cutover'");
    assert!(code == 0 && said.contains("_cutover"), "{said}");

    fixture.ends(0, &["man", "pages"]);
    let page = fixture.read("pages/cutover-apply.1");
    assert!(page.starts_with(".ie") && page.contains("allowed\\-signers"), "{page}");
    let help = fixture.ends(0, &["--help"]);
    let commands = help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: Vec<&str> = commands.filter(|name| !name.is_empty()).collect();
    assert!(commands.contains(&"approve"), "{commands:?}");
    for name in commands.iter().filter(|name| **name != "help" && !name.starts_with('-')) {
        assert!(fixture.path(&format!("pages/cutover-{name}.1")).exists(), "{name}");
    }
    // The directory cannot be made.
    let said = fixture.ends(1, &["man", "plan.yaml/pages"]);
    assert!(said.contains("cannot write to plan.yaml/pages"), "{said}");
}
